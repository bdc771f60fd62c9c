"""The folder of a prepared benchmark: locked by one process while it is made, and finished by `prepared.json`, written last."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..run.disk import locked, sha256_of, write_json, writing
from .catalogue import MANIFEST, manifest_of


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a folder for this process, without the unfinished files `.NAME.PROCESS.THREAD` of killed ones. Raises RunError."""
    with locked(folder, "--to"):
        with writing(folder):
            for path in [*folder.glob(".*"), *(folder / "images").rglob(".*")]:
                if re.fullmatch(r"\..+\.\d+\.\d+", path.name) and path.is_file():
                    path.unlink()
        yield


def finish(folder: Path, facts: Mapping[str, Any], files: Iterable[str]) -> dict[str, Any]:
    """Write the record of a benchmark, with the SHA-256 of its files (paths inside the folder), and return it.

    It holds no time and no path of this machine: the same sources give the same bytes.
    """
    manifest = {**facts, "files": {name: sha256_of(folder / name) for name in sorted(files)}}
    if manifest_of(folder) != manifest:
        write_json(folder / MANIFEST, manifest)
    return manifest


def reopen(folder: Path) -> None:
    """Mark a folder as unfinished before its files change."""
    with writing(folder):
        (folder / MANIFEST).unlink(missing_ok=True)


def is_whole(folder: Path, manifest: Mapping[str, Any]) -> bool:
    """Whether every file of a prepared benchmark is there and unchanged."""
    return all((folder / name).is_file() and sha256_of(folder / name) == digest for name, digest in manifest["files"].items())

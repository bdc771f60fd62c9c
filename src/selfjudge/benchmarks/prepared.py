"""The folder of a prepared benchmark: held by one process while it is made, and finished by `prepared.json`, written last."""

from __future__ import annotations

import fcntl
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import RunError
from ..run.disk import sha256_of, write_json, writing
from .catalogue import MANIFEST, manifest_of


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a folder for this process and clear away what killed ones left. Raises RunError when another process holds it."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("a")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RunError(f"{folder} is in use by another process", hint="Wait for it, or use another folder (--to).") from error
        _sweep(folder)
        yield


def _sweep(folder: Path) -> None:
    """Remove the unfinished files of `write_whole`, `.NAME.PROCESS.THREAD`."""
    with writing(folder):
        for path in [*folder.glob(".*"), *(folder / "images").rglob(".*")]:
            if re.fullmatch(r"\..+\.\d+\.\d+", path.name) and path.is_file():
                path.unlink()


def finish(folder: Path, facts: Mapping[str, Any], files: Iterable[str]) -> dict[str, Any]:
    """Write what a benchmark was made of, with the SHA-256 of its files (paths inside the folder), and return it.

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

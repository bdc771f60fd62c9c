"""The folder of a prepared benchmark, finished by `prepared.json`, written last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..run.disk import sha256_of, write_json, writing
from .catalogue import MANIFEST, manifest_of


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

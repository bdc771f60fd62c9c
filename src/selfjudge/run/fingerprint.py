"""Digests of files, and of model folders by every byte of them, read once. What was read is remembered beside the run, not for
the user: a copied or deleted run then takes its memory along."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import RunError
from .disk import read_json, write_checked

CARD, README = "selfjudge.json", "README.md"
"""In a model folder: how a judge is asked and where it came from, for programs and for people. They may be written later."""

HASHES = ".hashes.json"
"""In a run folder and beside tables: the SHA-256 of files by path, with the size and times that they had when they were read."""

_SETTLED_SECONDS = 2.0
"""A file that changed this shortly before it was read may change again within the resolution of its times: not remembered."""


class Hashes:
    """SHA-256 of files, remembered in another file where one is named; call `remember` once all were asked for."""

    def __init__(self, memory: Path | None) -> None:
        self._memory = memory
        self._known = _known(memory)
        self._fresh: dict[str, dict[str, Any]] = {}

    def of(self, path: Path) -> str:
        """The digest of a file, which is not read where its size and times (of content and of metadata) are unchanged."""
        key, state = str(path.resolve()), _state(path)
        entry: dict[str, Any] = self._known.get(key, {})
        if entry.get("state") != state:
            entry = {"state": state, "sha256": _sha256(path)}
            if time.time_ns() - max(state[1:]) > _SETTLED_SECONDS * 1e9 and _state(path) == state:
                self._fresh[key] = entry
        digest: str = entry["sha256"]
        return digest

    def remember(self) -> None:
        if self._memory is not None and self._fresh:
            write_checked(self._memory, {**self._known, **self._fresh})


def remembered(path: Path, memory: Path) -> str:
    """The digest of one file."""
    hashes = Hashes(memory)
    digest = hashes.of(path)
    hashes.remember()
    return digest


def fingerprint(folder: Path, memory: Path | None = None) -> str:
    """A digest of a model folder: every file's name and content, its cards and what is hidden aside."""
    hashes, digest = Hashes(memory), hashlib.sha256()
    for name, path in _counted(folder):
        digest.update(f"{name} {hashes.of(path)}\n".encode("utf-8", "surrogateescape"))
    hashes.remember()
    return digest.hexdigest()


def check_unchanged(folder: Path, digest: str, memory: Path | None = None) -> None:
    """Raises RunError where a model folder is not what it was when its digest was taken, before it was loaded."""
    if fingerprint(folder, memory) != digest:
        raise RunError(
            f"{folder} was changed while it was loaded: nothing that it would say is stored",
            hint="Put the model back as it was, or use another folder (--dir).",
        )


def states(folder: Path) -> dict[str, list[int]]:
    """Sizes and times of the files that a fingerprint is of: where they are the same, so is the fingerprint."""
    return {name: _state(path) for name, path in _counted(folder)}


def _counted(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        inside = path.relative_to(folder)
        if not any(part.startswith(".") for part in inside.parts) and str(inside) not in (CARD, README):
            yield str(inside), path


def _known(memory: Path | None) -> dict[str, Any]:
    """Remembered digests. A damaged file is forgotten: everything is then read again."""
    try:
        return read_json(memory) if memory is not None and memory.exists() else {}
    except RunError:
        return {}


def _state(path: Path) -> list[int]:
    """Size in bytes, and the times of the last change of content and of metadata in nanoseconds."""
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

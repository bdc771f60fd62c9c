"""Digests of model folders: every byte of every file, read once. What was read is remembered beside the run, not for the user:
a copied or deleted run then takes its memory along."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Any

from ..errors import RunError
from .disk import read_json, write_json

CARD, README = "selfjudge.json", "README.md"
"""In a model folder: how a judge is asked and where it came from, for programs and for people. They may be written later."""

HASHES = ".hashes.json"
"""In a run folder: the SHA-256 of files of models by path, with the size and times that they had when they were read."""

_SETTLED_SECONDS = 2.0
"""A file that changed this shortly before it was read may change again within the resolution of its times: not remembered."""


def fingerprint(folder: Path, hashes: Path | None = None) -> str:
    """A digest of a model folder: every file's name and content, its cards aside.

    `hashes` is a file that remembers digests of files whose size and times (of content and of metadata) are unchanged.
    """
    known = _known(hashes)
    digests: dict[str, str] = {}
    fresh: dict[str, dict[str, Any]] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(".")):
        name = str(path.relative_to(folder))
        if name in (CARD, README):
            continue
        key, state = str(path.resolve()), _state(path)
        entry = known.get(key, {})
        if entry.get("state") != state:
            entry = {"state": state, "sha256": _sha256(path)}
            if time.time_ns() - max(state[1:]) > _SETTLED_SECONDS * 1e9 and _state(path) == state:
                fresh[key] = entry
        digests[name] = entry["sha256"]
    if hashes is not None and fresh:
        write_json(hashes, {**known, **fresh})
    return hashlib.sha256("".join(f"{name} {digest}\n" for name, digest in digests.items()).encode()).hexdigest()


def _known(hashes: Path | None) -> dict[str, Any]:
    """Remembered digests. A damaged file is forgotten: everything is then read again."""
    try:
        return read_json(hashes) if hashes is not None and hashes.exists() else {}
    except RunError:
        return {}


def _state(path: Path) -> list[int]:
    """Size in bytes, and the times of the last change of content and of metadata in nanoseconds."""
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

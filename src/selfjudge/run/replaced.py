"""What was made anew in a run after something had been made of it: that is then made anew as well, and nothing else is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .disk import read_json, write_checked


class Replaced:
    """The SHA-256 of tables and judges that were there before, in one file of the run."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, digest: str) -> None:
        write_checked(self._path, {"sha256": sorted(self._known() | {digest})})

    def explains(self, ours: Any, theirs: Any) -> bool:
        """Whether two identities are the same but for digests of what was replaced."""
        return _same(ours, theirs, self._known())

    def _known(self) -> set[str]:
        return set(read_json(self._path, "sha256")["sha256"]) if self._path.exists() else set()


def _same(ours: Any, theirs: Any, replaced: set[str]) -> bool:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(_same(ours[key], theirs[key], replaced) for key in ours)
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(_same, ours, theirs, [replaced] * len(ours)))
    return ours == theirs or (isinstance(theirs, str) and theirs in replaced)

"""The ledger of a folder that is being prepared: one line a row that is built, written after its picture."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from ...run.disk import sha256_of, write_whole, writing
from .rows import LOCAL
from .sources import PAIRS, PAIRS_REPOSITORY, SOURCES


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A row that is built: its prompt, the SHA-256 of its picture, and where it was found.

    `by` is the column that it was found by, or `position` or `path`.
    """

    text: str
    sha256: str
    source: str
    revision: str
    by: str


@dataclass(slots=True, kw_only=True)
class Ledger:
    """What is built, by the row's key. Use `open`."""

    built: dict[str, Built]
    file: IO[str]
    folder: Path

    @staticmethod
    @contextmanager
    def open(folder: Path, images: Mapping[str, str]) -> Iterator[Ledger]:
        """The ledger of a folder; `images` are the pictures of all rows by key.

        A last line that was cut off, and rows whose picture is gone or changed, are dropped: they are built again.
        """
        path = folder / "rows.jsonl"
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        built = {}
        for line in lines:
            if (found := _read(line)) is not None and _is_there(folder, images.get(found[0]), found[1]):
                built[found[0]] = found[1]
        whole = "".join(_line(key, row) for key, row in built.items()).encode()
        if b"".join(lines) != whole:
            write_whole(path, whole)
        with writing(path):
            file = path.open("a", encoding="utf-8")
        with file:
            yield Ledger(built=built, file=file, folder=folder)

    def add(self, key: str, row: Built) -> None:
        """Note a row; once noted it outlives this process."""
        with writing(self.folder / "rows.jsonl"):
            self.file.write(_line(key, row))
            self.file.flush()
        self.built[key] = row

    def commits(self) -> dict[str, str]:
        """The commit of each repository that rows were read at, so that all rows of it are of the same."""
        repositories = {PAIRS: PAIRS_REPOSITORY, **{source.name: source.repository for source in SOURCES}}
        rows = [row for row in self.built.values() if row.revision != LOCAL]
        return {repositories[row.source]: row.revision for row in rows if row.source in repositories}

    def revisions(self, keys: Collection[str]) -> dict[str, list[str]]:
        """The revisions that the rows of each source were read at."""
        found: dict[str, set[str]] = {}
        for key in keys:
            found.setdefault(self.built[key].source, set()).add(self.built[key].revision)
        return {source: sorted(found[source]) for source in sorted(found)}


def _line(key: str, row: Built) -> str:
    return json.dumps({"row": key, **asdict(row)}, ensure_ascii=True) + "\n"


def _read(line: bytes) -> tuple[str, Built] | None:
    """A line of the ledger; None where it is not whole."""
    try:
        value = json.loads(line)
        return str(value.pop("row")), Built(**value)
    except (ValueError, TypeError, AttributeError, KeyError):
        return None


def _is_there(folder: Path, image: str | None, row: Built) -> bool:
    return image is not None and (folder / image).is_file() and sha256_of(folder / image) == row.sha256

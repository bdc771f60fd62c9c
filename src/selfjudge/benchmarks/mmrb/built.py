"""The rows that are built already, in `rows.jsonl` of the folder: a row's line is written after its picture."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from ...run.disk import sha256_of, write_whole, writing
from ...run.jsonl import json_lines
from .library import LOCAL
from .sources import ORIGINS, PAIRS, PAIRS_REPOSITORY


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A row that is built: its prompt, the SHA-256 of its picture, and its source.

    `by` is the column that it was found by, or `position` or `path`.
    """

    text: str
    sha256: str
    source: str
    revision: str
    by: str


@dataclass(slots=True, kw_only=True)
class BuiltRows:
    """The rows of a folder by key. Use `open`."""

    rows: dict[str, Built]
    file: IO[str]
    path: Path

    @staticmethod
    @contextmanager
    def open(folder: Path, images: Mapping[str, str]) -> Iterator[BuiltRows]:
        """The rows of a folder; `images` are the pictures of all rows by key.

        A line that was cut off, and rows whose picture is gone or changed, are left out: they are built again.
        """
        path = folder / "rows.jsonl"
        rows: dict[str, Built] = {}
        for _, line in json_lines(path) if path.exists() else ():
            try:
                key = str(line.pop("row"))
                row, image = Built(**line), folder / images[key]
            except (TypeError, AttributeError, KeyError):
                continue
            if image.is_file() and sha256_of(image) == row.sha256:
                rows[key] = row
        write_whole(path, "".join(_line(key, row) for key, row in rows.items()).encode())
        with writing(path):
            file = path.open("a", encoding="utf-8")
        with file:
            yield BuiltRows(rows=rows, file=file, path=path)

    def add(self, key: str, row: Built) -> None:
        """Note a row, which then outlives this process."""
        with writing(self.path):
            self.file.write(_line(key, row))
            self.file.flush()
        self.rows[key] = row

    def commits(self) -> dict[str, str]:
        """The commit of each repository that rows were read at, so that all its rows come from the same."""
        repositories = {PAIRS: PAIRS_REPOSITORY, **{origin.name: origin.repository for origin in ORIGINS}}
        rows = [row for row in self.rows.values() if row.revision != LOCAL]
        return {repositories[row.source]: row.revision for row in rows if row.source in repositories}

    def revisions(self, keys: Collection[str]) -> dict[str, list[str]]:
        """The revisions that the rows of each source were read at."""
        pairs = {(self.rows[key].source, self.rows[key].revision) for key in keys}
        return {source: sorted(revision for of, revision in pairs if of == source) for source in sorted({s for s, _ in pairs})}


def _line(key: str, row: Built) -> str:
    return json.dumps({"row": key, **asdict(row)}, ensure_ascii=True) + "\n"

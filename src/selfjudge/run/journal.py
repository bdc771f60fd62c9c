"""The rows of a table that still grows. A row that the table cannot hold is refused before it is written anywhere.

Rows are written as parts, each whole or not at all. Those in no part yet stand in a journal, one line each, so that a killed
process loses none. A part or a line that is damaged is left out with a warning: its rows are missing, and are made again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO
from zlib import crc32

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic_core import to_json

from ..errors import RunError
from .disk import read_json, whole, write_checked, writing
from .tables import Row, TableKind

log = logging.getLogger(__name__)

_NAME = re.compile(r"\d{8,}\.(parquet|jsonl)")
_UNFIT = (ValueError, TypeError, OverflowError, pa.ArrowException)
"""What pyarrow and json raise for a value that a column cannot hold."""


_PLAIN: Mapping[pa.DataType, Callable[[Any], bool]] = {
    pa.string(): lambda value: isinstance(value, str),
    pa.int32(): lambda value: type(value) is int and -(2**31) <= value < 2**31,
    pa.int64(): lambda value: type(value) is int and -(2**63) <= value < 2**63,
    pa.float64(): lambda value: type(value) is float,
}
"""Values that a column of a type can hold beyond doubt, once they are JSON; pyarrow decides about others, and takes longer."""


class BadRow(RunError):
    """A row that its table cannot hold."""


class Growing:
    """The parts and the journal of one table."""

    FLUSH_ROWS = 4096
    FLUSH_SECONDS = 5.0

    def __init__(self, folder: Path, kind: TableKind) -> None:
        self.folder = folder
        self._kind = kind
        self._columns = [
            (field.name, field.type, _PLAIN.get(field.type, lambda _: False), field.nullable) for field in kind.schema
        ]
        self._flat = [(name, plain, nullable) for name, type_, plain, nullable in self._columns if type_ in _PLAIN]
        """Columns without lists."""
        self.execution = ""
        """How the rows to come are produced, as text."""
        self._note = folder / "execution.json"
        self._pending: list[Row] = []
        self._number = -1
        """Of the last part that was begun; -1 until the folder was looked at."""
        self._journal: BinaryIO | None = None
        self._writing: Future[None] | None = None
        """The rows before them on their way to the disk, while more are added."""
        self._since = time.monotonic()

    def append(self, row: Row) -> None:
        """Add a row. It survives the death of this process at once, a loss of power soon after FLUSH_SECONDS or FLUSH_ROWS.

        Raises BadRow.
        """
        line = self._line(row)
        with writing(self.folder):
            if self._journal is None:
                self._begin()
                self._journal = self._part("jsonl").open("ab")
            self._journal.write(line)
            self._journal.flush()
        self._pending.append(row)
        if len(self._pending) >= self.FLUSH_ROWS or time.monotonic() - self._since >= self.FLUSH_SECONDS:
            self._hand_over()

    def add(self, row: Row) -> None:
        """Add a row that can be made again: what is in no part yet is lost with this process.

        Raises BadRow, or a later call does: what only writing it shows is found with the others of its part.
        """
        for name, plain, nullable in self._flat:
            if not (plain(value := row.get(name)) or (nullable and value is None)):
                self._line(row)
        if not self._pending:
            self._begin()
        self._pending.append(row)
        if len(self._pending) >= self.FLUSH_ROWS:
            self._hand_over()

    def flush(self) -> None:
        """Write the rows added since the last time as one part, and wait until all are safe."""
        self._hand_over()
        self._settle()

    def parts(self) -> list[Path]:
        """Files with all rows that are safely stored."""
        self._settle()
        return self._found("parquet")

    def keys(self, *, but: str | None = None) -> Keys:
        """Keys of all rows that are safely stored, or of those that were not produced by the execution `but`."""
        parts = (pq.read_table(path, columns=[self._kind.key]) for path in self.parts())
        return Keys(key for part in parts if execution(part.schema) != but for key in part[0].to_pylist())

    def group_sizes(self) -> Counter[str]:
        """How many of the stored keys are the same before their last dot."""
        sizes: Counter[str] = Counter()
        for path in self.parts():
            keys = pq.read_table(path, columns=[self._kind.key])[0]
            counted = pc.value_counts(pc.replace_substring_regex(keys, r"\.[^.]*$", ""))
            for name, count in zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True):
                sizes[name] += count
        return sizes

    def take(self, rows: Iterable[tuple[str, pa.Table]], seconds: float) -> None:
        """Begin with the rows of a table that was whole, each lot with its execution, which took so many seconds together."""
        self.clear()
        for number, (under, lot) in enumerate(rows):
            self._store(self.folder / f"{number:08d}.parquet", lot, 0.0 if number else seconds, under)

    def forget(self, which: pc.Expression) -> int:
        """Remove rows; how many there were."""
        count = 0
        for path in self.parts():
            part = self._read(path)
            kept = part.filter(~which)
            if gone := len(part) - len(kept):
                count += gone
                self._store(path, kept, float(part.schema.metadata[b"seconds"]), execution(part.schema))
        return count

    def clear(self) -> None:
        """Remove all rows."""
        for path in (*self._found("jsonl"), *self._found("parquet")):
            path.unlink()

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _line(self, row: Row) -> bytes:
        """The row as a line of the journal. Raises BadRow unless the table can hold it."""
        try:
            for name, type_, plain, nullable in self._columns:
                value = row.get(name)
                if value is None:
                    if not nullable:
                        raise ValueError(f"`{name}` is missing")
                elif not plain(value):
                    pa.array([value], type_)
                    json.dumps(value)
            return checked(to_json(row))
        except _UNFIT as error:
            hint = "What was stored before it is safe. Please report this."
            raise BadRow(f"a row cannot be stored in {self._kind.name}: {self._fault(row) or error}", hint=hint) from error

    def _fault(self, row: Row) -> str | None:
        """The first column that cannot hold its value, and why."""
        for field in self._kind.schema:
            try:
                pa.array([row.get(field.name)], field.type)
                json.dumps(row.get(field.name))
            except _UNFIT as error:
                return f"`{field.name}`: {error}"
        return None

    def _begin(self) -> None:
        """Choose the next part."""
        self._recover()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._number += 1
        if self._noted() != self.execution:
            write_checked(self._note, {"execution": self.execution})

    def _noted(self) -> str | None:
        """The execution of the rows in journals; None where that is gone or damaged."""
        try:
            return str(read_json(self._note, "execution")["execution"])
        except RunError:
            return None

    def _hand_over(self) -> None:
        """Write the rows added since the last time as one part, in a thread: a disk may take long, and replies are waiting."""
        self._finish()
        if self._pending:
            if self._journal is not None:
                with suppress(OSError):  # what a full disk did not take will be in the part
                    self._journal.close()
            thread = ThreadPoolExecutor(1)
            seconds = time.monotonic() - self._since
            self._writing = thread.submit(self._write, self._part("parquet"), self._pending, seconds, self.execution)
            thread.shutdown(wait=False)
            self._pending, self._journal = [], None
        self._since = time.monotonic()

    def _write(self, part: Path, rows: Sequence[Row], seconds: float, under: str) -> None:
        self._store(part, self._table(rows), seconds, under)
        part.with_suffix(".jsonl").unlink(missing_ok=True)

    def _table(self, rows: Sequence[Row]) -> pa.Table:
        """Raises BadRow for the first row that the table cannot hold."""
        try:
            table = pa.Table.from_pylist(rows, schema=self._kind.schema)
            if any(table[name].null_count for name, _, _, nullable in self._columns if not nullable):
                raise ValueError("a value is missing")
        except _UNFIT:
            for row in rows:
                self._line(row)
            raise
        return table

    def _store(self, part: Path, rows: pa.Table, seconds: float, under: str) -> None:
        table = rows.replace_schema_metadata({b"seconds": repr(seconds).encode(), b"execution": under.encode()})
        with whole(part) as file:
            pq.write_table(table, file, compression="zstd", write_page_checksum=True)

    def _read(self, part: Path) -> pa.Table:
        """A part. Raises ValueError or OSError where it is damaged."""
        table = pq.read_table(part, page_checksum_verification=True)
        if not table.schema.equals(self._kind.schema) or not {b"seconds", b"execution"} <= {*(table.schema.metadata or {})}:
            raise ValueError("it holds other columns")
        return table

    def _finish(self) -> None:
        """Wait for the part that is being written. Its rows stay in the journal when that failed."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def _settle(self) -> None:
        """Let all rows but the pending ones stand in parts."""
        self._finish()
        if self._journal is None:
            self._recover()

    def _recover(self) -> None:
        """Turn the journals of a killed process into parts. Beside its part one is done with."""
        if self._pending or self._writing is not None:
            return
        if self._number < 0:
            for part in self._found("parquet"):
                self._drop_if_damaged(part)
        for journal in self._found("jsonl"):
            part = journal.with_suffix(".parquet")
            if not part.exists() and (rows := self._salvaged(journal)):
                if (under := self._noted()) is None:
                    log.warning("%s: nobody knows how its rows were produced any more, so they are made again", journal)
                else:
                    self._write(part, rows, 0.0, under)
            journal.unlink(missing_ok=True)
        self._number = max([self._number, *(int(path.stem) for path in self._found("parquet"))])

    def _drop_if_damaged(self, part: Path) -> None:
        try:
            self._read(part)
        except (ValueError, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise RunError(f"cannot read {part}: {error.strerror}", hint="Check the disk and the permissions.") from error
            log.warning("%s is damaged and was removed; its rows are made again", part)
            part.unlink()

    def _salvaged(self, journal: Path) -> list[Row]:
        """The rows of a journal, each once."""
        lines = [line for line in journal.read_bytes().split(b"\n") if line]
        rows: dict[str, Row] = {}
        lost = 0
        for line in lines:
            try:
                row = unchecked(line)
                self._line(row)
                rows[row[self._kind.key]] = row
            except (*_UNFIT, AttributeError, RecursionError, BadRow):
                lost += 1
        if lost:
            log.warning("%s: %d of %d lines are damaged and were left out; their rows are made again", journal, lost, len(lines))
        return list(rows.values())

    def _part(self, suffix: str) -> Path:
        return self.folder / f"{self._number:08d}.{suffix}"

    def _found(self, suffix: str) -> list[Path]:
        return sorted(path for path in self.folder.glob(f"*.{suffix}") if _NAME.fullmatch(path.name))


def checked(line: bytes) -> bytes:
    """A line of a journal, of JSON, with its checksum."""
    return b"%b\t%08x\n" % (line, crc32(line))


def unchecked(line: bytes) -> Any:
    """What `checked` was given, parsed. Raises ValueError or RecursionError where it is damaged."""
    text, _, checksum = line.rstrip(b"\n").rpartition(b"\t")
    if f"{crc32(text):08x}".encode() != checksum:
        raise ValueError("its checksum is wrong")
    return json.loads(text)


def execution(part: pa.Schema) -> str:
    """The execution of the rows of a part."""
    text: bytes = part.metadata[b"execution"]
    return text.decode()


class Keys:
    """Many keys to look one up among, as digests of 16 bytes."""

    def __init__(self, keys: Iterable[str]) -> None:
        import numpy as np

        self._digests = np.fromiter(map(_digest, keys), dtype="S16")
        self._digests.sort()

    def __len__(self) -> int:
        return len(self._digests)

    def __contains__(self, key: str) -> bool:
        if not len(self):
            return False
        digest = _digest(key)
        place = int(self._digests.searchsorted(digest))
        return place < len(self) and bool(self._digests[place] == digest.rstrip(b"\0"))


def _digest(key: str) -> bytes:
    return hashlib.blake2b(key.encode(), digest_size=16).digest()

"""Tables of a run: they grow in parts and are sealed whole.

A table grows in a `journal.Growing`, so that a killed process loses no row. Once complete, it is sorted by key into one file, and
its manifest is written last: a table without a manifest is unfinished, whatever lies there. A manifest names what the table was
made of (`identity`); a folder whose identity differs is an error that names the difference, never a silent reuse.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from itertools import chain
from operator import eq
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..errors import RunError
from ..figures import Executed
from .disk import differences, read_checked, read_json, sha256_of, whole, write_checked
from .fingerprint import HASHES, remembered
from .journal import Growing, Keys
from .journal import execution as execution_of
from .merging import in_order, pieces, regrouped
from .replaced import Replaced
from .tables import Row, TableKind

Identity = Mapping[str, Any]

_NOTE = "identity.json"
"""Beside parts: what they are made of."""

_EXECUTION = "execution"
"""A column of sealed tables whose rows were produced by more than one execution."""

_ROW_GROUP = 2**17
"""Rows that are compressed together: what is held of a table while it is sealed."""
_READ = 2048
"""Rows that are held of a table that is read."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a sealed table is: written last, so that its presence says that the table is whole."""

    identity: Identity
    rows: int
    sha256: str
    seconds: float
    executions: Sequence[Executed]
    """How the rows were produced, each with its number of `rows`; none for rows that no engine made."""

    @staticmethod
    def read(path: Path) -> Manifest:
        names = ("identity", "rows", "sha256", "seconds", "executions")
        value = read_json(path, *names)
        return Manifest(**{name: value[name] for name in names})


class Table:
    """One table of a run: parts while it grows, a sorted Parquet file with a manifest once it is whole."""

    def __init__(self, folder: Path, kind: TableKind, identity: Identity, replaced: Replaced | None = None) -> None:
        self.kind = kind
        self.path = folder / f"{kind.name}.parquet"
        self.manifest_path = folder / f"{kind.name}.manifest.json"
        self._identity = json.loads(json.dumps(identity))
        self._replaced = replaced

    @property
    def sealed(self) -> bool:
        """Whether the table is whole. Raises RunError when it was made of something else, or is damaged.

        One that was made of what was `replaced` since is not whole any more.
        """
        if not self.manifest_path.exists():
            return False
        manifest = self.manifest
        if is_outdated(self.path, self._identity, manifest.identity, self._replaced):
            return False
        if not self.path.exists() or remembered(self.path, self.path.with_name(HASHES)) != manifest.sha256:
            note_replaced(self.manifest_path, self._replaced)
            raise RunError(f"{self.path} is damaged or was changed", hint=f"Delete {self.manifest_path} to have it made again.")
        return True

    @property
    def manifest(self) -> Manifest:
        return Manifest.read(self.manifest_path)

    @property
    def digest(self) -> str:
        """SHA-256 of the sealed file."""
        return self.manifest.sha256

    @cached_property
    def _growing(self) -> Growing:
        """The rows so far, made of the same as this table will be. Raises RunError."""
        folder = self.path.with_name(f".{self.kind.name}.parts")
        growing, note = Growing(folder, self.kind), folder / _NOTE
        theirs = read_checked(note) if note.exists() else None
        if theirs is not None and is_outdated(self.path, self._identity, theirs, self._replaced):
            growing.clear()
        if theirs != self._identity:
            write_checked(note, self._identity)
        return growing

    def forget(self, which: pc.Expression) -> int:
        """Remove rows, of a sealed table too, which then has to be sealed again; how many there were. Raises RunError."""
        if self.sealed:
            if not any(len(rows.filter(which)) for rows in self.groups()):
                return 0
            self._growing.take(self._by_execution(), self.manifest.seconds)
            note_replaced(self.manifest_path, self._replaced)
            self.manifest_path.unlink()
        return self._growing.forget(which)

    def groups(self, *columns: str) -> Iterator[pa.Table]:
        """The sealed rows, some at a time; without named columns all that the file has."""
        with pq.ParquetFile(self.path) as file:
            for batch in file.iter_batches(_READ, columns=list(columns) or None):
                yield pa.Table.from_batches([batch])

    def _by_execution(self) -> Iterator[tuple[str, pa.Table]]:
        """The rows of the sealed file, each lot with the text of its execution."""
        texts = [_text(execution) for execution in self.manifest.executions] or [""]
        for rows in regrouped(self.groups(), _ROW_GROUP):
            if len(texts) == 1:
                yield texts[0], rows
                continue
            of_rows = rows[_EXECUTION].cast(pa.string())
            for text in texts:
                yield text, rows.filter(pc.equal(of_rows, text)).drop_columns(_EXECUTION)

    def begin(self, execution: Executed) -> Keys:
        """Rows to come are produced by this execution; the keys of those that others produced."""
        self._growing.execution = text = _text(execution)
        return self._growing.keys(but=text)

    def keys(self) -> Keys:
        """Keys of all rows that are safely stored."""
        return self._growing.keys()

    def group_sizes(self) -> Counter[str]:
        """How many stored keys begin with the same, up to their last dot."""
        return self._growing.group_sizes()

    def append(self, row: Row) -> None:
        """Add a row, which then outlives this process. Raises BadRow where the table cannot hold it."""
        self._growing.append(row)

    def add(self, row: Row) -> None:
        """Add a row that can be made again if this process ends. BadRow is raised by a later call, `seal` at the latest."""
        self._growing.add(row)

    def clear(self) -> None:
        """Remove the rows of a table that is not whole: all of them are made anew."""
        self._growing.clear()

    def remove(self) -> None:
        """Remove the sealed table."""
        for path in (self.manifest_path, self.path):
            path.unlink(missing_ok=True)

    def flush(self) -> None:
        """Wait until all rows are safe, from a loss of power too."""
        self._growing.flush()

    def stored(self, *columns: str, where: pc.Expression | None = None) -> Iterator[Row]:
        """The rows that are safely stored by now, or these columns of some of them, by key."""

        names = [self.kind.key, *columns] if columns else None

        def read(file: pq.ParquetFile, number: int) -> pa.Table:
            part = file.read_row_group(number, names).replace_schema_metadata(None)
            return part if where is None else part.filter(where)

        for rows in self._merged(self._growing.parts(), read):
            for batch in rows.to_batches(_READ):
                yield from batch.to_pylist()

    def _merged(self, parts: Iterable[Path], read: Callable[[pq.ParquetFile, int], pa.Table]) -> Iterator[pa.Table]:
        found = [piece for path in parts for piece in pieces(path, self.kind.key, read)]
        return in_order(found, self.kind.key, self._growing.folder)

    def seal(self, rows: Iterable[Row] = ()) -> None:
        """Sort all rows by key into the final file, write the manifest, and remove the parts. Raises BadRow."""
        stored: Keys | None = None
        for row in rows:
            stored = self.keys() if stored is None else stored
            if row[self.kind.key] not in stored:
                self.add(row)
        self.flush()
        parts = self._growing.parts()
        metas = [pq.read_metadata(path) for path in parts]
        rows_of: Counter[str] = Counter()
        for meta in metas:
            rows_of[_of(meta, b"execution")] += meta.num_rows
        lost = sha256_of(self.path) if self.path.exists() and not self.manifest_path.exists() else None
        self._write(parts, sorted(+rows_of))
        manifest = {
            "table": self.kind.name,
            "rows": rows_of.total(),
            "sha256": sha256_of(self.path),
            "identity": self._identity,
            "schema": {field.name: str(field.type) for field in self.kind.schema},
            "seconds": round(sum(float(_of(meta, b"seconds")) for meta in metas), 3),
            "executions": [{**json.loads(text), "rows": rows_of[text]} for text in sorted(+rows_of) if text],
            "selfjudge": version("selfjudge"),
        }
        note_replaced(self.manifest_path, self._replaced, by=manifest["sha256"], lost=lost)
        write_checked(self.manifest_path, manifest)
        self._growing.remove()

    def _write(self, parts: Sequence[Path], executions: Sequence[str]) -> None:
        """All rows into the final file. Raises RunError where it would hold a key twice."""

        def read(file: pq.ParquetFile, number: int) -> pa.Table:
            return _labelled(file.read_row_group(number), executions)

        groups, last = regrouped(self._merged(parts, read), _ROW_GROUP), None
        first = next(groups, self.kind.schema.empty_table())
        with whole(self.path) as file, pq.ParquetWriter(file, first.schema, compression="zstd") as out:
            for rows in chain([first], groups):
                keys = [last, *rows[self.kind.key].to_pylist()]
                if any(map(eq, keys, keys[1:])):
                    hint = f"Delete {self._growing.folder} and run again; please report this."
                    raise RunError(f"{self.path} would hold a key twice", hint=hint)
                last = keys[-1]
                out.write_table(rows, _ROW_GROUP)

    def rows(self, *columns: str) -> Iterator[Row]:
        """All rows of the sealed table, by key, or these columns of them; they are read as they are wanted."""
        names = columns or tuple(self.kind.schema.names)
        return (row for rows in self.groups(*names) for row in rows.to_pylist())

    def column(self, name: str) -> list[Any]:
        return list(self.values(name))

    def values(self, name: str) -> Iterator[Any]:
        """A column of the sealed table."""
        return (value for rows in self.groups(name) for value in rows[name].to_pylist())

    def counts(self, *columns: str) -> Counter[Any]:
        """How often each value of a column occurs, or each tuple of values of several."""
        found: Counter[Any] = Counter()
        for rows in self.groups(*columns):
            for row in rows.group_by(list(columns), use_threads=False).aggregate([([], "count_all")]).to_pylist():
                values = tuple(row[name] for name in columns)
                found[values if len(columns) > 1 else values[0]] += row["count_all"]
        return found

    def total(self, name: str) -> int:
        """The sum of a column of numbers."""
        return sum(pc.sum(rows[name]).as_py() for rows in self.groups(name))


def _of(part: pq.FileMetaData, name: bytes) -> str:
    value: bytes = part.metadata[name]
    return value.decode()


def _text(execution: Executed) -> str:
    fields = {name: value for name, value in execution.items() if name != "rows"}
    return json.dumps(fields, sort_keys=True) if fields else ""


def _labelled(part: pa.Table, executions: Sequence[str]) -> pa.Table:
    """A part, with a column that says how its rows were produced where there was more than one execution."""
    plain = part.replace_schema_metadata(None)
    if len(executions) < 2:
        return plain
    which = pa.array([executions.index(execution_of(part.schema))] * len(part), pa.int8())
    return plain.append_column(_EXECUTION, pa.DictionaryArray.from_arrays(which, list(executions)))


def is_outdated(path: Path, ours: Identity, theirs: Identity, replaced: Replaced | None) -> bool:
    """Whether a path holds something made of data `replaced` since. Raises RunError when it was made of something else."""
    different = next(differences(ours, theirs), None)
    if different is None:
        return False
    if replaced is None or not replaced.explains(ours, theirs):
        raise RunError(f"{path} was made of something else: {different}", hint=_remedy(different.field))
    return True


def _remedy(field: str) -> str:
    """What to do where a table was made of something else. The recipe is the same, for the folder was claimed for it."""
    if field == "version":
        return "Another version of selfjudge made it: use that one, or another folder (--dir)."
    if field.startswith("inputs."):
        return "A file that it was made of has changed since: put it back as it was, or use another folder (--dir)."
    return f"Change `{field.removeprefix('recipe.')}` back, or use another folder (--dir)."


def remove_parts_of_sealed(run: Path) -> None:
    """Remove the parts of tables that are sealed: a process was killed right after it had sealed them."""
    for place, folders, _ in os.walk(run):
        if Path(place) == run and "images" in folders:
            folders.remove("images")  # which are many
        for parts in (Path(place, name) for name in folders if name.endswith(".parts")):
            manifest = parts.with_name(f"{parts.stem[1:]}.manifest.json")
            with suppress(RunError):
                sealed = Manifest.read(manifest).identity
                if not (parts / _NOTE).exists() or read_checked(parts / _NOTE) == sealed:
                    shutil.rmtree(parts, ignore_errors=True)


def note_replaced(manifest: Path, replaced: Replaced | None, *, by: str | None = None, lost: str | None = None) -> None:
    """What the manifest stands for goes, unless it comes back as it was (`by`): what was made of it is to be made anew.

    Where the manifest is gone, `lost` is the digest of what it stood for.
    """
    digest = read_json(manifest, "sha256")["sha256"] if manifest.exists() else lost
    if replaced is not None and digest not in (None, by):
        replaced.add(digest)

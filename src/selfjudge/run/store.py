"""Tables of a run: they grow in parts and are sealed whole.

A table grows in a `journal.Growing`, so that a killed process loses no row. Once complete, it is sorted by key into one file, and
its manifest is written last: a table without a manifest is unfinished, whatever lies there. A manifest names what the table was
made of (`identity`); a folder whose identity differs is an error that names the difference, never a silent reuse.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..errors import RunError
from .disk import differences, read_json, sha256_of, write_json, write_whole
from .executions import Execution
from .journal import Growing, parquet
from .journal import execution as execution_of
from .replaced import Replaced
from .tables import Row, TableKind

Identity = Mapping[str, Any]

_EXECUTION = "execution"
"""A column of sealed tables whose rows were produced by more than one execution."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a sealed table is: written last, so that its presence says that the table is whole."""

    identity: Identity
    rows: int
    sha256: str
    seconds: float
    executions: Sequence[Execution]
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
        if not self.path.exists() or sha256_of(self.path) != manifest.sha256:
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
        growing, note = Growing(folder, self.kind), folder / "identity.json"
        theirs = read_json(note) if note.exists() else None
        if theirs is not None and is_outdated(self.path, self._identity, theirs, self._replaced):
            growing.clear()
        if theirs != self._identity:
            write_json(note, self._identity)
        return growing

    def forget(self, which: pc.Expression) -> int:
        """Remove rows, of a sealed table too, which then has to be sealed again; how many there were. Raises RunError."""
        if self.sealed:
            rows = pq.read_table(self.path)
            if not len(rows.filter(which)):
                return 0
            self._growing.take(self._by_execution(rows), self.manifest.seconds)
            note_replaced(self.manifest_path, self._replaced)
            self.manifest_path.unlink()
        return self._growing.forget(which)

    def _by_execution(self, rows: pa.Table) -> dict[str, pa.Table]:
        """The rows of the sealed file by the text of their execution."""
        texts = [_text(execution) for execution in self.manifest.executions] or [""]
        if len(texts) == 1:
            return {texts[0]: rows}
        of_rows = rows[_EXECUTION].cast(pa.string())
        return {text: rows.filter(pc.equal(of_rows, text)).drop_columns(_EXECUTION) for text in texts}

    def begin(self, execution: Execution) -> set[str]:
        """Rows to come are produced by this execution; the keys of those that others produced."""
        self._growing.execution = text = _text(execution)
        return {key for key, under in self._growing.keys().items() if under != text}

    def keys(self) -> set[str]:
        """Keys of all rows that are safely stored."""
        return set(self._growing.keys())

    def append(self, row: Row) -> None:
        """Add a row, which then outlives this process. Raises BadRow where the table cannot hold it."""
        self._growing.append(row)

    def flush(self) -> None:
        """Wait until all rows are safe, from a loss of power too."""
        self._growing.flush()

    def stored(self) -> list[Row]:
        """All rows that are safely stored, in no order."""
        return [row for part in self._growing.parts() for row in part.to_pylist()]

    def seal(self, rows: Sequence[Row] = ()) -> None:
        """Sort all rows by key into the final file, write the manifest, and remove the parts. Raises BadRow."""
        self.flush()
        stored = self.keys()
        self._growing.extend([row for row in rows if row[self.kind.key] not in stored])
        parts = [part for part in self._growing.parts() if len(part)]
        seconds = sum(float(part.schema.metadata[b"seconds"]) for part in parts)
        rows_of: Counter[str] = Counter()
        for part in parts:
            rows_of[execution_of(part)] += len(part)
        table = pa.concat_tables(_labelled(parts, sorted(rows_of))) if parts else self.kind.schema.empty_table()
        table = table.take(pc.sort_indices(table, sort_keys=[(self.kind.key, "ascending")])).combine_chunks()
        keys = table[self.kind.key]
        if len(pc.unique(keys)) != len(keys):
            raise RunError(
                f"{self.path} would hold a key twice", hint=f"Delete {self._growing.folder} and run again; please report this."
            )
        write_whole(self.path, parquet(table))
        manifest = {
            "table": self.kind.name,
            "rows": len(table),
            "sha256": sha256_of(self.path),
            "identity": self._identity,
            "schema": {field.name: str(field.type) for field in self.kind.schema},
            "seconds": round(seconds, 3),
            "executions": [{**json.loads(text), "rows": rows_of[text]} for text in sorted(rows_of) if text],
            "selfjudge": version("selfjudge"),
        }
        note_replaced(self.manifest_path, self._replaced)
        write_json(self.manifest_path, manifest)
        self._growing.remove()

    def rows(self) -> list[Row]:
        """All rows of the sealed table, by key."""
        rows: list[Row] = pq.read_table(self.path, schema=self.kind.schema).to_pylist()
        return rows

    def column(self, name: str) -> list[Any]:
        values: list[Any] = pq.read_table(self.path, columns=[name])[name].to_pylist()
        return values


def _text(execution: Execution) -> str:
    fields = {name: value for name, value in execution.items() if name != "rows"}
    return json.dumps(fields, sort_keys=True) if fields else ""


def _labelled(parts: Sequence[pa.Table], executions: Sequence[str]) -> Iterator[pa.Table]:
    """The parts, with a column that says how each row was produced where there was more than one execution."""
    for part in parts:
        plain = part.replace_schema_metadata(None)
        if len(executions) > 1:
            which = pa.array([executions.index(execution_of(part))] * len(part), pa.int8())
            plain = plain.append_column(_EXECUTION, pa.DictionaryArray.from_arrays(which, list(executions)))
        yield plain


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


def note_replaced(manifest: Path, replaced: Replaced | None) -> None:
    """What the manifest stands for goes: what was made of it is to be made anew."""
    if replaced is not None and manifest.exists():
        replaced.add(read_json(manifest)["sha256"])

"""The data files of a benchmark: finds them and streams their rows. Faults are errors that name a row."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..figures import DataReport
from ..hub.client import Repository, download
from ..recipe.section import HUB_NAME
from ..run.disk import sha256_of
from ..run.jsonl import json_objects, text_file
from ..run.tables import Row
from .catalogue import MANIFEST, manifest_of

_BATCH = 32
"""Rows of a Parquet file in memory at once; each may hold a picture."""

_LONGEST_CELL = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFiles:
    """Files that hold the rows. Relative image paths start at `folder`; `revision` is the hub's commit.

    `label` stands before the places of rows, where files of several folders have the same names.
    """

    folder: Path
    files: tuple[Path, ...]
    source: str
    revision: str | None = None
    label: str = ""

    @property
    def provenance(self) -> DataReport:
        """Where the rows came from, and a checksum over all files."""
        digest = hashlib.sha256("".join(sha256_of(file) for file in self.files).encode()).hexdigest()
        return {"source": self.source, "revision": self.revision, "sha256": digest}

    def rows(self) -> Iterator[tuple[str, Row]]:
        """Every row with its place, `file:number`; numbers count from 1. Raises InputError."""
        for file in self.files:
            try:
                yield from (
                    (f"{self.label}{file.name}:{number}", _set(row))
                    for number, row in _ROWS[file.suffix.lower()](text_file(file))
                )
            except InputError:
                raise
            except (OSError, ValueError, RecursionError, csv.Error) as error:
                raise InputError(f"cannot read {file}: {error}", hint="Get the file again; it may be damaged.") from error


def each(files: DataFiles) -> Iterator[DataFiles]:
    """Each file by itself: the image paths of its rows start at its own folder."""
    several = len({file.parent for file in files.files}) > 1
    for file in files.files:
        label = f"{file.parent.name}/" if several else ""
        yield replace(files, folder=file.parent, files=(file,), label=label)


def find_data(where: str, revision: str | None, patterns: tuple[str, ...]) -> DataFiles:
    """The data files at a file, in a folder, or of a data set on the hub: those of the first pattern that any file fits.

    Raises InputError.
    """
    path = Path(where).expanduser()
    if path.is_file():
        if path.suffix.lower() not in _ROWS:
            hint = f"Known are {', '.join(_ROWS)}; what is packed (.gz) has to be unpacked first."
            raise InputError(f"{path} is not a data file that can be read", hint=hint)
        return DataFiles(folder=path.parent, files=(path,), source=where)
    if path.is_dir():
        revision = (manifest_of(path) or {}).get("revision")
        return _in_folder(path, patterns, where, revision if isinstance(revision, str) else None)
    snapshot = download(_repository(where, revision), allow=patterns)
    return _in_folder(snapshot, patterns, where, snapshot.name)


def _repository(name: str, revision: str | None) -> Repository:
    if not re.fullmatch(HUB_NAME, name):
        hint = "Name a file, a folder, or a data set of the hub as NAME=WHERE; `selfjudge benchmarks` shows where to get each."
        raise InputError(f"there is no file or folder {name}", hint=hint)
    return Repository(kind="dataset", name=name, revision=revision)


def _in_folder(folder: Path, patterns: tuple[str, ...], source: str, revision: str | None) -> DataFiles:
    for pattern in patterns:
        if files := tuple(sorted(file for file in folder.glob(pattern) if file.name != MANIFEST)):
            shared = files[0].parent if len({file.parent for file in files}) == 1 else folder
            return DataFiles(folder=shared, files=files, source=source, revision=revision)
    raise InputError(
        f"{folder} holds no data of this benchmark", hint=f"Looked for {', '.join(patterns)}; unpack what is packed."
    )


def _parquet_rows(file: Path) -> Iterator[tuple[int, Any]]:
    import pyarrow.parquet as pq

    number = 0
    for batch in pq.ParquetFile(file).iter_batches(batch_size=_BATCH):
        for row in batch.to_pylist():
            number += 1
            yield number, row


def _set(row: Row) -> Row:
    """A row whose cells with NaN, by which pandas says that there is nothing, hold nothing."""
    return {name: None if isinstance(value, float) and value != value else value for name, value in row.items()}


def _json_list(file: Path) -> Iterator[tuple[int, Any]]:
    """A list of rows, or an object that holds one under `pairs` or `data`."""
    value = json.loads(file.read_bytes())
    if isinstance(value, dict):
        value = value.get("pairs", value.get("data"))
    if not isinstance(value, list):
        raise InputError(f"{file} holds no list of rows", hint="It must be a JSON list, or an object with `pairs`.")
    for number, row in enumerate(value, 1):
        if not isinstance(row, dict):
            raise InputError(f"{file}:{number}: a JSON {type(row).__name__}, not an object", hint="Get the file again.")
        yield number, row


def _tab_separated(file: Path) -> Iterator[tuple[int, Any]]:
    csv.field_size_limit(_LONGEST_CELL)
    with file.open(encoding="utf-8-sig", newline="") as lines:
        yield from enumerate(csv.DictReader(lines, delimiter="\t"), 1)


_ROWS = {".parquet": _parquet_rows, ".jsonl": json_objects, ".json": _json_list, ".tsv": _tab_separated}


def field(row: Row, name: str, where: str, *, empty: bool = False) -> str:
    """A text of a row, which may be `empty` or not. Raises InputError."""
    value = row.get(name)
    with suppress(UnicodeDecodeError):
        value = value.decode() if isinstance(value, bytes) else value
    if not isinstance(value, str) or not (empty or value.strip()):
        problem = "missing" if value is None else "empty" if value == "" or isinstance(value, str) else type(value).__name__
        raise InputError(f"{where}: `{name}` is {problem}, not text", hint=f"The row has {', '.join(row)}.")
    return value

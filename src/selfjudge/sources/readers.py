"""Rows of data files as users have them: JSON lines, a JSON list, CSV, TSV, Parquet, WebDataset shards and saved data sets.

A row is a mapping; a ValueError stands in place of one that cannot be read. Rows come as a stream, each with its number: the
line in a file of lines, the row elsewhere, both from 1. UTF-8, UTF-16 and UTF-32, with or without a byte order mark.
"""

from __future__ import annotations

import csv
import json
import re
import sys
import tarfile
from collections import deque
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import InputError
from ..run.disk import sha256_of_all
from ..run.jsonl import encoding_of, json_lines, parsed, regular
from ..run.saved import load_saved, reading, undecoded

Row = Mapping[str, Any]
Numbered = Iterator[tuple[int, Row | ValueError]]

_JSON_BYTES = 2**30
"""A larger JSON list is not read: it is held in memory whole."""
_BATCH = 256
_SEPARATOR = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
"""The line by which Excel knows what separates the cells of a CSV file."""


def rows_of(path: Path, *, only: Container[str] | None = None) -> Numbered:
    """The rows of a file, or of a folder that `save_to_disk` wrote. Raises InputError where it cannot be read.

    `only` names the columns that are wanted; others of a Parquet file are not read.
    """
    read = _saved if path.is_dir() else READERS.get(path.suffix.lower())
    if read is None:
        raise InputError(f"{path} is of no known kind", hint=f"Known are {', '.join(READERS)}, and folders of `save_to_disk`.")
    with _translated(path):
        yield from _parquet(path, only) if read is _parquet else read(path)


def schema_of(path: Path) -> pa.Schema | None:
    """The columns of a Parquet file or a saved data set with their types; None for a file that does not declare them."""
    with _translated(path):
        if path.is_dir():
            saved = load_saved(path, None)
            return None if saved is None else undecoded(saved).features.arrow_schema
        return pq.read_schema(regular(path)) if path.suffix.lower() == ".parquet" else None


def columns_of(path: Path) -> list[str] | None:
    """The columns that all rows of a table share; None for a file whose rows have their own. Raises InputError."""
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv"):
        with _translated(path), _opened(path) as file:
            return _table(file, suffix)[0]
    schema = schema_of(path)
    return None if schema is None else list(schema.names)


def digest_of(path: Path) -> str:
    """A digest of a file, or of all files in a folder. Raises InputError."""
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    with _translated(path):
        return sha256_of_all(files)


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, tarfile.TarError, csv.Error, UnicodeError) as error:  # a column's name that is no text, too
        raise InputError(f"{path} cannot be read: {error}", hint="Write the file again, or convert it to JSONL.") from error
    except FileNotFoundError as error:
        raise InputError(
            f"there is no file {path}", hint="Paths in a recipe start at its folder, others at the current one."
        ) from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}", hint="Name a file that can be read.") from error


def _lines(path: Path) -> Numbered:
    for number, value in json_lines(path):
        yield number, _object(value)


def _object(value: Any) -> Row | ValueError:
    if isinstance(value, ValueError | dict):
        return value
    return ValueError(f"a JSON {type(value).__name__}, not an object")


def _json(path: Path) -> Numbered:
    """A list of objects; a file of JSON lines by this name is read as such."""
    if regular(path).stat().st_size > _JSON_BYTES:
        raise InputError(f"{path} is too large for a JSON list", hint="Write one JSON object on each line, as .jsonl.")
    with _opened(path) as file:
        text = file.read()
    value = parsed(text) if text.strip() else []
    if isinstance(value, list):
        yield from ((number, _object(row)) for number, row in enumerate(value, 1))
    elif isinstance(value, json.JSONDecodeError) and value.msg == "Extra data":
        yield from _lines(path)
    else:
        what = str(value) if isinstance(value, ValueError) else f"a JSON {type(value).__name__}, not a list"
        raise InputError(f"{path}: {what}", hint="Write a list of objects, or one object on each line.")


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    """A text file in the encoding of its byte order mark, or else UTF-8; what is not valid becomes a character that says so."""
    found = encoding_of(path)
    encoding, errors = ("utf-8-sig", "surrogateescape") if found.startswith("utf-8") else (found, "replace")
    with path.open(encoding=encoding, errors=errors, newline="") as text:
        yield text


def _table(file: TextIO, suffix: str) -> tuple[list[str], Iterator[tuple[int, list[str] | csv.Error]]]:
    """The columns that the first line that is not empty names, and the rows below. It also shows what separates the cells, unless
    a line of Excel's before it says so."""
    csv.field_size_limit(sys.maxsize)
    head = next(filter(str.strip, file), "")
    delimiter = "\t" if suffix == ".tsv" else max(",;\t|", key=head.count)
    named = _SEPARATOR.fullmatch(head)
    file.seek(0)
    rows = _cells(file, named[1] if named else delimiter)
    if named:
        next(cells for _, cells in rows if not isinstance(cells, list) or any(cells))
    for number, cells in rows:
        if isinstance(cells, csv.Error):
            raise csv.Error(f"line {number}: its quotation marks do not match")
        if any(cells):
            return cells, rows
    return [], rows


def _cells(file: TextIO, delimiter: str) -> Iterator[tuple[int, list[str] | csv.Error]]:
    """The cells of each row with the number of its last line. Where quotation marks do not match, it goes on in the next line."""
    number, again, taken = 0, deque[str](), list[str]()

    def line() -> str:
        taken.append(again.popleft() if again else file.readline())
        return taken[-1]

    while True:
        reader = csv.reader(iter(line, ""), delimiter=delimiter, skipinitialspace=True, strict=True)
        try:
            for cells in reader:
                number += len(taken)
                taken.clear()
                yield number, cells
            return
        except csv.Error as error:
            again.extendleft(reversed(taken[1:]))
            number += 1
            taken.clear()
            yield number, error


def _csv(path: Path) -> Numbered:
    """Without empty cells: a CSV file has no other way to leave one out."""
    with _opened(path) as file:
        columns, rows = _table(file, path.suffix.lower())
        for number, cells in rows:
            if isinstance(cells, csv.Error):
                yield number, ValueError(f"its quotation marks do not match: {cells}")
            elif len(cells) > len(columns):
                yield number, ValueError("more cells than the header has")
            elif cells:
                yield number, {name: cell for name, cell in zip(columns, cells, strict=False) if cell}


def _parquet(path: Path, only: Container[str] | None = None) -> Numbered:
    number, file = 0, pq.ParquetFile(regular(path))
    wanted = [name for name in file.schema_arrow.names if only is None or name in only]
    for batch in file.iter_batches(batch_size=_BATCH, columns=wanted):
        for row in rows_in(batch):
            number += 1
            yield number, row


def rows_in(batch: pa.RecordBatch) -> Iterator[dict[str, Any] | ValueError]:
    """The rows of a batch; a ValueError in place of one that Python cannot hold: text that is not UTF-8, the year 10,000."""
    for number in range(len(batch)):
        try:
            yield batch.slice(number, 1).to_pylist()[0]
        except (ValueError, OverflowError, NotImplementedError) as error:
            yield ValueError(str(error))


def _shard(path: Path) -> Numbered:
    """A tar file of samples: members of a folder that share a name up to its first dot, such as `1.json`, `1.txt` and `1.jpg`.

    Hidden ones, as a Mac adds them, are left out.
    """
    sample: dict[str, bytes] = {}
    key, number = ("", ""), 0
    with tarfile.open(regular(path), "r|*") as shard:
        for member in shard:
            if not member.isfile():
                continue
            folder, _, name = member.name.rpartition("/")
            stem, _, suffix = name.partition(".")
            if not stem:
                continue
            if sample and (folder, stem) != key:
                number += 1
                yield number, _sample(key[1], sample)
                sample = {}
            key = folder, stem
            file = shard.extractfile(member)
            sample[suffix.lower()] = b"" if file is None else file.read()
    if sample:
        yield number + 1, _sample(key[1], sample)


_PICTURES = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "avif", "heic")


def _sample(name: str, files: Mapping[str, bytes]) -> Row | ValueError:
    row: dict[str, Any] = {"id": name}
    for suffix, data in files.items():
        last = suffix.rpartition(".")[2]
        if last == "json":
            value = parsed(data.decode("utf-8-sig", "surrogateescape"))
            if not isinstance(value, dict):
                return ValueError(f"`{suffix}` is not a JSON object")
            row |= value
        elif last == "txt":
            row.setdefault("prompt", data.decode("utf-8-sig", "surrogateescape").strip())
        elif last in _PICTURES:
            row.setdefault("images", []).append(data)
    return row


def _saved(folder: Path) -> Numbered:
    with reading(folder, "Name a file, or a folder written by `save_to_disk`."):
        if (saved := load_saved(folder, None)) is None:
            raise InputError(f"{folder} is no data set", hint="Name a file, or a folder written by `save_to_disk`.")
        yield from enumerate(undecoded(saved), 1)


READERS: Mapping[str, Callable[[Path], Numbered]] = {
    ".jsonl": _lines,
    ".ndjson": _lines,
    ".json": _json,
    ".csv": _csv,
    ".tsv": _csv,
    ".parquet": _parquet,
    ".tar": _shard,
}
"""Readers of data files by suffix."""

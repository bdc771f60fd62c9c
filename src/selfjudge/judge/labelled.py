"""What `label` writes: each row with what the judge said of it, or preference rows for TRL."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypedDict, cast

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import InputError
from ..hub.publishing import with_features
from ..ports import blocks
from ..run.image_files import BadImage, image_cell, inline, locate
from ..sources.readers import Row, columns_of, rows_of, schema_of
from ..sources.rows import COLUMNS, listed, read_row
from ..types import storable

Form = Literal["ours", "trl"]

ADDED = pa.schema(
    [
        pa.field("preference", pa.string()),
        pa.field("probability", pa.float64()),
        pa.field("consistent", pa.bool_()),
        pa.field("traces", pa.list_(pa.string())),
        pa.field("problem", pa.string()),
        pa.field("ranking", pa.list_(pa.int64())),
        pa.field("strengths", pa.list_(pa.float64())),
    ]
)
"""The columns that are added: for two responses the first five, for a list of them `problem` and the last two."""


class Label(TypedDict, total=False):
    """What is known about a row, as the journal has it: the columns that are added, the shares of its comparisons that `failed`
    and that were `cut_off`, and whether the judge `decided`.
    """

    preference: Literal["a", "b"] | None
    probability: float | None
    consistent: bool | None
    traces: list[str]
    problem: str | None
    ranking: list[int] | None
    strengths: list[float] | None
    failed: float
    cut_off: float
    decided: bool


_ROWS_AT_ONCE = 256
RESPONSES = ("responses", "response_a", "response_b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What to label, and where to.

    rank           two responses are ranked too, not compared
    comparisons    of each list of responses; all pairs without it
    """

    source: Path
    to: Path
    form: Form = "ours"
    rank: bool = False
    comparisons: int | None = None
    allow_outside: bool = False


def check_output(task: Task) -> None:
    """Raises InputError where the output would lose a column of its input, or could not hold an image."""
    columns, in_lines = columns_of(task.source), task.to.suffix == ".jsonl"
    rows = rows_of(task.source) if columns is None or (task.form == "trl" and in_lines) else [(0, dict.fromkeys(columns))]
    for number, row in rows:
        where = f"{task.source}:{number}" if number else str(task.source)
        if isinstance(row, ValueError):
            continue
        if task.form == "ours" and (lost := next((name for name in ADDED.names if name in row), None)):
            raise InputError(f"{where}: the column `{lost}` is one that is added", hint=f"Rename `{lost}` in the data.")
        if task.form == "trl" and in_lines and any(isinstance(picture, bytes) for picture in _pictures(row, task)):
            raise InputError(f"{where}: JSON lines cannot hold the row's image", hint="Name the output --to OUT.parquet.")


def _pictures(row: Row, task: Task) -> list[bytes | str]:
    """The images of a row as bytes, or as the whole paths of files; none of a row that cannot be read."""
    try:
        cells = [image_cell(cell) or "" for cell in read_row(plain(row)).cells]
        inlined = [(cell, inline(cell) if isinstance(cell, str) else cell) for cell in cells]
        folder, outside = task.source.parent, task.allow_outside
        return [str(locate(str(cell), folder, allow_outside=outside)) if data is None else data for cell, data in inlined]
    except (ValueError, RecursionError, BadImage):
        return []


def plain(row: Row) -> Row:
    """A row with the columns that are read also under their names in lower case."""
    found = {str(name).strip().lower(): value for name, value in row.items()}
    return {**{name: found[name] for name in (*COLUMNS, *RESPONSES) if name in found}, **row}


def responses_of(row: Row) -> list[str]:
    """The responses of a row, in a list (in CSV as JSON) or in two columns. They may be anything: data is what it is."""
    given = listed(row.get("responses"))
    return given if isinstance(given, list) else cast(list[str], [row.get("response_a"), row.get("response_b")])


def output(row: Row | ValueError, label: Label, task: Task) -> dict[str, Any] | None:
    """What is written about a row; None for one that has no preference, in the format of TRL."""
    if task.form == "ours":
        return {
            **(row if isinstance(row, Mapping) else {}),
            **{name: value for name, value in label.items() if name in ADDED.names},
        }
    if isinstance(row, ValueError) or not label["decided"]:
        return None
    ranking = label.get("ranking") or ([0, 1] if label["preference"] == "a" else [1, 0])
    best, worst = (responses_of(plain(row))[ranking[place]] for place in (0, -1))
    pictures: list[Any] = _pictures(row, task)
    if task.to.suffix == ".parquet":
        held = ((one, None) if isinstance(one, bytes) else (None, one) for one in pictures)
        pictures = [{"bytes": data, "path": path} for data, path in held]
    shown = [{"type": "image", "text": None}] * len(pictures)
    return {
        "prompt": [{"role": "user", "content": [*shown, {"type": "text", "text": read_row(plain(row)).text}]}],
        "chosen": [_turn(best)],
        "rejected": [_turn(worst)],
        "images": pictures,
    }


def _turn(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": [{"type": "text", "text": text}]}


_TURNS = pa.list_(
    pa.struct(
        [
            pa.field("role", pa.string()),
            pa.field("content", pa.list_(pa.struct([pa.field("type", pa.string()), pa.field("text", pa.string())]))),
        ]
    )
)
_TRL = pa.schema(
    [
        *(pa.field(name, _TURNS) for name in ("prompt", "chosen", "rejected")),
        pa.field("images", pa.list_(pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())]))),
    ]
)


def write(path: Path, rows: Iterator[dict[str, Any]], task: Task) -> None:
    if task.to.suffix == ".jsonl":
        with path.open("w", encoding="utf-8", errors="backslashreplace") as lines:  # half a pair as JSON writes it
            lines.writelines(f"{_line(row)}\n" for row in rows)
        return
    given = schema_of(task.source)
    schema = with_features(_TRL) if task.form == "trl" or given is None else _with(given)
    with pq.ParquetWriter(path, schema, compression="zstd") as file:
        for block in blocks(rows, _ROWS_AT_ONCE):
            file.write_table(pa.Table.from_pylist(block, schema=schema))


def _line(row: Any) -> str:
    """A row as JSON, which has no number that is none and no infinity: they become null, as pandas writes them."""
    try:
        return json.dumps(row, ensure_ascii=False, default=_as_text, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(row), ensure_ascii=False, default=_as_text)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(one) for name, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list | tuple) else value


def _with(given: pa.Schema) -> pa.Schema:
    """The columns of the input, with what is known of them, and those that are added."""
    return pa.schema([*given, *ADDED], metadata=given.metadata)


def _as_text(value: object) -> str:
    """What JSON has no form for: bytes of an image as a data URL, the rest as it prints."""
    if isinstance(value, bytes):
        return f"data:application/octet-stream;base64,{base64.b64encode(value).decode()}"
    return storable(str(value))

"""Hostile and odd Parquet files of prompts: what becomes of the rows of each, or the words of the error that ends the reading.

`python tests/hostile/parquets.py FOLDER` writes them.
"""

from __future__ import annotations

import datetime
import decimal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hostile.rows import png

TEXTS, IMAGES = ["What is it?", "How many?"], [png(1), png(2)]
USED = (None, None)
Write = Callable[[Path], None]
UNREADABLE = "cannot (be )?read"
Outcome = tuple[str | None, ...] | str


def table(**columns: Any) -> Write:
    """Two good rows, with other columns."""
    whole = {"prompt": TEXTS, "image": IMAGES, **columns}
    return lambda path: pq.write_table(pa.table({name: column for name, column in whole.items() if column is not None}), path)


def typed(name: str, type_: pa.DataType, values: list[Any] | None = None) -> Write:
    return table(**{name: pa.array({"prompt": TEXTS, "image": IMAGES}[name] if values is None else values, type_)})


def bad_text(path: Path) -> None:
    """A row whose text is not UTF-8, which a column of text must not hold."""
    offsets = pa.py_buffer(b"\0\0\0\0\2\0\0\0\x05\0\0\0")
    texts = pa.Array.from_buffers(pa.string(), 2, [None, offsets, pa.py_buffer(b"\xff\xfefor")])
    pq.write_table(pa.table({"prompt": texts, "image": IMAGES}), path)


def damaged(change: Callable[[bytearray], bytes | bytearray]) -> Write:
    def write(path: Path) -> None:
        table()(path)
        path.write_bytes(change(bytearray(path.read_bytes())))

    return write


def flipped(place: int) -> Callable[[bytearray], bytearray]:
    """Some bytes of a page or of the footer, from the start or from the end."""

    def flip(data: bytearray) -> bytearray:
        for n in range(8):
            data[place + n] ^= 0xFF
        return data

    return flip


def twice(path: Path) -> None:
    names = pa.schema([("prompt", pa.string()), ("prompt", pa.string()), ("image", pa.binary())])
    pq.write_table(pa.Table.from_arrays([pa.array(TEXTS), pa.array(TEXTS), pa.array(IMAGES)], schema=names), path)


def nested(depth: int) -> pa.Array:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return pa.array([value, value])


MESSAGES = [[{"role": "user", "content": text}] for text in TEXTS]
PICTURES = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
INSTANT = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)

FILES: dict[str, tuple[Write, Outcome]] = {
    # types that are read
    "plain": (table(), USED),
    "large text": (typed("prompt", pa.large_string()), USED),
    "a view of text": (typed("prompt", pa.string_view()), USED),
    "a dictionary": (table(prompt=pa.array(TEXTS).dictionary_encode()), USED),
    "large bytes": (typed("image", pa.large_binary()), USED),
    "a view of bytes": (typed("image", pa.binary_view()), USED),
    "bytes of one length": (table(image=pa.array([png(1), png(1)], pa.binary(len(png(1))))), USED),
    "Hugging Face's images": (typed("image", PICTURES, [{"bytes": data, "path": None} for data in IMAGES]), USED),
    "lists of images": (table(image=None, images=[[data] for data in IMAGES]), USED),
    "messages": (table(prompt=None, messages=MESSAGES), USED),
    "2,000 other columns": (table(**{f"c{n}": [n, n] for n in range(2_000)}), USED),
    "one row a group": (lambda path: pq.write_table(pa.table({"prompt": TEXTS, "image": IMAGES}), path, row_group_size=1), USED),
    "an id of 64 bits": (table(id=pa.array([2**64 - 1, 0], pa.uint64())), USED),
    "an id that is a time beyond years": (table(id=pa.array([2**62, -(2**62)], pa.timestamp("us"))), ("invalid_text",) * 2),
    "an id in nanoseconds": (table(id=pa.array([2**62, 1], pa.timestamp("ns"))), USED),
    "an id that is a duration": (table(id=pa.array([2**52, 1], pa.duration("s"))), ("invalid_text", None)),
    "an id that is a decimal": (table(id=[decimal.Decimal("1.5")] * 2), USED),
    "an id of a zone that nobody knows": (
        table(id=pa.array([INSTANT] * 2, pa.timestamp("us", "Mars/Olympus"))),
        ("invalid_text",) * 2,
    ),
    "an id 50 lists deep": (table(id=nested(50)), "too deeply nested"),
    "an answer that nobody reads": (table(answer=pa.array([2**62, 1], pa.duration("us"))), USED),
    # values that are none
    "numbers as prompts": (typed("prompt", pa.int64(), [1, 2]), ("no_prompt",) * 2),
    "NaN as prompts": (typed("prompt", pa.float64(), [float("nan"), float("inf")]), ("no_prompt",) * 2),
    "nothing as prompts": (typed("prompt", pa.null(), [None, None]), ("no_prompt",) * 2),
    "bytes as prompts": (typed("prompt", pa.binary(), [b"a", b"b"]), ("no_prompt",) * 2),
    "booleans as prompts": (typed("prompt", pa.bool_(), [True, False]), ("no_prompt",) * 2),
    "times as prompts": (typed("prompt", pa.timestamp("us"), [1, 2]), ("no_prompt",) * 2),
    "maps as prompts": (typed("prompt", pa.map_(pa.string(), pa.string()), [[("a", "b")]] * 2), ("no_prompt",) * 2),
    "numbers as conversations": (table(prompt=None, conversations=[5, 6]), ("no_prompt",) * 2),
    "numbers as images": (typed("image", pa.int64(), [1, 2]), ("no_image",) * 2),
    "lists of numbers as images": (typed("image", pa.list_(pa.int64()), [[1], []]), ("no_image",) * 2),
    "text that is not UTF-8": (bad_text, ("invalid_text", None)),
    # files
    "no rows": (table(prompt=pa.array([], pa.string()), image=pa.array([], pa.binary())), ()),
    "no columns": (lambda path: pq.write_table(pa.table({}), path), ()),
    "no column of prompts": (table(prompt=None), "has no column with the instruction"),
    "a column twice": (twice, "has the column `prompt` twice"),
    "an empty file": (lambda path: path.write_bytes(b""), UNREADABLE),
    "text": (lambda path: path.write_text('{"prompt": "x"}\n'), UNREADABLE),
    "the magic alone": (lambda path: path.write_bytes(b"PAR1PAR1"), UNREADABLE),
    "a footer of 4 GiB": (damaged(lambda data: data[:-8] + b"\xff\xff\xff\xff" + b"PAR1"), UNREADABLE),
    "cut": (damaged(lambda data: data[:-50]), UNREADABLE),
    "without its beginning": (damaged(lambda data: data[100:]), UNREADABLE),
    "a footer with flipped bytes": (damaged(flipped(-60)), UNREADABLE),
    "pages with flipped bytes": (damaged(flipped(4)), UNREADABLE),
    "pages of nothing": (damaged(lambda data: data[:4] + bytes(len(data) // 2) + data[4 + len(data) // 2 :]), UNREADABLE),
    "a name that is not UTF-8": (damaged(lambda data: data.replace(b"prompt", b"p\xf2ompt")), UNREADABLE),
    "an encrypted footer": (damaged(lambda data: data[:-4] + b"PARE"), UNREADABLE),
    "a folder": (lambda path: path.mkdir(), "holds no file with prompts"),
}


def write(name: str, folder: Path) -> Path:
    """Write one of the files; its path."""
    path = folder / "rows.parquet"
    FILES[name][0](path)
    return path


if __name__ == "__main__":
    for place, name in ((Path(sys.argv[1], name), name) for name in FILES):
        place.mkdir(parents=True)
        print(write(name, place))

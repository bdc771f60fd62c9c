"""Rows of many parts in the order of their keys, in bounded memory: what is needed of a part is read when its keys come up.

Parts that were asked for in the order of their keys hardly overlap. Those of rows in any order, such as pairs by their content,
are first merged, some at a time, into runs of which little is held at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, groupby
from operator import attrgetter
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..ports import blocks
from .disk import unfinished_folder, writing

ROWS = 32_768
"""As many rows are sorted together, and more where parts overlap."""
_OVERLAPPING = 8 * ROWS
"""Where more rows than these belong to one key's neighbourhood, parts are merged beforehand."""
_OF_RUN = 4096
"""Rows of a run that are read together."""

Item = TypeVar("Item")
Joined = TypeVar("Joined")
Read = Callable[[], pa.Table]


@dataclass(frozen=True, slots=True)
class Piece:
    """Some rows of a part: the first and the last of their keys, how many they are, and what reads them."""

    first: str
    last: str
    rows: int
    read: Read


def pieces(path: Path, key: str, read: Callable[[pq.ParquetFile, int], pa.Table]) -> Iterator[Piece]:
    """The row groups of a part; `read` gets the file and the number of one."""
    with pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            group = file.metadata.row_group(number)
            column = next(c for c in map(group.column, range(group.num_columns)) if c.path_in_schema == key)
            bounds = column.statistics
            if bounds is not None and bounds.has_min_max:
                first, last = bounds.min, bounds.max
            else:  # of keys that are very long
                first, last = pc.min_max(file.read_row_group(number, [key])[key]).as_py().values()
            if group.num_rows:
                yield Piece(first, last, group.num_rows, partial(_read, path, number, read))


def _read(path: Path, number: int, read: Callable[[pq.ParquetFile, int], pa.Table]) -> pa.Table:
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        return read(file, number)


def in_order(found: Iterable[Piece], key: str, scratch: Path) -> Iterator[pa.Table]:
    """All rows, by key, in tables of any length. `scratch` is a folder in which others may be made and are removed."""
    waiting = sorted(found, key=attrgetter("first"))
    if _widest(waiting) <= _OVERLAPPING:
        yield from _merged(waiting, key)
        return
    with unfinished_folder(scratch / "merging") as folder:
        runs = [piece for path in _runs(waiting, key, folder) for piece in pieces(path, key, _group)]
        yield from _merged(sorted(runs, key=attrgetter("first")), key)


def _group(file: pq.ParquetFile, number: int) -> pa.Table:
    return file.read_row_group(number)


def _widest(found: Sequence[Piece]) -> int:
    """The most rows of pieces that overlap at one key."""
    events = sorted([(piece.first, 0, piece.rows) for piece in found] + [(piece.last, 1, -piece.rows) for piece in found])
    return max(accumulate(rows for *_, rows in events), default=0)


def _merged(waiting: Sequence[Piece], key: str) -> Iterator[pa.Table]:
    """The rows of pieces, which stand by their first keys."""
    pool: list[pa.Table] = []
    enough = ROWS
    for piece in waiting:
        if sum(map(len, pool)) >= enough:
            together = _sorted(pool, key)
            ready = pc.sum(pc.less(together[key], piece.first)).as_py()
            yield together[:ready]
            pool = [together[ready:]]
            enough = max(ROWS, 2 * len(pool[0]))
        pool.append(piece.read())
    if pool:
        yield _sorted(pool, key)


def _sorted(tables: Sequence[pa.Table], key: str) -> pa.Table:
    table = pa.concat_tables(tables)
    return table.take(pc.sort_indices(table, sort_keys=[(key, "ascending")])).combine_chunks()


def _runs(found: Sequence[Piece], key: str, folder: Path) -> Iterator[Path]:
    """Files of sorted rows, each of neighbouring pieces, to be read a few rows at a time."""
    together = max(1, 2 * ROWS // max(piece.rows for piece in found))
    for number, neighbours in enumerate(blocks(found, together)):
        path = folder / f"{number:08d}.parquet"
        rows = _sorted([piece.read() for piece in neighbours], key)
        with writing(path):
            pq.write_table(rows, path, compression="zstd", row_group_size=_OF_RUN)
        yield path


def joined(
    items: Iterable[Item], rows: Iterable[Joined], *, of_item: Callable[[Item], str], of_row: Callable[[Joined], str]
) -> Iterator[tuple[Item, list[Joined]]]:
    """Each item with the rows that have its key. Both stand in the order of these keys; rows of no item are passed over."""
    waiting = groupby(rows, of_row)
    key, found = next(waiting, (None, iter(())))
    for item in items:
        while key is not None and key < of_item(item):
            key, found = next(waiting, (None, iter(())))
        yield item, list(found) if key == of_item(item) else []


def regrouped(tables: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    """The same rows in tables of so many, the last one possibly shorter."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        while sum(map(len, waiting)) >= rows:
            together = pa.concat_tables(waiting)
            yield together[:rows].combine_chunks()
            waiting = [together[rows:]]
    if any(map(len, waiting)):
        yield pa.concat_tables(waiting).combine_chunks()

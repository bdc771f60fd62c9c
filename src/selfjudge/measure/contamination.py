"""Checks prompts for content of benchmarks: prompts, kinds of hits, and shares. Memory does not grow with the prompts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from itertools import chain
from pathlib import Path

from ..figures import Contamination, Hits, Overlap
from ..method import contamination as method
from ..method.contamination import Hit, HitKind, Index, Query
from ..ports import Benchmark, Progress, PromptSource, RawPrompt, blocks
from ..run.disk import unfinished, writing
from ..run.images import BadImage
from ..stages.contamination import index as index_of
from ..stages.ingest import admitted

Note = Callable[[Overlap], None]
"""Receives each row: a prompt with a hit that condemns it, or one that cannot be read."""

ROWS = 100
"""Rows that the figures hold; the others are counted."""

_THREADS = 8
_AHEAD = 256
"""Prompts whose images are decoded side by side."""


def check(
    sources: Sequence[PromptSource], benchmarks: Sequence[Benchmark], *, max_pixels: int, progress: Progress, out: Path | None
) -> Contamination:
    """The figures of all prompts against all benchmarks, with the first ROWS rows; all rows go to the JSONL file `out`.

    Shares are of the prompts that could be read, and of the items. Raises SelfjudgeError.
    """
    with nullcontext() if out is None else _rows_file(out) as write:
        tally = _Tally(index_of(benchmarks, progress), write)
        _look_up(sources, tally, max_pixels, progress)
    return tally.figures()


def _look_up(sources: Sequence[PromptSource], tally: _Tally, max_pixels: int, progress: Progress) -> None:
    """Count every prompt, a block at a time."""

    def query(raw: RawPrompt) -> tuple[str, Query | BadImage]:
        try:
            return raw.where, admitted(raw, max_pixels=max_pixels, looking=True).query
        except BadImage as bad:
            return raw.where, bad

    with progress("prompts", None) as advance, ThreadPoolExecutor(_THREADS) as pool:
        for block in blocks(chain.from_iterable(sources), _AHEAD):
            tally.add(list(pool.map(query, block)))
            advance(len(block))


class _Tally:
    """Counts of the hits so far."""

    def __init__(self, index: Index, write: Note | None) -> None:
        self._index = index
        self._write = write
        self._rows: list[Overlap] = []
        self._left_out = 0
        self._read = 0
        self._unreadable: Counter[str] = Counter()
        self._contaminated = 0
        self._prompts: Counter[HitKind] = Counter()
        self._items: dict[HitKind, set[int]] = {kind: set() for kind in HitKind}

    def add(self, block: list[tuple[str, Query | BadImage]]) -> None:
        """Count a block of prompts, each with its `file:line`."""
        for where, bad in block:
            if isinstance(bad, BadImage):
                self._unreadable[bad.reason] += 1
                self._note({"prompt": where, "kind": "unreadable", "reason": bad.reason, "detail": str(bad) or None})
        readable = [(where, query) for where, query in block if isinstance(query, Query)]
        self._read += len(readable)
        hits = self._index.search([query for _, query in readable])
        for (where, _), of_prompt in zip(readable, hits, strict=True):
            self._contaminated += any(hit.condemns for hit in of_prompt)
            for hit in of_prompt:
                self._count(where, hit)

    def _note(self, row: Overlap) -> None:
        if self._write is not None:
            self._write(row)
        if len(self._rows) < ROWS:
            self._rows.append(row)
        else:
            self._left_out += 1

    def _count(self, where: str, hit: Hit) -> None:
        self._prompts[hit.kind] += 1
        self._items[hit.kind].update(hit.items)
        if hit.condemns:
            nearest = self._index.indexed[hit.items[0]]
            self._note(
                {
                    "prompt": where,
                    "kind": str(hit.kind),
                    "benchmark": nearest.benchmark,
                    "item": nearest.item,
                    "distance": hit.distance,
                    "items": len(hit.items),
                }
            )

    def figures(self) -> Contamination:
        """All counts and shares; a share of nothing is None."""
        indexed = self._index.indexed
        hit = set().union(*(items for kind, items in self._items.items() if kind is not HitKind.GENERIC_TEXT))
        return {
            "prompts": self._read,
            "unreadable": dict(sorted(self._unreadable.items())),
            "benchmarks": {
                name: {"items": count, "contaminated": sum(indexed[n].benchmark == name for n in hit)}
                for name, count in Counter(entry.benchmark for entry in indexed).items()
            },
            "flat_benchmark_images": sum(method.is_flat(look) for entry in indexed for look in entry.looks),
            "hits": {str(kind): self._shares(self._prompts[kind], len(self._items[kind])) for kind in HitKind},
            "contaminated": self._shares(self._contaminated, len(hit)),
            "rules": {
                "hash_bits": method.HASH_BITS,
                "correlation": method.CORRELATION,
                "contrast": method.CONTRAST,
                "specific_words": method.SPECIFIC_WORDS,
            },
            "rows": self._rows,
            "rows_left_out": self._left_out,
        }

    def _shares(self, prompts: int, items: int) -> Hits:
        total = len(self._index.indexed)
        return {
            "prompts": prompts,
            "share": prompts / self._read if self._read else None,
            "items": items,
            "item_share": items / total if total else None,
        }


@contextmanager
def _rows_file(path: Path) -> Iterator[Note]:
    """A JSONL file written row by row, which gets its name when it is whole. Raises RunError when it cannot be written."""
    growing = unfinished(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = growing.open("w", encoding="utf-8")

    def note(row: Overlap) -> None:
        with writing(path):
            file.write(json.dumps(row, ensure_ascii=False) + "\n")

    try:
        with file:
            yield note
        with writing(path):
            growing.replace(path)
    finally:
        growing.unlink(missing_ok=True)

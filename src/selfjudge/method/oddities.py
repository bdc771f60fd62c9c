"""What is odd about a benchmark, found in its own data: repeated ids and pairs, contradictions, positions that leak."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from ..figures import DataReport
from ..types import BenchmarkItem, Order, content_id
from .metrics import share


def oddities(items: Sequence[BenchmarkItem]) -> DataReport:
    """Counts over all items."""
    ids = Counter(item.pair.prompt.source_id for item in items if item.pair.prompt.source_id is not None)
    repeated = sorted(name for name, count in ids.items() if count > 1)
    rivals = contradictory(items)
    clear = [item for item in items if not item.tie]
    first = sum(item.stored is Order.CHOSEN_FIRST for item in clear)
    return {
        "items": len(items),
        "dimensions": dict(sorted(Counter(item.dimension for item in items).items())),
        "ties": len(items) - len(clear),
        "repeated_ids": {"count": len(repeated), "examples": repeated[:10]},
        "repeated_pairs": sum(len(group) - 1 for group in _same(items).values() if _agree(group)),
        "contradictions": {
            "pairs": sum(not _agree(group) for group in _same(items).values()),
            "rows": len(rivals),
            "examples": sorted({str(item.pair.prompt.source_id) for item in rivals})[:10],
        },
        "better_first": share(first, len(clear)),
    }


def contradictory(items: Sequence[BenchmarkItem]) -> list[BenchmarkItem]:
    """The rows that another row about the same two responses contradicts."""
    return [item for group in _same(items).values() if not _agree(group) for item in group]


def _same(items: Sequence[BenchmarkItem]) -> dict[str, list[BenchmarkItem]]:
    """Rows by what they ask: images, question and the two responses."""
    groups: dict[str, list[BenchmarkItem]] = defaultdict(list)
    for item in items:
        pair = item.pair
        groups[content_id(pair.prompt.id, sorted((pair.chosen, pair.rejected)))].append(item)
    return groups


def _agree(group: Sequence[BenchmarkItem]) -> bool:
    return len({(item.pair.chosen if not item.tie else None) for item in group}) == 1

"""What is odd about a benchmark, found in its own data: repeated ids and pairs, contradictions, positions that leak."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from ..types import BenchmarkItem, Order, content_id
from .metrics import share


def oddities(items: Sequence[BenchmarkItem]) -> dict[str, Any]:
    """Counts over all items; examples name rows by their own ids.

    repeated_ids     ids that more than one row has
    repeated_pairs   rows beyond the first that ask the same about the same two responses, and agree
    contradictions   questions about the same two responses whose rows do not agree which is better
    better_first     share of rows that store the better response first; far from 0.5, an unswapped judge can read it off
    """
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

"""Measuring a judge on a benchmark: judge every pair in both orders, then count. Nothing else sees a benchmark's labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ..method.metrics import Item, accuracy_of, by_dimension, interval, pair_accuracy_of, score
from ..tables import Row
from ..types import BenchmarkItem, Order, PreferencePair, Verdict

VERSION = 1


def figures(items: Sequence[BenchmarkItem], judgments: Sequence[Row]) -> dict[str, Any]:
    """All figures of a benchmark run, as they stand in `summary.json`: fractions, None where nothing could be counted."""
    judged = _judged(items, judgments)
    return {
        **asdict(score(judged)),
        "ci95": interval(judged, accuracy_of),
        "pair_ci95": interval(judged, pair_accuracy_of),
        "dimensions": {name: asdict(part) for name, part in by_dimension(judged).items()},
        "levels": {name: asdict(part) for name, part in by_dimension(_judged(items, judgments, by="level")).items()},
    }


def agreement(pairs: Sequence[PreferencePair], judgments: Sequence[Row]) -> dict[str, Any]:
    """How a judge's verdicts agree with the synthetic labels of pairs that were not trained on."""
    items = [BenchmarkItem(pair=pair, dimension=str(pair.prompt.kind), level="", group=pair.prompt.id) for pair in pairs]
    return asdict(score(_judged(items, judgments)))


def _judged(items: Sequence[BenchmarkItem], judgments: Sequence[Row], by: str = "dimension") -> list[Item]:
    verdicts = {(row["pair_id"], row["order"]): row["verdict"] for row in judgments if row["sample"] == 0}

    def verdict(pair_id: str, order: Order) -> Verdict | None:
        found = verdicts.get((pair_id, str(order)))
        return None if found is None else Verdict(found)

    return [
        Item(
            dimension=getattr(item, by),
            group=item.group,
            chosen_first=verdict(item.pair.id, Order.CHOSEN_FIRST),
            rejected_first=verdict(item.pair.id, Order.REJECTED_FIRST),
        )
        for item in items
    ]

"""Stage II, second half: which traces teach the next judge. Pure but for writing the two tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from ..method.selection import Rule
from ..method.selection import select as decide
from ..run.store import Table
from ..run.tables import Row
from ..types import Judgment, PreferencePair
from .synthesize import drop

VERSION = 1


def select(
    pairs: Sequence[PreferencePair],
    judgments: Sequence[Judgment],
    already_dropped: Sequence[Row],
    *,
    rule: Rule,
    selected: Table,
    dropped: Table,
) -> None:
    """Seal the traces that are kept, and everything that was dropped in this iteration with its reason."""
    kept: list[Row] = []
    lost = list(already_dropped)
    for pair, replies in judged(pairs, judgments):
        traces = decide(pair, replies, rule)
        if isinstance(traces, str):
            lost.append(drop(pair.id, stage="selection", prompt_id=pair.prompt.id, pair_id=pair.id, reason=traces))
        else:
            kept.extend(_to_row(pair, judgment) for judgment in traces)
    dropped.seal(lost)
    selected.seal(kept)


def judged(pairs: Iterable[PreferencePair], judgments: Iterable[Judgment]) -> Iterator[tuple[PreferencePair, Sequence[Judgment]]]:
    """Each pair with what was said about it."""
    by_pair: dict[str, list[Judgment]] = defaultdict(list)
    for judgment in judgments:
        by_pair[judgment.pair_id].append(judgment)
    for pair in pairs:
        yield pair, by_pair[pair.id]


def _to_row(pair: PreferencePair, judgment: Judgment) -> Row:
    comparison = pair.comparison(judgment.order)
    return {
        "key": f"{pair.id}.{judgment.order}.{judgment.sample}",
        "pair_id": pair.id,
        "order": str(judgment.order),
        "sample": judgment.sample,
        "prompt_id": pair.prompt.id,
        "prompt": pair.prompt.text,
        "images": [
            {"sha256": i.sha256, "media_type": i.media_type, "width": i.width, "height": i.height} for i in pair.prompt.images
        ],
        "first": comparison.first,
        "second": comparison.second,
        "trace": judgment.trace,
    }

"""Stage II, second half: which traces teach the next judge. Pure but for writing the two tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter

from ..method.selection import Rule
from ..method.selection import select as decide
from ..run.merging import joined
from ..run.store import Table
from ..run.tables import Row, images_to_row
from ..types import Judgment, PreferencePair
from .synthesize import Lost, drop, lost_row

VERSION = 1


def select(
    pairs: Iterable[PreferencePair],
    judgments: Iterable[Judgment],
    lost: Iterable[Lost],
    *,
    rule: Rule,
    selected: Table,
    dropped: Table,
) -> None:
    """Seal the traces that are kept, and everything that was dropped in this iteration with its reason."""
    for table in (selected, dropped):
        table.clear()
    for prompt in lost:
        dropped.add(lost_row(prompt))
    for pair, replies in judged(pairs, judgments):
        traces = decide(pair, replies, rule)
        if isinstance(traces, str):
            dropped.add(drop(pair.id, stage="selection", prompt_id=pair.prompt.id, pair_id=pair.id, reason=traces))
        else:
            for judgment in traces:
                selected.add(_to_row(pair, judgment))
    dropped.seal()
    selected.seal()


def judged(pairs: Iterable[PreferencePair], judgments: Iterable[Judgment]) -> Iterator[tuple[PreferencePair, Sequence[Judgment]]]:
    """Each pair with what was said about it; both stand by the ids of the pairs."""
    return joined(pairs, judgments, of_item=attrgetter("id"), of_row=attrgetter("pair_id"))


def _to_row(pair: PreferencePair, judgment: Judgment) -> Row:
    comparison = pair.comparison(judgment.order)
    return {
        "key": f"{pair.id}.{judgment.order}.{judgment.sample}",
        "pair_id": pair.id,
        "order": str(judgment.order),
        "sample": judgment.sample,
        "prompt_id": pair.prompt.id,
        "prompt": pair.prompt.text,
        "images": images_to_row(pair.prompt.images),
        "first": comparison.first,
        "second": comparison.second,
        "trace": judgment.trace,
    }

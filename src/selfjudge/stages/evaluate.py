"""Measuring a judge on a benchmark: ask under a protocol, then count. Nothing else sees a benchmark's labels."""

from __future__ import annotations

import logging
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from ..figures import Figures, Limits
from ..method.metrics import (
    Decision,
    Item,
    accuracy_of,
    by_dimension,
    decided,
    decision_accuracy,
    interval,
    macro,
    macro_interval,
    majority,
    pair_accuracy_of,
    score,
    share,
)
from ..method.paired import difference
from ..method.protocols import Protocol
from ..ports import BenchmarkData, NamedEngine, Progress
from ..run.disk import read_checked, write_checked
from ..run.replaced import Replaced
from ..run.store import Table
from ..run.tables import ITEMS, Row, is_forced, is_right, item_to_row
from ..types import BenchmarkItem, Order, PreferencePair, Problem, Verdict
from .judge import judge

VERSION = 4

log = logging.getLogger(__name__)


def stored_items(folder: Path, content: str, load: Callable[[], BenchmarkData], replaced: Replaced) -> Table:
    """The table of a benchmark's items, with the report on them in `data.json`. Raises InputError.

    `content` is the digest of what `load` reads. After an edit items are read again, and replies about the old ones are outdated.
    """
    table = Table(folder, ITEMS, {"stage": "benchmark", "version": VERSION, "content": content}, replaced)
    if table.manifest_path.exists() and (before := table.manifest.identity["content"]) != content:
        log.warning("%s was edited since it was measured in %s, so it is measured again", folder.name, folder.parent)
        replaced.add(before)
    report = folder / "data.json"
    if not (table.sealed and report.exists() and read_checked(report) is not None):
        shutil.rmtree(folder / ".items.parts", ignore_errors=True)  # may be of another content
        data = load()
        write_checked(report, data.report)
        table.seal([item_to_row(item) for item in data.items])
    return table


def ask(
    items: Sequence[BenchmarkItem], table: Table, *, model: NamedEngine, protocol: Protocol, seed: int, progress: Progress
) -> None:
    """Ask a judge about every item under the protocol, and seal the table of its replies."""
    stored = {item.pair.id: item.stored for item in items}
    pairs = [item.pair for item in items]
    judge(pairs, table, model=model, protocol=protocol, seed=seed, progress=progress, stored=stored)


def figures(
    items: Sequence[BenchmarkItem], judgments: Iterable[Row], protocol: Protocol, base: Iterable[Row] | None = None
) -> Figures:
    """All general figures of a benchmark run: fractions, None where nothing could be counted. Ties are left out and counted.

    Asked in both orders, `accuracy` is over comparisons and `pair_accuracy` over pairs; else accuracy is over pairs, each
    decided by more than half of its replies. `logprob` decides by P(chosen), the mean over all replies to a pair. With the `base`
    model's replies, asked in both orders, the gain over it has an interval.
    """
    clear = [item for item in items if not item.tie]
    if protocol.orders == "each":
        rows = list(judgments)
        counted: Figures = {**_rated(clear, rows), **_rates(rows), "first_position_rate": None, "logprob": None}
    else:
        replies = _replies(judgments)
        counted = _both_orders(clear, replies) if protocol.orders == "both" else _one_order(clear, replies)
        counted = {**counted, **_rates(row for item in clear for row in replies[item.pair.id])}
        counted["logprob"] = _by_probability(clear, replies)
        if protocol.orders == "both" and base is not None:
            counted["pair_gain_ci95"] = _gained(clear, _replies(base), replies)
    return {
        **counted,
        "groups": len({item.group for item in clear}),
        "ties_left_out": len(items) - len(clear),
    }


def agreement(pairs: Iterable[PreferencePair], judgments: Iterable[Row]) -> Figures:
    """How a judge's verdicts agree with the synthetic labels of pairs that were not trained on."""
    items = [BenchmarkItem(pair=pair, dimension=str(pair.prompt.kind), level="", group=pair.prompt.id) for pair in pairs]
    replies = _replies(judgments)
    judged = both_orders(items, replies)
    counted = score(judged)
    if forced := sum(item.forced for item in judged):
        counted["forced"] = forced
    return counted


def both_orders(items: Sequence[BenchmarkItem], replies: dict[str, list[Row]], by: str = "dimension") -> list[Item]:
    """Each item with its verdict in either order: the verdict of more than half of the replies in that order."""

    def verdict(item: BenchmarkItem, order: Order) -> Verdict | None:
        right = majority([is_right(row) for row in replies[item.pair.id] if row["order"] == order])
        return {True: order.chosen, False: order.chosen.other, None: None}[right]

    return [
        Item(
            dimension=getattr(item, by),
            group=item.group,
            chosen_first=verdict(item, Order.CHOSEN_FIRST),
            rejected_first=verdict(item, Order.REJECTED_FIRST),
            forced=sum(map(is_forced, replies[item.pair.id])),
        )
        for item in items
    ]


def _both_orders(items: Sequence[BenchmarkItem], replies: dict[str, list[Row]]) -> Figures:
    judged = both_orders(items, replies)
    parts = by_dimension(judged)
    return {
        **score(judged),
        **_intervals(judged),
        "macro": macro([part["accuracy"] for part in parts.values()]),
        "macro_ci95": macro_interval(judged, accuracy_of),
        "pair_macro": macro([part["pair_accuracy"] for part in parts.values()]),
        "pair_macro_ci95": macro_interval(judged, pair_accuracy_of),
        "dimensions": {
            name: {
                **part,
                **_read_of([item for item in items if item.dimension == name], replies),
                **_intervals([item for item in judged if item.dimension == name]),
            }
            for name, part in parts.items()
        },
        "levels": {
            name: {**part, **_read_of([item for item in items if item.level == name], replies)}
            for name, part in by_dimension(both_orders(items, replies, by="level")).items()
        },
    }


def _read_of(items: Iterable[BenchmarkItem], replies: dict[str, list[Row]]) -> Figures:
    """Of the replies to some items how many were read and name the first response: each sample counts, not their majority."""
    rates = _rates(row for item in items for row in replies[item.pair.id])
    return {"parse_rate": rates["parse_rate"], "first_position_rate": rates["first_position_rate"]}


def _gained(items: Sequence[BenchmarkItem], before: dict[str, list[Row]], after: dict[str, list[Row]]) -> Limits | None:
    """The 95 % interval of the gain in items that are right in both orders, item by item."""
    ours, theirs = (list(map(pair_accuracy_of, both_orders(items, replies))) for replies in (before, after))
    found = difference(ours, theirs, [item.group for item in items])
    return None if found is None else found.ci95


def _intervals(judged: Sequence[Item]) -> Figures:
    return {"ci95": interval(judged, accuracy_of), "pair_ci95": interval(judged, pair_accuracy_of)}


def _rated(items: Sequence[BenchmarkItem], rows: Iterable[Row]) -> Figures:
    """The figures of ratings: of two responses the one rated higher is preferred; equal ones decide nothing."""
    return _by_decisions(decisions_of(items, likelier(beside_pairs(items, rows))))


def beside_pairs(items: Sequence[BenchmarkItem], rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Replies about single responses, beside every pair that has the response, by the pair's id."""
    pairs = {item.pair.id: item.pair for item in items}
    about: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if pair := pairs.get(row["pair_id"]):
            about[pair.prompt.id, pair.comparison(Order(row["order"])).first].append(row)
    replies: dict[str, list[Row]] = defaultdict(list)
    for pair in pairs.values():
        for order in Order:
            found = about[pair.prompt.id, pair.comparison(order).first]
            replies[pair.id] += [{**row, "order": order} for row in found]
    return replies


def _one_order(items: Sequence[BenchmarkItem], replies: dict[str, list[Row]]) -> Figures:
    return _by_decisions(decisions_of(items, lambda item: majority([is_right(row) for row in replies[item.pair.id]])))


def _by_decisions(decisions: Sequence[Decision]) -> Figures:
    names = sorted({decision.dimension for decision in decisions})
    parts = {name: decided([d for d in decisions if d.dimension == name]) for name in names}
    return {
        **decided(decisions),
        "macro": macro([part["accuracy"] for part in parts.values()]),
        "macro_ci95": macro_interval(decisions, decision_accuracy),
        "dimensions": parts,
    }


def decisions_of(items: Iterable[BenchmarkItem], right: Callable[[BenchmarkItem], bool | None]) -> list[Decision]:
    """The decision about each item."""
    return [Decision(dimension=item.dimension, group=item.group, right=right(item)) for item in items]


def _by_probability(items: Sequence[BenchmarkItem], replies: dict[str, list[Row]]) -> Figures | None:
    """The figures of deciding by log-probabilities; None where the engine gave none."""
    if all(row["probability"] is None for item in items for row in replies[item.pair.id]):
        return None
    return decided(decisions_of(items, likelier(replies)))


def likelier(replies: Mapping[str, Sequence[Row]]) -> Callable[[BenchmarkItem], bool | None]:
    """What P(chosen), the mean over all replies to a pair, decides; None where one has no probability, or they balance."""

    def right(item: BenchmarkItem) -> bool | None:
        chances = [Order(row["order"]).of_chosen(row["probability"]) for row in replies[item.pair.id]]
        known = [chance for chance in chances if chance is not None]
        mean = sum(known) / len(known) if known and len(known) == len(chances) else 0.5
        return None if mean == 0.5 else mean > 0.5

    return right


def _rates(rows: Iterable[Row]) -> Figures:
    """Rates of the replies: read, cut off, failed, and for the first position.

    A verdict that was asked for is one, but its reply is not read, and has the problem that it had; they are counted as `forced`.
    """
    seen = list(rows)
    verdicts = [row["verdict"] for row in seen if row["verdict"] is not None]
    problems = [problem for row in seen if (problem := row["problem"] or row.get("forced"))]
    forced = sum(map(is_forced, seen))
    counted: Figures = {"replies": len(seen), "parse_rate": share(len(verdicts) - forced, len(seen))}
    if forced:
        counted["forced"] = forced
    return {
        **counted,
        "first_position_rate": share(verdicts.count(Verdict.FIRST), len(verdicts)),
        "problems": {name: problems.count(name) for name in map(str, Problem) if name in problems},
    }


def _replies(judgments: Iterable[Row]) -> dict[str, list[Row]]:
    """The replies to each pair, by its id."""
    replies: dict[str, list[Row]] = defaultdict(list)
    for row in judgments:
        replies[row["pair_id"]].append(row)
    return replies

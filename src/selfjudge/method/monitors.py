"""Signs that a judge collapses or learns something else, read off what an iteration makes anyway: no truth, no further reply.

The figures of iteration k are about the judge that judged its pairs, judge k - 1. Each is a share over pairs, so that they can be
watched one after the other. Consistency is shown and never warned of: a judge that drifts on random labels is consistent, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ..types import Alteration, Edit, Evidence, Judgment, Order, PreferencePair, Verdict, Vote
from .answers import normalise
from .metrics import majority
from .selection import Rule, select

FEW = 30
"""A share of fewer is not shown: it says too little."""

Share = tuple[float, float]
"""What one pair adds to the two sides of a fraction."""


def own_answers(pair: PreferencePair, judgments: Sequence[Judgment], _: Rule) -> Share:
    """Verdicts for the answer that the model itself gave most often, whatever the label says; all samples, before the filter.

    Where every iteration has the same prompts, the judge may have met the question in training: only a low value says something.
    """
    if not isinstance(pair.evidence, Vote):
        return 0, 0
    return _agreeing(judgments, normalise(pair.chosen, pair.prompt.text) == pair.evidence.majority)


def elected(pair: PreferencePair, judgments: Sequence[Judgment], _: Rule) -> Share:
    """As `own_answers` of pairs whose chosen response is known to be the elected one: nothing has to be read again."""
    return _agreeing(judgments, True) if isinstance(pair.evidence, Vote) else (0, 0)


def _agreeing(judgments: Sequence[Judgment], chosen: bool) -> Share:
    """Verdicts for the chosen response, or for the other one."""
    read = [judgment for judgment in judgments if judgment.verdict is not None]
    return sum(judgment.right == chosen for judgment in read), len(read)


def opposed(_: PreferencePair, judgments: Sequence[Judgment], __: Rule) -> Share:
    """Pairs whose label the judge opposes in both orders, of those that it judges alike in both: an estimate of wrong labels."""
    sides = [majority([j.right if j.verdict else None for j in judgments if j.order is order]) for order in Order]
    alike = sides[0] is not None and sides[0] == sides[1]
    return float(alike and sides[0] is False), float(alike)


def _turned(evidence: Evidence | None) -> Evidence | None:
    """The evidence of a pair whose other response is called the better one."""
    if isinstance(evidence, Vote):
        return replace(evidence, majority=evidence.alternative, alternative=evidence.majority)
    if isinstance(evidence, Alteration):
        return replace(evidence, edits=tuple(Edit(before=edit.after, after=edit.before) for edit in evidence.edits))
    return None


def above_coin(pair: PreferencePair, judgments: Sequence[Judgment], rule: Rule) -> Share:
    """The yield, less what it would be with a coin for a label. A judge sees no label, so the same replies tell both."""
    turned = replace(pair, chosen=pair.rejected, rejected=pair.chosen, evidence=_turned(pair.evidence))
    mirrored = [replace(judgment, order=judgment.order.other) for judgment in judgments]
    kept = [not isinstance(select(*one, rule), str) for one in ((pair, judgments), (turned, mirrored))]
    return (kept[0] - kept[1]) / 2, 1


def words(_: PreferencePair, judgments: Sequence[Judgment], __: Rule) -> Share:
    """Words of a reply."""
    return sum(len(judgment.trace.split()) for judgment in judgments), len(judgments)


def says_first(_: PreferencePair, judgments: Sequence[Judgment], __: Rule) -> Share:
    """Verdicts for the response that was shown first."""
    read = [judgment.verdict for judgment in judgments if judgment.verdict is not None]
    return read.count(Verdict.FIRST), len(read)


def reads(_: PreferencePair, judgments: Sequence[Judgment], __: Rule) -> Share:
    """Replies that hold a verdict; not those that were asked for one."""
    return sum(judgment.verdict is not None and not judgment.forced for judgment in judgments), len(judgments)


def consistent(_: PreferencePair, judgments: Sequence[Judgment], __: Rule) -> Share:
    """Pairs that are judged alike in both orders, of those with a verdict in each."""
    sides = [majority([j.right if j.verdict else None for j in judgments if j.order is order]) for order in Order]
    return float(sides[0] is not None and sides[0] == sides[1]), float(None not in sides)


def prefers_longer(pair: PreferencePair, judgments: Sequence[Judgment], _: Rule) -> Share:
    """Verdicts for the longer response, less labels for it; of responses that differ in length."""
    longer = len(pair.chosen) - len(pair.rejected)
    read = [judgment for judgment in judgments if judgment.verdict is not None and longer]
    return sum((judgment.right == (longer > 0)) - (longer > 0) for judgment in read), len(read)


@dataclass(frozen=True, slots=True)
class Monitor:
    """What is measured, between which values and since which iteration it should lie, and what it means where it does not.

    The judges of the first two iterations may not have found the verdict yet; that is no collapse.
    """

    measure: Callable[[PreferencePair, Sequence[Judgment], Rule], Share] | None
    low: float
    high: float
    since: int
    bad: str


MONITORS = {
    "own_answers": Monitor(
        own_answers, 0.65, 1, 3, "its verdicts agree with the model's own answers in {:.0%}: it has learned something else"
    ),
    "opposed": Monitor(
        opposed, 0, 0.3, 3, "it opposes {:.0%} of the labels in both orders: that many may be wrong, or the judge is turned round"
    ),
    "above_coin": Monitor(
        above_coin, 0.05, 1, 3, "its yield is {:.2f} above that of random labels: the filter does not tell right from wrong"
    ),
    "words": Monitor(words, 4, float("inf"), 1, "it writes {:.1f} words a reply: hardly a reason is left"),
    "distinct": Monitor(None, 0.05, 1, 1, "of its replies {:.0%} are different ones: it says the same whatever it is shown"),
    "read": Monitor(reads, 0.9, 1, 1, "of its replies {:.0%} hold a verdict: the others teach nothing, right or wrong"),
    "consistent": Monitor(consistent, 0, 1, 1, ""),
    "says_first": Monitor(says_first, 0.3, 0.7, 3, "it names the response shown first in {:.0%}: it goes by the place"),
    "prefers_longer": Monitor(
        prefers_longer, -0.15, 0.15, 3, "it names the longer response {:+.0%} more often than labels do: it goes by the length"
    ),
}
"""CHOSEN: far from what the runs in `docs/runs` have, and near what their controls have."""


def watch(
    pairs: Iterable[tuple[PreferencePair, Sequence[Judgment]]], rule: Rule, *, as_elected: bool = False
) -> dict[str, float | None]:
    """The figure of each monitor over the judged pairs of an iteration; None where there is too little to say.

    `as_elected` says that the chosen response of a closed pair is the elected one, which nothing has changed since.
    """
    measures = {name: monitor.measure for name, monitor in MONITORS.items()}
    if as_elected:
        measures["own_answers"] = elected
    sums = {name: [0.0, 0.0] for name in MONITORS}
    seen: set[int] = set()
    for pair, judgments in pairs:
        for name, measure in measures.items():
            for side, part in enumerate(measure(pair, judgments, rule) if measure else (0, 0)):
                sums[name][side] += part
        first = [judgment for judgment in judgments if judgment.sample == 0]
        seen.update(hash(judgment.trace) for judgment in first)
        sums["distinct"] = [len(seen), sums["distinct"][1] + len(first)]
    return {name: count / of if of >= FEW else None for name, (count, of) in sums.items()}


def warnings(figures: Mapping[str, float | None], iteration: int, as_of: int | None = None) -> list[str]:
    """A sentence for each figure of an iteration that is not as it should be, or would not be in iteration `as_of`."""
    who = f"Judge {iteration - 1}" if iteration > 1 else "The base"
    said = []
    for name, monitor in MONITORS.items():
        value = figures[name]
        if value is not None and max(iteration, as_of or 0) >= monitor.since and not monitor.low <= value <= monitor.high:
            said.append(f"{who}: {monitor.bad.format(round(value, 2) + 0.0)}.")
    return said

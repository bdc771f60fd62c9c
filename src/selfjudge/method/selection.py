"""Stage II, the filter: which pairs and traces teach the next judge.

A pair is kept when the judge named the chosen response in both orders; the same number of traces is kept of each order,
so that `[[A]]` and `[[B]]` balance by construction. With the evidence rule a trace must also name what Stage I changed, and a
pair may have to be probable, by the log-probabilities at the verdicts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal

from ..types import Judgment, Order, PreferencePair, seed_of
from .evidence import names, signed
from .verdicts import with_verdict

Keep = Literal["one", "all"]
EvidenceRule = bool | Literal["signed"]
"""Whether a trace must name what differs, or also (`signed`) say that the image agrees with the side of its verdict."""


Verdicts = Literal["judged", "labels"]
"""Whose verdicts decide: the judge's own or, in a control, the labels', which then stand in the traces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What selection asks for. The paper: both orders, no evidence, one trace an order."""

    both_orders: bool = True
    evidence: EvidenceRule = False
    keep: Keep = "one"
    verdicts: Verdicts = "judged"
    min_probability: float | None = None

    def verdict_of(self, judgment: Judgment) -> Judgment:
        """A judgment with the verdict that counts."""
        if self.verdicts == "judged" or judgment.verdict is None or judgment.forced:
            return judgment
        chosen = judgment.order.chosen
        return replace(judgment, verdict=chosen, trace=with_verdict(judgment.trace, chosen))

    def accepts(self) -> Callable[[str, PreferencePair], bool]:
        """What the evidence rule asks of a trace."""
        return signed if self.evidence == "signed" else names


Reply = tuple[Order, int]
"""Which reply to a pair: in which order its responses are shown, and the number of the sample."""

_WATCHED = 0.1
"""CHOSEN: of this share of the pairs every reply is asked for, however early the others are decided."""


def is_watched(pair_id: str) -> bool:
    """Whether every reply to a pair is asked for, so that monitors see what they would see without an early exit."""
    return seed_of("watched", pair_id) < _WATCHED * 2**63


def decisive(pair: PreferencePair, replies: Mapping[Reply, Judgment], rule: Rule, *, samples: int, seed: int) -> Iterator[Reply]:
    """The replies that decide whether a pair is kept, one after the other; the first that is not among `replies` is the last.

    An order is asked until it has a trace that can be kept, the other one only after that. Which comes first is drawn by seed.
    Of a watched pair they are all that there are.
    """
    first = Order.REJECTED_FIRST if seed_of(seed, "asked first", pair.id) & 1 else Order.CHOSEN_FIRST
    watched = is_watched(pair.id)
    for order in (first, first.other):
        usable = False
        for sample in range(samples):
            yield order, sample
            if not watched and (order, sample) not in replies:
                return
            if usable := not watched and _teaches(replies[order, sample], pair, rule):
                break
        if not watched and usable != rule.both_orders:
            return


def _teaches(judgment: Judgment, pair: PreferencePair, rule: Rule) -> bool:
    """Whether a trace can be kept."""
    judgment = rule.verdict_of(judgment)
    named = not rule.evidence or pair.evidence is None or rule.accepts()(judgment.trace, pair)
    return judgment.right and not judgment.forced and named


def select(pair: PreferencePair, judgments: Sequence[Judgment], rule: Rule) -> tuple[Judgment, ...] | str:
    """The traces of a pair that are kept, or the reason why it is dropped.

    Reasons: `unread_verdict` (an order without any verdict), `wrong_in_both_orders`, `wrong_in_one_order`, `forced_verdict`
    (right only with verdicts that were asked for: such a trace is not whole), `evidence_not_named`, `improbable_verdicts` (of
    the traces that would be kept; also where a verdict has no probability). Within an order, traces are taken by sample number.
    """
    judgments = [rule.verdict_of(judgment) for judgment in judgments]
    right = {order: [j for j in _of(judgments, order) if j.right] for order in Order}
    if reason := _failure(judgments, right, rule):
        return reason
    right = {order: [j for j in found if not j.forced] for order, found in right.items()}
    if _failure(judgments, right, rule):
        return "forced_verdict"
    if rule.evidence and pair.evidence is not None:
        accepts = rule.accepts()
        right = {order: [j for j in kept if accepts(j.trace, pair)] for order, kept in right.items()}
        if _failure(judgments, right, rule):
            return "evidence_not_named"
    if rule.both_orders and not all(right.values()):
        return "unread_verdict"
    kept = [right[order] for order in Order if rule.both_orders or right[order]]
    count = 1 if rule.keep == "one" else min(map(len, kept))
    traces = tuple(judgment for traces in kept for judgment in traces[:count])
    return traces if rule.min_probability is None or _probable(traces, rule.min_probability) else "improbable_verdicts"


def _probable(traces: Sequence[Judgment], least: float) -> bool:
    """Whether P(chosen), the mean over both orders, is at least so much: each order has as many traces."""
    chances = [judgment.order.of_chosen(judgment.probability) for judgment in traces]
    known = [chance for chance in chances if chance is not None]
    return len(known) == len(chances) and fmean(known) >= least


def _of(judgments: Sequence[Judgment], order: Order) -> list[Judgment]:
    return sorted((j for j in judgments if j.order is order), key=lambda j: j.sample)


def _failure(judgments: Sequence[Judgment], right: dict[Order, list[Judgment]], rule: Rule) -> str | None:
    known = [order for order in Order if _of(judgments, order)] or list(Order)  # the other one may not have been asked
    needed = len(known) if rule.both_orders else 1
    orders_right = sum(bool(right[order]) for order in Order)
    if orders_right >= needed:
        return None
    if any(all(j.verdict is None for j in _of(judgments, order)) for order in known):
        return "unread_verdict"
    return "wrong_in_both_orders" if not orders_right and len(known) == len(Order) else "wrong_in_one_order"


__all__ = ["EvidenceRule", "Keep", "Reply", "Rule", "Verdicts", "decisive", "is_watched", "names", "select", "signed"]

"""Stage II, the filter: which pairs and traces teach the next judge.

A pair is kept when the judge named the chosen response in both orders; the same number of traces is kept of each order,
so that `[[A]]` and `[[B]]` balance by construction. With the evidence rule a trace must also name what Stage I changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from ..types import Judgment, Order, PreferencePair
from .evidence import names, signed

Keep = Literal["one", "all"]
EvidenceRule = bool | Literal["signed"]
"""Whether a trace must name what differs, or also (`signed`) say that the image agrees with the side of its verdict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What selection asks for. The paper: both orders, no evidence, one trace an order."""

    both_orders: bool = True
    evidence: EvidenceRule = False
    keep: Keep = "one"

    def accepts(self) -> Callable[[str, PreferencePair], bool]:
        """What the evidence rule asks of a trace."""
        return signed if self.evidence == "signed" else names


def select(pair: PreferencePair, judgments: Sequence[Judgment], rule: Rule) -> tuple[Judgment, ...] | str:
    """The traces of a pair that are kept, or the reason why it is dropped.

    Reasons: `unread_verdict` (an order without any verdict), `wrong_in_both_orders`, `wrong_in_one_order`, `forced_verdict`
    (right only with verdicts that were asked for: such a trace is not whole), `evidence_not_named`. Within an order, traces are
    taken by sample number.
    """
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
    kept = [right[order] for order in Order if rule.both_orders or right[order]]
    count = 1 if rule.keep == "one" else min(map(len, kept))
    return tuple(judgment for traces in kept for judgment in traces[:count])


def _of(judgments: Sequence[Judgment], order: Order) -> list[Judgment]:
    return sorted((j for j in judgments if j.order is order), key=lambda j: j.sample)


def _failure(judgments: Sequence[Judgment], right: dict[Order, list[Judgment]], rule: Rule) -> str | None:
    needed = len(Order) if rule.both_orders else 1
    orders_right = sum(bool(right[order]) for order in Order)
    if orders_right >= needed:
        return None
    if any(all(j.verdict is None for j in _of(judgments, order)) for order in Order):
        return "unread_verdict"
    return "wrong_in_one_order" if orders_right else "wrong_in_both_orders"


__all__ = ["EvidenceRule", "Keep", "Rule", "names", "select", "signed"]

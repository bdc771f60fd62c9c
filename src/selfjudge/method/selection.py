"""Stage II, the filter: which pairs and traces teach the next judge.

A pair is kept when the judge named the chosen response in both orders; the same number of traces is kept of each order,
so that `[[A]]` and `[[B]]` balance by construction. With the evidence rule a trace must also name what Stage I changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..types import Alteration, Edit, Evidence, Judgment, Order, PreferencePair, Vote
from .alteration import words
NUMBER_WORDS={}

Keep = Literal["one", "all"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What selection asks for. The paper: both orders, no evidence, one trace an order."""

    both_orders: bool = True
    evidence: bool = False
    keep: Keep = "one"


def select(pair: PreferencePair, judgments: Sequence[Judgment], rule: Rule) -> tuple[Judgment, ...] | str:
    """The traces of a pair that are kept, or the reason why it is dropped.

    Reasons: `unread_verdict` (an order without any verdict), `wrong_in_both_orders`, `wrong_in_one_order`,
    `evidence_not_named`. Within an order, traces are taken by sample number.
    """
    right = {order: [j for j in _of(judgments, order) if j.right] for order in Order}
    if reason := _failure(judgments, right, rule):
        return reason
    if rule.evidence and pair.evidence is not None:
        evidence = pair.evidence
        right = {order: [j for j in kept if names(j.trace, evidence)] for order, kept in right.items()}
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


def names(trace: str, evidence: Evidence) -> bool:
    """Whether a trace names what Stage I recorded: one located edit, or both answers. Uses no label and no truth.

    An edit is named when the trace holds the words before and the words after it (the one side that there is, for an
    insertion or a deletion); a vote, when it holds both normalised answers. Words are compared without case, as whole words
    and in sequence; number words count as their digits, so `two balls` names `2 balls`. Only content decides: articles and
    punctuation are passed over.
    """
    said = _content(trace)
    if isinstance(evidence, Vote):
        return all(_holds(said, _content(answer)) for answer in (evidence.majority, evidence.alternative))
    return any(_names_edit(said, edit) for edit in evidence.edits)


def _names_edit(said: list[str], edit: Edit) -> bool:
    sides = [side for side in (_content(edit.before), _content(edit.after)) if side]
    return bool(sides) and all(_holds(said, side) for side in sides)


def _content(text: str) -> list[str]:
    plain = (word.casefold() for word in words(text) if any(c.isalnum() for c in word))
    return [str(NUMBER_WORDS.get(word, word)) for word in plain if word not in ("a", "an", "the")]


def _holds(said: list[str], wanted: list[str]) -> bool:
    size = len(wanted)
    return size > 0 and any(said[i : i + size] == wanted for i in range(len(said) - size + 1))


__all__ = ["Alteration", "Keep", "Rule", "names", "select"]

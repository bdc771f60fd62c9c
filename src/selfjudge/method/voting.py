"""Stage I, closed prompts: ask for an answer that can be compared, count votes over its forms, and draw the pair.

Votes are counted over normalised answers (`answers`); the texts of the pair are samples as the model wrote them. The threshold,
the number of samples and the dropped ties follow the paper as far as it is known (arXiv 2512.05145, stage I).
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from ..types import Vote
from .answers import CANNOT_TELL, normalise

ANSWER = """\
{images}
{question}

Reason first if the request needs it. Then end with a last line that gives your answer in a few words, in this form:
Answer: (the answer)
"""
"""The request for a sample: answers that end in a line of one form can be compared whatever stands before it."""

_NONE: Mapping[str, str] = {}

Alternative = Literal["typed", "any_sample", "any_answer", "most_voted"]
"""Which answer loses: a random sample outside the majority, of its type (`typed`) or of any (`any_sample`), a random other
answer, or the most voted other answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Elected:
    """What a vote leads to: the texts of the pair, as sampled, and the vote behind it."""

    chosen: str
    rejected: str
    vote: Vote


@dataclass(frozen=True, slots=True, kw_only=True)
class Election:
    """The rules of a vote: what the majority needs, and which answer it beats."""

    threshold: int = 5
    lead: int = 1
    alternative: Alternative = "typed"


_SAFE_LEAD = 4
"""CHOSEN: a lead that further samples hardly turn (of 2,160 pairs of a demo none, `experiments/early_exit.py`)."""


def is_decided(samples: Sequence[str], *, instruction: str, rules: Election) -> bool:
    """Whether a vote makes a pair already, with a lead that further samples hardly turn."""
    elected = elect(samples, instruction=instruction, rules=rules, rng=random.Random(0))
    return isinstance(elected, Elected) and elected.vote.margin >= _SAFE_LEAD


def elect(
    samples: Sequence[str], *, instruction: str, rules: Election, rng: random.Random, same: Mapping[str, str] = _NONE
) -> Elected | str:
    """The pair that sampled answers make, or the reason why they make none.

    `same` has forms that count as another one, as a model said; the pair's texts are samples in that other form itself.

    Reasons: `no_readable_answer`, `tie` for the most votes, `no_majority` (fewer than `threshold` votes), `unanimous`,
    `small_lead`, `no_alternative_of_its_type`. The chosen text is a random sample of the majority.
    """
    ballots = [(normalise(text, instruction), text) for text in samples]
    readable = [(answer, text) for answer, text in ballots if answer is not None]
    counts = tuple(
        sorted(Counter(same.get(answer, answer) for answer, _ in readable).items(), key=lambda item: (-item[1], item[0]))
    )
    if reason := _undecided(counts, rules):
        return reason
    majority = counts[0][0]
    others = [voted for answer, _ in readable if (voted := same.get(answer, answer)) != majority]
    alternative = _alternative(majority, others, rules.alternative, rng)
    if alternative is None:
        return "no_alternative_of_its_type"
    return Elected(
        chosen=rng.choice([text for answer, text in readable if answer == majority]),
        rejected=rng.choice([text for answer, text in readable if answer == alternative]),
        vote=Vote(counts=counts, majority=majority, alternative=alternative),
    )


def _undecided(counts: Sequence[tuple[str, int]], rules: Election) -> str | None:
    """Why votes, most first, elect nothing."""
    if not counts:
        return "no_readable_answer"
    votes, second = counts[0][1], counts[1][1] if len(counts) > 1 else 0
    if votes == second:
        return "tie"
    if votes < rules.threshold:
        return "no_majority"
    if not second:
        return "unanimous"
    return "small_lead" if votes - second < rules.lead else None


def _alternative(majority: str, others: Sequence[str], rule: Alternative, rng: random.Random) -> str | None:
    """The answer that loses, out of all other ballots; None when none is of the majority's type."""
    counted = Counter(others)
    if rule == "most_voted":
        return min(counted, key=lambda answer: (-counted[answer], answer))
    if rule == "any_answer":
        return rng.choice(sorted(counted, key=lambda answer: (-counted[answer], answer)))
    if rule == "typed":
        others = [answer for answer in others if type_of(answer) == type_of(majority)]
    return rng.choice(others) if others else None


_NUMBER = re.compile(r"[<>≤≥]?\s?-?\d")


@lru_cache(1024)
def type_of(answer: str) -> str:
    """What an answer is, by its form: `letter`, `yes_no`, `number`, `cannot_tell` or `phrase`."""
    if re.fullmatch("[A-J]", answer):
        return "letter"
    if answer in ("yes", "no"):
        return "yes_no"
    if answer == CANNOT_TELL:
        return "cannot_tell"
    return "number" if _NUMBER.match(answer) else "phrase"

"""Stage I, closed prompts: ask for an answer that can be compared, count votes over its forms, and draw the pair.

Votes are counted over normalised answers (`answers`); the texts of the pair are samples as the model wrote them. The threshold,
the number of samples and the dropped ties follow the paper as far as it is known (arXiv 2512.05145, stage I).
"""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
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
_EMPTY: Mapping[tuple[str, str], Mapping[str, str]] = {}

Alternative = Literal["typed", "any_sample", "any_answer", "most_voted", "pooled"]
"""Which answer loses: a random sample outside the majority, of its type (`typed`) or of any (`any_sample`), a random other
answer, the most voted other answer, or one that won the vote on another question that opens alike (`pooled`)."""

Ballot = tuple[str, str]
"""A normalised answer, and a text of it."""

Pool = Mapping[tuple[str, str], Mapping[str, str]]
"""Answers that won votes, each with a text, by how their question opens and by their type."""


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
    counts = _counted(_ballots(samples, instruction), _NONE)
    if _has_pool(counts, rules):
        return _undecided(counts, rules) in (None, "unanimous") and _lead(counts) >= _SAFE_LEAD
    elected = elect(samples, instruction=instruction, rules=rules, rng=random.Random(0))
    return isinstance(elected, Elected) and elected.vote.margin >= _SAFE_LEAD


_OPENING = 2
"""CHOSEN: questions open alike if their first two words are the same, as `how many` and `what color` are."""


def opening(question: str) -> str:
    """The words that a question opens with, without case and punctuation."""
    return " ".join(re.findall(r"\w+", question.casefold())[:_OPENING])


def pool_of(votes: Iterable[tuple[str, Sequence[str]]], rules: Election) -> Pool:
    """The winners of votes, which come as instruction and samples; of several texts of an answer the first one stays."""
    pool: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for instruction, samples in votes:
        ballots = _ballots(samples, instruction)
        counts = _counted(ballots, _NONE)
        if _undecided(counts, rules) in (None, "unanimous"):
            won = counts[0][0]
            text = next(text for answer, text in ballots if answer == won)
            pool[opening(instruction), type_of(won)].setdefault(won, text)
    return pool


def elect(
    samples: Sequence[str],
    *,
    instruction: str,
    rules: Election,
    rng: random.Random,
    same: Mapping[str, str] = _NONE,
    pool: Pool = _EMPTY,
) -> Elected | str:
    """The pair that sampled answers make, or the reason why they make none.

    `same` has forms that count as another one, as a model said; the pair's texts are samples in that other form itself. The rule
    `pooled` takes the rejected answer from `pool`, each as likely, and so makes a pair of unanimous votes, too.

    Reasons: `no_readable_answer`, `tie` for the most votes, `no_majority` (fewer than `threshold` votes), `unanimous`,
    `small_lead`, `no_alternative_of_its_type`. The chosen text is a random sample of the majority.
    """
    ballots = _ballots(samples, instruction)
    counts = _counted(ballots, same)
    reason = _undecided(counts, rules)
    if reason is not None and (reason != "unanimous" or not _has_pool(counts, rules)):
        return reason
    majority = counts[0][0]
    if _has_pool(counts, rules):
        won = pool.get((opening(instruction), type_of(majority)), _NONE)
        rivals = sorted((answer, text) for answer, text in won.items() if same.get(answer, answer) != majority)
    else:
        others = [voted for answer, _ in ballots if (voted := same.get(answer, answer)) != majority]
        alternative = _alternative(majority, others, rules.alternative, rng)
        rivals = [] if alternative is None else [ballot for ballot in ballots if ballot[0] == alternative]
    if not rivals:
        return reason or "no_alternative_of_its_type"
    chosen = rng.choice([text for answer, text in ballots if answer == majority])
    alternative, rejected = rng.choice(rivals)
    return Elected(chosen=chosen, rejected=rejected, vote=Vote(counts=counts, majority=majority, alternative=alternative))


def _ballots(samples: Sequence[str], instruction: str) -> list[Ballot]:
    """The samples that can be read."""
    forms = ((normalise(text, instruction), text) for text in samples)
    return [(answer, text) for answer, text in forms if answer is not None]


def _counted(ballots: Sequence[Ballot], same: Mapping[str, str]) -> tuple[tuple[str, int], ...]:
    """Votes by answer, most first."""
    return tuple(sorted(Counter(same.get(answer, answer) for answer, _ in ballots).items(), key=lambda item: (-item[1], item[0])))


def _has_pool(counts: Sequence[tuple[str, int]], rules: Election) -> bool:
    """Whether the winner of a vote is set against answers to other questions; a letter is not, for others offer other letters."""
    return rules.alternative == "pooled" and bool(counts) and type_of(counts[0][0]) != "letter"


def _lead(counts: Sequence[tuple[str, int]]) -> int:
    return counts[0][1] - (counts[1][1] if len(counts) > 1 else 0)


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
    if rule in ("typed", "pooled"):
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

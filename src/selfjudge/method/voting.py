"""Stage I, closed prompts: ask for an answer that can be compared, count votes over its forms, and draw the pair.

Votes are counted over normalised answers (`answers`); the texts of the pair are samples as the model wrote them. The threshold,
the number of samples and the dropped ties follow the paper as far as it is known (arXiv 2512.05145, stage I).
"""

from __future__ import annotations

import random
import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Literal

from ..types import Vote
from .answers import CANNOT_TELL, normalise
from .thinking import spoken

ANSWER = """\
{images}
{question}

Reason first if the request needs it. Then end with a last line that gives your answer in a few words, in this form:
Answer: (the answer)
"""
"""The request for a sample: answers that end in a line of one form can be compared whatever stands before it."""

_NONE: Mapping[str, str] = {}

Alternative = Literal["typed", "any_sample", "any_answer", "most_voted", "pooled"]
"""Which answer loses: a random sample outside the majority, of its type (`typed`) or of any (`any_sample`), a random other
answer, the most voted other answer, or one that won the vote on another question that opens alike (`pooled`)."""

Ballot = tuple[str, str]
"""A normalised answer, and a text of it."""

Pool = Mapping[tuple[str, str], Sequence[Ballot]]
"""Answers that won votes, in their order, by how their question opens and by their type."""

_EMPTY: Pool = {}


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
    ballots = _ballots(samples, instruction)
    counts = _counted(ballots, _NONE)
    if rules.alternative == "pooled" and _bare(ballots, counts):
        return _undecided(counts, rules) in (None, "unanimous") and _lead(counts) >= _SAFE_LEAD
    elected = elect(samples, instruction=instruction, rules=rules, rng=random.Random(0))
    return isinstance(elected, Elected) and elected.vote.margin >= _SAFE_LEAD


_OPENING = 2
"""CHOSEN: questions open alike if their first two words are the same, as `how many` and `what color` are."""


_BARE = 1
"""CHOSEN: words that a text may have beside those of the answer in its normal form, such as an article."""


def opening(question: str) -> str:
    """The words that a question opens with, without case and punctuation."""
    return " ".join(re.findall(r"\w+", question.casefold())[:_OPENING])


def pool_of(votes: Iterable[tuple[str, Sequence[str]]], rules: Election) -> Pool:
    """The winners of votes, which come as instruction and samples, with the first bare text of each."""
    found: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for instruction, samples in votes:
        ballots = _ballots(samples, instruction)
        counts = _counted(ballots, _NONE)
        texts = _bare(ballots, counts)
        if texts and _undecided(counts, rules) in (None, "unanimous"):
            won = counts[0][0]
            found[opening(instruction), type_of(won)].setdefault(won, texts[0])
    return {kind: sorted(winners.items()) for kind, winners in found.items()}


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

    `same` has forms that count as another one, as a model said; the pair's texts are samples in that other form itself.

    The rule `pooled` takes the rejected answer from `pool`, each as likely, and so makes a pair of unanimous votes, too. Where no
    text of the majority is bare it does as `typed`.

    Reasons: `no_readable_answer`, `tie` for the most votes, `no_majority` (fewer than `threshold` votes), `unanimous`,
    `small_lead`, `no_alternative_of_its_type`. The chosen text is a random sample of the majority.
    """
    ballots = _ballots(samples, instruction)
    counts = _counted(ballots, same)
    bare = _bare(ballots, counts) if rules.alternative == "pooled" else []
    reason = _undecided(counts, rules)
    if reason is not None and (reason != "unanimous" or not bare):
        return reason
    majority = counts[0][0]
    if bare:
        won = pool.get((opening(instruction), type_of(majority)), [])
        rivals = _without(won, [majority, *(form for form, other in same.items() if other == majority)])
    else:
        others = [voted for answer, _ in ballots if (voted := same.get(answer, answer)) != majority]
        alternative = _alternative(majority, others, rules.alternative, rng)
        rivals = [] if alternative is None else [ballot for ballot in ballots if ballot[0] == alternative]
    if not rivals:
        return reason or "no_alternative_of_its_type"
    chosen = rng.choice(bare or [text for answer, text in ballots if answer == majority])
    alternative, rejected = rng.choice(rivals)
    return Elected(chosen=chosen, rejected=rejected, vote=Vote(counts=counts, majority=majority, alternative=alternative))


def _ballots(samples: Sequence[str], instruction: str) -> list[Ballot]:
    """The samples that can be read."""
    forms = ((normalise(text, instruction), text) for text in samples)
    return [(answer, text) for answer, text in forms if answer is not None]


def _counted(ballots: Sequence[Ballot], same: Mapping[str, str]) -> tuple[tuple[str, int], ...]:
    """Votes by answer, most first."""
    return tuple(sorted(Counter(same.get(answer, answer) for answer, _ in ballots).items(), key=lambda item: (-item[1], item[0])))


def _bare(ballots: Sequence[Ballot], counts: Sequence[tuple[str, int]]) -> list[str]:
    """The texts of the winner that can stand against an answer to another question, for they say hardly more than the answer.

    A letter has none: another question offers other letters.
    """
    if not counts or type_of(counts[0][0]) == "letter":
        return []
    won = counts[0][0]
    return [text for answer, text in ballots if answer == won and len(spoken(text).split()) <= len(won.split()) + _BARE]


def _without(ballots: Sequence[Ballot], answers: Iterable[str]) -> list[Ballot]:
    """Ballots, which stand in order, without those for some answers."""
    rest = list(ballots)
    for answer in answers:
        place = bisect_left(rest, answer, key=itemgetter(0))
        if place < len(rest) and rest[place][0] == answer:
            del rest[place]
    return rest


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
    return "small_lead" if _lead(counts) < rules.lead else None


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


_NUMBER = re.compile(r"[<>≤≥]?\s?[-±]?\d")


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

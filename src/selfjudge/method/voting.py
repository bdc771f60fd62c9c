"""Stage I, closed prompts: bring sampled answers to one form, count votes, and draw the pair.

Votes are counted over normalised answers; the texts of the pair are samples as the model wrote them. The threshold, the
number of samples and the dropped ties follow the paper as far as it is known (arXiv 2512.05145, stage I).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..types import Vote
from .answers import normalise

Negative = Literal["any_sample", "any_answer", "most_voted"]
"""Which answer loses: a random sample outside the majority, a random other answer, or the most voted other answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Elected:
    """What a vote leads to: the texts of the pair, as sampled, and the vote behind it."""

    chosen: str
    rejected: str
    vote: Vote


def elect(samples: Sequence[str], *, instruction: str, threshold: int, negative: Negative, rng: random.Random) -> Elected | str:
    """The pair that sampled answers make, or the reason why they make none.

    Reasons: `no_readable_answer`, `tie` for the most votes, `no_majority` (fewer than `threshold` votes), `unanimous`. The
    chosen text is a random sample of the majority.
    """
    ballots = [(normalise(text, instruction), text) for text in samples]
    readable = [(answer, text) for answer, text in ballots if answer is not None]
    if not readable:
        return "no_readable_answer"
    counts = tuple(sorted(Counter(answer for answer, _ in readable).items(), key=lambda item: (-item[1], item[0])))
    majority, votes = counts[0]
    if len(counts) > 1 and counts[1][1] == votes:
        return "tie"
    if votes < threshold:
        return "no_majority"
    if len(counts) == 1:
        return "unanimous"
    alternative = _alternative(counts, readable, negative, rng)
    return Elected(
        chosen=rng.choice([text for answer, text in readable if answer == majority]),
        rejected=rng.choice([text for answer, text in readable if answer == alternative]),
        vote=Vote(counts=counts, majority=majority, alternative=alternative),
    )


def _alternative(
    counts: tuple[tuple[str, int], ...], readable: list[tuple[str, str]], negative: Negative, rng: random.Random
) -> str:
    if negative == "most_voted":
        return counts[1][0]
    if negative == "any_answer":
        return rng.choice([answer for answer, _ in counts[1:]])
    return rng.choice([answer for answer, _ in readable if answer != counts[0][0]])

"""A rating from 1 to 10 of one response: the number that ends a reply, as RewardBench 2's script reads it, cut off or not."""

from __future__ import annotations

import re

from ..types import Finish, Problem, Verdict

WORST, BEST = 1, 10

_LAST = re.compile(r"\b([1-9]|10)\b$")


def rating(text: str) -> int | None:
    """The rating of a reply; None where it ends with no number from 1 to 10. Source: `get_single_rating` of reward-bench."""
    found = _LAST.search(text.rstrip()[-3:])  # the longest number, and what stands before it
    return int(found[1]) if found else None


def half(text: str, finish: Finish = Finish.STOP) -> Verdict | Problem:
    """FIRST, the response that is shown, for a rating in the upper half, SECOND for a lower one; or the problem with a reply."""
    if finish is Finish.ERROR:
        return Problem.ENGINE_FAILURE
    found = rating(text)
    if found is None:
        return Problem.CUT_OFF if finish is Finish.LENGTH else Problem.NO_VERDICT
    return Verdict.FIRST if 2 * found > WORST + BEST else Verdict.SECOND


def chance(text: str) -> float | None:
    """A rating's place between the worst, 0, and the best, 1."""
    found = rating(text)
    return None if found is None else (found - WORST) / (BEST - WORST)


def of_chance(place: float) -> int:
    """The rating at a place."""
    return round(WORST + place * (BEST - WORST))

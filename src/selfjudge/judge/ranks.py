"""An order of several responses, from comparisons of two at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..errors import InputError
from ..method.ranking import bradley_terry, pairings
from .cases import Preference

Compare = Callable[[Iterable[tuple[int, int]]], Iterator[Preference]]
"""Compares responses by their numbers, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """Responses from best to worst.

    order        their numbers, the best first
    strengths    of each response, in the order given; their sum is 1. i beats j with probability s[i] / (s[i] + s[j])
    comparisons  pairs that were compared, each in both orders
    undecided    those in which the two orders named different responses, or a verdict could not be read
    failed       those that could not be judged; they count for neither response
    cut_off      those of which a verdict could not be read because its reply was cut off; they are undecided too
    problem      where no comparison was decided: the most frequent reason, or `undecided`; then the order says little
    """

    order: tuple[int, ...]
    strengths: tuple[float, ...]
    comparisons: int
    undecided: int
    failed: int
    cut_off: int = 0
    problem: str | None = None


def ranked(count: int, compare: Compare, comparisons: int | None) -> Ranking:
    """Compare `comparisons` pairs, or all, and fit the Bradley–Terry model. Raises InputError when they are too few."""
    if comparisons is not None and count > 1 and comparisons < count - 1:
        raise InputError(
            f"{comparisons} comparisons cannot rank {count} responses",
            hint=f"Use at least {count - 1}, or all: comparisons=None.",
        )
    pairs = pairings(count, comparisons)
    return order(count, pairs, list(compare(pairs)))


def order(count: int, pairs: Sequence[tuple[int, int]], preferences: Sequence[Preference]) -> Ranking:
    """The Bradley–Terry model of what was said about pairs of `count` responses."""
    wins: dict[tuple[int, int], float] = {}
    for (i, j), said in zip(pairs, preferences, strict=True):
        if (chance := said.leaning) is not None:
            wins[i, j], wins[j, i] = chance, 1 - chance
    strengths = bradley_terry(wins, count)
    why = Counter(said.problem or "undecided" for said in preferences).most_common(1)
    decided = any(said.preference is not None for said in preferences)
    return Ranking(
        order=tuple(sorted(range(count), key=lambda n: (-strengths[n], n))),
        strengths=strengths,
        comparisons=len(pairs),
        undecided=sum(said.preference is None and not said.failed for said in preferences),
        failed=sum(said.failed for said in preferences),
        cut_off=sum(said.is_cut_off for said in preferences),
        problem=why[0][0] if why and not decided else None,
    )


def knocked_out(count: int, compare: Compare) -> int:
    """The number of the response that wins a knock-out of `count` - 1 comparisons; without a preference the earlier one wins."""
    left: Sequence[int] = range(count)
    while len(left) > 1:
        matches = list(zip(left[::2], left[1::2], strict=False))
        lost = [said.leaning is not None and said.leaning < 0.5 for said in compare(matches)]
        winners = [j if beaten else i for (i, j), beaten in zip(matches, lost, strict=True)]
        left = [*winners, *left[2 * len(matches) :]]
    return left[0]

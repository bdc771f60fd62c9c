"""From comparisons of pairs to an order: which pairs to compare, and the Bradley–Terry model fitted to what came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_PRIOR = 0.1
"""CHOSEN: wins and losses that each response also has against one of strength 1, so that a winner of all has a finite one."""
_STEPS, _CLOSE = 1_000, 1e-9


def pairings(count: int, comparisons: int | None = None) -> list[tuple[int, int]]:
    """Pairs of `count` responses, each at most once: all, or the first `comparisons` of a fixed order, at least `count` - 1.

    The order starts with a ring, so that so many connect all responses, and each response is in nearly as many pairs as every
    other.
    """
    seen: dict[tuple[int, int], None] = {}
    for step in range(1, count // 2 + 1):
        for first in range(count):
            second = (first + step) % count
            seen.setdefault((min(first, second), max(first, second)))
    pairs = [pair for pair in seen if pair[0] != pair[1]]
    return pairs if comparisons is None else pairs[: max(comparisons, count - 1)]


def bradley_terry(wins: Mapping[tuple[int, int], float], count: int) -> tuple[float, ...]:
    """The strengths of `count` responses, their sum 1; i beats j with probability s[i] / (s[i] + s[j]).

    `wins[i, j]` is how often i beat j, in fractions where a comparison had a probability. Minorisation-maximisation (Hunter 2004,
    doi:10.1214/aos/1079120141), with a weak prior that all are equal.
    """
    met: dict[tuple[int, int], float] = {}
    won = [_PRIOR] * count
    for (i, j), share in wins.items():
        won[i] += share
        met[min(i, j), max(i, j)] = met.get((min(i, j), max(i, j)), 0.0) + share
    strengths = [1.0] * count
    for _ in range(_STEPS):
        new = _improved(strengths, won, met)
        if max(abs(a - b) for a, b in zip(new, strengths, strict=True)) < _CLOSE:
            break
        strengths = new
    total = sum(strengths)
    return tuple(s / total for s in strengths)


def _improved(strengths: Sequence[float], won: Sequence[float], met: Mapping[tuple[int, int], float]) -> list[float]:
    below = [2 * _PRIOR / (s + 1.0) for s in strengths]
    for (i, j), games in met.items():
        share = games / (strengths[i] + strengths[j])
        below[i] += share
        below[j] += share
    return [w / b for w, b in zip(won, below, strict=True)]

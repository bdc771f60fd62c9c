"""What runs that differ only in their seed say together: how far the mean of a few of them may be off."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import stdev


def margin(values: Sequence[float]) -> float | None:
    """Half the width of the 95 % t-interval of the mean of independent runs; None of fewer than two."""
    if len(values) < 2:
        return None
    return t_quantile(0.975, len(values) - 1) * stdev(values) / math.sqrt(len(values))


def t_quantile(p: float, freedom: int) -> float:
    """The value that Student's t with so many degrees of freedom stays below with probability `p`, 0.5 <= p < 1."""
    low, high = 0.0, 1.0
    while _within(high, freedom) < 2 * p - 1:
        high *= 2
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if _within(middle, freedom) < 2 * p - 1 else (low, middle)
    return high


def _within(t: float, freedom: int) -> float:
    """P(|T| <= t) for whole degrees of freedom (Abramowitz and Stegun, 26.7.3 and 26.7.4)."""
    angle = math.atan(t / math.sqrt(freedom))
    odd = freedom % 2
    term, total = math.cos(angle) if odd else 1.0, 0.0
    for k in range(1, freedom // 2 + 1):
        total += term
        term *= math.cos(angle) ** 2 * (2 * k - 1 + odd) / (2 * k + odd)
    return (angle + math.sin(angle) * total) * 2 / math.pi if odd else math.sin(angle) * total

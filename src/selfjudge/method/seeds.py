"""What runs that differ only in their seed say together: how far the mean of a few of them may be off, and what one arm gains on
another that ran with the same seeds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

_LEVEL = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """What an arm gains on another, paired by seed: other minus reference. All but n and mean are None of fewer than two seeds.

    margin        half the width of the 95 % t-interval of the mean
    p             of the paired t-test, two-sided
    equal_within  the smallest margin for which two one-sided t-tests at the 5 % level (TOST) call the two arms equal
    """

    n: int
    mean: float
    margin: float | None
    p: float | None
    equal_within: float | None


def gain(reference: Sequence[float], other: Sequence[float]) -> Gain:
    """The gain of runs on others with the same seeds, in the same order. Raises ValueError without any."""
    differences = [theirs - ours for ours, theirs in zip(reference, other, strict=True)]
    n, mean = len(differences), fmean(differences)
    if n < 2:
        return Gain(n=n, mean=mean, margin=None, p=None, equal_within=None)
    error = stdev(differences) / math.sqrt(n)
    return Gain(
        n=n,
        mean=mean,
        margin=margin(differences),
        p=2 * _above(abs(mean), error, n - 1),
        equal_within=abs(mean) + t_quantile(1 - _LEVEL, n - 1) * error,
    )


def equivalence(reference: Sequence[float], other: Sequence[float], within: float) -> float | None:
    """The p of two one-sided t-tests (TOST, Schuirmann 1987) that two arms differ by less than `within`; None of one seed."""
    differences = [theirs - ours for ours, theirs in zip(reference, other, strict=True)]
    if len(differences) < 2:
        return None
    error = stdev(differences) / math.sqrt(len(differences))
    return _above(within - abs(fmean(differences)), error, len(differences) - 1)


def _above(distance: float, error: float, freedom: int) -> float:
    """P(T * error > distance)."""
    if error == 0:
        return 0.5 if distance == 0 else float(distance < 0)
    inside = _within(abs(distance) / error, freedom)
    return (1 - inside) / 2 if distance >= 0 else (1 + inside) / 2


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

"""Whether two judges differ, from what both said to the same items.

Paired, because what one item costs both judges cancels out: the difference of two judges is known better than either figure.
Differences are other minus reference, fractions in [-1, 1]. Two tests, for two questions:

    difference   the mean over items of any figure, resampling whole groups of items (percentile bootstrap); where all groups say
                 the same, a score test in its place
    mcnemar      right or not, by the items that only one judge had right (exact binomial); it takes items as independent
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from .metrics import RESAMPLES, ROUNDING, by_group, effective_number, middle, resampled_means, unseen_share

FEW_GROUPS = 30
"""With fewer groups a bootstrap interval is too narrow, and its p too small."""

_POWER = 0.8
_LEVEL = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The difference of two judges on `n` items in `groups` groups: other minus reference.

    ci95          95 % bootstrap interval; None with a single group, from which nothing can be learned
    p             two-sided: twice the share of resampled differences on the other side of 0, at least 2 / (RESAMPLES + 1)
    p_holm        p adjusted for the number of judges (`holm`), once it is known
    detectable    the difference that such items would show four times in five at the 5 % level; None where none was ever seen
    equal_within  the judges are equal within this margin: two one-sided 5 % tests (TOST) refuse any larger difference
    """

    n: int
    groups: int
    difference: float
    ci95: tuple[float, float] | None
    p: float | None
    detectable: float | None
    equal_within: float | None
    p_holm: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Discordance:
    """Items by who was right, and the two-sided p of McNemar's exact test: that either judge is as likely to be right alone."""

    both: int
    only_reference: int
    only_other: int
    neither: int
    p: float
    p_holm: float | None = None


def difference(reference: Sequence[float], other: Sequence[float], groups: Sequence[str], *, seed: int = 0) -> Difference | None:
    """The difference of the means of two judges' values of the same items, in the same order; None without items.

    `groups` names the group of each item: groups are resampled whole. The same values, the same figures.
    """
    gains = [theirs - ours for ours, theirs in zip(reference, other, strict=True)]
    if not gains:
        return None
    mean, count = math.fsum(gains) / len(gains), len(set(groups))
    known: dict[str, Any] = dict.fromkeys(("ci95", "p", "detectable", "equal_within"))
    if count > 1:
        means = resampled_means(gains, groups, seed=seed)
        number = effective_number(by_group(gains, groups)[1])
        known = _resampled(means) if np.ptp(means) > ROUNDING else _alike(mean, number)
    return Difference(n=len(gains), groups=count, difference=mean, **known)


def _resampled(means: np.ndarray) -> dict[str, Any]:
    low, high = np.quantile(means, (_LEVEL, 1 - _LEVEL))
    return {
        "ci95": middle(means),
        "p": _two_sided(means),
        "detectable": _detectable(float(means.std())),
        "equal_within": float(max(-low, high)),
    }


def _alike(mean: float, number: float) -> dict[str, Any]:
    """The figures of groups that all have the same difference: as far as groups that were not seen, of -1 or 1, could move it.

    p is that of the score test whose interval this is: where 0 is one of its ends.
    """
    wide, narrow = (unseen_share(number, NormalDist().inv_cdf(1 - level)) for level in (_LEVEL / 2, _LEVEL))
    return {
        "ci95": (mean * (1 - wide) - wide, mean * (1 - wide) + wide),
        "p": max(math.erfc(math.sqrt(number * abs(mean) / 2)), 2 / (RESAMPLES + 1)),
        "detectable": None,
        "equal_within": abs(mean) * (1 - narrow) + narrow,
    }


def _two_sided(means: np.ndarray) -> float:
    """Twice the smaller share of means on one side of 0, the observed one counted in: a resampled p is never 0."""
    beyond = min(int((means <= 0).sum()), int((means >= 0).sum()))
    return min(1.0, 2 * (beyond + 1) / (len(means) + 1))


def _detectable(error: float) -> float | None:
    """The difference that a two-sided test finds with the usual power, given its standard error."""
    normal = NormalDist()
    return (normal.inv_cdf(1 - _LEVEL / 2) + normal.inv_cdf(_POWER)) * error or None


def mcnemar(reference: Sequence[bool], other: Sequence[bool]) -> Discordance:
    """McNemar's exact test on whether two judges were right about the same items, in the same order."""
    table = np.zeros((2, 2), np.int64)
    for ours, theirs in zip(reference, other, strict=True):
        table[int(ours), int(theirs)] += 1
    (neither, only_other), (only_reference, both) = table.tolist()
    p = binomial(only_other, only_reference + only_other)
    return Discordance(both=both, only_reference=only_reference, only_other=only_other, neither=neither, p=p)


def binomial(successes: int, trials: int) -> float:
    """The exact two-sided p of so many successes of a fair coin; 1 without trials.

    The tail is summed from its largest term downwards, relative to it, so that a million trials neither overflow nor take long.
    """
    low = min(successes, trials - successes)
    largest = math.lgamma(trials + 1) - math.lgamma(low + 1) - math.lgamma(trials - low + 1) - trials * math.log(2)
    term = total = 1.0
    for count in range(low, 0, -1):
        term *= count / (trials - count + 1)
        total += term
        if term < total * 1e-17:
            break
    return min(1.0, 2 * math.exp(largest) * total)


def holm(values: Sequence[float | None]) -> list[float | None]:
    """p values adjusted for being several (Holm), in the given order; None stays None and is not counted."""
    known = sorted((p, place) for place, p in enumerate(values) if p is not None)
    adjusted: list[float | None] = [None] * len(values)
    reached = 0.0
    for rank, (p, place) in enumerate(known):
        reached = max(reached, min(1.0, (len(known) - rank) * p))
        adjusted[place] = reached
    return adjusted

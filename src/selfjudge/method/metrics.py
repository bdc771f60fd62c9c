"""How good a judge is on pairs with a known better response, each judged in both orders.

An unread verdict is wrong in every accuracy and is reported as what it is in `parse_rate`. Intervals are 95 % bootstrap
intervals over groups of items (an item alone is its own group), with a fixed seed: the same verdicts, the same interval. They
are no narrower than Wilson's, which stands alone where no group differs from another.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import NormalDist, fmean
from typing import Protocol, TypeVar

import numpy as np

from ..figures import Figures
from ..types import Order, Verdict

RESAMPLES = 2_000

_DRAWN_SINGLY = 10_000
"""Up to so many groups each is drawn by itself, as published figures were; the time grows with the number of groups."""
_CELLS = 4_000_000
"""Counts held at once while resampling, 8 bytes each."""
ROUNDING = 1e-12
"""Resampled means of groups that are all alike may differ by so much."""
_Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One benchmark pair after judging: the verdicts in both orders, None where unread. `forced` ones the judge did not write."""

    dimension: str
    group: str
    chosen_first: Verdict | None
    rejected_first: Verdict | None
    forced: int = 0

    @property
    def right(self) -> tuple[bool, bool]:
        return (
            self.chosen_first is Order.CHOSEN_FIRST.chosen,
            self.rejected_first is Order.REJECTED_FIRST.chosen,
        )


def score(items: Sequence[Item]) -> Figures:
    """The figures of some items."""
    read = [v for item in items for v in (item.chosen_first, item.rejected_first) if v is not None]
    same = sum(
        item.chosen_first is not None and item.rejected_first is not None and item.chosen_first is not item.rejected_first
        for item in items
    )
    return {
        "accuracy": share(sum(sum(item.right) for item in items), 2 * len(items)),
        "pair_accuracy": share(sum(all(item.right) for item in items), len(items)),
        "consistency": share(same, len(items)),
        "first_position_rate": share(sum(v is Verdict.FIRST for v in read), len(read)),
        "parse_rate": share(len(read) - sum(item.forced for item in items), 2 * len(items)),
        "n": len(items),
    }


def share(count: float, of: float) -> float | None:
    """A fraction; None of nothing."""
    return count / of if of else None


def macro(shares: Sequence[float | None]) -> float | None:
    """The mean of fractions, each counting the same; None when one of them is undefined, or there is none."""
    known = [value for value in shares if value is not None]
    return sum(known) / len(known) if known and len(known) == len(shares) else None


def by_dimension(items: Sequence[Item]) -> dict[str, Figures]:
    """The figures of each dimension, by name."""
    ordered = sorted(items, key=lambda item: item.dimension)
    return {name: score(list(part)) for name, part in groupby(ordered, key=lambda item: item.dimension)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a judge decided about one pair, all its replies taken together. Undecided is neither right nor wrong to `right`."""

    dimension: str
    group: str
    right: bool | None


def decided(decisions: Sequence[Decision]) -> Figures:
    """Accuracy over all pairs (undecided is wrong), its interval, and the share of pairs that were decided."""
    return {
        "n": len(decisions),
        "accuracy": share(sum(d.right is True for d in decisions), len(decisions)),
        "ci95": interval(decisions, decision_accuracy),
        "coverage": share(sum(d.right is not None for d in decisions), len(decisions)),
    }


def decision_accuracy(decision: Decision) -> float:
    """1 for a pair that was decided rightly, else 0."""
    return float(decision.right is True)


def majority(votes: Sequence[bool | None]) -> bool | None:
    """What more than half of the replies say; None when nothing is said by so many. None among them is an unread reply."""
    for outcome in (True, False):
        if 2 * votes.count(outcome) > len(votes):
            return outcome
    return None


class Grouped(Protocol):
    """Something that is resampled together with all others of its group, and counted in a dimension."""

    @property
    def group(self) -> str: ...
    @property
    def dimension(self) -> str: ...


One = TypeVar("One", bound=Grouped)


def interval(items: Sequence[One], value: Callable[[One], float], *, seed: int = 0) -> tuple[float, float] | None:
    """The 95 % interval of the mean of `value`, which lies in [0, 1], over items; None without items.

    Groups are resampled whole; where all of them agree, `_of_equals` says what their number allows.
    """
    return _limits(items, value, seed) if items else None


def _limits(items: Sequence[One], value: Callable[[One], float], seed: int) -> tuple[float, float]:
    """Near 0 and 1 a bootstrap is too narrow, and Wilson's interval for as many items as its variance stands for is wider."""
    values, groups = [value(item) for item in items], [item.group for item in items]
    means, sizes = resampled_means(values, groups, seed=seed), by_group(values, groups)[1]
    if np.ptp(means) <= ROUNDING:
        return _of_equals(fmean(values), sizes)
    mean, (low, high) = fmean(values), middle(means)
    center, half = _wilson(mean, mean * (1 - mean) / float(np.var(means)))
    return min(low, center - half), max(high, center + half)


def _wilson(mean: float, number: float) -> tuple[float, float]:
    """The middle and half of the width of Wilson's 95 % interval for a share of so many items."""
    shrink = 1 + _Z**2 / number
    half = _Z * math.sqrt(mean * (1 - mean) / number + (_Z / (2 * number)) ** 2)
    return (mean + _Z**2 / (2 * number)) / shrink, half / shrink


def _of_equals(mean: float, sizes: np.ndarray) -> tuple[float, float]:
    """Limits for groups of these sizes that all have the same mean: as far as groups that were not seen could move it.

    For single items that are all right or all wrong this is Wilson's interval.
    """
    unseen = unseen_share(effective_number(sizes))
    return mean * (1 - unseen), mean + (1 - mean) * unseen


def unseen_share(number: float, z: float = _Z) -> float:
    """How many groups may be unlike so many that are all alike: Wilson's upper limit for what happened in none of them."""
    return z**2 / (number + z**2)


def effective_number(sizes: np.ndarray) -> float:
    """How many groups of one size these stand for (Kish). A group counts once however many items it has, and groups of unequal
    sizes as fewer: wide, where items of a group do not go together.
    """
    return float(sizes.sum() ** 2 / (sizes**2).sum())


def macro_interval(items: Sequence[One], value: Callable[[One], float], *, seed: int = 0) -> tuple[float, float] | None:
    """The 95 % interval of the mean over dimensions, from the interval of each; None without items.

    The distances from mean to limit add up as standard errors of independent dimensions do, in squares, each side on its own (Zou
    and Donner 2008, "MOVER"). So a dimension in which all items agree counts with its width, too. Where a group has items in
    several dimensions these go together: the interval is then at least that of whole groups resampled over all of them.
    """
    if not items:
        return None
    ordered = sorted(items, key=lambda item: item.dimension)
    parts = [list(part) for _, part in groupby(ordered, key=lambda item: item.dimension)]
    means = [fmean(map(value, part)) for part in parts]
    limits = [_limits(part, value, seed + place) for place, part in enumerate(parts)]
    below = math.hypot(*(mean - low for mean, (low, _) in zip(means, limits, strict=True)))
    above = math.hypot(*(high - mean for mean, (_, high) in zip(means, limits, strict=True)))
    low, high = fmean(means) - below / len(parts), fmean(means) + above / len(parts)
    if sum(len({item.group for item in part}) for part in parts) == len({item.group for item in items}):
        return low, high
    together = middle(_macro_means(parts, value, seed))
    return min(low, together[0]), max(high, together[1])


def _macro_means(parts: Sequence[Sequence[One]], value: Callable[[One], float], seed: int) -> np.ndarray:
    """Means over dimensions of RESAMPLES bootstrap samples of whole groups, over those dimensions that a sample has items of."""
    groups = [[item.group for item in part] for part in parts]
    names = sorted({name for part in groups for name in part})
    found = [by_group(list(map(value, part)), group, names) for part, group in zip(parts, groups, strict=True)]
    with np.errstate(invalid="ignore"):
        means = _resampled(*(np.stack(column, axis=1) for column in zip(*found, strict=True)), seed=seed)
    return np.asarray(np.nanmean(means, axis=1))


def resampled_means(values: Sequence[float], groups: Sequence[str], *, seed: int) -> np.ndarray:
    """Means of `values` over RESAMPLES bootstrap samples of whole groups; `groups` names the group of each value."""
    sums, sizes = by_group(values, groups)
    return _resampled(sums[:, None], sizes[:, None], seed=seed)[:, 0]


def _resampled(sums: np.ndarray, sizes: np.ndarray, *, seed: int) -> np.ndarray:
    """Means of each column over bootstrap samples of rows, shape (RESAMPLES, columns): sums and numbers are (groups, columns).

    Memory is bounded by `_CELLS`, whatever the number of groups. Beyond `_DRAWN_SINGLY` groups, those with the same sum and
    size are drawn together, from the very same distribution: a million items with a handful of values take no longer than few.
    """
    count = len(sums)
    alike = np.ones(count, np.int64)
    if count > _DRAWN_SINGLY:
        kinds, alike = np.unique(np.hstack((sums, sizes)), axis=0, return_counts=True)
        sums, sizes = np.hsplit(kinds, 2)
    rng = np.random.default_rng(seed)
    means = np.empty((RESAMPLES, sums.shape[1]))
    rows = max(1, _CELLS // len(sums))
    for start in range(0, RESAMPLES, rows):
        part = means[start : start + rows]
        counts = rng.multinomial(count, alike / count, size=len(part))
        part[:] = (counts @ sums) / (counts @ sizes)
    return means


def by_group(values: Sequence[float], groups: Sequence[str], names: Sequence[str] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The sum of the values and their number in each group, groups by name; or in those of `names`, in their order."""
    numbers = {name: number for number, name in enumerate(names or sorted(set(groups)))}
    index = np.fromiter((numbers[name] for name in groups), np.intp, len(groups))
    return np.bincount(index, values, len(numbers)), np.bincount(index, minlength=len(numbers))


def middle(means: np.ndarray) -> tuple[float, float]:
    """The 2.5 % and 97.5 % quantiles of resampled means."""
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def accuracy_of(item: Item) -> float:
    """Share of the two comparisons of an item that were judged rightly: 0, 0.5 or 1."""
    return sum(item.right) / 2


def pair_accuracy_of(item: Item) -> float:
    """1 for an item that was judged rightly in both orders, else 0."""
    return float(all(item.right))

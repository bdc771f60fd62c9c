"""Two judges on the same items: the tests say what their formulas say, and neither judge is favoured."""

from __future__ import annotations

import math
import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfjudge.method.metrics import RESAMPLES, resampled_means
from selfjudge.method.paired import binomial, difference, holm, mcnemar

VALUES = st.sampled_from([0.0, 0.5, 1.0])
ITEMS = st.lists(st.tuples(VALUES, VALUES, st.sampled_from("abcdef")), min_size=1, max_size=40)
RIGHTS = st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60)

Judged = list[tuple[float, float, str]]


def columns(items: Judged) -> tuple[list[float], list[float], list[str]]:
    first, second, groups = map(list, zip(*items, strict=True))
    return first, second, groups


def by_hand(successes: int, trials: int) -> float:
    """Everything that is no likelier than what was seen, summed in whole numbers."""
    ways = [math.comb(trials, count) for count in range(trials + 1)]
    return float(Fraction(sum(way for way in ways if way <= ways[successes]), 2**trials))


@pytest.mark.parametrize("trials", range(13))
def test_the_binomial_p_is_that_of_counting_all_outcomes(trials: int):
    for successes in range(trials + 1):
        assert binomial(successes, trials) == pytest.approx(by_hand(successes, trials), rel=1e-12)


@given(st.integers(0, 600), st.integers(0, 600))
def test_the_binomial_p_of_many_trials_is_that_of_counting_too(one: int, other: int):
    assert binomial(one, one + other) == pytest.approx(by_hand(one, one + other), rel=1e-9)
    assert binomial(one, one + other) == binomial(other, one + other)


def test_a_million_trials_neither_overflow_nor_underflow():
    assert binomial(500_000, 1_000_000) == 1.0
    assert binomial(499_000, 1_000_000) == pytest.approx(math.erfc(999.5 / 1_000 * 2 / math.sqrt(2)), rel=1e-3)
    assert binomial(0, 1_000_000) == 0.0


@given(RIGHTS)
def test_mcnemar_counts_every_item_once_and_uses_those_that_one_judge_alone_had_right(rights: list[tuple[bool, bool]]):
    found = mcnemar([one for one, _ in rights], [other for _, other in rights])
    assert found.both + found.only_reference + found.only_other + found.neither == len(rights)
    assert (found.both, found.only_reference) == (rights.count((True, True)), rights.count((True, False)))
    alone = found.only_reference + found.only_other
    assert found.p == pytest.approx(by_hand(found.only_other, alone), rel=1e-9)


@given(RIGHTS)
def test_swapping_the_judges_swaps_the_counts_and_keeps_the_p(rights: list[tuple[bool, bool]]):
    one, other = [one for one, _ in rights], [other for _, other in rights]
    forth, back = mcnemar(one, other), mcnemar(other, one)
    assert (forth.only_reference, forth.only_other, forth.p) == (back.only_other, back.only_reference, back.p)


@given(ITEMS)
def test_swapping_the_judges_turns_the_difference_round(items: Judged):
    first, second, groups = columns(items)
    forth, back = difference(first, second, groups), difference(second, first, groups)
    assert forth.difference == -back.difference and forth.p == back.p and forth.detectable == back.detectable
    if forth.ci95 is not None:
        assert forth.ci95 == pytest.approx((-back.ci95[1], -back.ci95[0]))


@given(ITEMS)
def test_a_judge_does_not_differ_from_itself(items: Judged):
    first, _, groups = columns(items)
    same = difference(first, first, groups)
    assert same.difference == 0 and same.p in (1.0, None) and same.detectable is None
    assert same.ci95 is None or -same.ci95[0] == same.ci95[1] >= same.equal_within > 0
    rights = [value == 1 for value in first]
    assert mcnemar(rights, rights).p == 1


@given(ITEMS)
def test_a_difference_is_that_of_the_means_and_its_figures_are_the_same_each_time(items: Judged):
    first, second, groups = columns(items)
    found = difference(first, second, groups)
    assert found.difference == pytest.approx(np.mean(second) - np.mean(first))
    assert (found.n, found.groups) == (len(items), len(set(groups)))
    assert found == difference(first, second, groups)
    assert found.p is None or 2 / (RESAMPLES + 1) <= found.p <= 1


def test_without_items_there_is_no_difference_and_one_group_says_nothing_about_others():
    assert difference([], [], []) is None
    alone = difference([0, 0, 0], [1, 1, 1], ["g", "g", "g"])
    assert (alone.difference, alone.ci95, alone.p, alone.detectable, alone.equal_within) == (1, None, None, None, None)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "rare"), [(20, 0.02), (100, 0.02), (400, 0.005)])
def test_judges_that_agree_wherever_they_were_asked_may_still_differ_elsewhere(n: int, rare: float):
    """One item in so many tells them apart, so most samples hold none; the interval covers the truth all the same."""
    rng, groups = np.random.default_rng(n), [str(i) for i in range(n)]
    found = [difference([0.0] * n, (rng.random(n) < rare).astype(float), groups) for _ in range(200)]
    agreeing = [one for one in found if one.difference == 0]
    assert agreeing and all(one.ci95[0] <= rare <= one.ci95[1] for one in agreeing)


@given(st.integers(2, 60), st.sampled_from([-1.0, -0.5, 0.5, 1.0]))
def test_where_all_items_say_the_same_p_and_interval_say_the_same(n: int, gain: float):
    found = difference([0.0] * n, [gain] * n, [str(i) for i in range(n)])
    assert -1 <= found.ci95[0] <= gain <= found.ci95[1] <= 1
    if abs(found.p - 0.05) > 1e-3:
        assert (found.p < 0.05) == (found.ci95[0] > 0 or found.ci95[1] < 0)


@pytest.mark.slow
def test_judges_are_called_equal_in_one_of_twenty_cases_where_they_differ_by_just_the_margin():
    rng, groups = np.random.default_rng(6), [str(i) for i in range(200)]
    draws = (rng.choice([-1.0, 0.0, 1.0], 200, p=[0.05, 0.75, 0.2]) for _ in range(400))
    called = sum(difference(np.zeros(200), gains, groups).equal_within < 0.15 for gains in draws)
    assert 8 <= called <= 36


@pytest.mark.parametrize("size", [1, 5])
def test_the_interval_holds_the_true_difference_about_nineteen_times_in_twenty(size: int):
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(200):
        lean = np.repeat(rng.random(60), size)  # items of a group go together
        first, second = rng.random(lean.size) < 0.5, rng.random(lean.size) < 0.2 + 0.8 * lean
        low, high = difference(first.astype(float), second.astype(float), [str(i // size) for i in range(lean.size)]).ci95
        held += low <= 0.1 <= high
    assert 180 <= held <= 199


def test_a_p_under_a_twentieth_comes_with_an_interval_without_zero():
    rng = np.random.default_rng(1)
    groups = [str(i) for i in range(100)]
    for shift in np.linspace(0, 0.4, 20):
        found = difference((rng.random(100) < 0.4).astype(float), (rng.random(100) < 0.4 + shift).astype(float), groups)
        if abs(found.p - 0.05) > 0.005:
            assert (found.p < 0.05) == (found.ci95[0] > 0 or found.ci95[1] < 0)


def test_items_of_one_group_count_as_one():
    alone = difference([0.0] * 400, [1.0, 0.0] * 200, [str(i) for i in range(400)])
    grouped = difference([0.0] * 400, [1.0, 0.0] * 200, [f"{i % 2}-{i // 40}" for i in range(400)])
    assert grouped.difference == alone.difference
    assert grouped.ci95[1] - grouped.ci95[0] > 2 * (alone.ci95[1] - alone.ci95[0])
    assert grouped.detectable > 2 * alone.detectable


def test_what_is_detectable_is_found_four_times_in_five():
    rng = np.random.default_rng(2)
    zeros, groups = np.zeros(60), [str(i) for i in range(60)]
    shift = difference(zeros, rng.choice([-1.0, 0.0, 1.0], 60), groups).detectable
    gains = (rng.choice([-1.0, 0.0, 1.0], 60, p=[1 / 3 - shift / 2, 1 / 3, 1 / 3 + shift / 2]) for _ in range(200))
    assert 140 <= sum(difference(zeros, gain, groups).p < 0.05 for gain in gains) <= 185


def test_many_groups_take_bounded_memory_and_give_the_interval_that_theory_gives():
    count = 60_000
    rng = np.random.default_rng(3)
    values, groups = rng.choice([-1.0, 0.0, 1.0], count).tolist(), [str(i) for i in range(count)]
    tracemalloc.start()
    means = resampled_means(values, groups, seed=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6  # 60,000 counts for each of 2,000 resamples would be 960 MB
    assert means.std() == pytest.approx((2 / 3 / count) ** 0.5, rel=0.1)


def test_many_groups_that_are_all_different_take_bounded_memory_too():
    values, groups = np.random.default_rng(4).random(10_500).tolist(), [str(i) for i in range(10_500)]
    tracemalloc.start()
    means = resampled_means(values, groups, seed=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6
    assert means.std() == pytest.approx((1 / 12 / 10_500) ** 0.5, rel=0.1)


def test_resampling_piece_by_piece_draws_what_one_piece_would():
    count = 4_000  # more counts than are held at once
    values = np.random.default_rng(5).choice([0.0, 0.5, 1.0], count)
    groups = [f"{i:05d}" for i in range(count)]
    counts = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
    assert (resampled_means(values.tolist(), groups, seed=0) == counts @ values / count).all()


@pytest.mark.parametrize(
    ("values", "adjusted"),
    [
        ([], []),
        ([0.03], [0.03]),
        ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),
        ([0.04, None, 0.01], [0.04, None, 0.02]),
        ([0.9, 0.8], [1.0, 1.0]),
    ],
)
def test_holm_multiplies_by_how_many_are_left_and_never_turns_the_order_round(values: list, adjusted: list):
    assert holm(values) == pytest.approx(adjusted, nan_ok=True) if None not in values else holm(values) == adjusted


@given(st.lists(st.floats(0, 1), max_size=8))
def test_an_adjusted_p_is_never_smaller_and_never_above_one(values: list[float]):
    assert all(value <= found <= 1 for value, found in zip(values, holm(values), strict=True))

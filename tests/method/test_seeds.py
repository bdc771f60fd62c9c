"""The margin of a mean over seeds is that of Student's t."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t, ttest_rel

from selfjudge.method.seeds import equivalence, gain, margin, t_quantile

FIGURES = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=10)


@given(st.floats(0.5, 0.9995), st.integers(1, 200))
def test_the_quantile_is_that_of_scipy(p: float, freedom: int):
    assert t_quantile(p, freedom) == pytest.approx(t.ppf(p, freedom), rel=1e-9, abs=1e-9)


def test_of_one_run_there_is_no_margin():
    assert margin([]) is None and margin([0.9]) is None


def test_three_runs_have_a_margin_of_two_and_a_half_standard_deviations():
    assert margin([0.0, 1.0, 2.0]) == pytest.approx(2.484, abs=1e-3)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_the_interval_holds_the_mean_in_95_of_100_draws(n: int):
    rng = random.Random(n)
    draws = [[rng.gauss(0.8, 0.05) for _ in range(n)] for _ in range(4_000)]
    covered = sum(abs(sum(values) / n - 0.8) <= margin(values) for values in draws) / len(draws)
    assert covered == pytest.approx(0.95, abs=0.015)


@given(FIGURES)
def test_the_gain_is_that_of_the_paired_t_test(figures: list[tuple[float, float]]):
    reference, other = map(list, zip(*figures, strict=True))
    found = gain(reference, other)
    differences = [b - a for a, b in figures]
    if max(differences) - min(differences) > 1e-6:
        theirs = ttest_rel(other, reference)
        assert found.p == pytest.approx(theirs.pvalue, rel=1e-6, abs=1e-9)
        low, high = theirs.confidence_interval()
        assert (found.mean - found.margin, found.mean + found.margin) == pytest.approx((low, high), abs=1e-9)
        assert equivalence(reference, other, found.equal_within) == pytest.approx(0.05, abs=1e-6)


@given(FIGURES, st.floats(0, 1))
def test_swapping_the_arms_turns_the_gain_round_and_keeps_their_equality(figures: list[tuple[float, float]], within: float):
    reference, other = map(list, zip(*figures, strict=True))
    forth, back = gain(reference, other), gain(other, reference)
    assert (forth.mean, forth.p, forth.equal_within) == (-back.mean, back.p, back.equal_within)
    assert equivalence(reference, other, within) == equivalence(other, reference, within)


def test_of_one_seed_there_is_a_gain_and_nothing_else():
    found = gain([0.5], [0.75])
    assert (found.n, found.mean, found.margin, found.p, found.equal_within) == (1, 0.25, None, None, None)
    assert equivalence([0.5], [0.75], 0.1) is None


def test_arms_that_are_the_same_are_equal_within_anything():
    assert gain([0.5, 0.25], [0.5, 0.25]).p == 1 and gain([0.5, 0.25], [0.75, 0.5]).p == 0
    assert equivalence([0.5, 0.25], [0.5, 0.25], 0.01) == 0 and equivalence([0.5, 0.25], [0.75, 0.5], 0.01) == 1


@pytest.mark.parametrize("n", [3, 5, 10])
def test_arms_are_called_equal_in_one_of_twenty_cases_where_they_differ_by_just_the_margin(n: int):
    rng = random.Random(n)
    draws = [[rng.gauss(0.02, 0.005) for _ in range(n)] for _ in range(4_000)]
    called = sum(equivalence([0.0] * n, values, 0.02) < 0.05 for values in draws) / len(draws)
    assert called == pytest.approx(0.05, abs=0.015)
    assert called == sum(gain([0.0] * n, values).equal_within < 0.02 for values in draws) / len(draws)


@pytest.mark.parametrize("n", [3, 5, 10])
def test_a_paired_interval_holds_the_gain_in_95_of_100_draws_whatever_the_seeds_do(n: int):
    rng = random.Random(n)
    covered = 0
    for _ in range(4_000):
        luck = [rng.gauss(0.8, 0.1) for _ in range(n)]  # of a seed, the same for both arms
        found = gain([value + rng.gauss(0, 0.01) for value in luck], [value + rng.gauss(0.05, 0.01) for value in luck])
        covered += abs(found.mean - 0.05) <= found.margin < 0.1
    assert covered / 4_000 == pytest.approx(0.95, abs=0.015 if n > 3 else 0.03)

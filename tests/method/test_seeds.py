"""The margin of a mean over seeds is that of Student's t."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t

from selfjudge.method.seeds import margin, t_quantile


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

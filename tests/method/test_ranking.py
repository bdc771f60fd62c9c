"""Which pairs are compared, and the Bradley–Terry model."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfjudge.method.ranking import bradley_terry, pairings


@given(st.integers(2, 12))
def test_all_pairs_are_each_pair_once(count: int):
    assert sorted(pairings(count)) == [(i, j) for i in range(count) for j in range(i + 1, count)]


@given(st.integers(2, 12), st.data())
def test_enough_comparisons_connect_all_and_spread_evenly(count: int, data: st.DataObject):
    comparisons = data.draw(st.integers(count - 1, count * (count - 1) // 2))
    pairs = pairings(count, comparisons)
    reached = {0}
    for _ in range(count):
        reached |= {n for pair in pairs if reached & set(pair) for n in pair}
    met = [sum(n in pair for pair in pairs) for n in range(count)]
    assert len(pairs) == comparisons and reached == set(range(count)) and max(met) - min(met) <= 2


def test_strengths_give_back_the_probabilities_that_they_were_made_of():
    true = (0.5, 0.3, 0.2)
    wins = {(i, j): 1_000 * true[i] / (true[i] + true[j]) for i in range(3) for j in range(3) if i != j}
    assert bradley_terry(wins, 3) == pytest.approx(true, abs=1e-3)


@given(st.dictionaries(st.tuples(st.integers(0, 4), st.integers(0, 4)).filter(lambda p: p[0] != p[1]), st.floats(0, 1)))
def test_strengths_are_positive_finite_and_sum_to_one(wins: dict[tuple[int, int], float]):
    strengths = bradley_terry(wins, 5)
    assert sum(strengths) == pytest.approx(1) and all(0 < s < 1 for s in strengths)

"""The figures mean what their names say, and unread verdicts are never given away."""

from functools import cache
from math import comb
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfjudge.method.metrics import (
    Decision,
    Item,
    accuracy_of,
    by_dimension,
    decision_accuracy,
    interval,
    macro_interval,
    pair_accuracy_of,
    score,
)
from selfjudge.types import Verdict

FIRST, SECOND = Verdict.FIRST, Verdict.SECOND
VERDICTS = st.sampled_from([FIRST, SECOND, None])


def item(chosen_first: Verdict | None, rejected_first: Verdict | None, dimension: str = "d", group: str = "g") -> Item:
    return Item(dimension=dimension, group=group, chosen_first=chosen_first, rejected_first=rejected_first)


ITEMS = st.lists(st.builds(item, VERDICTS, VERDICTS, st.sampled_from("xy"), st.sampled_from("123")), max_size=30)


def test_a_perfect_judge_is_right_in_both_orders_and_never_prefers_a_place():
    figures = score([item(FIRST, SECOND)] * 4)
    assert (
        figures["accuracy"],
        figures["pair_accuracy"],
        figures["consistency"],
        figures["first_position_rate"],
        figures["parse_rate"],
    ) == (
        1,
        1,
        1,
        0.5,
        1,
    )


def test_a_judge_that_always_says_first_is_half_right_and_never_in_both_orders():
    figures = score([item(FIRST, FIRST)] * 4)
    names = ("accuracy", "pair_accuracy", "consistency", "first_position_rate")
    assert [figures[name] for name in names] == [0.5, 0, 0, 1]


def test_a_judge_that_is_always_wrong_is_consistent():
    figures = score([item(SECOND, FIRST)] * 4)
    assert (figures["accuracy"], figures["pair_accuracy"], figures["consistency"]) == (0, 0, 1)


def test_an_unread_verdict_is_wrong_and_lowers_the_parse_rate_alone():
    figures = score([item(FIRST, None), item(None, None)])
    assert (figures["accuracy"], figures["parse_rate"], figures["first_position_rate"], figures["consistency"]) == (
        0.25,
        0.25,
        1,
        0,
    )


def test_without_items_there_is_nothing_to_count():
    figures = score([])
    assert figures["n"] == 0 and figures["accuracy"] is None and figures["first_position_rate"] is None
    assert interval([], accuracy_of) is None and macro_interval([], accuracy_of) is None


@given(ITEMS)
def test_right_in_both_orders_is_never_more_than_right_or_consistent(items: list[Item]):
    figures = score(items)
    if items:
        assert figures["pair_accuracy"] <= figures["accuracy"] and figures["pair_accuracy"] <= figures["consistency"]
        assert figures["accuracy"] <= figures["parse_rate"]


@given(ITEMS)
def test_the_dimensions_weighted_by_size_are_the_whole(items: list[Item]):
    parts = by_dimension(items).values()
    assert sum(part["n"] for part in parts) == len(items)
    if items:
        assert sum(part["n"] * part["accuracy"] for part in parts) / len(items) == pytest.approx(score(items)["accuracy"])


@given(ITEMS.filter(bool))
def test_the_interval_holds_the_mean_and_is_the_same_each_time(items: list[Item]):
    low, high = interval(items, accuracy_of)
    assert low - 1e-9 <= score(items)["accuracy"] <= high + 1e-9 or len({i.group for i in items}) < 4
    assert (low, high) == interval(list(items), accuracy_of)


def test_the_interval_of_a_coin_has_the_width_that_theory_gives():
    halves = [item(FIRST, SECOND if i % 2 else FIRST, group=str(i)) for i in range(1_000)]
    low, high = interval(halves, pair_accuracy_of)
    assert high - low == pytest.approx(2 * 1.96 * (0.25 / 1_000) ** 0.5, rel=0.1)


def test_items_of_one_group_are_resampled_together():
    alone = [item(FIRST, SECOND if i % 2 else FIRST, group=str(i)) for i in range(200)]
    grouped = [item(FIRST, SECOND if i % 2 else FIRST, group=str(i % 2) + str(i // 20)) for i in range(200)]
    wide, narrow = interval(grouped, pair_accuracy_of), interval(alone, pair_accuracy_of)
    assert wide[1] - wide[0] > 2 * (narrow[1] - narrow[0])


def decisions(right: int, n: int, size: int = 1, dimension: str = "d") -> list[Decision]:
    """`n` groups of `size` items, the first `right` of them right."""
    return [Decision(dimension=dimension, group=f"{dimension}{i // size}", right=i // size < right) for i in range(n * size)]


@cache
def limits(right: int, n: int, size: int) -> tuple[float, float]:
    return interval(decisions(right, n, size), decision_accuracy)


@pytest.mark.parametrize(
    ("p", "n", "size"),
    [
        (0.98, 50, 1),
        (0.99, 170, 1),
        (0.5, 50, 1),
        (0.9, 30, 1),
        (0.02, 100, 1),
        (0.97, 30, 5),
        (1.0, 50, 1),
        (0.93, 50, 1),
        (0.98, 200, 1),
    ],
)
def test_the_interval_holds_the_truth_in_95_of_100_draws_also_near_1(p: float, n: int, size: int):
    """Over every number of right groups that can be drawn, by its chance. A bootstrap alone has 0.62 at 0.98 of 50."""
    covered = 0.0
    for right in range(n + 1):
        chance = comb(n, right) * p**right * (1 - p) ** (n - right)
        if chance > 1e-5:
            low, high = limits(right, n, size)
            covered += chance * (low - 1e-9 <= p <= high + 1e-9)
    assert covered >= 0.95


@pytest.mark.parametrize("n", [50, 1_000])
def test_one_wrong_item_more_moves_no_limit_up(n: int):
    ends = [limits(n - wrong, n, 1) for wrong in range(4)]
    assert ends == sorted(ends, reverse=True) and [high for _, high in ends] == sorted((high for _, high in ends), reverse=True)


def test_questions_with_items_in_several_dimensions_are_resampled_whole_for_their_mean_too():
    """Each of 100 questions is right in all of five dimensions, or in none; the truth is 0.7."""
    covered = 0
    for seed in range(60):
        rng = Random(seed)
        right = [rng.random() < 0.7 for _ in range(100)]
        items = [Decision(dimension=d, group=str(i), right=one) for i, one in enumerate(right) for d in "abcde"]
        low, high = macro_interval(items, decision_accuracy)
        covered += low <= 0.7 <= high
    assert covered >= 54


@pytest.mark.parametrize(("value", "verdict"), [(1.0, True), (0.0, False)])
def test_where_all_items_agree_the_interval_is_wilsons(value: float, verdict: bool):
    low, high = interval(decisions(50 * verdict, 50), decision_accuracy)
    unseen = 1.959964**2 / (50 + 1.959964**2)
    assert (low, high) == pytest.approx((1 - unseen, 1) if verdict else (0, unseen))


def test_where_all_items_of_few_groups_agree_only_the_groups_count():
    alone, grouped, uneven = decisions(20, 20), decisions(20, 20, size=10), decisions(20, 20) + decisions(1, 1, size=100)
    one, ten, more = (interval(items, decision_accuracy) for items in (alone, grouped, uneven))
    assert ten == pytest.approx(one) and more[0] < one[0] - 0.2


def test_a_judge_that_always_says_first_has_a_half_with_a_width_around_it():
    low, high = interval([item(FIRST, FIRST, group=str(i)) for i in range(50)], accuracy_of)
    assert 0.45 < low < 0.5 < high < 0.55 and high - 0.5 == pytest.approx(0.5 - low)


def test_one_group_says_next_to_nothing():
    low, high = interval(decisions(1, 1, size=100), decision_accuracy)
    assert low < 0.25 and high == 1


def test_the_mean_of_one_dimension_has_its_interval_and_of_several_a_narrower_one():
    one, other = decisions(60, 80), decisions(40, 80, dimension="e")
    assert macro_interval(one, decision_accuracy) == pytest.approx(interval(one, decision_accuracy))
    low, high = macro_interval(one + other, decision_accuracy)
    errors = (0.75 * 0.25 / 80 + 0.5 * 0.5 / 80) ** 0.5 / 2
    assert low < 0.625 < high and high - low == pytest.approx(2 * 1.96 * errors, rel=0.1)


def test_a_dimension_in_which_all_agree_gives_the_mean_of_dimensions_its_width():
    low, high = macro_interval(decisions(20, 20) + decisions(20, 20, dimension="e"), decision_accuracy)
    assert low < 0.9 and high == 1

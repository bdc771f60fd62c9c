"""The figures mean what their names say, and unread verdicts are never given away."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfjudge.method.metrics import Item, accuracy_of, by_dimension, interval, pair_accuracy_of, score
from selfjudge.types import Verdict

FIRST, SECOND = Verdict.FIRST, Verdict.SECOND
VERDICTS = st.sampled_from([FIRST, SECOND, None])


def item(chosen_first: Verdict | None, rejected_first: Verdict | None, dimension: str = "d", group: str = "g") -> Item:
    return Item(dimension=dimension, group=group, chosen_first=chosen_first, rejected_first=rejected_first)


ITEMS = st.lists(st.builds(item, VERDICTS, VERDICTS, st.sampled_from("xy"), st.sampled_from("123")), max_size=30)


def test_a_perfect_judge_is_right_in_both_orders_and_never_prefers_a_place():
    figures = score([item(FIRST, SECOND)] * 4)
    assert (
        figures.accuracy,
        figures.pair_accuracy,
        figures.consistency,
        figures.first_position_rate,
        figures.parse_rate,
    ) == (
        1,
        1,
        1,
        0.5,
        1,
    )


def test_a_judge_that_always_says_first_is_half_right_and_never_in_both_orders():
    figures = score([item(FIRST, FIRST)] * 4)
    assert (figures.accuracy, figures.pair_accuracy, figures.consistency, figures.first_position_rate) == (0.5, 0, 0, 1)


def test_a_judge_that_is_always_wrong_is_consistent():
    figures = score([item(SECOND, FIRST)] * 4)
    assert (figures.accuracy, figures.pair_accuracy, figures.consistency) == (0, 0, 1)


def test_an_unread_verdict_is_wrong_and_lowers_the_parse_rate_alone():
    figures = score([item(FIRST, None), item(None, None)])
    assert (figures.accuracy, figures.parse_rate, figures.first_position_rate, figures.consistency) == (
        0.25,
        0.25,
        1,
        0,
    )


def test_without_items_there_is_nothing_to_count():
    figures = score([])
    assert figures.n == 0 and figures.accuracy is None and figures.first_position_rate is None
    assert interval([], accuracy_of) is None


@given(ITEMS)
def test_right_in_both_orders_is_never_more_than_right_or_consistent(items: list[Item]):
    figures = score(items)
    if items:
        assert figures.pair_accuracy <= figures.accuracy and figures.pair_accuracy <= figures.consistency
        assert figures.accuracy <= figures.parse_rate


@given(ITEMS)
def test_the_dimensions_weighted_by_size_are_the_whole(items: list[Item]):
    parts = by_dimension(items).values()
    assert sum(part.n for part in parts) == len(items)
    if items:
        assert sum(part.n * part.accuracy for part in parts) / len(items) == pytest.approx(score(items).accuracy)


@given(ITEMS.filter(bool))
def test_the_interval_holds_the_mean_and_is_the_same_each_time(items: list[Item]):
    low, high = interval(items, accuracy_of)
    assert low - 1e-9 <= score(items).accuracy <= high + 1e-9 or len({i.group for i in items}) < 4
    assert (low, high) == interval(list(items), accuracy_of)


def test_the_interval_of_a_coin_has_the_width_that_theory_gives():
    items = [item(FIRST if i % 2 else SECOND, FIRST, group=str(i)) for i in range(1_000)]
    low, high = interval(items, pair_accuracy_of)
    assert (low, high) == (0, 0)
    halves = [item(FIRST, SECOND if i % 2 else FIRST, group=str(i)) for i in range(1_000)]
    low, high = interval(halves, pair_accuracy_of)
    assert high - low == pytest.approx(2 * 1.96 * (0.25 / 1_000) ** 0.5, rel=0.1)


def test_items_of_one_group_are_resampled_together():
    alone = [item(FIRST, SECOND if i % 2 else FIRST, group=str(i)) for i in range(200)]
    grouped = [item(FIRST, SECOND if i % 2 else FIRST, group=str(i % 2) + str(i // 20)) for i in range(200)]
    wide, narrow = interval(grouped, pair_accuracy_of), interval(alone, pair_accuracy_of)
    assert wide[1] - wide[0] > 2 * (narrow[1] - narrow[0])

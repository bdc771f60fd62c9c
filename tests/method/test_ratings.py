"""Ratings at the end of a reply, read as RewardBench 2's script reads them."""

from __future__ import annotations

import pytest

from selfjudge.method import ratings
from selfjudge.types import Finish, Problem, Verdict


@pytest.mark.parametrize(
    ("text", "rating"),
    [
        ("Good.\n\n9", 9),
        ("10", 10),
        ("Rating: 7 \n", 7),
        ("7/10", 10),  # its pattern takes the last number
        ("8.5", 5),
        ("-3", 3),
        ("0", None),
        ("11", None),
        ("110", None),
        ("x9", None),
        ("**9**", None),
        ("9.", None),
        ("9 of 10 points", None),
        ("", None),
    ],
)
def test_the_number_that_ends_a_reply_is_its_rating(text: str, rating: int | None):
    assert ratings.rating(text) == rating
    assert ratings.half(text) is (Problem.NO_VERDICT if rating is None else Verdict.FIRST if rating > 5 else Verdict.SECOND)


@pytest.mark.parametrize("rating", range(1, 11))
def test_a_rating_comes_back_from_its_place(rating: int):
    place = ratings.chance(f"so\n{rating}")
    assert place is not None and ratings.of_chance(place) == rating
    assert (place + (1 - place)) / 2 == 0.5  # equal ratings balance exactly


@pytest.mark.parametrize(
    ("text", "finish", "read"),
    [
        ("Good, 9", Finish.LENGTH, Verdict.FIRST),
        ("Good, but", Finish.LENGTH, Problem.CUT_OFF),
        ("", Finish.ERROR, Problem.ENGINE_FAILURE),
    ],
)
def test_a_reply_that_was_cut_off_counts_by_its_end(text: str, finish: Finish, read: Verdict | Problem):
    assert ratings.half(text, finish) is read
    assert ratings.chance("nothing") is None

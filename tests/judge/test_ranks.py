"""`Judge.rank`, `best` and `score`: an order of several responses from comparisons of two."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from selfjudge import Judge
from selfjudge.chat import Completion, Request
from selfjudge.errors import InputError
from selfjudge.types import Finish

TEMPLATE = "A: {first}\nB: {second}"


class Larger:
    """An engine that prefers the larger number, and counts how often it is asked."""

    block = 1

    def __init__(self, *, unsure: bool = False) -> None:
        self.asked = 0
        self._unsure = unsure

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        for request in requests:
            self.asked += 1
            first, second = map(int, re.findall(r": (\d+)", str(request.messages[0].content[0])))
            letter = "A" if self._unsure or first > second else "B"
            yield Completion(key=request.key, text=f"[[{letter}]]", finish=Finish.STOP, prompt_tokens=1, completion_tokens=1)

    def close(self) -> None: ...


@pytest.mark.parametrize("comparisons", [None, 7, 12])
def test_the_order_is_that_of_the_judge(comparisons: int | None):
    responses = [str(number) for number in (3, 9, 1, 7, 5, 8, 2, 6)]
    ranking = Judge(Larger(), template=TEMPLATE).rank([], "how many?", responses, comparisons=comparisons)
    assert ranking.comparisons == (comparisons or 28) and (ranking.undecided, ranking.failed) == (0, 0)
    assert sum(ranking.strengths) == pytest.approx(1)
    if comparisons is None:
        assert [responses[n] for n in ranking.order] == ["9", "8", "7", "6", "5", "3", "2", "1"]


def test_too_few_comparisons_for_an_order_are_an_error():
    with pytest.raises(InputError, match="2 comparisons cannot rank 4 responses") as error:
        Judge(Larger(), template=TEMPLATE).rank([], "how many?", ["1", "2", "3", "4"], comparisons=2)
    assert "at least 3" in str(error.value.hint)


@pytest.mark.parametrize("comparisons", [2.5, 0, "3"])
def test_a_number_of_comparisons_that_is_none_is_an_error(comparisons: Any):
    with pytest.raises(InputError, match="`comparisons` is "):
        Judge(Larger(), template=TEMPLATE).rank([], "how many?", ["1", "2", "3"], comparisons=comparisons)


def test_the_best_takes_one_comparison_less_than_there_are_responses():
    engine = Larger()
    assert Judge(engine, template=TEMPLATE).best([], "how many?", ["3", "9", "1", "7", "5"]) == 1
    assert engine.asked == 2 * 4


def test_without_a_preference_the_earlier_response_goes_on_and_all_are_equal():
    judge = Judge(Larger(unsure=True), template=TEMPLATE)
    assert judge.best([], "how many?", ["3", "9", "1"]) == 0
    ranking = judge.rank([], "how many?", ["3", "9", "1"])
    assert (
        ranking.order == (0, 1, 2)
        and ranking.undecided == 3
        and ranking.problem == "undecided"
        and max(ranking.strengths) == pytest.approx(min(ranking.strengths))
    )


def test_a_score_is_the_share_of_others_that_a_response_beats():
    judge = Judge(Larger(), template=TEMPLATE)
    assert judge.score([], "how many?", "5", against=["1", "2", "3", "9"]) == pytest.approx(0.75)
    with pytest.raises(InputError, match="`against` is empty"):
        judge.score([], "how many?", "5", against=[])


def test_one_response_is_the_best_and_none_is_an_error():
    judge = Judge(Larger(), template=TEMPLATE)
    assert judge.best([], "how many?", ["3"]) == 0 and judge.rank([], "how many?", ["3"]).order == (0,)
    with pytest.raises(InputError, match="`responses` is empty"):
        judge.best([], "how many?", [])

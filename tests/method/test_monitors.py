"""Each monitor fires on a table of its own kind of collapse, and none on one of a judge that learns."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfjudge.method.monitors import FEW, MONITORS, warnings, watch
from selfjudge.method.selection import EvidenceRule, Rule
from selfjudge.types import Alteration, Edit, Judgment, Kind, Order, PreferencePair, Problem, Prompt, Vote

Judged = list[tuple[PreferencePair, list[Judgment]]]
Says = Callable[[PreferencePair, Order, int], bool]
"""Whether a judge names the chosen response of a pair in an order; pairs are numbered."""
VERDICTS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=FEW, max_size=FEW + 10)


def made(number: int, turned: bool = False) -> PreferencePair:
    """A pair about a question, the longer response chosen in every other one; its label turned round or not."""
    prompt = Prompt(id=str(number), text="what color?", images=(), kind=Kind.CLOSED, kind_rule="test", source="test")
    right, wrong = ("purple", "red") if number % 2 else ("red", "purple")
    vote = Vote(counts=((right, 12), (wrong, 4)), majority=right, alternative=wrong)
    pair = PreferencePair(id=str(number), prompt=prompt, chosen=right, rejected=wrong, evidence=vote)
    return replace(pair, chosen=wrong, rejected=right) if turned else pair


def table(says: Says, trace: str = "red or purple? I see number {}", turned: bool = False, pairs: int = 100) -> Judged:
    judged = []
    for number in range(pairs):
        pair = made(number, turned)
        replies = [
            Judgment(
                pair_id=pair.id,
                order=order,
                sample=0,
                judge="judge",
                trace=trace.format(number),
                verdict=order.chosen if says(pair, order, number) else order.chosen.other,
                problem=None,
                probability=None,
                tokens=9,
            )
            for order in Order
        ]
        judged.append((pair, replies))
    return judged


def coin(_: PreferencePair, order: Order, number: int) -> bool:
    return random.Random(f"{order}{number}").random() < 0.5


def mostly_right(_: PreferencePair, __: Order, number: int) -> bool:
    return number % 10 > 0


def fired(judged: Judged, iteration: int = 3) -> set[str]:
    figures = watch(judged, Rule())
    return {name for name in MONITORS if warnings({**dict.fromkeys(MONITORS), name: figures[name]}, iteration)}


def test_no_monitor_fires_where_a_judge_learns():
    figures = watch(table(mostly_right), Rule())
    assert warnings(figures, 3) == []
    assert figures == pytest.approx(
        {
            "own_answers": 0.9,
            "opposed": 0.1,
            "above_coin": 0.4,
            "words": 7,
            "distinct": 0.5,
            "read": 1,
            "consistent": 1,
            "says_first": 0.5,
            "prefers_longer": 0.1,
        }
    )


@pytest.mark.parametrize(
    ("judged", "names"),
    [
        (table(mostly_right, turned=True), {"own_answers"}),
        (table(lambda _, __, number: number % 10 > 3), {"own_answers", "opposed"}),
        (table(coin), {"own_answers", "opposed", "above_coin"}),
        (table(mostly_right, trace="[[{}]]"), {"words"}),
        (table(mostly_right, trace="I see what I always see there"), {"distinct"}),
        (table(lambda _, order, __: order is Order.CHOSEN_FIRST), {"own_answers", "above_coin", "says_first"}),
        (
            table(lambda pair, _, __: len(pair.chosen) > len(pair.rejected)),
            {"own_answers", "opposed", "above_coin", "prefers_longer"},
        ),
    ],
    ids=["labels turned round", "opposes many", "a coin", "no reason", "one reply", "always the first", "always the longer"],
)
def test_a_monitor_fires_on_its_kind_of_collapse(judged: Judged, names: set[str]):
    assert fired(judged) == names


def test_a_judge_that_has_hardly_been_taught_may_be_a_coin_and_few_pairs_say_nothing():
    assert fired(table(coin), iteration=2) == set()
    assert set(watch(table(coin, pairs=9), Rule()).values()) == {None}


def test_a_warning_names_the_judge_and_its_figure():
    (said,) = warnings({**dict.fromkeys(MONITORS), "says_first": 0.93}, 4)
    assert said == "Judge 3: it names the response shown first in 93%: it goes by the place."


@pytest.mark.parametrize("evidence", [False, True, "signed"])
def test_a_judge_that_is_right_in_half_of_the_pairs_is_no_better_than_a_coin_by_any_rule_of_evidence(evidence: EvidenceRule):
    judged = []
    for number, (pair, replies) in enumerate(table(lambda _, __, number: number % 4 < 2)):
        seen, other = (pair.chosen, pair.rejected) if number % 4 < 2 else (pair.rejected, pair.chosen)
        judged.append((pair, [replace(one, trace=f"It is clearly {seen}, not {other}.") for one in replies]))
    assert watch(judged, Rule(evidence=evidence))["above_coin"] == 0


@given(VERDICTS)
def test_turning_the_labels_round_turns_what_is_about_labels_and_nothing_else(says: list[tuple[bool, bool]]):
    """The judge sees no label, so it says the same of the same responses."""

    def names(pair: PreferencePair, order: Order, number: int) -> bool:
        first, second = sorted((pair.chosen, pair.rejected), reverse=order is Order.REJECTED_FIRST)
        return pair.chosen == (first if says[number][order is Order.REJECTED_FIRST] else second)

    straight = table(names, pairs=len(says))
    turned = [(made(n, True), [replace(j, order=j.order.other) for j in replies]) for n, (_, replies) in enumerate(straight)]
    ours, theirs = (watch(judged, Rule()) for judged in (straight, turned))
    assert ours["above_coin"] == -theirs["above_coin"]
    for name in ("own_answers", "words", "distinct", "says_first"):
        assert ours[name] == theirs[name]


@given(VERDICTS)
def test_the_yield_of_coin_labels_needs_no_coin(says: list[tuple[bool, bool]]):
    """Yield less `above_coin` is the mean yield over all ways to throw the coins."""
    judged = table(lambda _, order, number: says[number][order is Order.REJECTED_FIRST], pairs=len(says))
    above = watch(judged, Rule())["above_coin"]
    both = sum(all(j.right for j in replies) for _, replies in judged)
    neither = sum(not any(j.right for j in replies) for _, replies in judged)
    assert above == pytest.approx((both - neither) / 2 / len(says))


def unread(judged: Judged) -> Sequence[tuple[PreferencePair, list[Judgment]]]:
    return [(pair, [replace(j, verdict=None) for j in replies]) for pair, replies in judged]


def test_replies_without_a_verdict_are_neither_for_nor_against_anything():
    figures = watch(unread(table(coin)), Rule())
    assert [figures[name] for name in ("own_answers", "opposed", "says_first", "prefers_longer")] == [None] * 4
    assert figures["above_coin"] == 0


def test_a_caption_has_no_answer_of_the_model_s_own():
    edited = Alteration(instruction="color", edits=(Edit(before="red", after="purple"),))
    figures = watch([(replace(pair, evidence=edited), replies) for pair, replies in table(mostly_right)], Rule())
    assert figures["own_answers"] is None and figures["opposed"] == 0.1


def test_replies_without_a_verdict_are_counted_from_the_first_iteration_on():
    half = [
        (pair, [reply if n else replace(reply, verdict=None, problem=Problem.NO_VERDICT) for n, reply in enumerate(replies)])
        for pair, replies in table(mostly_right)
    ]
    assert watch(half, Rule())["read"] == 0.5 and watch(half, Rule())["consistent"] is None
    assert "read" in fired(half, iteration=1)


@pytest.mark.parametrize("says", [coin, mostly_right])
def test_pairs_that_are_as_they_were_elected_need_no_second_reading_and_have_the_same_figures(says: Says):
    judged = table(says)
    assert watch(judged, Rule(), as_elected=True) == watch(judged, Rule())

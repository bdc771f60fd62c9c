"""A pair is kept only if the judge was right in both orders, and traces of both orders are kept in equal numbers."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfjudge.method.selection import Rule, decisive, is_watched, select
from selfjudge.types import Alteration, Edit, Judgment, Kind, Order, PreferencePair, Problem, Prompt, Verdict

PROMPT = Prompt(id="p", text="describe", images=(), kind=Kind.OPEN, kind_rule="test", source="test")
RED_BLUE = Alteration(instruction="color", edits=(Edit(before="red", after="blue"),))
PAIR = PreferencePair(id="pair", prompt=PROMPT, chosen="a red ball", rejected="a blue ball", evidence=RED_BLUE)
NAMED = "A says red, B says blue."


def judgment(order: Order, right: bool | None, *, sample: int = 0, trace: str = NAMED, forced: bool = False) -> Judgment:
    verdict = None if right is None else (order.chosen if right else order.chosen.other)
    return Judgment(
        pair_id="pair",
        order=order,
        sample=sample,
        judge="base",
        trace=trace,
        verdict=verdict,
        problem=Problem.NO_VERDICT if right is None else None,
        probability=None,
        tokens=1,
        forced=forced,
    )


def judged(first: bool | None, second: bool | None, trace: str = NAMED) -> list[Judgment]:
    return [judgment(Order.CHOSEN_FIRST, first, trace=trace), judgment(Order.REJECTED_FIRST, second, trace=trace)]


@pytest.mark.parametrize(
    ("first", "second", "outcome"),
    [
        (True, True, "kept"),
        (True, False, "wrong_in_one_order"),
        (False, True, "wrong_in_one_order"),
        (False, False, "wrong_in_both_orders"),
        (None, True, "unread_verdict"),
        (None, None, "unread_verdict"),
    ],
)
def test_only_a_pair_that_is_right_in_both_orders_is_kept(first: bool | None, second: bool | None, outcome: str):
    traces = select(PAIR, judged(first, second), Rule())
    assert (traces if isinstance(traces, str) else "kept") == outcome


@pytest.mark.parametrize(
    ("right", "outcome"), [(True, "forced_verdict"), (False, "wrong_in_one_order"), (None, "unread_verdict")]
)
def test_a_verdict_that_was_asked_for_decides_about_a_pair_but_its_trace_is_not_kept(right: bool | None, outcome: str):
    forced = judgment(Order.REJECTED_FIRST, right, forced=right is not None)
    assert select(PAIR, [judgment(Order.CHOSEN_FIRST, True), forced], Rule()) == outcome


def test_beside_a_forced_trace_a_whole_one_is_kept():
    forced = judgment(Order.REJECTED_FIRST, True, forced=True)
    whole = [judgment(Order.CHOSEN_FIRST, True), judgment(Order.REJECTED_FIRST, True, sample=1)]
    assert select(PAIR, [forced, *whole], Rule(keep="all")) == tuple(whole)


def test_a_pair_that_nobody_judged_is_dropped():
    assert select(PAIR, [], Rule()) == "unread_verdict"


def test_with_one_order_enough_the_right_order_is_kept():
    traces = select(PAIR, judged(True, False), Rule(both_orders=False))
    assert [j.order for j in traces] == [Order.CHOSEN_FIRST]  # type: ignore[union-attr]
    assert select(PAIR, judged(False, False), Rule(both_orders=False)) == "wrong_in_both_orders"


def test_the_evidence_rule_drops_a_right_verdict_that_names_nothing():
    assert select(PAIR, judged(True, True, trace="A is nicer."), Rule(evidence=True)) == "evidence_not_named"
    assert len(select(PAIR, judged(True, True), Rule(evidence=True))) == 2


def test_signed_evidence_asks_that_the_image_agrees_with_the_side_of_the_verdict():
    seen, unseen = f"{NAMED} I see a red ball.", f"{NAMED} I see a blue ball."
    assert len(select(PAIR, judged(True, True, trace=seen), Rule(evidence="signed"))) == 2
    assert select(PAIR, judged(True, True, trace=unseen), Rule(evidence="signed")) == "evidence_not_named"


def test_the_evidence_rule_passes_over_a_pair_without_evidence():
    pair = PreferencePair(id="pair", prompt=PROMPT, chosen="x", rejected="y", evidence=None)
    assert len(select(pair, judged(True, True, trace="so"), Rule(evidence=True))) == 2


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [(0.9, 0.1, True), (1.0, 0.25, True), (0.9, 0.2, False), (0.5, 0.5, False), (0.95, None, False), (None, None, False)],
)
def test_a_pair_is_kept_only_with_the_mean_probability_that_is_asked_for(first: float | None, second: float | None, kept: bool):
    """Probabilities are of the response shown first, which is the rejected one in the second order."""
    judgments = [replace(j, probability=p) for j, p in zip(judged(True, True), (first, second), strict=True)]
    found = select(PAIR, judgments, Rule(min_probability=0.875))
    assert found == (tuple(judgments) if kept else "improbable_verdicts")


def test_the_probability_that_counts_is_that_of_the_traces_to_be_kept():
    judgments = [
        replace(judgment(order, right, sample=sample), probability=p if order is Order.CHOSEN_FIRST else 1 - p)
        for order in Order
        for sample, (right, p) in enumerate([(False, 0.2), (True, 0.9), (True, 0.6)])
    ]
    assert len(select(PAIR, judgments, Rule(min_probability=0.9))) == 2
    assert select(PAIR, judgments, Rule(min_probability=0.9, keep="all")) == "improbable_verdicts"


@given(
    st.lists(st.tuples(st.sampled_from(Order), st.sampled_from([True, False, None]), st.booleans()), max_size=12),
    st.booleans(),
    st.sampled_from(["one", "all"]),
)
def test_kept_traces_are_right_balanced_and_name_their_evidence(replies: list, evidence: bool, keep: str):
    judgments = [
        judgment(order, right, sample=i, trace=NAMED if named else "so") for i, (order, right, named) in enumerate(replies)
    ]
    kept = select(PAIR, judgments, Rule(evidence=evidence, keep=keep))  # type: ignore[arg-type]
    if not isinstance(kept, str):
        assert all(j.right for j in kept)
        assert len(set(Counter(j.order for j in kept).values())) == 1 and len({j.order for j in kept}) == 2
        assert len({j.verdict for j in kept}) == 2
        assert not evidence or all(j.trace == NAMED for j in kept)
        assert keep == "all" or len(kept) == 2


def test_the_verdict_of_an_order_names_the_place_of_the_chosen_response():
    assert Order.CHOSEN_FIRST.chosen is Verdict.FIRST and Order.REJECTED_FIRST.chosen is Verdict.SECOND
    assert PAIR.comparison(Order.REJECTED_FIRST).first == PAIR.rejected


def asked_in_turn(pair: PreferencePair, replies: dict, rule: Rule, samples: int) -> dict:
    """What is asked of a pair until it is decided, reply by reply."""
    if is_watched(pair.id):
        return {turn: replies[turn] for turn in decisive(pair, {}, rule, samples=samples, seed=3)}
    known: dict = {}
    while (turns := list(decisive(pair, known, rule, samples=samples, seed=3)))[-1] not in known:
        known[turns[-1]] = replies[turns[-1]]
        assert list(known) == turns
    return known


UNWATCHED, WATCHED = (next(f"pair {n}" for n in range(99) if is_watched(f"pair {n}") is watched) for watched in (False, True))


@given(st.data(), st.integers(1, 4), st.booleans(), st.booleans(), st.booleans(), st.booleans())
def test_an_early_exit_keeps_the_same_pairs_with_the_same_traces(
    data: st.DataObject, samples: int, evidence: bool, both_orders: bool, watched: bool, probable: bool
):
    pair = replace(PAIR, id=WATCHED if watched else UNWATCHED)
    one = st.tuples(st.sampled_from([True, False, None]), st.booleans(), st.booleans())
    replies = {}
    for order in Order:
        for sample in range(samples):
            right, named, forced = data.draw(one)
            trace = NAMED if named else "so"
            reply = judgment(order, right, sample=sample, trace=trace, forced=forced and right is not None)
            replies[order, sample] = replace(reply, probability=data.draw(st.sampled_from([0.1, 0.5, 0.9])))
    rule = Rule(evidence=evidence, both_orders=both_orders, min_probability=0.6 if probable and both_orders else None)
    known, whole = asked_in_turn(pair, replies, rule, samples), select(pair, list(replies.values()), rule)
    early = select(pair, list(known.values()), rule)
    assert isinstance(early, str) == isinstance(whole, str)
    assert isinstance(early, str) or not both_orders or early == whole
    assert not watched or (known == replies and early == whole)


def test_an_early_exit_asks_neither_an_order_again_that_can_teach_nor_the_other_one_of_a_pair_that_is_lost():
    pair = replace(PAIR, id=UNWATCHED)

    def counts(*right: bool) -> list[int]:
        """How many replies are asked for in each order when those of the one asked first are these, and all others right."""
        first = next(decisive(pair, {}, Rule(), samples=3, seed=3))[0]
        replies = {(o, n): judgment(o, right[n] if o is first else True, sample=n) for o in Order for n in range(3)}
        known = asked_in_turn(pair, replies, Rule(), 3)
        return [sum(order is each for order, _ in known) for each in (first, first.other)]

    assert counts(True, True, True) == [1, 1]
    assert counts(False, True, True) == [2, 1]
    assert counts(False, False, False) == [3, 0]


def test_a_pair_that_was_asked_in_one_order_only_is_wrong_in_one_order():
    assert select(PAIR, [judgment(Order.CHOSEN_FIRST, False)], Rule()) == "wrong_in_one_order"
    assert select(PAIR, [judgment(Order.CHOSEN_FIRST, None)], Rule()) == "unread_verdict"
    assert select(PAIR, [judgment(Order.CHOSEN_FIRST, True, trace="so")], Rule(evidence=True)) == "evidence_not_named"


def test_in_the_control_the_label_stands_in_each_trace_in_place_of_the_verdict():
    replies = [judgment(order, False, trace=f"{NAMED}\n[[{wrong}]]") for order, wrong in zip(Order, "BA", strict=True)]
    kept = select(PAIR, replies, Rule(verdicts="labels", evidence=True))
    assert [one.trace[-5:] for one in kept] == ["[[A]]", "[[B]]"]  # type: ignore[union-attr]
    assert [one.verdict for one in kept] == [one.order.chosen for one in kept]  # type: ignore[union-attr]
    assert select(PAIR, judged(None, True), Rule(verdicts="labels")) == "unread_verdict"

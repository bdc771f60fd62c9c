"""How far replies are apart, and what is wrong with a served judge by its distances."""

from __future__ import annotations

import math

import pytest

from selfjudge.chat import Completion, Token
from selfjudge.method.agreement import STILL, TOLERANCE, Distance, Fault, distance, fault, gap
from selfjudge.types import Finish

Place = tuple[str, dict[str, float]]


def token(text: str, **chances: float) -> Token:
    return Token(text=text, logprobs=tuple((name.replace("_", " "), math.log(chance)) for name, chance in chances.items()))


def reply(*tokens: Token) -> Completion:
    text = "".join(t.text for t in tokens)
    return Completion(key="k", text=text, finish=Finish.STOP, prompt_tokens=1, completion_tokens=len(tokens), tokens=tokens)


def apart(words: float, verdicts: float | None = None) -> Distance:
    return Distance(words=words, verdicts=verdicts, same=1.0)


def test_the_same_numbers_are_no_distance():
    one = {"k": reply(token("red", red=0.6, blue=0.4), token("[[A]]", **{"[[A]]": 0.9, "[[B]]": 0.1}))}
    assert distance(one, one) == Distance(words=0.0, verdicts=0.0, same=1.0)


def test_the_largest_difference_of_a_word_counts():
    one, other = (token("red", red=a, blue=1 - a) for a in (0.6, 0.9))
    assert gap((token("I", I=1.0), one), (token("I", I=1.0), other)) == pytest.approx(0.3)


def test_nothing_counts_after_the_texts_part():
    one = (token("red", red=0.51, blue=0.49), token("sky", sky=1.0))
    other = (token("blue", red=0.49, blue=0.51), token("sea", sea=1.0))
    assert gap(one, other) == pytest.approx(0.02)


def test_spaces_that_one_engine_shows_and_the_other_does_not_are_no_difference():
    assert gap((token(" red", _red=0.6, red=0.1),), (token("red", red=0.7),)) == pytest.approx(0.0)


def test_parts_of_characters_which_engines_show_or_not_are_left_out():
    one = Token(text="red", logprobs=(("red", math.log(0.5)), ("\ufffd", math.log(0.2)), ("\ufffd", math.log(0.1))))
    other = Token(text="red", logprobs=(("red", math.log(0.5)), ("", math.log(0.3))))
    assert gap((one,), (other,)) == 0.0


def test_a_word_that_only_one_side_lists_may_be_as_likely_as_the_others_list_allows():
    assert gap((token("red", red=1.0),), (token("red", red=0.8, blue=0.2),)) == pytest.approx(0.2)
    longest = (token("red", red=0.5, blue=0.1, green=0.1),), (token("red", red=0.5, blue=0.1, sky=0.1),)
    assert gap(*longest) == pytest.approx(0.0)
    assert gap((token("red", red=0.5, blue=0.4),), (token("red", red=0.5, green=0.2),)) == pytest.approx(0.2)


def test_a_reply_without_words_is_as_far_as_can_be():
    assert gap((), (token("red", red=1.0),)) == 1.0 and gap((), ()) == 0.0


def test_the_verdict_counts_where_the_texts_are_the_same():
    sure, unsure, other = (reply(token("[[A]]", **{"[[A]]": a, "[[B]]": b})) for a, b in ((0.8, 0.2), (0.5, 0.5), (0.2, 0.2)))
    assert distance({"k": sure}, {"k": unsure}).verdicts == pytest.approx(0.3)
    assert distance({"k": unsure}, {"k": other}).verdicts == pytest.approx(0.0)
    parted = reply(token("[[B]]", **{"[[A]]": 0.2, "[[B]]": 0.8}))
    assert distance({"k": sure}, {"k": parted}) == Distance(words=pytest.approx(0.6), verdicts=None, same=0.0)


def test_replies_to_different_requests_are_not_compared():
    with pytest.raises(ValueError, match="same requests"):
        distance({"k": reply()}, {"other": reply()})


@pytest.mark.parametrize(
    ("agreement", "change", "moved", "found"),
    [
        (apart(1e-6), apart(0.4), apart(0.4), None),
        (apart(0.01), apart(0.02), apart(0.02), None),  # a small step, coarse numbers
        (apart(1e-6), None, None, None),  # nothing was trained
        (apart(0.4), None, None, Fault.DIFFERENT),
        (apart(0.0, verdicts=0.4), apart(0.4), apart(0.4), Fault.DIFFERENT),
        (apart(0.4), apart(0.4), apart(0.4), Fault.DIFFERENT),
        (apart(0.4), apart(0.0), apart(0.4), Fault.STALE),
        (apart(0.3), apart(0.02), apart(0.3), Fault.STALE),
        (apart(1e-6), apart(0.0), apart(1e-6), Fault.STILL),
        (apart(1e-6), apart(STILL / 2), apart(STILL / 2), Fault.STILL),
        (apart(TOLERANCE), apart(STILL), apart(STILL), None),
    ],
)
def test_a_served_judge_agrees_with_transformers_and_has_changed(
    agreement: Distance, change: Distance | None, moved: Distance | None, found: Fault | None
):
    assert fault(agreement=agreement, change=change, moved=moved) is found

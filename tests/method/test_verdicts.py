"""The last anchored verdict counts; anything else is a reason, never a guess."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfjudge.chat import Completion, Token
from selfjudge.method.verdicts import parse, probability
from selfjudge.types import Finish, Problem, Verdict


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("[[A]]", Verdict.FIRST),
        ("so I choose [[B]].", Verdict.SECOND),
        ("[[ A ]]", Verdict.FIRST),
        ("First I thought [[A]], but no: [[B]]", Verdict.SECOND),
        ("[[B]] or rather [[A]]", Verdict.FIRST),
        ("[[A/B]]", Problem.CONTRADICTORY),
        ("[[A]] [[A, B]]", Problem.CONTRADICTORY),
        ("[[A]] then [[C]]", Verdict.FIRST),
        ("[[C]]", Problem.NO_VERDICT),
        ("[[a]]", Problem.NO_VERDICT),
        ("[A]", Problem.NO_VERDICT),
        ("A is better", Problem.NO_VERDICT),
        ("[[A] ]", Problem.NO_VERDICT),
        ("", Problem.NO_VERDICT),
    ],
)
def test_a_reply_is_read_to_a_verdict_or_a_problem(text: str, read: Verdict | Problem):
    assert parse(text) is read


def test_a_reply_that_was_cut_off_has_no_verdict():
    assert parse("[[A]] but on the other hand", Finish.LENGTH) is Problem.CUT_OFF


def test_a_failed_request_has_no_verdict():
    assert parse("", Finish.ERROR) is Problem.ENGINE_FAILURE


@given(st.text(st.sampled_from("[]AB/ ,abC\n")), st.sampled_from(Finish))
def test_no_text_crashes_the_reading_or_leaves_the_offered_set(text: str, finish: Finish):
    assert isinstance(parse(text, finish), Verdict | Problem)


@given(st.text(), st.sampled_from(["A", "B"]))
def test_a_verdict_at_the_end_counts_whatever_came_before(text: str, letter: str):
    assert parse(f"{text} [[{letter}]]") is (Verdict.FIRST if letter == "A" else Verdict.SECOND)


def completion(*tokens: Token) -> Completion:
    text = "".join(token.text for token in tokens)
    return Completion(key="k", text=text, finish=Finish.STOP, prompt_tokens=0, completion_tokens=len(tokens), tokens=tokens)


def token(text: str, **chances: float) -> Token:
    return Token(text=text, logprobs=tuple((name, math.log(chance)) for name, chance in chances.items()))


def test_the_probability_is_read_at_a_letter_that_is_its_own_token():
    reply = completion(
        Token(text="I say ", logprobs=()),
        Token(text="[[", logprobs=()),
        token("A", A=0.6, B=0.2, C=0.2),
        Token(text="]]", logprobs=()),
    )
    assert probability(reply) == pytest.approx(0.75)


def test_the_probability_is_read_at_a_letter_inside_a_token():
    last = Token(text=" [[B]]", logprobs=((" [[B]]", math.log(0.9)), (" [[A]]", math.log(0.1)), (" [A]", math.log(0.5))))
    assert probability(completion(Token(text="So", logprobs=()), last)) == pytest.approx(0.1)


def test_the_last_anchor_is_the_one_that_is_read():
    early = Token(text="[[A]]", logprobs=(("[[A]]", 0.0),))
    late = Token(text="[[B]]", logprobs=(("[[A]]", math.log(0.3)), ("[[B]]", math.log(0.7))))
    assert probability(completion(early, Token(text=" no, ", logprobs=()), late)) == pytest.approx(0.3)


def test_without_a_verdict_or_log_probabilities_there_is_no_probability():
    silent = Completion(key="k", text="[[A]]", finish=Finish.STOP, prompt_tokens=0, completion_tokens=1)
    assert probability(silent) is None
    assert probability(completion(token("unsure", unsure=1.0))) is None
    assert probability(completion(Token(text="[[A]]", logprobs=()))) is None


def test_tokens_that_do_not_spell_the_text_have_no_probability():
    reply = Completion(
        key="k", text="[[A]]", finish=Finish.STOP, prompt_tokens=0, completion_tokens=1, tokens=(token("?", A=1.0),)
    )
    assert probability(reply) is None

"""VL-RewardBench's verdict line, as its official script reads it and as we do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfjudge.method.overall_judgment import official, robust
from selfjudge.types import Finish, Problem, Verdict

FIRST, SECOND = Verdict.FIRST, Verdict.SECOND

TABLE = [
    ("**Overall Judgment:** Answer 2 is **slightly better**", 2, SECOND),
    ("### Overall Judgment\nAnswer 2 is better", 2, SECOND),
    ("Therefore, Answer\n1 is better", 1, FIRST),
    ("Overall Judgment: Answer 1 is better than Answer 2", 1, FIRST),
    ("Overall Judgment: Answer 1 is significantly better", None, FIRST),
    ("Overall Judgment: Answer 1 is much better", None, FIRST),
    ("Overall Judgment: Answer 1 is clearly better", None, FIRST),
    ("Overall Judgement: Answer 1 is better", None, FIRST),
    ("Answer 1 is better.", None, FIRST),
    ("In conclusion, Answer 2 is better", None, SECOND),
    ("Overall Judgment: [Answer 1] is better", None, FIRST),
    ("Overall Judgment: Answer 1 provides a better response", None, FIRST),
    ("I prefer Answer 1.", None, FIRST),
    ("Overall Judgment: Answer 1 is better. Some say Answer 2 is better, but no.", 2, Problem.CONTRADICTORY),
    ("Therefore it is not true that Answer 1 is better", 1, Problem.NEGATED),
    ("Overall Judgment: Neither Answer 1 nor Answer 2 is better", 2, Problem.TIE),
    ("Overall Judgment: Answer 3 is better", 3, Problem.NOT_OFFERED),
]


@pytest.mark.parametrize(("text", "number", "verdict"), TABLE)
def test_every_row_of_the_reference_table(text: str, number: int | None, verdict: Verdict | Problem):
    assert (official(text), robust(text)) == (number, verdict)


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("", Problem.NO_VERDICT),
        ("Both are fine.", Problem.NO_VERDICT),
        ("Answer 1 is better on accuracy. Answer 2 is better on clarity.", Problem.CONTRADICTORY),
        ("Answer 1 is better on accuracy.\n\nOverall Judgment: Answer 2 is better.", SECOND),
        ("Overall Judgment: Answer 2 is better.\nOverall Judgment: Answer 1 is better.", FIRST),
        ("Overall, both are good. Overall Judgment: both answers are equally good.", Problem.TIE),
        ("Answer 2 is good, but Answer 1 is better.", FIRST),
        ("Answer 1 is worse than Answer 2.", SECOND),
        ("Answer 1 isn't better.", Problem.NEGATED),
        ("The better answer is Answer 2.", SECOND),
        ("The better answer is 1.", FIRST),
        ("Answer 2 wins.", SECOND),
        ("Therefore, Answer 1 is better. Overall it was close.", FIRST),
        ("Answer 1 is concise and Answer 2 is better.", SECOND),
        (f"Overall Judgment: Answer {'9' * 5000} is better", Problem.NOT_OFFERED),
    ],
)
def test_the_robust_parser_reads_what_a_person_would(text: str, verdict: Verdict | Problem):
    assert robust(text) is verdict


def test_a_reply_that_broke_off_has_no_verdict_in_the_robust_parser():
    text = "Overall Judgment: Answer 1 is better"
    assert robust(text, Finish.LENGTH) is Problem.CUT_OFF
    assert robust(text, Finish.ERROR) is Problem.ENGINE_FAILURE


def test_the_official_parser_reads_a_number_of_any_length_as_another_one():
    assert official(f"Therefore Answer {'1' * 5000} is better") == -1
    assert official("Therefore Answer 01 is better") == 1


VOCABULARY = "Overall Judgment : Therefore Answer 1 2 3 is the slightly better best worse not neither . , but * [ ] than I prefer"
WORDS = st.lists(st.sampled_from([*VOCABULARY.split(), "\n"]), max_size=30).map(" ".join)


@given(st.one_of(st.text(), WORDS))
def test_no_text_crashes_a_parser_or_gets_a_verdict_that_was_not_offered(text: str):
    assert official(text) is None or isinstance(official(text), int)
    assert isinstance(robust(text), Verdict | Problem)


@given(WORDS)
def test_an_answer_named_nowhere_is_never_the_verdict(text: str):
    named = {FIRST: "1", SECOND: "2"}
    verdict = robust(text)
    if isinstance(verdict, Verdict) and "worse" not in text:
        assert named[verdict] in text


def test_a_long_reply_full_of_triggers_is_read_in_linear_time():
    text = "Therefore Answer 1 is " * 50_000
    assert official(text) is None
    assert robust(text) is Problem.NO_VERDICT

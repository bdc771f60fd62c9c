"""VL-RewardBench's verdict line, as its official script reads it and as we do."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfjudge.method.overall_judgment import (
    _CLAIMS,
    _CLOSING,
    _TIE,
    _WORDS,
    RESPONSE_NUMBER,
    _line_scopes,
    _may_tell,
    _readings,
    _simple,
    _tails,
    last_lines,
    official,
    robust,
)
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


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("Overall Judgment: Answer 2 is more helpful.", SECOND),
        ("Overall Judgment: Answer 1 surpasses Answer 2.", FIRST),
        ("Overall Judgment: Answer 2 does a better job.", SECOND),
        ("Overall Judgment: Answer 1 is less accurate than Answer 2.", SECOND),
        ("Overall Judgment: Answer 1 is not as good as Answer 2.", SECOND),
        ("Overall Judgment: Response 2 beats Response 1.", SECOND),
        ("Overall Judgment: My preference is Answer 1.", FIRST),
        ("Overall Judgment: I would go with Answer 2.", SECOND),
        ("Overall Judgment: I choose the second response.", SECOND),
        ("Overall Judgment: #2 is better", SECOND),
        ("Overall Judgment: Answer #1 is better.", FIRST),
        ("Overall Judgment: Answer 1.", FIRST),
        ("Overall judgment - **2**", SECOND),
        ("Overall Judgment: \\text{Answer 1 is better.}", FIRST),
        ("Overall Judgment: $\\boxed{\\text{Answer 1}}$", FIRST),
        ("Overall Judgment: Answer 1 >> Answer 2", FIRST),
        ("Overall Judgment: Answer 1 < Answer 2", SECOND),
        ("Overall Judgment: The better answer is the first one.", FIRST),
        ("Overall Judgment: The latter is better.", SECOND),
        ("Overall Judgment: Die zweite Antwort ist besser.", SECOND),
        ("Overall Judgment: Antwort 1 ist besser.", FIRST),
        ("Overall Judgment: La respuesta 2 es mejor.", SECOND),
        ("Overall Judgment: La segunda respuesta es mejor.", SECOND),
        ("Overall Judgment: A resposta 1 é melhor.", FIRST),
        ("Overall Judgment: La risposta 2 è migliore.", SECOND),
        ("Overall Judgment: Ответ 2 лучше.", SECOND),
        ("Overall Judgment: 回答1の方が優れています。", FIRST),
        ("Overall Judgment: 답변 2가 더 좋습니다.", SECOND),
        ("Overall Judgment: 回答一更好。", FIRST),
        ("Overall Judgment: 第二个答案更好。", SECOND),
        ("综上所述，回答2优于回答1。", SECOND),
        ("Overall Judgment: 两个答案一样好。", None),
        ("Overall Judgment: Beide Antworten sind gleich gut.", None),
        ("Overall Judgment: Les deux réponses sont équivalentes.", None),
        ("Overall Judgment: Antwort 1 ist nicht besser als Antwort 2.", None),
        ("Overall Judgment: उत्तर 1 बेहतर है।", FIRST),
        ("Overall Judgment: الإجابة 2 أفضل.", SECOND),
        ("Overall Judgment: Answer 2 is better as it does not mention a tie.", SECOND),
        ("Overall Judgment: Answer 1 is better; the two shelves are equal in length.", FIRST),
        ("Overall Judgment: Answer 1 is better. It never claims that the lamp is on.", FIRST),
        ("Overall Judgment: Answer 1, which never mentions the dog, is better.", FIRST),
        ("Overall Judgment: Answer 2 is better: it says that no difference can be seen.", SECOND),
        ("Overall Judgment: Even though both are equal in length, Answer 2 is better.", SECOND),
        ("Overall Judgment: Both are fine, but Answer 1 is better.", FIRST),
        ("Overall Judgment: Though Answer 1 is better written, Answer 2 is better.", SECOND),
        ("Overall Judgment: Answer 1 is better than Answer 2, whose claim is false.", FIRST),
        ("Overall Judgment: Without a doubt, Answer 2 is better.", SECOND),
        ("Overall Judgment: It cannot be denied that Answer 1 is better.", FIRST),
        ("Overall Judgment: It is not the case that Answer 1 is better.", None),
        ("Overall Judgment: I don't think Answer 2 is better.", None),
        ("Overall Judgment: Neither is better.", None),
        ("Overall Judgment: There is no winner.", None),
        ("Overall Judgment: Draw.", None),
        ("Overall Judgment: They are tied.", None),
        ("Overall Judgment: Answer 4 is better.", None),
        ("Overall Judgment: Answer A is better.", None),
        ("Overall Judgment: Answer 0 is better.", None),
        ("Overall Judgment: 3", None),
        ("Overall Judgment: Is Answer 1 better? Yes, Answer 1 is better.", FIRST),
        ("Overall Judgment: Answer 2 is better... no, wait: Answer 1 is better.", FIRST),
        ("<think>Overall Judgment: Answer 2 is better.", None),
        ("<think>x</think>Overall Judgment: Answer 2 is better.", SECOND),
        ("Answer 1 is right about the hat. Overall, Answer 1 is preferable.", FIRST),
        ("Overall Judgment: Answer 1 and Answer 2 are equally accurate.", None),
        ("Overall Judgment: Both Answer 1 and Answer 2 are better than nothing.", None),
        ("Overall Judgment: Answer 1 is better because Answer 2 is worse at counting.", FIRST),
        ("Overall Judgment: Answer 2 provides a more accurate description of the image, while Answer 1 is less precise.", SECOND),
        ("Overall Judgment: Answer 1 is better. Answer 2 is not bad.", FIRST),
        ("Overall Judgment: Answer 1 is better, whereas Answer 2 is false.", FIRST),
        ("Overall Judgment: Answer 2 is the winner.", SECOND),
        ("Overall Judgment: Answer 1 takes the win.", FIRST),
        ("Overall Judgment: Victory for Answer 2.", SECOND),
        ("Overall Judgment: Answer 2 is better than Answer 1 because neither cup is blue and the two are equal.", SECOND),
        ("Overall Judgment: Answer 1 falsely claims a dog. Answer 2 is better.", SECOND),
        ("Overall Judgment: Answer 1 is better because it isn't false that there is a tie around his neck.", FIRST),
        ("Overall Judgment: I cannot decide.", None),
        ("Overall Judgment: No preference.", None),
        ("Overall Judgment: Answer 1 or Answer 2 is better.", None),
        ("Overall Judgment: Answer 2 is ahead.", SECOND),
        ("Overall Judgment: Answer 1 is closer to the truth.", FIRST),
        ("Overall Judgment: Answer 2 deserves preference.", SECOND),
        ("Overall Judgment: Answer 1 is the more faithful one.", FIRST),
        ("Overall Judgment: Definitely Answer 2!", SECOND),
        ("Overall Judgment: It's Answer 1.", FIRST),
        ("Overall Judgment: Assistant 2 is better.", SECOND),
        ("Overall Judgment: Answer 1 is superior since the scale shows equal weights.", FIRST),
        ("Overall Judgment: Answer 1 is better? No.", None),
        ("Overall Judgment: Answer 2 isn't better.", None),
        ("Overall Judgment: Answer 2 is no better than Answer 1.", None),
    ],
)
def test_words_orders_and_languages_in_which_an_answer_is_called_better(text: str, verdict: Verdict | None):
    read = robust(text)
    assert (read if isinstance(read, Verdict) else None) is verdict


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


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Because.\n\nResponse 1 is better.", FIRST),
        ("**Response 2** is better\n\n", SECOND),
        ("RESPONSE 2 IS BETTER\nas said\nabove", SECOND),
        ("Response 2 is better\none\ntwo\nthree", Problem.NO_VERDICT),
        ("Response 1 is better.\nResponse 2 is better.", FIRST),
        ("Response 3 is better.", Problem.NOT_OFFERED),
        (f"Response {'1' * 5000} is better.", Problem.NOT_OFFERED),
        ("Response 1 is clearly better.", Problem.NO_VERDICT),
        ("", Problem.NO_VERDICT),
    ],
    ids=lambda value: str(value)[:30],
)
def test_multi_crits_line_is_read_among_the_last_three(text: str, read: Verdict | Problem):
    assert last_lines(text) is read
    place = RESPONSE_NUMBER.place(text)
    assert isinstance(read, Problem) or text[place] == ("1" if read is FIRST else "2")  # type: ignore[index]
    assert last_lines(text, Finish.LENGTH) is (Problem.CUT_OFF if read is Problem.NO_VERDICT else read)
    assert last_lines(text, Finish.ERROR) is Problem.ENGINE_FAILURE


def test_a_long_reply_full_of_triggers_is_read_in_linear_time():
    text = "Therefore Answer 1 is " * 50_000
    assert official(text) is None
    assert robust(text) is Problem.NO_VERDICT


@pytest.mark.parametrize(("cues", "pattern"), [words[:2] for words in _WORDS if words[0]])
@given(st.data())
def test_what_a_pattern_of_words_matches_holds_one_of_its_cues(
    cues: tuple[str, ...], pattern: re.Pattern[str], data: st.DataObject
):
    said = data.draw(st.from_regex(pattern))
    assert any(cue in said for cue in cues)


@pytest.mark.parametrize("pattern", [*_CLAIMS, _TIE], ids=lambda pattern: pattern.pattern[:30])
def test_every_claim_and_every_tie_holds_a_telling_word(pattern: re.Pattern[str]):
    @settings(max_examples=60, deadline=None)
    @given(st.from_regex(pattern))
    def check(text: str):
        assert _may_tell(next(pattern.finditer(text))[0])

    check()


PIECES = [text for text, _, _ in TABLE] + [
    "更好",
    "#1",
    "ne",
    "pas ",
    "没有",
    "the first ",
    "第一 ",
    "is worse",
    "?",
    "\n",
    ". ",
    " both ",
    "*",
    "-",
]


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=3), min_size=1, max_size=7))
def test_a_verdict_line_read_by_itself_says_what_it_says_in_the_whole_text(pieces: list[str]):
    text = "".join(pieces)
    whole = _simple(text.strip().lower().replace("’", "'").replace("*", ""))
    scopes = [*_line_scopes(whole), *reversed(_tails(whole, _CLOSING)), whole]
    results = [result for scope in scopes for result in _readings(scope) if result is not Problem.NO_VERDICT]
    assert robust(text) == (results[0] if results else Problem.NO_VERDICT)

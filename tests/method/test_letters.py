"""A verdict in one token: how it is asked for, and what is read."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from selfjudge.chat import Completion, Message, Request, Sampling, Token
from selfjudge.method.letters import letter_request, opening, read_letter
from selfjudge.method.prompts import JUDGE
from selfjudge.method.protocols import STRICT
from selfjudge.method.thinking import end_of_thinking
from selfjudge.recipe.experiment import Judging
from selfjudge.types import Finish, Problem, Verdict

ASKED = Request(
    key="k",
    messages=(Message(role="user", content=("which?",)),),
    sampling=Sampling(temperature=0.6, top_p=0.9, top_k=50, max_tokens=64),
    seed=3,
)
FORCED = Judging(force_verdict=True).protocol


def token(text: str, *rivals: tuple[str, float], finish: Finish = Finish.LENGTH) -> Completion:
    seen = (Token(text=text, logprobs=tuple((word, math.log(p)) for word, p in rivals)),) if rivals else None
    return Completion(key="k", text=text, finish=finish, prompt_tokens=1, completion_tokens=1, tokens=seen)


def reply(text: str, finish: Finish = Finish.STOP, letter: Completion | None = None) -> Completion:
    return Completion(key="k", text=text, finish=finish, prompt_tokens=1, completion_tokens=1, letter=letter)


@pytest.mark.parametrize(
    ("template", "begins"),
    [
        (JUDGE, "Verdict: [["),
        ("End with [[A]] or [[B]].", "[["),
        ("Schreibe zuletzt Urteil: [[A]] oder Urteil: [[B]].", "Urteil: [["),
        ("judge {first} {second}", ""),
    ],
)
def test_a_verdict_line_begins_as_the_prompt_shows_it(template: str, begins: str):
    assert opening(template) == begins


def test_the_letter_is_asked_for_behind_the_reply_greedily():
    asked = letter_request(ASKED, "A says two. \n", JUDGE)
    assert asked.continues and not ASKED.continues and asked.messages[:-1] == ASKED.messages
    assert asked.messages[-1].content == ("A says two.\n\nVerdict: [[",)
    assert (asked.key, asked.sampling.max_tokens, asked.sampling.temperature) == ("k", 1, 0.0)


def test_without_a_reply_and_without_a_line_the_request_is_for_the_first_token_of_a_reply():
    assert not letter_request(ASKED, "", "judge {first} {second}").continues
    assert letter_request(ASKED, "", JUDGE).messages[-1].content == ("Verdict: [[",)


@pytest.mark.parametrize(
    ("text", "closed"),
    [
        ("<think>\nA says two", "\n</think>"),
        ("[THINK]A says two", "\n[/THINK]"),
        ("◁think▷A says", "\n◁/think▷"),
        ("<|START_THINKING|>A says", "\n<|END_THINKING|>"),
        ("<|begin_of_thought|>A says", "\n<|end_of_thought|>"),
        ("<|channel|>analysis", ""),
        ("<think>\nA says two\n</think>\nSo it is.", ""),
        ("A says two", ""),
    ],
)
def test_thinking_that_was_cut_off_is_closed_first(text: str, closed: str):
    assert end_of_thinking(text) == closed
    assert letter_request(ASKED, text, "[[A]]").messages[-1].content == (f"{text}{closed}\n\n[[",)


@pytest.mark.parametrize(
    ("said", "verdict", "chance"),
    [
        (token("A"), Verdict.FIRST, None),
        (token(" [[B]]"), Verdict.SECOND, None),
        (token("A", ("A", 0.6), ("B", 0.2)), Verdict.FIRST, 0.75),
        (token("\n", ("\n", 0.5), ("B", 0.3), (" B", 0.1), ("A]]", 0.1)), Verdict.SECOND, 0.2),
        (token("C", ("C", 0.9), ("An", 0.1)), Problem.NO_VERDICT, None),
        (token("A", ("A", 0.4), ("B", 0.4)), Problem.NO_VERDICT, None),
        (token("Based"), Problem.NO_VERDICT, None),
        (token("AB"), Problem.NO_VERDICT, None),
        (token("", finish=Finish.ERROR), Problem.ENGINE_FAILURE, None),
    ],
)
def test_the_likelier_letter_is_the_verdict_and_anything_else_is_none(said: Completion, verdict: object, chance: float | None):
    read, found = read_letter(said)
    assert read is verdict and found == (None if chance is None else pytest.approx(chance))


@pytest.mark.parametrize(
    ("text", "finish", "asked"),
    [
        ("They differ.", Finish.STOP, True),
        ("They dif", Finish.LENGTH, True),
        ("So: [[A]] and", Finish.LENGTH, True),
        ("[[A]]", Finish.STOP, False),
        ("[[A]] or [[B]]", Finish.STOP, False),
        ("[[C]]", Finish.STOP, False),
        ("", Finish.ERROR, False),
    ],
)
def test_only_a_reply_that_ended_without_a_verdict_is_continued(text: str, finish: Finish, asked: bool):
    assert (FORCED.further(ASKED, reply(text, finish)) is not None) is asked
    assert STRICT.further(ASKED, reply(text, finish)) is None


def test_a_forced_verdict_says_what_its_reply_lacked():
    said = FORCED.reading(reply("They dif", Finish.LENGTH, token("B", ("B", 0.8), ("A", 0.2))))
    assert (said.verdict, said.problem, said.forced) == (Verdict.SECOND, None, Problem.CUT_OFF)
    assert said.probability == pytest.approx(0.2)


def test_a_reply_whose_letter_is_none_keeps_its_problem():
    said = FORCED.reading(reply("They differ.", letter=token("hm")))
    assert (said.verdict, said.problem, said.forced) == (None, Problem.NO_VERDICT, None)


def test_a_protocol_that_asks_for_the_letter_alone_reads_one_token():
    alone = replace(STRICT, verdict="alone")
    said = alone.reading(token("A", ("A", 0.6), ("B", 0.2)))
    assert (said.verdict, said.problem) == (Verdict.FIRST, None) and said.probability == pytest.approx(0.75)
    assert alone.reading(token("x", ("x", 1.0))).problem is Problem.NO_VERDICT


def test_longer_replies_are_the_same_protocol_by_name():
    longer = STRICT.changed(max_tokens=4096)
    assert longer.name == STRICT.name and longer.sampling.max_tokens == 4096

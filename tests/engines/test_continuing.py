"""Replies that are continued: what a server is sent, which servers can, and verdicts without a trace."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from typer.testing import CliRunner

from engines.asking import PLAIN, answers, opened
from engines.serving import Answer, Asked, Server, raw, reply, serving
from selfjudge import Case, Judge
from selfjudge.chat import ASSISTANT, Message, Request
from selfjudge.cli import app
from selfjudge.errors import EngineError
from selfjudge.method.prompts import JUDGE
from selfjudge.ports import continues
from selfjudge.rewards import JudgeReward


def listing(*owners: Any) -> Answer:
    return raw(json.dumps({"data": [{"id": f"m{n}", "owned_by": owner} for n, owner in enumerate(owners)]}).encode())


def letters(asked: Asked) -> dict[str, Any]:
    """Log-probabilities of both letters: nine to one for the response that is `good`."""
    shown = asked.body["messages"][0]["content"]
    shares = (0.9, 0.1) if shown.index("good") < shown.index("bad") else (0.1, 0.9)
    top = [{"token": letter, "logprob": math.log(share)} for letter, share in zip("AB", shares, strict=True)]
    said = reply("A", "length")
    said["choices"][0]["logprobs"] = {"content": [{**top[0], "top_logprobs": top}]}
    return said


@contextmanager
def connected(*owners: Any) -> Iterator[tuple[Server, Judge]]:
    with serving(letters, listing=listing(*owners)) as server, Judge.connect(server.url, "m0", template=JUDGE) as judge:
        yield server, judge


@pytest.mark.parametrize(
    ("owners", "able"),
    [(["vllm"], True), (["sglang"], True), (["vllm", "vllm"], True), (["openai"], False), ([None], False), ([], False)],
)
def test_a_server_can_continue_a_reply_if_it_calls_itself_one_that_can(owners: list[Any], able: bool):
    with serving(letters, listing=listing(*owners)) as server:
        engine = opened(server.url)
        assert continues(engine) is able and continues(engine) is able
        engine.close()
    assert len(server.listed) == 1


def test_a_server_that_does_not_say_what_it_is_is_an_error():
    with serving(letters, listing=raw(b"<html>", 404)) as server:
        engine = opened(server.url, retries=0)
        with pytest.raises(EngineError, match="does not say whether it can continue"):
            continues(engine)
        engine.close()


def test_a_reply_to_be_continued_is_sent_as_the_last_message_without_a_new_turn():
    turns = Message(role="user", content=("which?",)), Message(role=ASSISTANT, content=("So: [[",))
    asked = [
        Request(key="on", messages=turns, sampling=PLAIN, seed=0),
        Request(key="new", messages=turns[:1], sampling=PLAIN, seed=0),
    ]
    with serving(lambda asked: "A") as server:
        assert answers(server, asked)["on"].text == "A"
    bodies = {one.text: one.body for one in server.asked}
    assert bodies["So: [["]["continue_final_message"] is True and bodies["So: [["]["add_generation_prompt"] is False
    assert bodies["So: [["]["messages"][-1]["role"] == "assistant" and "continue_final_message" not in bodies["which?"]


def test_a_score_without_a_trace_is_the_mean_of_both_letters_from_two_tokens():
    with connected("vllm") as (server, judge):
        assert judge.score([], "which?", "good", against=["bad"], trace=False) == pytest.approx(0.9)
        assert judge.score([], "which?", "bad", against=["good"], trace=False) == pytest.approx(0.1)
    assert [asked.body["max_tokens"] for asked in server.asked] == [1] * 4
    assert {asked.text for asked in server.asked} == {"Verdict: [["}


def test_comparisons_and_rewards_without_a_trace_have_no_words():
    with connected("sglang") as (_, judge):
        [said] = judge.compare_all([Case(prompt="which?", response_a="bad", response_b="good")], trace=False)
        assert (said.preference, said.traces, said.problem) == ("b", ("", ""), None)
        assert JudgeReward(judge, trace=False)(["q", "q"], ["good", "bad"]) == pytest.approx([0.9, 0.1])


def test_a_server_that_cannot_begin_a_reply_is_an_error_before_anything_is_asked():
    with connected("openai") as (server, judge), pytest.raises(EngineError, match="cannot begin a reply") as error:
        judge.score([], "which?", "good", against=["bad"], trace=False)
    assert "SGLang" in str(error.value.hint) and not server.asked


def planned(server: Server, *changes: str) -> list[dict[str, Any]]:
    engine = json.dumps({"kind": "openai", "base_url": server.url})
    changes = ("training.kind=scripted", f"execution.engine={engine}", *changes)
    options = [word for change in changes for word in ("--set", change)]
    done = CliRunner().invoke(app, ["plan", "recipes/scripted.yaml", "--format", "json", *options])
    findings = json.loads(done.stdout)["findings"]
    return [one for one in findings if one["about"] == "engine" and one["level"] == "error"]


@pytest.mark.parametrize(("owner", "force", "errors"), [("openai", True, 1), ("vllm", True, 0), ("openai", False, 0)])
def test_a_plan_says_whether_a_server_can_do_what_force_verdict_asks(owner: str, force: bool, errors: int):
    with serving(letters, listing=listing(owner)) as server:
        found = planned(server, f"judging.force_verdict={json.dumps(force)}")
    assert len(found) == errors
    assert all("no vLLM or SGLang" in one["what"] and "transformers, vllm" in one["do"] for one in found)

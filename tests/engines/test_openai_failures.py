"""A server that fails, hinders or is not there: what is a row of data, what is an error, and what nobody may ever see."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from pydantic import ValidationError

from engines.asking import answers, echo, free_port, numbered, opened, request
from engines.serving import Asked, closed, dripping, endless, half, raw, refusal, reply, serving, silent
from selfjudge.chat import Completion, Request
from selfjudge.engines import endpoint
from selfjudge.engines.openai import OpenAIEngine
from selfjudge.errors import EngineError
from selfjudge.method.strikes import unbroken
from selfjudge.recipe.engines import OpenAISettings
from selfjudge.types import Finish

KEY = "sk-test-a-key-nobody-may-see"
REFUSALS = {
    "closed": closed,
    "half": half,
    "silent": silent,
    "dripping": dripping,
    "endless": endless,
    "too long": refusal(400, "the context is too long"),
    "no choices": raw(b'{"choices": []}'),
    "no message": raw(b'{"choices": [{"finish_reason": "stop"}]}'),
    "wrong content": raw(b'{"choices": [{"message": {"content": 7}, "finish_reason": "stop"}]}'),
    "error body": raw(b'{"error": {"message": "upstream is gone", "code": 502}}'),
    "error text": raw(b'{"error": "sorry"}'),
    "no json": raw(b"<html>"),
    "no object": raw(b"[1]"),
    "no text": raw(b'{"choices": [{"message": {"content": "\\ud800"}, "finish_reason": "stop"}]}'),
    "no utf-8": raw(b'{"choices": [{"message": {"content": "\xff"}, "finish_reason": "stop"}]}'),
    "deep": raw(b"[" * 100_000),
    "packed": raw(b"\x1f\x8b", content_encoding="gzip"),
    "500": refusal(500, "out of memory"),
    "422": refusal(422, "no"),
    "filtered": lambda asked: reply("", "content_filter"),
}


def hostile(asked: Asked) -> Any:
    found = REFUSALS.get(asked.text, "fine")
    return reply("", "content_filter") if asked.text == "filtered" else found


def judged(engine: OpenAIEngine, requests: list[Request]) -> Iterator[Completion]:
    """The completions as a stage takes them."""
    return unbroken(engine.generate(requests), by_key(requests), name="m")


def by_key(requests: list[Request]) -> dict[str, Request]:
    return {request.key: request for request in requests}


def test_whatever_a_server_does_to_one_request_is_data_and_the_others_are_answered(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(endpoint, "_LONGEST_REPLY", 2**20)  # an endless reply reaches it within the second
    asked = [request(name) for name in REFUSALS] + numbered(200)
    random.Random(0).shuffle(asked)
    with serving(hostile) as server:
        done = answers(server, asked, timeout_seconds=1.0)
    failed = {key for key, completion in done.items() if completion.finish is Finish.ERROR}
    assert failed == set(REFUSALS)
    assert all(done[key].error and done[key].tokens is None for key in failed)
    assert "too long" in str(done["too long"].error) and "1 seconds" in str(done["silent"].error)
    assert "upstream is gone" in str(done["error body"].error) and "content_filter" in str(done["filtered"].error)
    tries = {name: server.texts.count(name) for name in REFUSALS}
    assert tries["too long"] == tries["endless"] == 1 and tries["silent"] == 2 and tries["500"] == tries["half"] == 3


def test_a_failure_that_passes_is_tried_again():
    def rule(asked: Asked) -> Any:
        return refusal(500) if server.texts.count(asked.text) < 3 else echo(asked)

    with serving(rule) as server:
        done = answers(server, numbered(50))
    assert all(completion.finish is Finish.STOP for completion in done.values())


@pytest.mark.parametrize("status", [401, 402, 403, 404, 405, 307])
def test_what_no_request_can_pass_ends_it_all_with_a_hint(status: int):
    with serving(lambda asked: refusal(status, "no such thing"), models=("judge-one", "judge-two")) as server:
        engine = opened(server.url)
        with pytest.raises(EngineError) as error:
            list(engine.generate(numbered(1_000)))
        engine.close()
    assert server.url in str(error.value) and error.value.hint and len(server.asked) <= 32
    assert status != 404 or "judge-one, judge-two" in error.value.hint


def test_no_quota_and_a_key_that_google_does_not_take_end_it_too():
    for answer in (refusal(429, "insufficient_quota"), refusal(400, "API key not valid"), refusal(429, retry_after="3600")):
        with serving(lambda asked, answer=answer: answer) as server:
            engine = opened(server.url)
            with pytest.raises(EngineError):
                list(engine.generate(numbered(10)))
            engine.close()


def test_a_server_that_is_not_there_is_an_error_and_no_rows():
    engine = opened(f"http://127.0.0.1:{free_port()}/v1")
    rows: list[Completion] = []
    with pytest.raises(EngineError, match="cannot be reached") as error:
        rows.extend(engine.generate(numbered(1_000)))
    engine.close()
    assert not rows and "running" in str(error.value.hint)


def test_a_server_that_goes_away_leaves_no_error_rows():
    with serving(echo, seconds=0.01) as server:
        engine = opened(server.url, retries=3)
        done = engine.generate(numbered(2_000))
        rows = [next(done) for _ in range(100)]
    with pytest.raises(EngineError, match="cannot be reached|requests failed"):
        rows.extend(unbroken(done, by_key(numbered(2_000)), name="m", answered=True))
    engine.close()
    assert all(row.finish is Finish.STOP for row in rows)


@pytest.mark.parametrize("answer", [refusal(500, "the engine is dead"), closed, half], ids=["500", "closed", "half"])
def test_a_server_that_only_fails_is_an_error_after_a_few_requests(answer: Any):
    def rule(asked: Asked) -> Any:
        return echo(asked) if asked.number < 100 else answer

    rows: list[Completion] = []
    with serving(rule) as server:
        engine = opened(server.url)
        with pytest.raises(EngineError, match="8 requests failed"):
            rows.extend(judged(engine, numbered(2_000)))
        engine.close()
    assert len(rows) == 100 and all(row.finish is Finish.STOP for row in rows)


def test_requests_that_are_all_refused_from_the_start_are_an_error():
    with serving(lambda asked: refusal(400, "this model takes no images")) as server:
        engine = opened(server.url)
        with pytest.raises(EngineError, match="takes no images"):
            list(judged(engine, numbered(2_000)))
        engine.close()
        assert all(c.finish is Finish.ERROR for c in answers(server, numbered(20)).values())


def test_the_key_is_sent_and_never_shown(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    shown: list[str] = []

    def rule(asked: Asked) -> Any:
        told = f"you sent {asked.headers['Authorization']}"
        if asked.text == "broken":
            return raw(told.encode())
        status = int(asked.text)
        return told if status == 200 else refusal(status, told)

    with serving(rule) as server, caplog.at_level(logging.DEBUG):
        for text in ("200", "400", "500", "broken", "401", "403", "404", "429"):
            engine = opened(server.url, retries=0)
            try:
                shown.extend(f"{completion}" for completion in engine.generate([request(text)]))
            except EngineError as error:
                shown.append(f"{error} {error.hint} {error.__cause__} {error.__context__}")
            engine.close()
        shown.append(f"{engine!r}")
    assert all(asked.headers["Authorization"] == f"Bearer {KEY}" for asked in server.asked)
    assert len(shown) == 9 and sum("***" in text for text in shown) >= 7
    assert KEY not in "".join(shown) + caplog.text


def test_a_server_elsewhere_needs_a_key_and_one_of_ones_own_gets_a_dummy():
    with pytest.raises(EngineError) as error:
        opened("https://api.openai.com/v1")
    assert "OPENAI_API_KEY" in str(error.value.hint)
    with serving(echo) as server:
        answers(server, numbered(1))
    assert server.asked[0].headers["Authorization"] == "Bearer EMPTY"


@pytest.mark.parametrize("url", ["http://user:password@host/v1", "https://host/v1?key=secret", "host:8000", "file:///etc"])
def test_a_recipe_holds_no_key(url: str):
    with pytest.raises(ValidationError):
        OpenAISettings(kind="openai", base_url=url)


def test_a_busy_server_is_asked_less_and_not_before_it_said():
    arrived: list[float] = []

    def rule(asked: Asked) -> Any:
        arrived.append(time.monotonic())
        return refusal(429, "slow down", retry_after="1") if 40 <= asked.number < 44 else echo(asked)

    with serving(rule, seconds=0.02) as server:
        done = answers(server, numbered(400), concurrency=32)
    assert all(completion.finish is Finish.STOP for completion in done.values())
    gaps = [later - earlier for earlier, later in pairwise(arrived)]
    assert sum(gap > 0.9 for gap in gaps) == 1 and len(server.asked) == 404


def test_a_server_that_takes_three_at_once_gets_all_its_answers_out():
    with serving(lambda asked: refusal(503, retry_after="0.05") if server.now > 3 else echo(asked), seconds=0.005) as server:
        done = answers(server, numbered(300), concurrency=64)
    assert all(completion.finish is Finish.STOP for completion in done.values())
    assert len(server.asked) < 600

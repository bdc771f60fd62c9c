"""A server that means harm or merely speaks another dialect: bounded, in words, and the key is nowhere."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import os
import resource
import signal
import threading
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from engines.asking import WARM, answers, echo, numbered, opened, request
from engines.serving import Asked, dripping, endless, raw, refusal, reply, serving, silent
from selfjudge.chat import Completion, Request
from selfjudge.engines import endpoint, openai
from selfjudge.errors import EngineError
from selfjudge.method.strikes import unbroken
from selfjudge.method.verdicts import probability
from selfjudge.ports import NamedEngine
from selfjudge.run.store import Table
from selfjudge.run.tables import REFUSED, Row
from selfjudge.stages.asking import ask
from selfjudge.types import Finish

KEY = "sk-Test/a&key+nobody=may-see"
SPELLINGS = {
    "plain": KEY,
    "lower": KEY.lower(),
    "json": "".join(f"\\u{ord(c):04x}" for c in KEY),
    "json, capitals": "".join(f"\\u{ord(c):04X}" for c in KEY),
    "slash": KEY.replace("/", "\\/"),
    "ampersand": KEY.replace("&", "\\u0026"),
    "url": "".join(f"%{ord(c):02x}" for c in KEY),
    "url, where needed": KEY.replace("/", "%2F").replace("&", "%26").replace("+", "%2B").replace("=", "%3D"),
    "url, twice": "".join(f"%25{ord(c):02X}" for c in KEY),
    "html": KEY.replace("&", "&#38;").replace("/", "&#x2F;"),
    "mixed": KEY.replace("s", "\\u0073").replace("k", "%6b"),
}


def fails(url: str, **options: Any) -> EngineError:
    engine = opened(url, **options)
    try:
        with pytest.raises(EngineError) as error:
            list(engine.generate(numbered(12)))
    finally:
        engine.close()
    return error.value


def words(url: str, text: str) -> str:
    """All that is shown or stored of one request."""
    engine = opened(url, retries=0)
    try:
        return f"{list(engine.generate([request(text, sampling=WARM)]))}"
    except EngineError as error:
        return f"{error} {error.hint} {error.__cause__} {error.__context__}"
    finally:
        engine.close()


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_key_leaves_in_no_spelling(spelling: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    spelled = SPELLINGS[spelling]
    rules: dict[str, Any] = {
        "text": reply(spelled),
        "in json": raw(json.dumps(reply("TEXT")).replace("TEXT", spelled).encode()),
        "error": refusal(400, f"Incorrect key {spelled}."),
        "finish": reply("x", f"stop {spelled}"),
        "location": refusal(307, "", Location=f"http://elsewhere/?key={spelled}"),
        "not json": raw(f"<{spelled}>".encode()),
        "header": raw(b"x", content_encoding=spelled),
        "code 200": raw(json.dumps({"error": {"message": spelled, "code": 401}}).encode()),
    }
    with serving(lambda asked: rules[asked.text]) as server:
        shown = [words(server.url, where) for where in rules]
    assert {asked.headers["Authorization"] for asked in server.asked} == {f"Bearer {KEY}"}
    assert all(secret not in text for text in shown for secret in (spelled, spelled.replace("\\", "\\\\"), KEY))
    assert sum("***" in text for text in shown) >= len(rules) - 1


@pytest.mark.parametrize("variable", ["OPENAI_API_KEY", "OPENAI_ORG_ID"])
@pytest.mark.parametrize("value", ["sk-secret\r\nX-Evil: 1", "sk-secret\nx", "sk-secreté", "“sk-secret”", "sk\x00secret"])
def test_a_key_that_cannot_be_sent_is_refused_in_words(variable: str, value: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("os.environ", {variable: value})
    with pytest.raises(EngineError, match=f"{variable} contains") as error:
        opened("http://127.0.0.1:9/v1")
    assert "secret" not in f"{error.value} {error.value.hint}"


BOMB = gzip.compress(bytes(2**28), compresslevel=1)


async def gzip_bomb(asked: web.Request) -> web.StreamResponse:
    return web.Response(body=BOMB, headers={"Content-Encoding": "gzip"})


async def many_headers(asked: web.Request) -> web.StreamResponse:
    return web.json_response(reply("x"), headers={f"x-{number}": "y" * 1_000 for number in range(1_000)})


async def elsewhere(asked: web.Request) -> web.StreamResponse:
    raise web.HTTPFound("/v1/stolen")


LISTINGS = [endless, gzip_bomb, dripping, many_headers, elsewhere, raw(b"[" * 9_999), raw(b'{"data": 7}')]


@pytest.mark.parametrize("listing", LISTINGS)
def test_the_list_of_models_has_the_limits_of_all_other_requests(listing: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(endpoint, "_LIST_SECONDS", 1.0)
    monkeypatch.setattr(endpoint, "_LONGEST_REPLY", 2**20)
    with serving(lambda asked: refusal(404, "no such model"), listing=listing) as server:
        before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
        error = fails(server.url)
    assert "does not have the model `m`" in str(error) and "Check base_url" in str(error.hint)
    assert time.monotonic() - started < 5 and len(server.listed) == 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


def test_models_are_listed_once_for_each_error_and_for_the_server_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with serving(echo) as proxy, serving(lambda asked: refusal(404), models=("one", f"\x1b[2J{KEY}\u202e")) as server:
        monkeypatch.setenv("http_proxy", proxy.url.removesuffix("/v1"))
        engine = opened(server.url)
        for _ in range(2):
            with pytest.raises(EngineError) as error:
                list(engine.generate(numbered(20)))
            assert error.value.hint == "The server has one, [2J***"
        engine.close()
    assert len(server.listed) == 2 and not proxy.listed and not proxy.asked


def test_what_a_server_says_reaches_no_terminal_raw():
    escape = "\x1b]0;title\x07\x1b[2J\u202ereversed\x9b1A"
    for answer in (refusal(400, escape), refusal(401, escape), refusal(302, Location=f"http://x/{escape!a}"), reply("x", escape)):
        with serving(lambda asked, answer=answer: answer) as server:
            assert words(server.url, "k").isprintable()


@pytest.mark.parametrize("packed", [gzip.compress, zlib.compress])
def test_a_packed_reply_is_unpacked(packed: Any):
    name = "gzip" if packed is gzip.compress else "deflate"
    with serving(lambda asked: raw(packed(json.dumps(reply("plain")).encode()), content_encoding=name)) as server:
        assert answers(server, numbered(1))["0"].text == "plain"


def test_a_reply_that_says_it_is_not_packed_is_read():
    with serving(lambda asked: raw(json.dumps(reply("plain")).encode(), content_encoding="identity")) as server:
        assert answers(server, numbered(1))["0"].text == "plain"


BOMBS = [gzip_bomb, endless, many_headers, raw(b"\x1f\x8bx", content_encoding="gzip"), raw(b"x", content_encoding="br")]


@pytest.mark.parametrize("answer", BOMBS)
def test_a_bomb_is_a_failed_request_of_bounded_size(answer: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(endpoint, "_LONGEST_REPLY", 2**20)
    with serving(lambda asked: answer if asked.text == "bomb" else echo(asked)) as server:
        done = answers(server, [*numbered(5), request("bomb")], retries=1)
    assert done["bomb"].finish is Finish.ERROR and not done["bomb"].refused


STOPS = ["stop", "STOP", "eos", "eos_token", "end_turn", "END_TURN", "stop_sequence", "FinishReason.STOP", None]
LENGTHS = ["length", "max_tokens", "MAX_TOKENS", "model_length", "maxTokens", "model_context_window_exceeded"]


@pytest.mark.parametrize("reason", STOPS)
def test_whatever_a_server_calls_the_end_it_is_the_end(reason: str | None):
    with serving(lambda asked: reply("x", reason)) as server:
        assert answers(server, numbered(1))["0"].finish is Finish.STOP


@pytest.mark.parametrize("reason", LENGTHS)
def test_whatever_a_server_calls_its_limit_it_is_the_limit(reason: str):
    with serving(lambda asked: reply("x", reason)) as server:
        assert answers(server, numbered(1))["0"].finish is Finish.LENGTH


BLOCKED = {
    "null message": raw(b'{"choices":[{"index":0,"finish_reason":"content_filter: PROHIBITED_CONTENT","message":null}]}'),
    "no message": raw(b'{"choices":[{"finish_reason":"stop"}]}'),
    "no choices": raw(b'{"choices":[],"usage":{"prompt_tokens":3}}'),
    "filter": reply("", "content_filter"),
    "safety": reply(None, "SAFETY"),
    "refusal": reply("I", "refusal"),
    "403": refusal(403, "Your request was flagged by our moderation"),
    "451": refusal(451, "unavailable"),
    "400": refusal(400, "The response was filtered due to the prompt triggering content management policy"),
    "413": refusal(413, "too large"),
    "422": refusal(422, "cannot decode the image"),
    "error, 200": raw(b'{"error":{"message":"blocked by the safety system","code":"content_policy_violation"}}'),
}


@pytest.mark.parametrize("name", BLOCKED)
@pytest.mark.parametrize("first", [True, False])
def test_a_blocked_item_is_a_refused_row_at_once_also_where_its_neighbours_are(name: str, first: bool):
    blocked = range(30) if first else range(10, 40)

    def rule(asked: Asked) -> Any:
        return BLOCKED[name] if int(asked.text) in blocked else echo(asked)

    with serving(rule) as server:
        done = answers(server, numbered(60), concurrency=4)
    assert {int(key) for key, c in done.items() if c.finish is Finish.ERROR} == set(blocked) and len(server.asked) == 60
    assert all((c.refused, bool(c.error)) == ((True, True) if int(key) in blocked else (False, False)) for key, c in done.items())


@pytest.mark.parametrize("answer", [refusal(500), refusal(403, "forbidden"), raw(b"<html>"), raw(b'{"status":"ok"}'), endless])
def test_a_fault_of_the_server_is_no_fault_of_the_request(answer: Any):
    with serving(lambda asked: answer if asked.text == "k" else echo(asked)) as server:
        done = answers(server, [*numbered(3), request("k")], concurrency=1)
    assert done["k"].finish is Finish.ERROR and not done["k"].refused


def test_an_end_that_nobody_knows_is_an_error_where_there_is_no_other():
    asked = numbered(1_000)
    with serving(lambda asked: reply("x", "whatever")) as server:
        engine = opened(server.url, concurrency=4)
        for few in (asked, asked[:3]):
            with pytest.raises(EngineError, match='finish_reason "whatever"'):
                list(unbroken(engine.generate(few), {request.key: request for request in few}, name="m"))
        engine.close()
    assert len(server.asked) < 50


@pytest.mark.parametrize("odd", [0, 7, 19])
def test_an_end_that_nobody_knows_is_a_failed_row_among_others(odd: int):
    with serving(lambda asked: reply("x", "whatever" if asked.text == str(odd) else "stop")) as server:
        done = answers(server, numbered(20), concurrency=2)
    assert [key for key, c in done.items() if c.finish is Finish.ERROR] == [str(odd)] and not done[str(odd)].refused


@pytest.mark.parametrize("value", ["800", "1e400", "Infinity", "NaN", "9" * 400, "true", "null", '"-1"', "[]", "{}"])
@pytest.mark.parametrize("place", ["own", "rival"])
def test_a_log_probability_that_cannot_be_costs_the_probability_alone(value: str, place: str):
    rival = {"token": "B", "logprob": -2.0}
    tokens = [{"token": "[["}, {"token": "A"}, {"token": "]]"}]
    for token in tokens:
        token |= {"logprob": -0.1, "top_logprobs": [rival]}
    changed = tokens[1] if place == "own" else tokens[1]["top_logprobs"][0]
    body = reply("[[A]]")
    body["choices"][0]["logprobs"] = {"content": tokens}
    changed["logprob"] = "HERE"
    with serving(lambda asked: raw(json.dumps(body).replace('"HERE"', value).encode())) as server:
        done = answers(server, [request("k", sampling=WARM)])["k"]
    assert (done.text, done.finish, done.tokens, probability(done)) == ("[[A]]", Finish.STOP, None, None)


def test_a_log_probability_of_minus_infinity_is_one():
    body = reply("[[A]]")
    places = [{"token": "[[A]]", "logprob": 0.0001, "top_logprobs": [{"token": "B", "logprob": "HERE"}]}]
    body["choices"][0]["logprobs"] = {"content": places}
    with serving(lambda asked: raw(json.dumps(body).replace('"HERE"', "-Infinity").encode())) as server:
        done = answers(server, [request("k", sampling=WARM)])["k"]
    assert done.tokens is not None and done.tokens[0].logprobs == (("B", -float("inf")), ("[[A]]", 0.0))


@pytest.mark.parametrize("value", [True, -1, 1.5, "7", None, 2**40, [], {}, float("inf")])
def test_a_count_that_is_none_is_zero(value: Any):
    body = {**reply("x"), "usage": {"prompt_tokens": value, "completion_tokens": 2}}
    with serving(lambda asked: raw(json.dumps(body).encode())) as server:
        done = answers(server, numbered(1))["0"]
    assert (done.prompt_tokens, done.completion_tokens) == (0, 2) and type(done.prompt_tokens) is int


def test_reasoning_that_is_kept_apart_is_not_in_the_reply():
    thought = {"reasoning_content": "It is [[A]].", "reasoning": "It is [[A]]."}
    with serving(lambda asked: reply(None, "length", **thought) if asked.text == "0" else reply("[[B]]", **thought)) as server:
        done = answers(server, numbered(2))
    assert [(done[key].text, done[key].finish) for key in "01"] == [("", Finish.LENGTH), ("[[B]]", Finish.STOP)]


def test_a_server_that_is_busy_for_ever_is_said_to_be_and_given_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(openai, "_BUSY_SECONDS", 2.0)
    monkeypatch.setattr(openai, "_WARN_SECONDS", 0.4)
    with serving(lambda asked: refusal(429, "slow down")) as server, caplog.at_level(logging.WARNING):
        started = time.monotonic()
        error = fails(server.url, first_pause=0.1)
    assert 1.5 < time.monotonic() - started < 15 and len(server.asked) < 200
    assert "busy for" in str(error) and "same command again" in str(error.hint)
    said = [record.getMessage() for record in caplog.records if "has not answered" in record.getMessage()]
    assert 2 <= len(said) <= 10 and "(429: slow down); 12 requests are waiting" in said[0]


def test_a_server_that_says_nothing_is_said_to_be_silent(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    monkeypatch.setattr(openai, "_WARN_SECONDS", 0.4)
    with serving(lambda asked: silent) as server, caplog.at_level(logging.WARNING):
        answers(server, numbered(3), timeout_seconds=1.5, retries=0)
    said = [record.getMessage() for record in caplog.records]
    assert 2 <= len(said) <= 4 and all("(no reply yet); 3 requests are waiting" in text for text in said)


def test_a_request_that_a_busy_server_never_takes_is_a_failed_row_among_others(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(openai, "_BUSY_SECONDS", 1.0)
    with serving(lambda asked: refusal(429) if asked.text == "k" else echo(asked), seconds=0.1) as server:
        done = answers(server, [request("k"), *numbered(60)], concurrency=4)
    assert [key for key, c in done.items() if c.finish is Finish.ERROR] == ["k"] and not done["k"].refused


@pytest.mark.parametrize("answer", [refusal(429), refusal(429, Retry_After="200"), refusal(500)], ids=["429", "later", "500"])
def test_nobody_waits_for_what_is_only_asked_again(answer: Any):
    async def slow(asked: web.Request) -> web.StreamResponse:
        await asyncio.sleep(1.5)
        return web.json_response(reply("came"))

    rows: list[Completion] = []
    with serving(lambda asked: slow if asked.text == "slow" else answer) as server:
        engine = opened(server.url, retries=6, first_pause=60.0)
        threading.Timer(0.7, engine.stop_retrying).start()
        started = time.monotonic()
        rows.extend(engine.generate([request("slow"), *numbered(20)]))
        assert time.monotonic() - started < 5
        engine.close()
    assert [row.text for row in rows] == ["came"]


def test_an_interrupted_stage_keeps_what_comes_and_ends_without_what_is_only_asked_again(tmp_path: Path):
    async def slow(asked: web.Request) -> web.StreamResponse:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(1.0)
        return web.json_response(reply("came"))

    with serving(lambda asked: slow if asked.text == "0" else refusal(429, Retry_After="200")) as server:
        engine, started = opened(server.url), time.monotonic()
        table = Table(tmp_path, REFUSED, {})
        with pytest.raises(KeyboardInterrupt):
            ask(table, numbered(100), NamedEngine(name="m", engine=engine), to_row, lambda *_: None)
        assert time.monotonic() - started < 6 and {row["key"] for row in table.stored()} == {"0"}
        engine.close()


def to_row(request: Request, completion: Completion, model: str) -> Row:
    return {"key": request.key, "source": model, "reason": completion.text, "detail": None}

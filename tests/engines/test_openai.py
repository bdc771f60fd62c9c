"""The engine that asks a server: each request answered once, failures as data, and an error where the server is at fault."""

from __future__ import annotations

import base64
import logging
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from engines.serving import (
    Asked,
    Server,
    closed,
    dripping,
    endless,
    half,
    raw,
    refusal,
    reply,
    serving,
    silent,
)
from selfjudge.chat import Block, Completion, Message, Request, Sampling
from selfjudge.engines.openai import OpenAIEngine
from selfjudge.errors import EngineError
from selfjudge.images import admit
from selfjudge.method.verdicts import probability
from selfjudge.recipe import OpenAIEngine as OpenAIRecipe
from selfjudge.shapes.drawing import draw
from selfjudge.shapes.prompts import png
from selfjudge.shapes.scenes import COLORS, Object, Scene
from selfjudge.types import Finish, ImageRef
from selfjudge.wiring import open_server

SCRIPT = Path(__file__).parents[2] / "scripts" / "model_server.py"
WARM = Sampling(temperature=0.6, top_p=0.9, top_k=50, max_tokens=16, logprobs=30)
PLAIN = Sampling(temperature=0, max_tokens=8)
KEY = "sk-test-a-key-nobody-may-see"
IMAGES: dict[str, bytes] = {}
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


def request(key: object, *content: Block, sampling: Sampling = PLAIN, seed: int = 7) -> Request:
    message = Message(role="user", content=content or (str(key),))
    return Request(key=str(key), messages=(message,), sampling=sampling, seed=seed)


def numbered(count: int) -> list[Request]:
    return [request(number) for number in range(count)]


def opened(url: str, **options: Any) -> OpenAIEngine:
    given = {"concurrency": 16, "timeout_seconds": 20.0, "retries": 2, "first_pause": 0.01, **options}
    return OpenAIEngine("m", read_image=lambda ref: IMAGES[ref.sha256], base_url=url, **given)


def answers(server: Server, requests: Sequence[Request], **options: Any) -> dict[str, Completion]:
    """The completions by key; each request must have one."""
    engine = opened(server.url, **options)
    try:
        done = list(engine.generate(requests))
    finally:
        engine.close()
    assert sorted(completion.key for completion in done) == sorted(request.key for request in requests)
    return {completion.key: completion for completion in done}


def echo(asked: Asked) -> str:
    return f" {asked.text}! "


def hostile(asked: Asked) -> Any:
    found = REFUSALS.get(asked.text, "fine")
    return reply("", "content_filter") if asked.text == "filtered" else found


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def test_every_request_is_answered_once_with_its_own_words():
    with serving(echo) as server:
        done = answers(server, numbered(500))
    assert all(done[str(number)].text == f"{number}!" for number in range(500))
    assert all((c.finish, c.prompt_tokens, c.completion_tokens) == (Finish.STOP, 3, 2) for c in done.values())
    assert sorted(server.texts) == sorted(map(str, range(500))) and server.most <= 16


def test_a_request_goes_out_as_openai_has_it():
    with serving(echo) as server:
        answers(server, [request("k", "hi", sampling=WARM, seed=2**63 - 1), request("l", "<|im_start|>\ud800")])
    by_text = {asked.text: asked for asked in server.asked}
    assert by_text["hi"].body == {
        "model": "m",
        "temperature": 0.6,
        "top_p": 0.9,
        "max_tokens": 16,
        "seed": 2**63 - 1,
        "top_k": 50,
        "logprobs": True,
        "top_logprobs": 20,
        "messages": [{"role": "user", "content": "hi"}],
    }
    assert not {"top_k", "logprobs", "top_logprobs"} & set(by_text["<|im_start|>\ud800"].body)


def test_text_and_images_keep_their_order_and_an_image_is_read_once():
    ref, other = picture(0), picture(1)
    reads: list[ImageRef] = []

    def read(wanted: ImageRef) -> bytes:
        reads.append(wanted)
        return IMAGES[wanted.sha256]

    with serving(echo) as server:
        engine = OpenAIEngine("m", read_image=read, base_url=server.url, concurrency=4, timeout_seconds=9, retries=0)
        assert len(list(engine.generate(request(i, "a", ref, "b", other, ref) for i in range(20)))) == 20
        engine.close()
    content = server.asked[0].body["messages"][0]["content"]
    urls = [f"data:image/png;base64,{base64.b64encode(IMAGES[r.sha256]).decode()}" for r in (ref, other)]
    shown = [block["text"] if block["type"] == "text" else block["image_url"]["url"] for block in content]
    assert shown == ["a", urls[0], "b", urls[1], urls[0]] and reads == [ref, other]


def test_images_go_as_paths_where_the_server_may_read_them(tmp_path: Path):
    with serving(echo) as server:
        answers(server, [request("k", picture(0))], image_path=lambda ref: tmp_path / "an image.png")
    [block] = server.asked[0].body["messages"][0]["content"]
    assert block["image_url"]["url"] == (tmp_path / "an image.png").as_uri()


def test_log_probabilities_give_the_probability_of_a_verdict():
    rivals = [{"token": "A", "logprob": -0.105360516}, {"token": "B", "logprob": -2.302585093}]
    places = [
        {"token": "[[", "logprob": 0.0, "top_logprobs": []},
        {"token": "A", "logprob": -0.105360516, "top_logprobs": rivals},
        {"token": "]]", "logprob": 0.0, "top_logprobs": [{"token": ".", "logprob": -9.0}]},
    ]
    body = reply("[[A]]")
    body["choices"][0]["logprobs"] = {"content": places}
    broken = reply("[[A]]")
    broken["choices"][0]["logprobs"] = {"content": [{"token": "x"}]}
    with serving(lambda asked: body if asked.text == "good" else broken) as server:
        done = answers(server, [request("good", sampling=WARM), request("bad", sampling=WARM)])
    assert probability(done["good"]) == pytest.approx(0.9)
    assert done["good"].tokens is not None and done["good"].tokens[2].logprobs == ((".", -9.0), ("]]", 0.0))
    assert done["bad"].text == "[[A]]" and done["bad"].tokens is None


@pytest.mark.parametrize(
    ("body", "text", "finish"),
    [
        (reply("cut", "length"), "cut", Finish.LENGTH),
        (reply(None, "length"), "", Finish.LENGTH),
        (reply("no reason", None), "no reason", Finish.STOP),
        (reply(None, refusal="I cannot"), "I cannot", Finish.STOP),
        (reply("half", "content_filter"), "half", Finish.ERROR),
        (reply("x", "abort"), "x", Finish.ERROR),
    ],
)
def test_a_reply_ends_as_the_server_says(body: dict[str, Any], text: str, finish: Finish):
    with serving(lambda asked: body) as server:
        [done] = answers(server, [request("k")]).values()
    assert (done.text, done.finish) == (text, finish) and (done.error is None) == (finish is not Finish.ERROR)


def test_whatever_a_server_does_to_one_request_is_data_and_the_others_are_answered():
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
    assert not rows and "runs" in str(error.value.hint)


def test_a_server_that_goes_away_leaves_no_error_rows():
    with serving(echo, seconds=0.01) as server:
        engine = opened(server.url, retries=3)
        done = engine.generate(numbered(2_000))
        rows = [next(done) for _ in range(100)]
    with pytest.raises(EngineError, match="cannot be reached"):
        rows.extend(done)
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
            rows.extend(engine.generate(numbered(2_000)))
        engine.close()
    assert len(rows) == 100 and all(row.finish is Finish.STOP for row in rows)


def test_requests_that_are_all_refused_from_the_start_are_an_error():
    with serving(lambda asked: refusal(400, "this model takes no images")) as server:
        engine = opened(server.url)
        with pytest.raises(EngineError, match="takes no images"):
            list(engine.generate(numbered(2_000)))
        engine.close()
        assert all(c.finish is Finish.ERROR for c in answers(server, numbered(20)).values())


REFUSED_WORDS = {
    "seed": 'Invalid JSON payload received. Unknown name "seed": Cannot find field.',
    "top_k": "top_k: Extra inputs are not permitted",
    "temperature": "Unsupported value: 'temperature' does not support 0.6 with this model. Only the default (1) is.",
    "logprobs": "logprobs is not supported with this model",
    "max_tokens": "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
}


def test_a_refused_parameter_is_left_out_from_then_on_and_said_once(caplog: pytest.LogCaptureFixture):
    def rule(asked: Asked) -> Any:
        refused = next((name for name in REFUSED_WORDS if name in asked.body), None)
        return refusal(400, REFUSED_WORDS[refused]) if refused else echo(asked)

    with serving(rule) as server, caplog.at_level(logging.WARNING):
        done = answers(server, [request(i, sampling=WARM) for i in range(200)], concurrency=1)
    assert all(completion.finish is Finish.STOP for completion in done.values())
    assert len(server.asked) == 200 + len(REFUSED_WORDS)
    assert server.asked[-1].body.keys() == {"model", "messages", "top_p", "max_completion_tokens"}
    assert [record.message for record in caplog.records] == [
        f"{server.url} does not take all parameters: it is asked without `logprobs`, without `seed`, without `temperature`, "
        "without `top_k`, with `max_completion_tokens` for `max_tokens`"
    ]


def test_a_server_that_gives_fewer_log_probabilities_is_asked_for_fewer():
    words = "Requested sample logprobs of 20, which is greater than max allowed: 5"
    with serving(lambda asked: refusal(400, words) if asked.body["top_logprobs"] > 5 else echo(asked)) as server:
        answers(server, [request(i, sampling=WARM) for i in range(3)])
    assert server.asked[-1].body["top_logprobs"] == 5


def test_a_refusal_that_only_mentions_a_parameter_teaches_nothing():
    words = "'max_tokens' or 'max_completion_tokens' is too large: 16. The text says seed."

    def rule(asked: Asked) -> Any:
        return refusal(400, words) if asked.text == "long" else echo(asked)

    with serving(rule) as server:
        done = answers(server, [request("long", sampling=WARM), *[request(i, sampling=WARM) for i in range(20)]])
    assert done["long"].finish is Finish.ERROR
    assert {"seed", "max_tokens"} <= next(asked.body.keys() for asked in server.asked if asked.text == "19")


@pytest.mark.parametrize(
    "words",
    [
        "temperature must be in [0, 2], got 3.0.",
        "temperature: Input should be less than or equal to 2",
        "temperature is too high",
    ],
)
def test_a_refusal_of_a_value_is_never_answered_by_sampling_otherwise(words: str):
    def rule(asked: Asked) -> Any:
        return refusal(400, words) if asked.body.get("temperature", 0) > 2 else echo(asked)

    hot = Sampling(temperature=3.0, max_tokens=8)
    with serving(rule) as server:
        done = answers(server, [request("hot", sampling=hot), *[request(i, sampling=WARM) for i in range(20)]])
    assert done["hot"].finish is Finish.ERROR and words in str(done["hot"].error)
    assert all("temperature" in asked.body for asked in server.asked)


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
        OpenAIRecipe(kind="openai", base_url=url)


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


class Watched:
    """Requests that count how far they were pulled, and from where."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.pulled = 0
        self.threads: set[threading.Thread] = set()

    def __iter__(self) -> Iterator[Request]:
        for number in range(self.count):
            self.threads.add(threading.current_thread())
            self.pulled += 1
            yield request(number)


def test_requests_are_pulled_as_they_are_needed_in_the_callers_thread():
    watched = Watched(1_000)
    with serving(echo) as server:
        engine = opened(server.url, concurrency=8)
        furthest = max(watched.pulled - done for done, _ in enumerate(engine.generate(watched)))
        engine.close()
    assert watched.pulled == 1_000 and furthest <= 2 * 8 and watched.threads == {threading.current_thread()}


def test_a_completion_is_there_before_the_slow_ones():
    with serving(lambda asked: silent if asked.text == "0" else echo(asked)) as server:
        engine = opened(server.url, timeout_seconds=1.0, retries=0)
        done = [completion.key for completion in engine.generate(numbered(100))]
        engine.close()
    assert done[-1] == "0"


def test_an_engine_can_be_left_and_asked_again():
    with serving(echo, seconds=0.01) as server:
        engine = opened(server.url)
        first = engine.generate(numbered(1_000))
        assert next(first).finish is Finish.STOP
        first.close()
        assert len(list(engine.generate(numbered(50)))) == 50
        engine.close()
    assert len(server.asked) < 150


def test_what_an_iterator_raises_comes_through():
    def failing() -> Iterator[Request]:
        yield request("one")
        raise KeyError("mine")

    with serving(echo) as server:
        engine = opened(server.url)
        with pytest.raises(KeyError, match="mine"):
            list(engine.generate(failing()))
        engine.close()


def test_close_ends_all_threads_and_what_was_asked():
    before = set(threading.enumerate())
    with serving(lambda asked: silent) as server:
        alone = set(threading.enumerate())
        engine = opened(server.url)
        threading.Timer(0.3, engine.close).start()
        started = time.monotonic()
        with pytest.raises(EngineError, match="closed"):
            list(engine.generate(numbered(100)))
        assert time.monotonic() - started < 5
        engine.close()
        with pytest.raises(EngineError, match="closed"):
            list(engine.generate(numbered(1)))
        assert not {t for t in threading.enumerate() if t not in alone and "selfjudge" in t.name}
    assert not {t for t in threading.enumerate() if t not in before and not isinstance(t, threading.Timer)}


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def picture(color: int) -> ImageRef:
    scene = Scene((Object(cell=4, size=1, color=color, kind=1),))
    ref, data = admit(png(draw(scene, random.Random(0))), max_pixels=10**6)
    IMAGES[ref.sha256] = data
    return ref


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Callable[[list[Request]], dict[str, Completion]], Path]]:
    """The embedded model behind a real server, and the log of what it was asked."""
    log, port = tmp_path_factory.mktemp("server") / "asked", free_port()
    images = str(log.parent)
    command = [sys.executable, str(SCRIPT), "--port", str(port), "--log", str(log), "--files", images]
    recipe = OpenAIRecipe(kind="openai", base_url=f"http://localhost:{port}/v1", retries=30)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        engine = open_server("shapes", recipe, lambda ref: IMAGES[ref.sha256])
        wait_for(port)
        yield lambda requests: {c.key: c for c in engine.generate(requests)}, log
        engine.close()
        server.terminate()


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError


def test_images_reach_a_real_model_through_a_real_server(shapes: Any):
    ask, log = shapes
    asked = [request(color, picture(number), "what color is the square?") for number, color in enumerate(COLORS)]
    assert {key: done.text for key, done in ask(asked).items()} == {color: color for color in COLORS}
    lines = log.read_text().split()
    assert len(lines) == len(set(lines)) == len(COLORS)


def test_a_real_server_samples_by_seed_and_gives_log_probabilities(shapes: Any):
    ask, _ = shapes
    warm = Sampling(temperature=5.0, max_tokens=2, logprobs=5)
    asked = [request(i, picture(0), "what size is the square?", sampling=warm, seed=i % 25) for i in range(50)]
    done = ask(asked)
    texts = [done[str(i)].text for i in range(50)]
    assert texts[:25] == texts[25:] and len(set(texts)) > 5
    tokens = done["0"].tokens
    assert tokens and "".join(token.text for token in tokens).strip() == texts[0]
    assert all(len(token.logprobs) in (5, 6) and token.text in dict(token.logprobs) for token in tokens)

"""The engine that asks a server: each request answered once, as it was meant, and no more requests at hand than are needed."""

from __future__ import annotations

import asyncio
import base64
import io
import logging
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from engines.asking import IMAGES, WARM, answers, echo, free_port, numbered, opened, request
from engines.serving import Asked, refusal, reply, serving, silent
from selfjudge.chat import Completion, Request, Sampling
from selfjudge.engines.openai import OpenAIEngine
from selfjudge.errors import EngineError
from selfjudge.method.verdicts import probability
from selfjudge.recipe.engines import OpenAISettings
from selfjudge.run.images import admit, decode
from selfjudge.shapes.drawing import draw
from selfjudge.shapes.prompts import png
from selfjudge.shapes.scenes import COLORS, Object, Scene
from selfjudge.types import Finish, ImageRef
from selfjudge.wiring import open_engine, open_server

SCRIPT = Path(__file__).parents[2] / "scripts" / "model_server.py"
REFUSED_WORDS = {
    "seed": 'Invalid JSON payload received. Unknown name "seed": Cannot find field.',
    "top_k": "top_k: Extra inputs are not permitted",
    "temperature": "Unsupported value: 'temperature' does not support 0.6 with this model. Only the default (1) is.",
    "logprobs": "logprobs is not supported with this model",
    "max_tokens": "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
}


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
        engine = OpenAIEngine("m", OpenAISettings(kind="openai", base_url=server.url, concurrency=4), read_image=read)
        assert len(list(engine.generate(request(i, "a", ref, "b", other, ref) for i in range(20)))) == 20
        engine.close()
    content = server.asked[0].body["messages"][0]["content"]
    urls = [f"data:image/png;base64,{base64.b64encode(IMAGES[r.sha256]).decode()}" for r in (ref, other)]
    shown = [block["text"] if block["type"] == "text" else block["image_url"]["url"] for block in content]
    assert shown == ["a", urls[0], "b", urls[1], urls[0]] and reads == [ref, other]


def test_a_server_is_not_told_where_a_photograph_was_taken():
    Image.new("RGB", (40, 40), "red").save(file := io.BytesIO(), "JPEG", comment="taken at home")
    ref, IMAGES[ref.sha256] = admit(file.getvalue(), max_pixels=10_000)
    with serving(echo) as server:
        answers(server, [request("k", ref)])
    [block] = server.asked[0].body["messages"][0]["content"]
    sent = base64.b64decode(block["image_url"]["url"].partition(",")[2])
    assert b"at home" in file.getvalue() and b"at home" not in sent and decode(sent).size == (40, 40)


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
    ],
)
def test_a_reply_ends_as_the_server_says(body: dict[str, Any], text: str, finish: Finish):
    with serving(lambda asked: body) as server:
        [done] = answers(server, [request("k")]).values()
    assert (done.text, done.finish) == (text, finish) and (done.error is None) == (finish is not Finish.ERROR)


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


def test_what_a_server_may_take_at_once_goes_out_together_as_servers_batch_what_arrives_together():
    def watched() -> Iterator[Request]:
        for number in range(40):
            seen.append(len(server.asked))
            yield request(number)

    seen: list[int] = []
    with serving(echo) as server:
        engine = opened(server.url, concurrency=16)
        assert len(list(engine.generate(watched()))) == 40
        engine.close()
    assert set(seen[:16]) == {0} and seen[-1] > 0


def test_a_notebook_whose_thread_has_a_loop_at_work_is_answered_too():
    async def cell() -> list[Completion]:
        return list(engine.generate(numbered(20)))

    with serving(echo) as server:
        engine = opened(server.url)
        assert {completion.text for completion in asyncio.run(cell())} == {f"{number}!" for number in range(20)}
        engine.close()


def test_threads_may_ask_at_the_same_time():
    def ask(name: str) -> None:
        done[name] = sorted(completion.key for completion in engine.generate(request(f"{name}{n}") for n in range(50)))

    done: dict[str, list[str]] = {}
    with serving(echo, seconds=0.005) as server:
        engine = opened(server.url)
        threads = [threading.Thread(target=ask, args=(name,)) for name in "abc"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        engine.close()
    assert done == {name: sorted(f"{name}{n}" for n in range(50)) for name in "abc"}


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
        f"{server.url} does not support all parameters; requests are sent without `logprobs`, without `seed`, "
        "without `temperature`, without `top_k`, with `max_completion_tokens` for `max_tokens`"
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


def test_a_large_image_goes_out_whole():
    ref = ImageRef(sha256="large", media_type="image/jpeg", width=1, height=1)
    IMAGES["large"] = random.Random(0).randbytes(3 * 2**20)
    with serving(lambda asked: refusal(500) if asked.number == 0 else echo(asked)) as server:
        answers(server, [request("k", "before", ref, "after")])
    [before, image, after] = server.asked[1].body["messages"][0]["content"]
    assert base64.b64decode(image["image_url"]["url"].partition(",")[2]) == IMAGES["large"]
    assert (before["text"], after["text"]) == ("before", "after")


def test_a_run_asks_for_the_served_model_or_for_the_folder_by_its_path(tmp_path: Path):
    with serving(echo) as server:
        for name in (None, "qwen"):
            recipe = OpenAISettings(kind="openai", base_url=server.url)
            engine = open_engine(recipe, tmp_path, lambda ref: b"", served_model=name)
            assert [done.text for done in engine.generate([request("k")])] == ["k!"]
            engine.close()
    assert [asked.body["model"] for asked in server.asked] == [str(tmp_path), "qwen"]


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
    recipe = OpenAISettings(kind="openai", base_url=f"http://localhost:{port}/v1", retries=30)
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

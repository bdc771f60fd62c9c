"""`selfjudge doctor --server`: what a server can do, and what that means for a run."""

from __future__ import annotations

import io
import json
from typing import Any
from urllib.request import urlopen

import pytest
from PIL import Image
from typer.testing import CliRunner

from engines.serving import Asked, refusal, reply, serving
from selfjudge.cli import app

RIVALS = [{"token": "yes", "logprob": -0.1}, {"token": "no", "logprob": -2.5}]


def answer(
    asked: Asked, *, sees: bool = True, seeds: bool = True, paths: bool = False, limit: Any = True, **message: Any
) -> dict[str, Any]:
    """A reply of a server that can do everything, or lacks what is said."""
    body = asked.body
    if body["max_tokens"] == 2:
        return reply("one two" if limit else "one two three " * 9, "length" if limit is True else "stop")
    if "random" in asked.text:
        return reply("7" if body.get("top_k") == 1 else str(body["seed"] if seeds else asked.number), **message)
    if "colour" not in asked.text:
        said = reply("yes", **message)
        if body.get("logprobs"):
            said["choices"][0]["logprobs"] = {"content": [{**RIVALS[0], "top_logprobs": RIVALS}]}
        return said
    url = body["messages"][0]["content"][0]["image_url"]["url"]
    if url.startswith("file:") and not paths:
        return reply("I see nothing")
    with urlopen(url) as file, Image.open(io.BytesIO(file.read())) as picture:  # also reads data URLs
        red = picture.convert("RGB").getpixel((0, 0)) == (255, 0, 0)
    return reply(("Red." if red else "Blue.") if sees else "A cat.")


def examined(rule: Any, *options: str, models: tuple[str, ...] = ("m",)) -> tuple[int, dict[str, Any]]:
    with serving(rule, models=models) as server:
        done = CliRunner().invoke(app, ["doctor", "--server", server.url, "--format", "json", *options])
    assert done.exit_code in (0, 1), done.exception
    findings = json.loads(done.stdout)["findings"]
    return done.exit_code, {finding["about"]: finding for finding in findings}


def test_a_server_that_can_do_everything_is_fine():
    code, found = examined(lambda asked: answer(asked, paths=True, reasoning_content="Hm."))
    assert code == 0 and all(finding["level"] == "fine" for finding in found.values())
    assert found["seed"]["what"] == "decides the reply" and found["top_k"]["what"] == "is respected"
    assert found["images"]["what"] == "sees them" and "reads images" in found["file URLs"]["what"]
    assert found["log-probabilities"]["what"] == "of up to 2 tokens in each place"
    assert found["reasoning"]["what"] == "comes apart, in `reasoning_content`"


@pytest.mark.parametrize(
    ("about", "level", "words", "lacking"),
    [
        ("images", "warning", "names red as 'A cat.'", {"sees": False}),
        ("seed", "warning", "does not decide", {"seeds": False}),
        ("file URLs", "fine", "reads no images", {}),
        ("finish_reason", "warning", "does not say so", {"limit": "unsaid"}),
        ("max_tokens", "warning", "has no effect", {"limit": None}),
    ],
)
def test_what_a_server_lacks_is_said(about: str, level: str, words: str, lacking: dict[str, Any]):
    _, found = examined(lambda asked: answer(asked, **lacking))
    assert found[about]["level"] == level and words in found[about]["what"] and found[about]["do"]


def test_a_server_that_takes_no_images_cannot_be_used():
    code, found = examined(lambda asked: refusal(400, "no images here") if "colour" in asked.text else answer(asked))
    assert code == 1 and found["images"]["level"] == "error" and "400: no images here" in found["images"]["what"]


def test_parameters_that_are_refused_are_named():
    def rule(asked: Asked) -> Any:
        return refusal(400, "logprobs is not supported with this model") if "logprobs" in asked.body else answer(asked)

    code, found = examined(rule)
    assert code == 0 and "without `logprobs`" in found["parameters"]["what"]
    assert found["log-probabilities"]["level"] == "warning"


def test_replies_that_end_in_an_unknown_way_are_an_error_before_a_run():
    code, found = examined(lambda asked: reply("yes", "whatever") if "prime" in asked.text else answer(asked))
    assert code == 1 and found["finish_reason"]["level"] == "error"


def test_a_model_is_named_where_there_are_several_and_the_key_is_not_shown(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-a-key-nobody-may-see")

    def rule(asked: Asked) -> Any:
        return reply(asked.headers["Authorization"]) if "yes" in asked.text else answer(asked)

    with serving(rule, models=("one", "two")) as server:
        several = CliRunner().invoke(app, ["doctor", "--server", server.url])
        named = CliRunner().invoke(app, ["doctor", "--server", server.url, "--model", "two"])
    assert "it has one, two" in str(several.exception) and "--model" in str(several.exception.hint)  # type: ignore[union-attr]
    assert named.exit_code == 0 and "two at" in named.stdout and "***" in named.stdout and "nobody" not in named.stdout
    assert {asked.body["model"] for asked in server.asked} == {"two"}


def test_a_server_that_is_not_there_is_an_error_in_words():
    done = CliRunner().invoke(app, ["doctor", "--server", "http://127.0.0.1:9/v1", "--model", "m"])
    assert "cannot be reached" in str(done.exception)

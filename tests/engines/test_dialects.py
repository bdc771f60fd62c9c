"""The servers that people use: replies made by hand after each one's documentation, and what is made of them.

None of these servers was asked: where a page and its server differ, `selfjudge doctor --server` finds out.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from engines.asking import WARM, answers, echo, numbered, opened, request
from engines.serving import Asked, raw, refusal, serving
from selfjudge.errors import EngineError
from selfjudge.method.verdicts import probability
from selfjudge.recipe.engines import SERVERS, OpenAISettings
from selfjudge.types import Finish

PAGES = {
    "openai": "https://platform.openai.com/docs/api-reference/chat/object",
    "gemini": "https://ai.google.dev/gemini-api/docs/openai",
    "anthropic": "https://docs.anthropic.com/en/api/openai-sdk",
    "vllm": "https://docs.vllm.ai/en/latest/features/reasoning_outputs.html",
    "sglang": "https://docs.sglang.ai/basic_usage/openai_api_completions.html",
    "ollama": "https://docs.ollama.com/api/openai-compatibility",
    "llamacpp": "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",
    "lmstudio": "https://lmstudio.ai/docs/developer/openai-compat/chat-completions",
    "tgi": "https://huggingface.co/docs/text-generation-inference/messages_api",
    "together": "https://docs.together.ai/docs/logprobs",
    "openrouter": "https://openrouter.ai/docs/api-reference/overview",
    "azure": "https://learn.microsoft.com/en-us/azure/ai-foundry/openai/concepts/content-filter",
}
RIVALS = [{"token": "A", "logprob": -0.105360516, "bytes": [65]}, {"token": "B", "logprob": -2.302585093, "bytes": [66]}]
PLACES = [
    {"token": "[[", "logprob": -0.0001, "bytes": [91, 91], "top_logprobs": []},
    {**RIVALS[0], "top_logprobs": RIVALS},
    {"token": "]]", "logprob": -0.0001, "bytes": None, "top_logprobs": []},
]
SAFE = {"hate": {"filtered": False, "severity": "safe"}}


def chat(content: str | None = "[[A]]", finish: str | None = "stop", *, more: Any = (), **message: Any) -> dict[str, Any]:
    """A reply, with `more` in its choice and `message` in its message."""
    said = {"role": "assistant", "content": content, **message}
    return {"object": "chat.completion", "choices": [{"index": 0, "message": said, "finish_reason": finish, **dict(more)}]}


GOOD = ("[[A]]", Finish.STOP, False)
BLOCKED = (Finish.ERROR, True)
REPLIES: list[tuple[str, dict[str, Any], tuple[Any, ...]]] = [
    ("openai", chat(refusal=None, annotations=[], more={"logprobs": {"content": PLACES, "refusal": None}}), (*GOOD, 0.9)),
    ("openai", chat(None, refusal="I cannot."), ("I cannot.", Finish.STOP, False)),
    ("openai", chat("I s", "content_filter"), ("I s", *BLOCKED)),
    ("openai", chat("", "length"), ("", Finish.LENGTH, False)),
    ("gemini", chat(extra_content={"google": {"thought_signature": "x"}}), GOOD),
    (
        "gemini",
        {"choices": [{"index": 0, "finish_reason": "content_filter: PROHIBITED_CONTENT", "message": None}]},
        ("", *BLOCKED),
    ),
    ("gemini", {"choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant"}}]}, ("", Finish.STOP, False)),
    ("gemini", {"object": "chat.completion", "usage": {"prompt_tokens": 9}, "choices": []}, ("", *BLOCKED)),
    ("anthropic", chat(refusal="", more={"logprobs": None}), GOOD),
    ("anthropic", chat("I", "refusal"), ("I", *BLOCKED)),
    (
        "vllm",
        chat(reasoning="[[B]]?", more={"stop_reason": None, "token_ids": None, "logprobs": {"content": PLACES}}),
        (*GOOD, 0.9),
    ),
    ("vllm", chat(None, "length", reasoning_content="so [[B]]"), ("", Finish.LENGTH, False)),
    ("vllm", chat("", "abort"), ("", Finish.ERROR, False)),
    ("sglang", chat(reasoning_content="[[B]]?", more={"matched_stop": 151645, "logprobs": {"content": PLACES}}), (*GOOD, 0.9)),
    ("ollama", {"system_fingerprint": "fp_ollama", **chat(reasoning="[[B]]?")}, GOOD),
    (
        "llamacpp",
        {"timings": {"cache_n": 9}, **chat(reasoning_content="[[B]]?", more={"logprobs": {"content": PLACES}})},
        (*GOOD, 0.9),
    ),
    ("lmstudio", {"stats": {}, **chat(tool_calls=[], more={"logprobs": None})}, GOOD),
    ("tgi", chat(more={"logprobs": {"content": PLACES}}), (*GOOD, 0.9)),
    ("tgi", chat(finish="eos_token"), GOOD),
    ("tgi", chat(finish="stop_sequence"), GOOD),
    ("together", {"prompt": [], **chat(finish="eos", more={"logprobs": {"tokens": ["[[A]]"], "token_logprobs": [-0.1]}})}, GOOD),
    ("openrouter", {"provider": "X", **chat(reasoning="[[B]]?", more={"native_finish_reason": "end_turn"})}, GOOD),
    ("openrouter", chat("", "error", more={"error": {"code": 502, "message": "provider is gone"}}), ("", Finish.ERROR, False)),
    ("azure", {"prompt_filter_results": [], **chat(more={"content_filter_results": SAFE})}, GOOD),
    ("azure", chat(None, "content_filter", more={"content_filter_results": {}}), ("", *BLOCKED)),
]


@pytest.mark.parametrize(("name", "body", "expected"), REPLIES, ids=lambda value: value if isinstance(value, str) else "")
def test_a_reply_as_the_servers_page_has_it_is_read(name: str, body: dict[str, Any], expected: tuple[Any, ...]):
    assert name in PAGES
    with serving(lambda asked: echo(asked) if asked.text == "0" else body) as server:
        done = answers(server, [request("0"), request("k", sampling=WARM)], retries=0)["k"]
    assert (done.text, done.finish, done.refused) == expected[:3]
    assert probability(done) == (pytest.approx(expected[3]) if len(expected) > 3 else None)


AZURE_FILTER = {
    "message": "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
    "param": "prompt",
    "code": "content_filter",
    "status": 400,
    "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {"hate": {"filtered": True}}},
}
CONTEXT = "the request exceeds the available context size (4,096 tokens)"
REFUSED: list[tuple[str, int, Any, str]] = [
    (
        "openai",
        400,
        {"error": {"message": "Invalid image.", "type": "invalid_request_error", "param": None, "code": None}},
        "image",
    ),
    (
        "gemini",
        400,
        [{"error": {"code": 400, "message": "Unable to process input image.", "status": "INVALID_ARGUMENT"}}],
        "image",
    ),
    ("anthropic", 400, {"error": {"code": "invalid_request_error", "message": "image exceeds 5 MB", "param": None}}, "5 MB"),
    ("vllm", 400, {"object": "error", "message": CONTEXT, "type": "BadRequestError", "param": None, "code": 400}, "4,096"),
    ("vllm", 400, {"error": {"message": CONTEXT, "type": "BadRequestError", "param": "input_tokens", "code": 400}}, "4,096"),
    ("sglang", 400, {"object": "error", "message": CONTEXT, "type": "BadRequestError", "code": 400}, "4,096"),
    ("llamacpp", 400, {"error": {"code": 400, "message": CONTEXT, "type": "exceed_context_size_error", "n_ctx": 4096}}, "4,096"),
    ("lmstudio", 400, {"error": "Model does not support images."}, "images"),
    ("tgi", 422, {"error": f"Input validation error: {CONTEXT}", "error_type": "validation"}, "4,096"),
    ("together", 422, {"id": "x", "error": {"message": CONTEXT, "type": "invalid_request_error", "code": None}}, "4,096"),
    ("openrouter", 403, {"error": {"code": 403, "message": "Your input was flagged", "metadata": {"reasons": ["x"]}}}, "flagged"),
    ("azure", 400, {"error": AZURE_FILTER}, "filtered"),
]


@pytest.mark.parametrize(("name", "status", "body", "words"), REFUSED, ids=lambda value: value if isinstance(value, str) else "")
def test_a_refusal_as_the_servers_page_has_it_is_one_row_in_its_words(name: str, status: int, body: Any, words: str):
    assert name in PAGES
    with serving(lambda asked: raw(json.dumps(body).encode(), status) if asked.text == "k" else echo(asked)) as server:
        done = answers(server, [*numbered(3), request("k")], concurrency=1)["k"]
    assert (done.finish, done.refused) == BLOCKED and words in str(done.error) and len(server.asked) == 4


LEARNED: list[tuple[str, int, str, str]] = [
    (
        "openai",
        400,
        "max_tokens",
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
    ),
    ("openai", 400, "top_k", "Unrecognized request argument supplied: top_k"),
    ("gemini", 400, "top_k", 'Invalid JSON payload received. Unknown name "top_k": Cannot find field.'),
    ("gemini", 400, "seed", 'Invalid JSON payload received. Unknown name "seed": Cannot find field.'),
    ("anthropic", 400, "top_k", "top_k: Extra inputs are not permitted"),
    ("anthropic", 400, "top_p", "`temperature` and `top_p` cannot both be specified for this model. Please use only one."),
    ("together", 422, "logprobs", "Input validation error: logprobs: expected a number, got a boolean"),
    ("azure", 400, "top_k", "Unrecognized request argument supplied: top_k"),
]


@pytest.mark.parametrize(("name", "status", "parameter", "words"), LEARNED)
def test_a_parameter_that_the_server_refuses_is_left_out(name: str, status: int, parameter: str, words: str):
    def rule(asked: Asked) -> Any:
        return refusal(status, words) if parameter in asked.body else echo(asked)

    assert name in PAGES
    with serving(rule) as server:
        engine = opened(server.url)
        done = list(engine.generate([request(i, sampling=WARM) for i in range(20)]))
        assert all(completion.finish is Finish.STOP for completion in done) and parameter in engine.refused_parameters
        engine.close()


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_can_be_named_and_is_not_sent_what_it_ignores(name: str, monkeypatch: pytest.MonkeyPatch):
    address, ignored = SERVERS[name]
    settings = OpenAISettings(kind="openai", base_url=name)
    assert name in PAGES and settings.address == address and settings.ignored == set(ignored.split())
    assert OpenAISettings(kind="openai", base_url="http://localhost:1/v1").ignored == frozenset()
    with serving(echo) as server:
        monkeypatch.setitem(SERVERS, name, (server.url, ignored))
        engine = opened(name)
        assert [done.text for done in engine.generate([request("k", sampling=WARM)])] == ["k!"]
        assert all(f"without `{parameter}`" in engine.refused_parameters for parameter in ignored.split())
        engine.close()
    sent = {"temperature", "top_p", "top_k", "max_tokens", "seed", "logprobs"} - set(ignored.split())
    assert sent == server.asked[0].body.keys() - {"model", "messages", "top_logprobs"}


def test_a_hosted_server_is_known_by_its_address_and_one_on_this_machine_is_not():
    known = OpenAISettings(kind="openai", base_url="https://api.anthropic.com/v1/")
    assert known.ignored == {"seed", "logprobs"} and known.address == "https://api.anthropic.com/v1"
    assert not OpenAISettings(kind="openai", base_url="http://localhost:11434/v1").ignored


def test_azure_is_sent_its_version_and_its_own_header(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-azure")
    with serving(echo) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.removesuffix("/v1"))
        engine = opened("http://mine.openai.azure.com/v1?api-version=2024-10-21")
        assert [done.text for done in engine.generate(numbered(1))] == ["0!"]
        engine.close()
    [asked] = proxy.asked
    assert asked.headers["api-key"] == "sk-test-azure" and "Authorization" not in asked.headers
    assert asked.query == {"api-version": "2024-10-21"}


@pytest.mark.parametrize(
    "url", ["https://x/v1?key=sk", "https://x/v1?api-version=1&key=sk", "olama", "openai/v1", "?api-version=1"]
)
def test_an_address_holds_no_other_query_and_a_name_is_a_known_one(url: str):
    with pytest.raises(ValidationError):
        OpenAISettings(kind="openai", base_url=url)


@pytest.mark.parametrize(
    ("name", "status", "body", "words"),
    [
        ("azure", 401, {"statusCode": 401, "message": "Access denied due to invalid subscription key"}, "rejected the API key"),
        ("azure", 404, {"error": {"code": "DeploymentNotFound", "message": "no such deployment"}}, "does not have the model"),
        ("ollama", 404, {"error": {"message": "model 'm' not found", "type": "not_found_error"}}, "does not have the model"),
        (
            "gemini",
            400,
            [{"error": {"code": 400, "message": "API key not valid. Please pass a valid API key."}}],
            "rejected the API key",
        ),
        ("openrouter", 402, {"error": {"code": 402, "message": "Insufficient credits"}}, "billing"),
        ("openai", 429, {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}, "billing"),
    ],
)
def test_what_no_request_can_pass_is_an_error_in_words(name: str, status: int, body: Any, words: str):
    with serving(lambda asked: raw(json.dumps(body).encode(), status)) as server:
        engine = opened(server.url)
        with pytest.raises(EngineError, match=words):
            list(engine.generate(numbered(3)))
        engine.close()


def test_a_model_that_is_still_loading_is_waited_for():
    loading = {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}  # llama.cpp
    with serving(lambda asked: raw(json.dumps(loading).encode(), 503) if asked.number < 9 else echo(asked)) as server:
        assert all(done.finish is Finish.STOP for done in answers(server, numbered(3)).values())

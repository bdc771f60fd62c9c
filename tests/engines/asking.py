"""What the tests of the HTTP engine share: requests, an engine at a test's server, and its answers."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any

from engines.serving import Asked, Server
from selfjudge.chat import Block, Completion, Message, Request, Sampling
from selfjudge.engines.chat_completions import ImagePath
from selfjudge.engines.openai import OpenAIEngine
from selfjudge.recipe.engines import OpenAISettings

WARM = Sampling(temperature=0.6, top_p=0.9, top_k=50, max_tokens=16, logprobs=30)
PLAIN = Sampling(temperature=0, max_tokens=8)
IMAGES: dict[str, bytes] = {}
"""Images by hash, which the engines read."""


def request(key: object, *content: Block, sampling: Sampling = PLAIN, seed: int = 7) -> Request:
    message = Message(role="user", content=content or (str(key),))
    return Request(key=str(key), messages=(message,), sampling=sampling, seed=seed)


def numbered(count: int) -> list[Request]:
    return [request(number) for number in range(count)]


def opened(url: str, *, first_pause: float = 0.01, image_path: ImagePath | None = None, **fields: Any) -> OpenAIEngine:
    given = {"concurrency": 16, "timeout_seconds": 20.0, "retries": 2, **fields}
    section = OpenAISettings.model_construct(kind="openai", base_url=url, **given)
    engine = OpenAIEngine("m", section, read_image=lambda ref: IMAGES[ref.sha256], image_path=image_path)
    engine.first_pause = first_pause
    return engine


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


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])

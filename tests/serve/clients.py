"""What the tests of the service share: an engine that prefers what is good, and a client of a service that has it."""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Iterable, Iterator
from typing import Any

from fastapi.testclient import TestClient
from PIL import Image

from selfjudge import Judge
from selfjudge.chat import Completion, Request
from selfjudge.serve.app import Limits, create_app
from selfjudge.types import Finish

CASE = {"prompt": "which?", "response_a": "good", "response_b": "bad"}


def picture(width: int = 8, height: int = 8) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(out, "PNG")
    return out.getvalue()


def png(width: int = 8, height: int = 8) -> str:
    return "data:image/png;base64," + base64.b64encode(picture(width, height)).decode()


class Good:
    """An engine that prefers what holds the word good. It can wait for a signal, and remembers the sizes of what it was asked."""

    block = 2

    def __init__(self) -> None:
        self.go = threading.Event()
        self.go.set()
        self.error: Exception | None = None
        self.batches: list[int] = []
        self.images: set[int] = set()
        self.closed = False

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        self.go.wait(10)
        if self.error is not None:
            raise self.error
        asked = list(requests)
        self.batches.append(len(asked) // 2)
        self.images |= {len(request.messages[0].images) for request in asked}
        for request in asked:
            text = "".join(block for block in request.messages[0].content if isinstance(block, str))
            if lost := [word for word in ("too long", "lost") if word in text]:
                yield Completion.failed(request.key, "no", refused=lost == ["too long"])
                continue
            letter = "A" if "good" in text.partition("B: ")[0] else "B"
            yield Completion(key=request.key, text=f"[[{letter}]]", finish=Finish.STOP, prompt_tokens=1, completion_tokens=1)

    def close(self) -> None:
        self.closed = True


def client(engine: Good, **limits: Any) -> TestClient:
    judge = Judge(engine, template="{images}A: {first}\nB: {second}")
    return TestClient(create_app(judge, "tested", Limits(**limits)), raise_server_exceptions=False)

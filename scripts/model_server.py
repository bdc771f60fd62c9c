"""A tiny OpenAI-compatible server over our own transformers engine, for trying things without vLLM.

`python scripts/model_server.py --port 8000` serves the embedded model as `shapes`; `--model DIR` another one. Concurrent requests
are answered in batches. Greedy and seeded sampling, log-probabilities, images (data URLs, and `file://` below `--files DIR`) are
what a real server's are. `--log FILE` gets one line for each request that was answered: a hash of what was asked.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import json
import random
import threading
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from aiohttp import web

from selfjudge.chat import Block, Completion, Message, Request, Sampling, Token
from selfjudge.engines.local import TransformersEngine
from selfjudge.hub.models import find_model
from selfjudge.recipe.engines import TransformersSettings
from selfjudge.recipe.experiment import MAX_PIXELS
from selfjudge.run.images import BadImage, admit
from selfjudge.types import Finish, ImageRef

GATHERING_SECONDS = 0.005
"""How long a batch waits for company."""

PICTURES = 4_096


class Refused(Exception):
    """A request that cannot be answered; the words go to the client with status 400."""


class Pictures:
    """The images asked about last, by content: more than there can be requests under way."""

    def __init__(self, files: Path | None) -> None:
        self._files = files
        self._data: dict[str, bytes] = {}

    def read(self, ref: ImageRef) -> bytes:
        return self._data[ref.sha256]

    def admit(self, url: str) -> ImageRef:
        try:
            ref, data = admit(self._fetch(url), max_pixels=MAX_PIXELS)
        except (BadImage, OSError, ValueError) as error:
            raise Refused(f"the image cannot be used: {error}") from error
        self._data[ref.sha256] = data
        while len(self._data) > PICTURES:
            del self._data[next(iter(self._data))]
        return ref

    def _fetch(self, url: str) -> bytes:
        if url.startswith("data:"):
            return base64.b64decode(url.partition(";base64,")[2], validate=True)
        path = Path(unquote(urlsplit(url).path)).resolve()
        if not url.startswith("file://") or self._files is None or not path.is_relative_to(self._files):
            raise Refused("images come as data URLs, or as file:// below --files")
        return path.read_bytes()


class Batches:
    """A thread that answers what waits, up to `size` requests at a time."""

    def __init__(self, engine: TransformersEngine, size: int) -> None:
        self._engine = engine
        self._size = size
        self._waiting: SimpleQueue[tuple[Request, asyncio.Future[Completion]]] = SimpleQueue()
        threading.Thread(target=self._work, daemon=True).start()

    async def answer(self, request: Request) -> Completion:
        future: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        self._waiting.put((request, future))
        return await future

    def _work(self) -> None:
        while True:
            batch = self._gather()
            for (_, future), answer in zip(batch, self._answers([request for request, _ in batch]), strict=True):
                future.get_loop().call_soon_threadsafe(_settle, future, answer)

    def _answers(self, requests: list[Request]) -> list[Completion | Exception]:
        try:
            return list(self._engine.generate(requests))
        except Exception as error:  # one bad batch must not end the server
            return [error] * len(requests)

    def _gather(self) -> list[tuple[Request, asyncio.Future[Completion]]]:
        batch = [self._waiting.get()]
        while len(batch) < self._size:
            try:
                batch.append(self._waiting.get(timeout=GATHERING_SECONDS))
            except Empty:
                break
        return batch


def _settle(future: asyncio.Future[Completion], answer: Completion | Exception) -> None:
    if future.done():  # the client may have gone
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)


class Server:
    """The routes: /v1/models, /v1/chat/completions, /health."""

    def __init__(self, name: str, batches: Batches, pictures: Pictures, log: Path | None) -> None:
        self._name = name
        self._batches = batches
        self._pictures = pictures
        self._log = log

    def app(self) -> web.Application:
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_get("/health", self.health)
        app.router.add_get("/v1/models", self.models)
        app.router.add_post("/v1/chat/completions", self.complete)
        return app

    async def health(self, request: web.Request) -> web.Response:
        return web.Response()

    async def models(self, request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": self._name, "object": "model"}]})

    async def complete(self, request: web.Request) -> web.Response:
        try:
            body = await request.json()
            if body.get("model") != self._name:
                return refusal(404, f"there is no model {body.get('model')!r}")
            asked = as_request(body, self._pictures)
        except (Refused, ValueError, KeyError, TypeError, AttributeError) as error:
            return refusal(400, f"{type(error).__name__}: {error}")
        completion = await self._batches.answer(asked)
        if completion.finish is Finish.ERROR:
            return refusal(500, str(completion.error))
        self._note(body)
        return web.json_response(as_reply(completion, self._name, asked.sampling.logprobs))

    def _note(self, body: dict[str, Any]) -> None:
        if self._log is not None:
            with self._log.open("a") as file:
                file.write(hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest() + "\n")


def as_request(body: dict[str, Any], pictures: Pictures) -> Request:
    """The request that a body holds, as our engines take it."""
    sampling = Sampling(
        temperature=float(body.get("temperature", 1.0)),
        top_p=float(body.get("top_p", 1.0)),
        top_k=int(body.get("top_k", 0)),
        max_tokens=int(body.get("max_completion_tokens") or body.get("max_tokens") or 256),
        logprobs=int(body.get("top_logprobs", 1)) if body.get("logprobs") else 0,
    )
    seed = body.get("seed")
    return Request(
        key=uuid4().hex,
        messages=tuple(as_message(message, pictures) for message in body["messages"]),
        sampling=sampling,
        seed=random.getrandbits(63) if seed is None else int(seed),
    )


def as_message(message: dict[str, Any], pictures: Pictures) -> Message:
    content = message["content"]
    if isinstance(content, str):
        return Message(role=message["role"], content=(content,))
    return Message(role=message["role"], content=tuple(as_block(block, pictures) for block in content))


def as_block(block: dict[str, Any], pictures: Pictures) -> Block:
    if block["type"] == "text":
        return str(block["text"])
    return pictures.admit(block["image_url"]["url"])


def as_reply(completion: Completion, model: str, logprobs: int) -> dict[str, Any]:
    """A completion in OpenAI's form."""
    choice: dict[str, Any] = {
        "index": 0,
        "message": {"role": "assistant", "content": completion.text},
        "finish_reason": str(completion.finish),
        "logprobs": None,
    }
    if logprobs and completion.tokens is not None:
        choice["logprobs"] = {"content": [as_place(token) for token in completion.tokens]}
    used = {"prompt_tokens": completion.prompt_tokens, "completion_tokens": completion.completion_tokens}
    return {"object": "chat.completion", "model": model, "choices": [choice], "usage": used}


def as_place(token: Token) -> dict[str, Any]:
    """One token with its rivals."""
    return {
        "token": token.text,
        "logprob": dict(token.logprobs).get(token.text, -9999.0),
        "top_logprobs": [{"token": text, "logprob": value} for text, value in token.logprobs],
    }


def refusal(status: int, message: str) -> web.Response:
    return web.json_response({"error": {"message": message, "code": status}}, status=status)


def make_app(model: str, *, batch_size: int = 64, log: Path | None = None, files: Path | None = None) -> web.Application:
    """The server of one model, under the name that it was given by."""
    pictures = Pictures(files.resolve() if files else None)
    engine = TransformersEngine(
        str(find_model(model).path), TransformersSettings(batch_size=batch_size), read_image=pictures.read
    )
    return Server(model, Batches(engine, batch_size), pictures, log).app()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--model", default="shapes", help="a model folder, a model on the hub, or `shapes`")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--log", type=Path, help="append a line for each answered request")
    parser.add_argument("--files", type=Path, help="file:// images below this folder may be asked about")
    options = parser.parse_args()
    app = make_app(options.model, batch_size=options.batch_size, log=options.log, files=options.files)
    web.run_app(app, host="127.0.0.1", port=options.port, access_log=None)


if __name__ == "__main__":
    main()

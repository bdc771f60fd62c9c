"""A small OpenAI-compatible server for tests: it answers from a rule, and can misbehave in named ways.

    with serving(lambda asked: "yes" if asked.text == "?" else refusal(400, "too long")) as server:
        ...  # server.url, server.asked, server.most

A rule is given what was asked and returns the text of the reply, the JSON of one, or one of the misbehaviours below.
"""

from __future__ import annotations

import asyncio
import gc
import json
import ssl
import threading
import warnings
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
Rule = Callable[["Asked"], "str | dict[str, Any] | Answer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request as it arrived; `number` counts from 0."""

    body: dict[str, Any]
    headers: Mapping[str, str]
    number: int
    query: Mapping[str, str]

    @property
    def text(self) -> str:
        """The words of the last message."""
        content = self.body["messages"][-1]["content"]
        return content if isinstance(content, str) else "".join(block.get("text", "") for block in content)


@dataclass(slots=True, kw_only=True)
class Server:
    """What a test sees of the server: all that was asked, and how many requests it had at once."""

    rule: Rule
    seconds: float = 0.0
    models: tuple[str, ...] = ("m",)
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    listed: list[Mapping[str, str]] = field(default_factory=list)
    """The headers of each request for the list of models."""
    listing: Answer | None = None
    """What comes in place of the list."""
    connections: set[asyncio.Transport] = field(default_factory=set)
    now: int = 0
    most: int = 0

    @property
    def texts(self) -> list[str]:
        return [asked.text for asked in self.asked]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.now += 1
        self.most = max(self.most, self.now)
        assert request.transport is not None
        self.connections.add(request.transport)
        try:
            query = dict(request.query)
            asked = Asked(body=await request.json(), headers=request.headers, number=len(self.asked), query=query)
            self.asked.append(asked)
            await asyncio.sleep(self.seconds)
            found = self.rule(asked)
            if callable(found):
                return await found(request)
            return web.json_response(reply(found) if isinstance(found, str) else found)
        finally:
            self.now -= 1

    async def list_models(self, request: web.Request) -> web.StreamResponse:
        self.listed.append(request.headers)
        if self.listing is not None:
            return await self.listing(request)
        return web.json_response({"object": "list", "data": [{"id": name} for name in self.models]})


def reply(text: str | None, finish: str | None = "stop", **message: Any) -> dict[str, Any]:
    """A chat completion."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": finish}
    return {"object": "chat.completion", "choices": [choice], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}


def refusal(status: int, message: str = "", **headers: str) -> Answer:
    """An error in OpenAI's form; `retry_after="2"` becomes a header."""

    async def answer(request: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.json_response({"error": {"message": message, "code": status}}, status=status, headers=named)

    return answer


def raw(body: bytes, status: int = 200, **headers: str) -> Answer:
    """These bytes."""

    async def answer(request: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(body=body, status=status, content_type="application/json", headers=named)

    return answer


async def half(request: web.Request) -> web.StreamResponse:
    """A reply that promises more than it sends, and ends."""
    body = json.dumps(reply("never whole")).encode()
    response = web.StreamResponse(headers={"Content-Length": str(len(body))})
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    assert request.transport is not None
    request.transport.close()
    return response


async def closed(request: web.Request) -> web.StreamResponse:
    """No reply: the connection is closed."""
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def silent(request: web.Request) -> web.StreamResponse:
    """No reply, for a minute."""
    await asyncio.sleep(60)
    return web.Response()


async def endless(request: web.Request) -> web.StreamResponse:
    """A reply without an end."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" " * 2**20)


async def dripping(request: web.Request) -> web.StreamResponse:
    """A reply that comes one byte at a time, and never to an end."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" ")
        await asyncio.sleep(0.05)


@contextmanager
def serving(rule: Rule, *, port: int = 0, ssl_context: ssl.SSLContext | None = None, **options: Any) -> Iterator[Server]:
    """A server on this port, or on a free one, in a thread of its own."""
    server = Server(rule=rule, **options)
    loop = asyncio.new_event_loop()
    started, stop = threading.Event(), asyncio.Event()

    async def serve() -> None:
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_post("/v1/chat/completions", server.answer)
        app.router.add_get("/v1/models", server.list_models)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, backlog=1024, ssl_context=ssl_context).start()
        server.url = f"{'https' if ssl_context else 'http'}://127.0.0.1:{runner.addresses[0][1]}/v1"
        started.set()
        await stop.wait()
        await runner.cleanup()
        await asyncio.sleep(0.05)  # closed connections end in later turns of the loop

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()  # connections that a client dropped before it asked: the runner does not know them

"""What is answered before a body is understood: without the token, too large, too late, half a form, or none at all."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from serve.clients import CASE, Good, client


@pytest.fixture
def engine() -> Good:
    return Good()


def asgi(app: Any, messages: list[dict[str, Any]], headers: list[tuple[bytes, bytes]]) -> tuple[list[int], int]:
    """The statuses that a request got whose body arrives in messages, and how many of them were read."""
    sent, left = list[int](), iter(messages)

    async def receive() -> dict[str, Any]:
        return next(left, None) or await asyncio.sleep(60) or {}

    async def send(message: dict[str, Any]) -> None:
        sent.extend([message["status"]] if "status" in message else [])

    scope = {"type": "http", "method": "POST", "path": "/v1/compare", "query_string": b"", "headers": headers}
    asyncio.run(app(scope, receive, send))
    return sent, len(messages) - len(list(left))


JSON_HEADER, FORM_HEADER = ((b"content-type", kind) for kind in (b"application/json", b"multipart/form-data; boundary=x"))


def started(engine: Good, **limits: Any) -> Any:
    return client(engine, **limits).app


@pytest.mark.parametrize("header", [JSON_HEADER, FORM_HEADER])
def test_a_client_that_leaves_while_it_sends_gets_nothing_and_raises_nothing(engine: Good, header: tuple[bytes, bytes]):
    parts = [{"type": "http.request", "body": b"--x", "more_body": True}, {"type": "http.disconnect"}]
    assert asgi(started(engine), parts, [header]) == ([], 2)


def test_no_byte_of_a_body_is_read_without_the_token(engine: Good, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SELFJUDGE_TOKEN", "schlüssel")
    parts = [{"type": "http.request", "body": b"x", "more_body": True}]
    wrong = (b"authorization", b"Bearer other")
    assert asgi(started(engine), parts, [FORM_HEADER, wrong]) == ([401], 0)
    right = (b"authorization", "Bearer schlüssel".encode())
    assert asgi(started(engine, body_bytes=0), parts, [JSON_HEADER, right]) == ([413], 1)


def test_a_body_that_takes_too_long_to_arrive_is_a_408(engine: Good):
    parts = [{"type": "http.request", "body": b"{", "more_body": True}]
    assert asgi(started(engine, seconds=0.1), parts, [JSON_HEADER]) == ([408], 1)


def test_what_is_answered_before_the_body_is_understood_is_counted_too(engine: Good, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SELFJUDGE_TOKEN", "secret")
    token = {"Authorization": "Bearer secret"}
    with client(engine, body_bytes=1_000) as asked:
        asked.post("/v1/compare", json=CASE)
        asked.post("/v1/compare", content=b"x" * 2_000, headers=token)
        asked.post("/v1/compare", content=b"y", headers={**token, "content-type": "multipart/form-data; boundary=x"})
        shown = asked.get("/metrics", headers=token).text
    assert all(f'selfjudge_requests_total{{path="/v1/compare",status="{status}"}} 1.0' in shown for status in (401, 413, 422))


def test_a_body_of_unknown_length_is_bounded_too(engine: Good):
    with client(engine, body_bytes=1_000) as asked:
        parts = (b"x" * 100 for _ in range(100))
        assert asked.post("/v1/compare", content=parts, headers={"content-type": "application/json"}).status_code == 413

"""A hostile server: the manners of a reply in one table, each with what it must become.

`good`: the text is used. `row`: a failed completion with a reason. `refused`: the same, at once, and nothing against the server.
`error`: no request can succeed, so the engine raises in words.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from contextlib import suppress
from typing import Any

from aiohttp import web

from engines.serving import Answer, closed, dripping, endless, half, raw, refusal, reply, silent

ESCAPE = "\x1b]0;title\x07\x1b[2J\u202e\x9b1A"
OK = json.dumps(reply("ok")).encode()


def wire(data: bytes, *, again: bool = False) -> Answer:
    """These bytes in place of a response, once or for ever."""

    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.write(data)
        while again and not request.transport.is_closing():
            await asyncio.sleep(0.01)
            request.transport.write(data)
        await asyncio.sleep(0.05)
        request.transport.close()
        return web.Response()

    return answer


def http(body: bytes, head: str = "", status: str = "200 OK") -> Answer:
    """A response with a head of one's own."""
    return wire(f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{head}\r\n".encode("latin-1") + body)


def packed(body: bytes, encoding: str) -> Answer:
    return raw(body, content_encoding=encoding)


def said(**changes: Any) -> dict[str, Any]:
    """A good reply with a changed choice."""
    body = reply("ok")
    body["choices"][0] |= changes
    return body


def content(value: Any) -> dict[str, Any]:
    return said(message={"role": "assistant", "content": value})


def logprobs(value: Any) -> dict[str, Any]:
    return said(logprobs=value)


def token(**changes: Any) -> dict[str, Any]:
    return logprobs({"content": [{"token": "ok", "logprob": -0.1, "top_logprobs": [{"token": "B", "logprob": -2}], **changes}]})


NONE = ("NaN", "Infinity", "-Infinity", "1e999")
"""Numbers that JSON does not have, or that no float holds."""


def usage(value: Any) -> dict[str, Any]:
    return {**reply("ok"), "usage": value}


def to(address: str, status: int = 307) -> Answer:
    return http(b"", f"Location: {address}\r\nContent-Length: 0\r\n", f"{status} Elsewhere")


async def header_drip(request: web.Request) -> web.StreamResponse:
    """A head that comes one byte at a time, and never to an end."""
    assert request.transport is not None
    request.transport.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    with suppress(ConnectionError):
        while not request.transport.is_closing():
            request.transport.write(b"x")
            await asyncio.sleep(0.05)
    return web.Response()


BOMB = gzip.compress(bytes(2**27), compresslevel=1)
MANNERS: dict[str, dict[str, Any]] = {
    "refused": {
        **{f"status {s}": refusal(s, "no") for s in (400, 406, 410, 411, 412, 413, 414, 415, 416, 417, 418, 421, 422, 423, 424)},
        **{f"status {s}": refusal(s, "no") for s in (426, 428, 431, 451)},
        "flagged": refusal(403, "flagged by our moderation"),
        "no choices": raw(b'{"choices":[]}'),
        "null message": said(message=None),
        "null content": content(None),
        "message of nulls": said(message={"role": "assistant", "content": None, "refusal": None, "tool_calls": None}),
        "filter": said(finish_reason="content_filter"),
        "filter, odd": said(finish_reason="content_filter: PROHIBITED_CONTENT", message=None),
        "safety": said(finish_reason="FinishReason.SAFETY"),
        "error about content": raw(b'{"error":{"message":"blocked by the safety system"}}'),
        "escapes in an error": refusal(400, ESCAPE),
        "long error": refusal(400, "x" * 2**19),
    },
    "row": {
        **{f"status {s}": refusal(s, "no") for s in (500, 501, 502, 504, 505, 507, 508, 511, 520, 524, 530, 599)},
        **{f"status {s}": refusal(s, "no") for s in (403, 408, 409, 425)},
        "closed": closed,
        "half": half,
        "silent": silent,
        "body drips": dripping,
        "head drips": header_drip,
        "endless": endless,
        "empty": raw(b""),
        "no content": http(b"", "", "204 No Content"),
        "white space": raw(b" " * 1000),
        "page": raw(b"<html><h1>502 Bad Gateway</h1>"),
        "null": raw(b"null"),
        "number": raw(b"7"),
        "text": raw(b'"ok"'),
        "list": raw(b"[]"),
        "object": raw(b"{}"),
        "nul bytes": raw(bytes(100)),
        "utf-16": raw(OK.decode().encode("utf-16")),
        "cut json": raw(OK[:-5]),
        "two documents": raw(OK + OK),
        "comments": raw(b"// hello\n" + OK),
        "deep list": raw(b"[" * 100_000),
        "deep object": raw(b'{"choices":' * 100_000),
        "stream": raw(b"data: " + OK + b"\n\ndata: [DONE]\n\n"),
        "bad utf-8": raw(b'{"choices":[{"message":{"content":"\xff"}}]}'),
        "half a surrogate": raw(b'{"choices":[{"message":{"content":"\\ud800"}}]}'),
        "choices null": raw(b'{"choices":null}'),
        "choices object": raw(b'{"choices":{"0":{}}}'),
        "choice null": raw(b'{"choices":[null]}'),
        "choice text": raw(b'{"choices":["ok"]}'),
        "message text": said(message="ok"),
        "message list": said(message=["ok"]),
        "content number": content(7),
        "content object": content({"text": "ok"}),
        "content true": content(True),
        "finish number": said(finish_reason=7),
        "finish object": said(finish_reason={"type": "stop"}),
        "finish unknown": said(finish_reason="whatever"),
        "finish escapes": said(finish_reason=ESCAPE),
        "finish long": said(finish_reason="x" * 10**6),
        "abort": said(finish_reason="abort"),
        "error text": raw(b'{"error":"sorry"}'),
        "error inside": raw(b'{"error":{"message":"upstream is gone","code":502}}'),
        "error in a choice": said(error={"message": "upstream is gone"}),
        "error true": raw(b'{"error":true}'),
        "error escapes": raw(json.dumps({"error": ESCAPE}).encode()),
        "gzip bomb": packed(BOMB, "gzip"),
        "gzip twice": packed(gzip.compress(BOMB), "gzip"),
        "deflate bomb": packed(zlib.compress(bytes(2**27), 1), "deflate"),
        "gzip garbage": packed(b"\x1f\x8bgarbage", "gzip"),
        "gzip cut": packed(gzip.compress(OK * 99)[:20], "gzip"),
        "not gzip": packed(OK, "gzip"),
        "brotli garbage": packed(b"\x00garbage", "br"),
        "banner of ssh": wire(b"SSH-2.0-OpenSSH_9.6\r\n"),
        "http 0.9": wire(OK),
        "http 2": wire(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18)),
        "status line": wire(b"HTTP/1.1 two hundred\r\n\r\n"),
        "negative length": http(OK, "Content-Length: -5\r\n"),
        "length of letters": http(OK, "Content-Length: many\r\n"),
        "two lengths": http(OK, f"Content-Length: {len(OK)}\r\nContent-Length: 3\r\n"),
        "length too large": http(OK, f"Content-Length: {2**40}\r\n"),
        "length too small": http(OK, "Content-Length: 7\r\n"),
        "chunk garbage": http(b"zz\r\nhello", "Transfer-Encoding: chunked\r\n"),
        "chunk of terabytes": http(b"FFFFFFFFFFFF\r\nhello", "Transfer-Encoding: chunked\r\n"),
        "chunk negative": http(b"-5\r\nhello\r\n0\r\n\r\n", "Transfer-Encoding: chunked\r\n"),
        "chunks without an end": http(b"5\r\nhello\r\n", "Transfer-Encoding: chunked\r\n"),
        "head of 1 MB": http(OK, f"X-Long: {'x' * 2**20}\r\n"),
        "head of many": http(OK, "".join(f"X-{i}: y\r\n" for i in range(100_000))),
        "head with nul": http(OK, "X-Odd: \x00\r\n"),
        "head without an end": wire(b"HTTP/1.1 200 OK\r\nX: y\r\n"),
        "continue for ever": wire(b"HTTP/1.1 100 Continue\r\n\r\n", again=True),
    },
    "good": {
        "plain": reply("ok"),
        "gzip": packed(gzip.compress(OK), "gzip"),
        "deflate": packed(zlib.compress(OK), "deflate"),
        "identity": packed(OK, "identity"),
        "another type": http(OK, f"Content-Type: text/html\r\nContent-Length: {len(OK)}\r\n"),
        "white space around": raw(b"\n\n  " + OK + b"\n"),
        "status 201": raw(OK, 201),
        "no length": http(OK, "Connection: close\r\n"),
        "chunks": http(b"%x\r\n%b\r\n0\r\n\r\n" % (len(OK), OK), "Transfer-Encoding: chunked\r\n"),
        "two replies": http(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother", f"Content-Length: {len(OK)}\r\n"),
        "cookie": http(OK, f"Set-Cookie: a=b; Domain=.com\r\nContent-Length: {len(OK)}\r\n"),
        "keys twice": raw(b'{"choices":[],"choices":[{"message":{"content":"ok"}}]}'),
        "two choices": {"choices": [*reply("ok")["choices"], *reply("other")["choices"]]},
        "no finish": said(finish_reason=None),
        "blocks": content([{"type": "text", "text": "o"}, {"type": "image"}, "x", None, {"type": "text", "text": "k"}]),
        "reasoning apart": said(message={"content": "ok", "reasoning_content": "x" * 10**6, "reasoning": {"odd": True}}),
        "tools": said(message={"content": "ok", "tool_calls": [{"function": None}]}),
        **{f"usage {i}": usage(value) for i, value in enumerate((None, [], 7, "x", {}, {"prompt_tokens": True}))},
        **{f"count {i}": usage({"completion_tokens": value}) for i, value in enumerate((-1, 1.5, "7", None, 2**70, [], {}))},
        **{f"logprobs {i}": logprobs(value) for i, value in enumerate((None, [], {}, 7, "x", {"content": None}))},
        **{f"tokens {i}": logprobs({"content": value}) for i, value in enumerate(([None], [7], {}, [{}], "x", [[]]))},
        **{f"logprob {i}": token(logprob=value) for i, value in enumerate((800, "x", None, True, 1e300, [], {}))},
        **{f"rivals {i}": token(top_logprobs=value) for i, value in enumerate((7, "x", {"B": -1}, [None], [{"token": 7}]))},
        **{
            f"usage of {value}": raw(json.dumps(usage({"prompt_tokens": "HERE"})).replace('"HERE"', value).encode())
            for value in NONE
        },
        **{
            f"created {value}": raw(json.dumps({**reply("ok"), "created": "HERE"}).replace('"HERE"', value).encode())
            for value in NONE
        },
        "logprob nan": raw(json.dumps(token(logprob="HERE")).replace('"HERE"', "NaN").encode()),
        "logprob infinite": raw(json.dumps(token(logprob="HERE")).replace('"HERE"', "1e999").encode()),
        "logprob of 400 digits": raw(json.dumps(token(logprob="HERE")).replace('"HERE"', "9" * 400).encode()),
        "token none": token(token=None),
        "legacy": logprobs({"tokens": ["ok"], "token_logprobs": [-0.1], "top_logprobs": None}),
    },
    "error": {
        "redirect": to("http://127.0.0.1:9/v1"),
        "redirect to a file": to("file:///etc/passwd", 302),
        "redirect to nowhere": http(b"", "Content-Length: 0\r\n", "301 Moved"),
        "redirect with escapes": to(f"http://x/{ESCAPE!a}", 308),
        "not changed": http(b"", "", "304 Not Modified"),
        "key": refusal(401, "no"),
        "money": refusal(402, "pay"),
        "forbidden": refusal(403, "no"),
        "model": refusal(404, "no"),
        "method": refusal(405, "no"),
        "quota": refusal(429, "insufficient_quota"),
        "later": refusal(429, Retry_After="99999"),
        "much later": refusal(503, Retry_After="1e300"),
        "key, 200": raw(b'{"error":{"message":"no","code":401}}'),
    },
    "waited for": {
        f"retry {value}": refusal(429, "slow", Retry_After=value)
        for value in ("0", "0.01", "-5", "nan", "x", "", "Thu, 01 Jan 1970 00:00:00 GMT", "9" * 400 + "x")
    },
}

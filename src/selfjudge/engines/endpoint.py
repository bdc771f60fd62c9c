"""An OpenAI-compatible server: its address, its API key, the exchange of a request and a reply, and the meaning of its errors.

aiohttp sends; no redirect is followed and no cookie is kept. The key is removed from all that a server says before it is read.
"""

from __future__ import annotations

import email.utils
import io
import ipaddress
import math
import os
import re
import socket
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import certifi
from jiter import from_json

from ..chat import Completion, Request
from ..errors import EngineError
from .chat_completions import Again, Trouble, about_content, completion, error_text
from .pace import Pace

KEY_VARIABLE = "OPENAI_API_KEY"
_NAMES = {"OpenAI-Organization": "OPENAI_ORG_ID", "OpenAI-Project": "OPENAI_PROJECT_ID"}
_SHORTEST_KEY = 8  # a shorter one is a placeholder; removing it from texts would damage them
_CONNECT_SECONDS = _LIST_SECONDS = 10.0
_KEEP_SECONDS = 4.0  # uvicorn closes idle connections after 5 s, and no request may meet a closed one
_LONGEST_REPLY = 32 * 2**20  # bytes, unpacked
_LONGEST_WAIT = 300.0  # a longer Retry-After (s) ends the run, which can be resumed
_SHOWN = 300

_AFTER = {403: Again.NO, 451: Again.REFUSED}
_AFTER |= dict.fromkeys((408, 409, 425), Again.LATER) | dict.fromkeys((429, 503, 529), Again.BUSY)
UNKNOWN_MODEL = "Check base_url (usually ending in /v1) and the model."  # hint, until the models of the server are known


class Endpoint:
    """A model on a server, and how it is doing. `seconds` limits an exchange; `key` replaces the environment's."""

    def __init__(self, base_url: str, model: str, *, seconds: float, key: str | None = None, concurrency: int = 1) -> None:
        self.url, self.model, self._seconds = base_url, model, seconds
        self.pace, self.waiting, self.trouble = Pace(concurrency), 0, "no reply yet"  # `waiting` requests have no answer
        self.send_from, self.asked = 0.0, 0.0  # not before (loop's time); since when it has had requests (monotonic)
        self.heard = self.answered = -math.inf  # monotonic times of the last reply and of the last success
        key = os.environ.get(KEY_VARIABLE, "").strip() if key is None else key
        host = urlsplit(self.url).hostname or ""
        if not key and not _is_local(host, private=True):
            hint = f"Set the environment variable {KEY_VARIABLE}; `none` if the server needs no key."
            raise EngineError(f"there is no API key for {self.url}", hint=hint)
        self._headers = {"Content-Type": "application/json", "Accept-Encoding": "identity", "User-Agent": "selfjudge"}
        sent = _header(KEY_VARIABLE, key or "EMPTY")
        self._headers |= {"api-key": sent} if host.endswith(".azure.com") else {"Authorization": f"Bearer {sent}"}
        self._headers |= {name: _header(at, os.environ[at].strip()) for name, at in _NAMES.items() if os.environ.get(at)}
        self._key = _spellings(key) if len(key) >= _SHORTEST_KEY else None
        self._proxy = _proxy(self.url)
        self._certificates = _certificates() if self.url.startswith("https:") else True

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Self]:
        """A session, in which exchanges are possible."""
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_SECONDS, ssl=self._certificates)
        session = aiohttp.ClientSession(connector=connector, headers=self._headers, cookie_jar=aiohttp.DummyCookieJar())
        async with session as self.session:
            yield self

    async def completion(self, request: Request, body: bytes) -> Completion:
        """The answer to a request. Raises Trouble, or EngineError if no request can succeed."""
        status, headers, reply = await self.exchange("/chat/completions", self._seconds, io.BytesIO(body))
        self.heard = time.monotonic()
        if not 200 <= status < 300:
            raise self._failure(status, reply, headers)
        self.answered = time.monotonic()
        try:
            return completion(request, reply, self.clean)
        except Trouble as error:
            trouble = error
        # Outside `except`: no error may carry another that holds the key.
        raise self._failure(trouble.status, reply, {}) if trouble.status else trouble

    async def models(self, field: str = "id") -> list[str]:
        """The names of the models that the server lists, or another field of them. Raises Trouble."""
        _, _, reply = await self.exchange("/models", _LIST_SECONDS)
        try:
            return [self.shown(str(model.get(field)))[:100] for model in from_json(reply)["data"]]
        except (ValueError, LookupError, TypeError, AttributeError):
            raise Trouble("it does not list its models", Again.NO) from None

    def shown(self, text: str) -> str:
        """A text of the server for display: without the key and control characters, on one line, at most 300 characters."""
        plain = "".join(c if c.isprintable() else " " for c in self.clean(text)[: 10 * _SHOWN])
        return " ".join(plain.split())[:_SHOWN]

    def clean(self, text: str) -> str:
        """A text without the key."""
        return self._key.sub("***", text) if self._key else text

    async def exchange(self, path: str, seconds: float, data: io.BytesIO | None = None) -> tuple[int, Mapping[str, str], bytes]:
        """Post the data, or get what is at the path. Gives the status, the headers and the whole body. Raises Trouble."""
        body, timeout = bytearray(), aiohttp.ClientTimeout(total=seconds, sock_connect=_CONNECT_SECONDS)
        options: Any = {"data": data, "allow_redirects": False, "proxy": self._proxy, "timeout": timeout}
        method, (address, mark, query) = "POST" if data else "GET", self.url.partition("?")
        try:
            async with self.session.request(method, address + path + mark + query, **options) as reply:
                while part := await reply.content.readany():
                    body += part
                    if len(body) > _LONGEST_REPLY:
                        raise Trouble(f"the reply is longer than {_LONGEST_REPLY} bytes", Again.NO)
                return reply.status, reply.headers, bytes(body)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError) as error:
            raise Trouble(f"cannot connect: {error}", Again.UNREACHABLE) from None
        except TimeoutError:
            raise Trouble(f"no reply within {seconds:g} seconds", Again.SILENT) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Trouble(f"the connection broke: {error or type(error).__name__}", Again.LATER) from None

    def _failure(self, status: int, body: bytes, headers: Mapping[str, str]) -> Trouble | EngineError:
        """The meaning of an error status: for this request, or for all of them."""
        message, details, wait = error_text(body), body[:2_000].decode("utf-8", "replace"), _wait(headers)
        reason = f"{status}: {message}" if message else f"status {status}"
        if status == 403 and about_content(details):
            return Trouble(reason, Again.REFUSED)
        first = self.answered == -math.inf  # Google rejects a key with 400, others with 403
        key = status == 401 or (first and (status == 403 or (status == 400 and "api key" in details.lower())))
        quota = status == 402 or (status == 429 and re.search("insufficient.quota", details.lower()) is not None)
        later, place = "Run the same command again {}; it resumes where it stopped.", self.shown(headers.get("Location", ""))
        problems = (  # of all requests: whether this is one, what the server does, and a hint
            (key, "rejected the API key", f"Set {KEY_VARIABLE} to a valid key."),
            (quota, "reports a billing or quota problem", later.format("when that is settled")),
            (status in (404, 405), f"does not have the model `{self.model}`", UNKNOWN_MODEL),
            (300 <= status < 400, "redirects", f"If you trust it, use this address as base_url: {place}"),
            ((wait or 0) > _LONGEST_WAIT, "asks to come back later", later.format(f"after {wait or 0:.0f} seconds")),
        )
        for applies, problem, hint in problems:
            if applies:
                return EngineError(f"{self.url} {problem}: {self.shown(reason)}", hint=hint)
        on_load = Again.BUSY if wait is not None else Again.LATER
        again = _AFTER.get(status, on_load if status >= 500 else Again.REFUSED)
        return Trouble(reason, again, wait=wait, details=details if again is Again.REFUSED else "")


def _header(variable: str, value: str) -> str:
    """The value of an environment variable, for a header. Raises EngineError, without the value, if it cannot be sent."""
    if value.isascii() and value.isprintable():
        return value
    hint = f"Set {variable} again: one line of plain letters, digits and signs, without quotes."
    raise EngineError(f"{variable} contains a line break or a character that is in no key", hint=hint)


def _spellings(key: str) -> re.Pattern[str]:
    """Matches the key: plain, or with characters escaped as in JSON, URLs or HTML, also twice."""
    escapes = r"(?:\\{{0,4}}{0}|%(?:25)?{1:02x}|\\{{1,4}}(?:u00|x){1:02x}|&#(?:{1:d}|x{1:x});)"
    return re.compile("".join(escapes.format(re.escape(c), ord(c)) for c in key), re.IGNORECASE)


def _wait(headers: Mapping[str, str]) -> float | None:
    """Seconds in Retry-After, a number or a date; None without a valid one."""
    with suppress(LookupError, ValueError, OverflowError):
        date = email.utils.parsedate_tz(value := headers["Retry-After"])
        return max(0.0, email.utils.mktime_tz(date) - time.time() if date else float(value))
    return None


def _is_local(host: str, *, private: bool) -> bool:
    """Whether a host is this machine, in any spelling; with `private`, also whether it is in a private network."""
    host = host.rstrip(".").lower()
    try:
        address = ipaddress.ip_address(host if ":" in host else socket.inet_aton(host))  # inet_aton also reads 127.1
    except OSError:
        names = (".localhost", ".local", ".internal") if private else (".localhost",)
        return f".{host}".endswith(names) or (private and "." not in host)
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_private if private else address.is_loopback or address.is_unspecified


def _proxy(url: str) -> str | None:
    """The environment's proxy for an address; None for this machine. (aiohttp's `trust_env` would also read .netrc.)"""
    address, proxies = urlsplit(url), getproxies()
    proxy = proxies.get(address.scheme) or proxies.get("all")
    if not proxy or _is_local(address.hostname or "", private=False) or proxy_bypass(address.netloc):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _certificates() -> ssl.SSLContext:
    """Those of the system or of SSL_CERT_FILE; certifi's if there are none. Raises EngineError."""
    file = ssl.get_default_verify_paths().cafile or certifi.where()
    try:
        return ssl.create_default_context(cafile=file)
    except OSError as error:
        hint = "Set SSL_CERT_FILE to a readable file of certificates, or unset it."
        raise EngineError(f"cannot read certificates from {file}: {error}", hint=hint) from error

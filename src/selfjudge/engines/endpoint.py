"""An OpenAI-compatible server as one place to post to: its address, its key, its errors in our words.

The key comes from the environment and leaves this module in the Authorization header alone: it is taken out of everything that a
server says before anyone reads it.
"""

from __future__ import annotations

import email.utils
import ipaddress
import math
import os
import time
from collections.abc import Mapping
from enum import StrEnum
from urllib.parse import quote, urlsplit

from jiter import from_json
from openai import OpenAI

from ..errors import EngineError
from .chat_completions import error_text
from .connections import Connections, Loss, Lost, Reply

KEY_VARIABLE = "OPENAI_API_KEY"

_NO_KEY = "EMPTY"
"""What is sent to a server of one's own that wants no key."""
_SHORTEST_KEY = 8
"""A shorter one is a placeholder, and taking it out of texts would spoil them."""
_LONGEST_WAIT = 300.0
"""A server that asks to come back later than this is not worth waiting for: the run can be resumed then."""
_LISTED = 10
_LIST_SECONDS = 10.0
_HEADERS = {"Content-Type": "application/json", "Accept-Encoding": "identity"}


class Again(StrEnum):
    """What to do about an attempt that failed."""

    NO = "no"
    """The server has considered this request and refused it."""
    LATER = "later"
    BUSY = "busy"
    """Later, and with fewer requests at once."""
    SILENT = "silent"
    """Once more, and with fewer requests at once: no reply in all the time that it was given."""
    UNREACHABLE = "unreachable"
    """Later; nothing answered at the address."""
    SUSPECT = "suspect"
    """Not again; if it goes on like this, the engine is broken."""


_AFTER = {
    Loss.UNREACHED: Again.UNREACHABLE,
    Loss.BROKEN: Again.LATER,
    Loss.LATE: Again.SILENT,
    Loss.LONG: Again.NO,
}


class Trouble(Exception):
    """An attempt failed: why, whether to try again, and after how many seconds if the server says so."""

    def __init__(self, reason: str, again: Again, *, wait: float | None = None, details: str = "") -> None:
        super().__init__(reason)
        self.again = again
        self.wait = wait
        self.details = details
        """All that the server said, for finding the parameter that it does not take."""


class Endpoint:
    """A server and a model on it, to be asked over its `connections`.

    A whole exchange may take `seconds`. `key` is for a server that we started ourselves; without it, it is the environment's.
    """

    def __init__(self, base_url: str, model: str, *, most: int, seconds: float, key: str | None = None) -> None:
        self.url = base_url.rstrip("/")
        self.model = model
        self.heard = -math.inf
        """When the server last answered anything, in seconds of the monotonic clock."""
        key = os.environ.get(KEY_VARIABLE, "").strip() if key is None else key
        if not key and not _is_local(base_url):
            raise EngineError(
                f"there is no key for {self.url}",
                hint=f"Put it into the environment variable {KEY_VARIABLE}; `none` if the server wants none.",
            )
        self._secrets = tuple({s.encode() for s in (key, quote(key, safe=""))}) if len(key) >= _SHORTEST_KEY else ()
        self._api = OpenAI(api_key=key or _NO_KEY, base_url=self.url, max_retries=0)
        # The client's own `post` takes several times the CPU of all the rest of a request: it gives the headers and lists models.
        headers = {**_sent_headers(self._api), **_HEADERS}
        self.connections = Connections(f"{self.url}/chat/completions", headers, most=most, seconds=seconds)
        self._taken = False

    def body(self, reply: Reply | Lost) -> bytes:
        """What a server says in reply to a chat completion. Raises Trouble, or EngineError where no request can succeed."""
        if isinstance(reply, Lost):
            raise Trouble(self._shown(reply.words), _AFTER[reply.loss])
        self.heard = time.monotonic()
        said = self._clean(reply.body)
        if not 200 <= reply.status < 300:
            raise self.trouble(reply.status, said, reply.headers)
        if b"\ncontent-encoding:" in reply.head.lower():
            raise Trouble("the reply is packed, which was not asked for", Again.NO)
        self._taken = True
        return said

    def close(self) -> None:
        self.connections.close()
        self._api.close()

    def trouble(self, status: int, body: bytes, headers: Mapping[str, str]) -> Trouble | EngineError:
        """What an error of the server means: for this request, or for all of them."""
        wait = _wait(headers)
        said = error_text(body)
        reason = f"{status}: {said}" if said else f"status {status}"
        if (broken := self._broken(status, said, headers.get("location"))) is not None:
            return broken
        if wait is not None and wait > _LONGEST_WAIT:
            hint = f"Run the same command again after {wait:.0f} seconds; it goes on where it stopped."
            return EngineError(f"{self.url} asks to come back later: {reason}", hint=hint)
        if status == 403:
            return Trouble(reason, Again.SUSPECT)
        if status in (429, 529) or (status >= 500 and wait is not None):
            return Trouble(reason, Again.BUSY, wait=wait)
        if status in (408, 409, 425) or status >= 500:
            return Trouble(reason, Again.LATER)
        return Trouble(reason, Again.NO, details=body[:2_000].decode("utf-8", "replace"))

    def _broken(self, status: int, said: str, location: str | None) -> EngineError | None:
        if status == 401 or (not self._taken and _is_about_the_key(status, said)):
            return EngineError(f"{self.url} does not take the key: {said}", hint=f"Set {KEY_VARIABLE} to one that it takes.")
        if status == 402 or (status == 429 and "insufficient_quota" in said.lower().replace(" ", "_")):
            return EngineError(f"{self.url} wants to be paid: {said}", hint="Run the same command again when that is settled.")
        if status in (404, 405):
            return EngineError(f"{self.url} does not know `{self.model}`: {status}: {said}", hint=self._models())
        if 300 <= status < 400:
            to = location or "another address"
            return EngineError(f"{self.url} sends elsewhere ({status})", hint=f"Use that as base_url, if you trust it: {to}")
        return None

    def _models(self) -> str:
        """A hint: the models that the server has, if it says so."""
        try:
            reply = self._api.models.with_raw_response.list(timeout=_LIST_SECONDS)
            names = [str(model["id"])[:100] for model in from_json(self._clean(reply.content))["data"]]
        except Exception:  # it is a hint
            return "Check base_url (it mostly ends in /v1) and the name of the model."
        more = ", …" if len(names) > _LISTED else ""
        return f"The server has {', '.join(names[:_LISTED])}{more}" if names else "The server has no models."

    def describe(self, error: BaseException) -> str:
        """An exception in a few words, without the key."""
        return self._shown(f"{type(error).__name__}: {error}")

    def _shown(self, words: str) -> str:
        return self._clean(words.encode("utf-8", "replace"))[:300].decode("utf-8", "replace")

    def _clean(self, text: bytes) -> bytes:
        """A text without the key."""
        for secret in self._secrets:
            text = text.replace(secret, b"***")
        return text


def _sent_headers(api: OpenAI) -> dict[str, str]:
    """The headers of every request: the key, organization and project if set, who asks; not what the client tells of itself."""
    headers = {**api.default_headers, **api.auth_headers}
    return {name: value for name, value in headers.items() if isinstance(value, str) and not name.startswith("X-Stainless")}


def _is_about_the_key(status: int, said: str) -> bool:
    """Whether a first request was refused for its key: Google says so with 400, others with 403."""
    return status == 403 or (status == 400 and "api key" in said.lower())


def _wait(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to wait (Retry-After as seconds or as a date); None where it does not say."""
    try:
        if "retry-after-ms" in headers:
            seconds = float(headers["retry-after-ms"]) / 1000
        elif (said := headers.get("retry-after")) is None:
            return None
        elif (date := email.utils.parsedate_tz(said)) is not None:
            seconds = email.utils.mktime_tz(date) - time.time()
        else:
            seconds = float(said)
    except (ValueError, OverflowError):
        return None
    return max(0.0, seconds) if not math.isnan(seconds) else None


def _is_local(url: str) -> bool:
    """Whether a server is one's own, by its address: this machine, a private network, a name without a domain."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".localhost"))

"""An OpenAI-compatible server as one place to ask: its address, its key, its errors in our words.

The key comes from the environment and leaves in the Authorization header alone: it is taken out of every text that a server sends
after that was decoded, before anyone reads it.
"""

from __future__ import annotations

import email.utils
import math
import os
import re
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

from jiter import from_json

from ..chat import Completion, Request
from ..errors import EngineError
from .client import Again, Client, Trouble, is_local
from .replies import BadReply, completion, error_text

KEY_VARIABLE = "OPENAI_API_KEY"
_NAMES = {"OpenAI-Organization": "OPENAI_ORG_ID", "OpenAI-Project": "OPENAI_PROJECT_ID"}
_SHORTEST_KEY = 8
"""A shorter one is a placeholder, and taking it out of texts would spoil them."""
_LONGEST_WAIT = 300.0
"""A server that asks to come back later than this is not worth waiting for: the run can be resumed then."""
_AFTER = {403: Again.NO, 408: Again.LATER, 409: Again.LATER, 425: Again.LATER}
_AFTER |= {429: Again.BUSY, 503: Again.BUSY, 529: Again.BUSY}
_SHOWN = 300
_LISTED = 10

_ABOUT_CONTENT = "content|safety|flagged|moderat|harm|prohibit|sensitive|inappropriate|violat|guardrail"
_ABOUT_ACCESS = r"\bkey\b|token|permission|authenti|authori[sz]|billing|account|organi[sz]ation|\bip\b|region"


class UnknownModelError(EngineError):
    """The server does not know the model."""


class Endpoint:
    """A server and a model on it. `key` is for a server that we started ourselves; without it, it is the environment's."""

    def __init__(self, base_url: str, model: str, *, key: str | None = None) -> None:
        self.url = base_url.rstrip("/")
        self.model = model
        self.heard = self.answered = -math.inf
        """When the server last said anything, and when it last answered a request, in seconds of the monotonic clock."""
        host = _host(self.url)
        key = os.environ.get(KEY_VARIABLE, "").strip() if key is None else key
        if not key and not is_local(host, private=True):
            raise EngineError(
                f"there is no key for {self.url}",
                hint=f"Put it into the environment variable {KEY_VARIABLE}; `none` if the server wants none.",
            )
        self.headers = {"Content-Type": "application/json", "Accept-Encoding": "identity", "User-Agent": "selfjudge"}
        self.headers["Authorization"] = f"Bearer {_sendable(KEY_VARIABLE, key or 'EMPTY')}"
        self.headers |= {name: _sendable(at, os.environ[at].strip()) for name, at in _NAMES.items() if os.environ.get(at)}
        self._key = _spellings(key) if len(key) >= _SHORTEST_KEY else None

    async def completion(self, client: Client, request: Request, body: bytes) -> Completion:
        """The answer to a request. Raises Trouble, UnknownEnd, or EngineError where no request can succeed."""
        status, headers, said = await client.ask("POST", "/chat/completions", body)
        self.heard = time.monotonic()
        if not 200 <= status < 300:
            raise self._trouble(status, said, headers)
        self.answered = time.monotonic()
        try:
            return completion(request, said, self.clean)
        except BadReply as error:
            bad = error
        if bad.status:  # out of the `except`: no error carries another that holds the key
            raise self._trouble(bad.status, said, {})
        raise Trouble(str(bad), Again.REFUSED if _about_content(str(bad)) else Again.LATER)

    async def models(self, client: Client) -> str:
        """A hint: the models that the server has, if it says so. Raises Trouble."""
        _, _, said = await client.ask("GET", "/models")
        try:
            names = [self.shown(str(model["id"]))[:100] for model in from_json(said)["data"]]
        except (ValueError, LookupError, TypeError):
            raise Trouble("no list of models", Again.NO) from None
        more = ", …" if len(names) > _LISTED else ""
        return f"The server has {', '.join(names[:_LISTED])}{more}" if names else "The server has no models."

    def shown(self, words: str) -> str:
        """Words of the server as they may be shown: without the key, on one line, without what a terminal would obey."""
        plain = "".join(c if c.isprintable() else " " for c in self.clean(words)[: 10 * _SHOWN])
        return " ".join(plain.split())[:_SHOWN]

    def clean(self, text: str) -> str:
        """A text without the key."""
        return self._key.sub("***", text) if self._key else text

    def _trouble(self, status: int, body: bytes, headers: Mapping[str, str]) -> Trouble | EngineError:
        """What an error of the server means: for this request, or for all of them."""
        said, details, wait = error_text(body), body[:2_000].decode("utf-8", "replace"), _wait(headers)
        reason = f"{status}: {said}" if said else f"status {status}"
        if status == 451 or (status == 403 and _about_content(details)):
            return Trouble(reason, Again.REFUSED)
        if (broken := self._broken(status, self.shown(said), headers.get("Location", ""))) is not None:
            return broken
        if wait is not None and wait > _LONGEST_WAIT:
            hint = f"Run the same command again after {wait:.0f} seconds; it goes on where it stopped."
            return EngineError(f"{self.url} asks to come back later: {self.shown(reason)}", hint=hint)
        on_load = Again.BUSY if wait is not None else Again.LATER
        again = _AFTER.get(status, on_load if status >= 500 else Again.REFUSED)
        return Trouble(reason, again, wait=wait, details=details if again is Again.REFUSED else "")

    def _broken(self, status: int, said: str, location: str) -> EngineError | None:
        first = self.answered == -math.inf  # Google refuses a key with 400, others with 403
        if status == 401 or (first and (status == 403 or (status == 400 and "api key" in said.lower()))):
            return EngineError(f"{self.url} rejected the API key: {said}", hint=f"Set {KEY_VARIABLE} to a key that it accepts.")
        if status == 402 or (status == 429 and "insufficient_quota" in said.lower().replace(" ", "_")):
            return EngineError(f"{self.url} wants to be paid: {said}", hint="Run the same command again when that is settled.")
        if status in (404, 405):
            hint = "Check base_url (it mostly ends in /v1) and the name of the model."
            return UnknownModelError(f"{self.url} does not know `{self.model}`: {status}: {said}", hint=hint)
        if 300 <= status < 400:
            to = self.shown(location) or "another address"
            return EngineError(f"{self.url} sends elsewhere ({status})", hint=f"Use that as base_url, if you trust it: {to}")
        return None


def _host(url: str) -> str:
    """The host of an address. Raises EngineError where it is none."""
    try:
        address = urlsplit(url)
        if address.port != 0 and address.hostname:
            return address.hostname
        reason = "it names no host, or port 0"
    except ValueError as error:
        reason = str(error)
    raise EngineError(f"{url} is not the address of a server: {reason}", hint="base_url must be like http://localhost:8000/v1.")


def _about_content(said: str) -> bool:
    """Whether a refusal is about what a request holds: a blocked item, and no fault of the key or the server."""
    return bool(re.search(_ABOUT_CONTENT, said, re.IGNORECASE)) and not re.search(_ABOUT_ACCESS, said, re.IGNORECASE)


def _sendable(variable: str, value: str) -> str:
    """A value that may stand in a header. Raises EngineError, without the value."""
    if value.isascii() and value.isprintable():
        return value
    raise EngineError(
        f"{variable} holds a line break or a character that no key has",
        hint=f"Set {variable} again: one line of plain letters, digits and signs, without quotes.",
    )


def _spellings(key: str) -> re.Pattern[str]:
    """The key in any spelling: plain, or with characters escaped as in JSON, URLs or HTML, also twice."""
    ways = r"(?:\\{{0,4}}{0}|%(?:25)?{1:02x}|\\{{1,4}}(?:u00|x){1:02x}|&#(?:{1:d}|x{1:x});)"
    return re.compile("".join(ways.format(re.escape(c), ord(c)) for c in key), re.IGNORECASE)


def _wait(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to wait (Retry-After as seconds or as a date); None where it does not say."""
    try:
        if "Retry-After-Ms" in headers:
            seconds = float(headers["Retry-After-Ms"]) / 1000
        elif (date := email.utils.parsedate_tz(headers["Retry-After"])) is not None:
            seconds = email.utils.mktime_tz(date) - time.time()
        else:
            seconds = float(headers["Retry-After"])
    except (KeyError, ValueError, OverflowError):
        return None
    return max(0.0, seconds) if not math.isnan(seconds) else None

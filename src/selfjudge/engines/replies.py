"""Reads the body of a reply: whatever a server sends is a completion or a `Trouble`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from enum import Enum, auto
from typing import Any

from jiter import from_json

from ..chat import Completion, Request, Token
from ..types import Finish

_ENDS = {  # finish reasons of servers, as lower-case letters without separators; ERROR is a content filter
    Finish.STOP: "stop eos eostoken endturn endoftext stopsequence stoptoken stopstr complete completed finished toolcalls",
    Finish.LENGTH: "length maxtokens maxlength maxoutputtokens modellength modelcontextwindowexceeded tokenlimit limit",
    Finish.ERROR: "contentfilter contentfiltered safety imagesafety recitation blocklist prohibitedcontent spii sensitive"
    " refusal blocked moderation flagged guardrailintervened errortoxic",
}
FINISHES = {word: finish for finish, words in _ENDS.items() for word in words.split()}
_ROUNDING = 0.01  # error above 0 that a log-probability may have


_ABOUT_CONTENT = "content|safety|flagged|moderat|harm|prohibit|sensitive|inappropriate|violat|guardrail"
_ABOUT_ACCESS = r"\bkey\b|token|permission|authenti|authori[sz]|billing|account|organi[sz]ation|\bip\b|region"


class Again(Enum):
    """Whether to send a request again after a failure."""

    REFUSED = auto()  # no: the request itself is at fault
    NO = auto()  # no, and the server may be at fault
    LATER = auto()
    BUSY = auto()  # later, and with fewer requests in flight
    SILENT = auto()  # the same, once: the reply timed out
    UNREACHABLE = auto()  # later; nothing answered at the address


class Trouble(Exception):
    """A request failed: whether to send it again, after how many seconds if the server named a time, and its message.

    `status` is that of an error in the body of a reply.
    """

    def __init__(self, reason: str, again: Again, *, wait: float | None = None, details: str = "", status: int = 0) -> None:
        super().__init__(reason)
        self.again, self.wait, self.details, self.status = again, wait, details, status


def completion(request: Request, body: bytes, clean: Callable[[str], str]) -> Completion:
    """The completion in the body of a reply; `clean` removes from its texts what must not be stored. Raises Trouble.

    A blocked item (no choice, no message, a filter) is a refused completion, an unknown finish_reason a failed one.
    """
    value = _reply(body)
    choices, usage = value.get("choices"), value.get("usage")
    if not isinstance(choices, list) or (choices and not isinstance(choices[0], dict)):
        raise Trouble("the reply has no choices", Again.LATER)
    choice = choices[0] if choices else {}
    _raise_error(choice)
    reason, message = choice.get("finish_reason"), choice.get("message")
    finish = Finish.STOP if reason is None else FINISHES.get(letters(reason))
    blocked = message is None or finish is Finish.ERROR
    good = finish is not None and not blocked
    verb = "blocked" if blocked else "ended"
    error = None if good else f"the server {verb} the reply with finish_reason {clean(json.dumps(reason))[:100]}"
    return Completion(
        key=request.key,
        text="" if message is None else clean(_text(message)),
        finish=finish if finish and good else Finish.ERROR,
        prompt_tokens=_count(usage, "prompt_tokens"),
        completion_tokens=_count(usage, "completion_tokens"),
        error=error,
        refused=blocked,
        tokens=_tokens(choice) if request.sampling.logprobs else None,
    )


def error_text(body: bytes) -> str:
    """The message of an error in OpenAI's or a similar format, or else the whole body."""
    try:
        value: Any = from_json(body)
    except ValueError:
        value = None
    for _ in range(4):
        if isinstance(value, list) and value:
            value = value[0]
        elif isinstance(value, dict):
            value = next((value[name] for name in ("error", "message", "detail", "msg") if value.get(name)), None)
    return value if isinstance(value, str) else body[: 2**16].decode("utf-8", "replace")


def about_content(message: str) -> bool:
    """Whether a refusal is about the content of a request, and not about the key or the server."""
    return bool(re.search(_ABOUT_CONTENT, message, re.IGNORECASE)) and not re.search(_ABOUT_ACCESS, message, re.IGNORECASE)


def letters(reason: Any) -> str:
    """A finish reason as lower-case letters, up to a colon: `FinishReason.MAX_TOKENS` is `maxtokens`."""
    return re.sub("[^a-z]", "", str(reason).partition(":")[0].lower()).removeprefix("finishreason")


def _reply(body: bytes) -> dict[str, Any]:
    try:
        value = from_json(body, cache_mode="keys")
    except ValueError as bad:
        text = body[:2_000].decode("utf-8", "replace")
        raise Trouble(f"the reply is not JSON ({bad}): {text}", Again.LATER) from None
    if not isinstance(value, dict):
        raise Trouble("the reply is not a JSON object", Again.LATER)
    _raise_error(value)
    return value


def _raise_error(value: dict[str, Any]) -> None:
    """Raise the Trouble of an error in a reply (OpenRouter: in a choice) with status 200."""
    if error := value.get("error"):
        code = str(error.get("code")) if isinstance(error, dict) else ""
        reason, status = error_text(json.dumps(value).encode()), int(code) if re.fullmatch("[45][0-9][0-9]", code) else 0
        again = Again.REFUSED if about_content(reason) else Again.LATER
        raise Trouble(f"the reply is an error: {reason}", again, status=status)


def _text(message: Any) -> str:
    """The content of a reply, the texts of its blocks, or its refusal; without `reasoning_content`."""
    content = (message.get("content") or message.get("refusal") or "") if isinstance(message, dict) else None
    if isinstance(content, list):
        content = "".join(str(b.get("text", "")) for b in content if isinstance(b, dict) and b.get("type") == "text")
    if not isinstance(content, str):
        raise Trouble("the content of the reply is not text", Again.LATER)
    return content.strip()


def _count(usage: Any, name: str) -> int:
    value = usage.get(name) if isinstance(usage, dict) else None
    return value if type(value) is int and 0 <= value < 2**31 else 0


def _tokens(choice: dict[str, Any]) -> tuple[Token, ...] | None:
    """The log-probabilities; None if they are missing or one is invalid: the text is used without them."""
    try:
        return tuple([_token(entry) for entry in choice["logprobs"]["content"]]) or None
    except (LookupError, TypeError, ValueError, OverflowError, AttributeError):
        return None


def _token(entry: dict[str, Any]) -> Token:
    text = entry["token"]
    pairs = [(other["token"], _logprob(other["logprob"])) for other in entry.get("top_logprobs") or ()]
    if all(other != text for other, _ in pairs):
        pairs.append((text, _logprob(entry["logprob"])))
    if not all(isinstance(token, str) for token, _ in pairs):
        raise TypeError("a token is not text")
    return Token(text=text, logprobs=tuple(pairs))


def _logprob(value: Any) -> float:
    number = float(value)
    if isinstance(value, bool | str) or not number <= _ROUNDING:
        raise ValueError("not a log-probability")
    return min(number, 0.0)

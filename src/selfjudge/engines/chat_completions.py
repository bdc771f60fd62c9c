"""OpenAI's chat completions: writes requests, without what the server refuses; each reply is a completion or a `Trouble`."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from enum import Enum, auto
from functools import lru_cache
from pathlib import Path
from typing import Any

from jiter import from_json

from ..chat import Completion, Message, Request, Token
from ..ports import ReadImage
from ..run.pictures import bare
from ..types import Finish, ImageRef

ImagePath = Callable[[ImageRef], Path] | None

_MOST_LOGPROBS, _FEWER_LOGPROBS = 20, 5  # of OpenAI, and of servers that refuse 20
MANY_LOGPROBS = f"more than {_FEWER_LOGPROBS} top_logprobs"
_TOO_MANY = r"logprobs\b.*(max|most|less|greater|exceed|range|between|<)"
# A refusal of the value: without the parameter the server would answer, but sample differently.
_OUT_OF_RANGE = r"must be in\b|between|range|at most|at least|less than|greater than|maximum|exceed|too (large|high|low)|[<>≤≥]"
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


def parameters(request: Request, refused: frozenset[str]) -> dict[str, Any]:
    """The parameters of a request for a server that refuses some, without those that are off: `top_k` is not in OpenAI's API."""
    sampling = request.sampling
    sent: dict[str, Any] = {
        "temperature": sampling.temperature,
        "max_completion_tokens" if "max_tokens" in refused else "max_tokens": sampling.max_tokens,
        "seed": request.seed,
    }
    sent |= {"top_p": sampling.top_p} if sampling.top_p < 1 else {}
    sent |= {"top_k": sampling.top_k} if sampling.top_k else {}
    if sampling.logprobs and "logprobs" not in refused:
        most = _FEWER_LOGPROBS if MANY_LOGPROBS in refused else _MOST_LOGPROBS
        sent |= {"logprobs": True, "top_logprobs": min(sampling.logprobs, most)}
    sent |= {"continue_final_message": True, "add_generation_prompt": False} if request.continues else {}
    return {name: value for name, value in sent.items() if name not in refused}


def refused_parameter(message: str, request: Request, refused: frozenset[str]) -> str | None:
    """The parameter that a refusal of a request names and that can be left out; None without one."""
    sent = parameters(request, refused)
    if "max_tokens" in sent and "max_completion_tokens" in message and re.search("support|instead|unknown|allow", message):
        return "max_tokens"
    if sent.get("top_logprobs", 0) > _FEWER_LOGPROBS and re.search(_TOO_MANY, message):
        return MANY_LOGPROBS
    # Claude's newer models refuse temperature and top_p together, naming both: remove top_p.
    names = ("top_logprobs", "logprobs", "top_k", "seed", "top_p", "temperature")
    name = next((name for name in names if name in sent and re.search(rf"\b{name}\b", message)), None)
    out_of_range = name in ("temperature", "top_p", "top_k") and re.search(_OUT_OF_RANGE, message, re.IGNORECASE)
    return None if out_of_range else name


def described(refused: frozenset[str]) -> str:
    """How requests are sent to a server that refuses some parameters; empty if it refuses none."""
    renamed = ["with `max_completion_tokens` for `max_tokens`"] * ("max_tokens" in refused)
    return ", ".join([*(f"without `{name}`" for name in sorted(refused - {"max_tokens"})), *renamed])


class Writer:
    """Writes requests to a model. Images are data URLs, or `file://` URLs if `image_path` is given.

    The last images are cached: the samples and orders of a pair follow each other and show the same images.
    """

    def __init__(self, model: str, read_image: ReadImage, image_path: ImagePath) -> None:
        self._model, self._read, self._path = model, read_image, image_path
        self._image = lru_cache(32)(self._write_image)

    def body(self, request: Request, refused: frozenset[str]) -> bytes:
        opening = _json({"model": self._model, **parameters(request, refused)})[:-1]
        return b'%b,"messages":[%b]}' % (opening, b",".join(map(self._message, request.messages)))

    def _message(self, message: Message) -> bytes:
        blocks = [self._image(b) if isinstance(b, ImageRef) else b'{"type":"text","text":%b}' % _json(b) for b in message.content]
        content = b"[%b]" % b",".join(blocks)
        if len(blocks) == 1 and not message.images:
            content = _json(message.content[0])  # some servers know no other form for text alone
        return b'{"role":%b,"content":%b}' % (_json(message.role), content)

    def _write_image(self, ref: ImageRef) -> bytes:
        if self._path is not None:
            return b'{"type":"image_url","image_url":{"url":%b}}' % _json(self._path(ref).absolute().as_uri())
        data = base64.b64encode(bare(self._read(ref)))
        return b'{"type":"image_url","image_url":{"url":"data:%b;base64,%b"}}' % (ref.media_type.encode(), data)


def _json(value: Any) -> bytes:
    """JSON in ASCII, which can hold half a surrogate pair."""
    return json.dumps(value).encode()


class Again(Enum):
    """Whether to send a request again after a failure."""

    REFUSED = auto()  # no: the request itself is at fault
    NO = auto()  # no, and the server may be at fault
    LATER = auto()
    BUSY = auto()  # later, and with fewer requests in flight
    SILENT = auto()  # the same, once: the reply timed out
    UNREACHABLE = auto()  # later; nothing answered at the address


class Trouble(Exception):
    """A request failed: whether to send it again, after how many seconds if the server said so, and the status in its body."""

    def __init__(self, reason: str, again: Again, *, wait: float | None = None, details: str = "", status: int = 0) -> None:
        super().__init__(reason)
        self.again, self.wait, self.details, self.status = again, wait, details, status


def completion(request: Request, body: bytes, clean: Callable[[str], str]) -> Completion:
    """The completion in the body of a reply; `clean` removes from its texts what must not be stored. Raises Trouble.

    A blocked item (no choice, no message, a filter) is a refused completion, an unknown finish_reason a failed one.
    """
    try:
        value = from_json(body, cache_mode="keys")
    except ValueError as bad:
        raise Trouble(f"the reply is not JSON ({bad}): {body[:2_000].decode('utf-8', 'replace')}", Again.LATER) from None
    if not isinstance(value, dict):
        raise Trouble("the reply is not a JSON object", Again.LATER)
    _raise_error(value)
    choices, usage = value.get("choices"), value.get("usage")
    if not isinstance(choices, list) or (choices and not isinstance(choices[0], dict)):
        raise Trouble("the reply has no choices", Again.LATER)
    choice = choices[0] if choices else {}
    _raise_error(choice)
    reason, message = choice.get("finish_reason"), choice.get("message")
    finish = Finish.STOP if reason is None else FINISHES.get(letters(reason))
    blocked = message is None or finish is Finish.ERROR or (finish is Finish.STOP and _holds_nothing(message))
    good = finish is not None and not blocked
    end = f"{'blocked' if blocked else 'ended'} the reply with finish_reason {clean(json.dumps(reason))[:100]}"
    return Completion(
        key=request.key,
        text="" if message is None else clean(_text(message)),
        finish=finish if finish and good else Finish.ERROR,
        prompt_tokens=_count(usage, "prompt_tokens"),
        completion_tokens=_count(usage, "completion_tokens"),
        error=None if good else f"the server {end}",
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


def _raise_error(value: dict[str, Any]) -> None:
    """Raise the Trouble of an error in a reply (OpenRouter: in a choice) with status 200."""
    if error := value.get("error"):
        code = str(error.get("code")) if isinstance(error, dict) else ""
        reason, status = error_text(json.dumps(value).encode()), int(code) if re.fullmatch("[45][0-9][0-9]", code) else 0
        again = Again.REFUSED if about_content(reason) else Again.LATER
        raise Trouble(f"the reply is an error: {reason}", again, status=status)


def _holds_nothing(message: Any) -> bool:
    """Whether a message's content is null, and all else but its role. Reasoning alone is a reply, an empty text too."""
    return isinstance(message, dict) and "content" in message and all(message[key] is None for key in message if key != "role")


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
    text, listed = entry["token"], entry.get("top_logprobs") or ()
    names = [other["token"] for other in listed]
    numbers = [n if type(n := other["logprob"]) is float and n <= 0.0 else _logprob(n) for other in listed]  # a call takes time
    own = [] if text in names else [(text, _logprob(entry["logprob"]))]
    if {*map(type, names), type(text)} != {str}:
        raise TypeError("a token is not text")
    return Token(text=text, logprobs=(*zip(names, numbers, strict=True), *own))


def _logprob(value: Any) -> float:
    number = float(value)
    if isinstance(value, bool | str) or not number <= _ROUNDING:
        raise ValueError("not a log-probability")
    return min(number, 0.0)

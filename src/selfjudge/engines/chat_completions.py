"""OpenAI's chat completions on the wire: a request as the bytes of a body, and the bytes of a reply as a completion.

Nothing here does I/O. A body is kept in parts, so that an image is encoded once and shared by all requests that show it.
"""

from __future__ import annotations

import base64
import gc
import json
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from jiter import from_json

from ..chat import Completion, Message, Request, Sampling, Token
from ..ports import ReadImage
from ..types import Finish, ImageRef

ImagePath = Callable[[ImageRef], Path]

_CACHED_BYTES = 128 * 2**20
_MOST_LOGPROBS = 20
_FEWER_LOGPROBS = 5
"""What servers allow that refuse 20."""

_TOO_MANY = r"logprobs\b.*(max|most|less|greater|exceed|range|between|<)"

_SAMPLED = ("temperature", "top_p", "top_k")
_OUT_OF_RANGE = r"must be in\b|between|range|at most|at least|less than|greater than|maximum|exceed|too (large|high|low)|[<>≤≥]"
"""Words of a refusal that means the value. Without the parameter, every request would be answered, and sampled otherwise."""

_FINISHES = {"stop": Finish.STOP, None: Finish.STOP, "length": Finish.LENGTH}


class ImageBlocks:
    """Images as the JSON of content blocks: data URLs, or `file://` where the server may read our files.

    The blocks used last are kept, up to 128 MiB: the samples and orders of a pair follow each other and share theirs.
    """

    def __init__(self, read_image: ReadImage, image_path: ImagePath | None) -> None:
        self._read = read_image
        self._path = image_path
        self._kept: OrderedDict[ImageRef, bytes] = OrderedDict()
        self._size = 0

    def block(self, ref: ImageRef) -> bytes:
        if (found := self._kept.get(ref)) is not None:
            self._kept.move_to_end(ref)
            return found
        block = b'{"type":"image_url","image_url":{"url":%b}}' % self._url(ref)
        self._keep(ref, block)
        return block

    def _url(self, ref: ImageRef) -> bytes:
        if self._path is not None:
            return json.dumps(self._path(ref).absolute().as_uri()).encode()
        return b'"data:%b;base64,%b"' % (ref.media_type.encode(), base64.b64encode(self._read(ref)))

    def _keep(self, ref: ImageRef, block: bytes) -> None:
        self._kept[ref] = block
        self._size += len(block)
        while self._size > _CACHED_BYTES:
            _, oldest = self._kept.popitem(last=False)
            self._size -= len(oldest)


def message_parts(messages: Sequence[Message], images: ImageBlocks) -> tuple[bytes, ...]:
    """The JSON array of the messages, in parts to be joined; text and images stay in their order."""
    return tuple(_parts(messages, images))


def _parts(messages: Sequence[Message], images: ImageBlocks) -> Iterator[bytes]:
    for i, message in enumerate(messages):
        yield b'%b{"role":"%b","content":' % (b"," if i else b"[", message.role.encode())
        if len(message.content) == 1 and isinstance(message.content[0], str):
            yield as_json(message.content[0])  # every server knows this form, some of them no other for text alone
        else:
            yield from _blocks(message, images)
        yield b"}"
    yield b"]"


def _blocks(message: Message, images: ImageBlocks) -> Iterator[bytes]:
    yield b"["
    for i, block in enumerate(message.content):
        if i:
            yield b","
        yield images.block(block) if isinstance(block, ImageRef) else b'{"type":"text","text":%b}' % as_json(block)
    yield b"]"


def as_json(value: Any) -> bytes:
    """JSON in ASCII, so that half a surrogate pair is no error."""
    return json.dumps(value).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What a server does not take of a request's parameters, as its refusals taught."""

    without: frozenset[str] = frozenset()
    renamed: bool = False
    """`max_completion_tokens` stands for `max_tokens`."""
    most_logprobs: int = _MOST_LOGPROBS

    def parameters(self, sampling: Sampling, seed: int) -> dict[str, Any]:
        """The parameters of a request; what is off is left out, `top_k` above all, which is not OpenAI's."""
        wanted: dict[str, Any] = {
            "temperature": sampling.temperature,
            "max_completion_tokens" if self.renamed else "max_tokens": sampling.max_tokens,
            "seed": seed,
        }
        if sampling.top_p < 1:
            wanted["top_p"] = sampling.top_p
        if sampling.top_k:
            wanted["top_k"] = sampling.top_k
        if sampling.logprobs and "logprobs" not in self.without:
            wanted["logprobs"] = True
            wanted["top_logprobs"] = min(sampling.logprobs, self.most_logprobs)
        return {name: value for name, value in wanted.items() if name not in self.without}

    def after(self, refusal: str, sent: dict[str, Any]) -> Dialect | None:
        """What to try when a server refused a request in these words; None when they name no parameter that was sent."""
        if "max_tokens" in sent and "max_completion_tokens" in refusal and re.search("support|instead|unknown|allow", refusal):
            return self._with(renamed=True)
        if sent.get("top_logprobs", 0) > _FEWER_LOGPROBS and re.search(_TOO_MANY, refusal):
            return self._with(most_logprobs=_FEWER_LOGPROBS)
        # Claude's newer models refuse temperature and top_p together, naming both: top_p is the one to do without.
        for name in ("top_logprobs", "logprobs", "top_k", "seed", "top_p", "temperature"):
            if name in sent and re.search(rf"\b{name}\b", refusal):
                if name in _SAMPLED and re.search(_OUT_OF_RANGE, refusal, re.IGNORECASE):
                    return None
                return self._with(without=self.without | {name})
        return None

    def _with(self, **changes: Any) -> Dialect:
        values = {"without": self.without, "renamed": self.renamed, "most_logprobs": self.most_logprobs}
        return Dialect(**{**values, **changes})

    def joined(self, other: Dialect) -> Dialect:
        """What either of two refuses."""
        return Dialect(
            without=self.without | other.without,
            renamed=self.renamed or other.renamed,
            most_logprobs=min(self.most_logprobs, other.most_logprobs),
        )

    def __str__(self) -> str:
        said = [f"without `{name}`" for name in sorted(self.without)]
        said += ["with `max_completion_tokens` for `max_tokens`"] * self.renamed
        said += [f"with `top_logprobs` of at most {self.most_logprobs}"] * (self.most_logprobs < _MOST_LOGPROBS)
        return ", ".join(said) or "as it is"


def request_parts(model: str, dialect: Dialect, request: Request, messages: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """The body of a request, in parts to be joined; `messages` are the parts of its messages."""
    seed = b"" if "seed" in dialect.without else b',"seed":%d' % request.seed
    return (_opening(model, dialect, request.sampling), seed, b',"messages":', *messages, b"}")


@lru_cache(maxsize=64)
def _opening(model: str, dialect: Dialect, sampling: Sampling) -> bytes:
    """What requests of one kind begin with."""
    parameters = dialect.parameters(sampling, seed=0)
    parameters.pop("seed", None)
    return as_json({"model": model, **parameters})[:-1]


class BadReply(Exception):
    """A reply that is no chat completion. `status` is the one that an error in its body gives, if it does."""

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status


def error_text(body: bytes) -> str:
    """What a server says of an error, on one line: the message of OpenAI's form, or the start of what there is."""
    found: Any = None
    try:
        value = from_json(body)
        found = value.get("error", value.get("detail", value.get("message"))) if isinstance(value, dict) else value
        found = found[0] if isinstance(found, list) and found else found
        found = found.get("message", found.get("msg")) if isinstance(found, dict) else found
    except ValueError:
        pass
    text = found if isinstance(found, str) else body[:2_000].decode("utf-8", "replace")
    return " ".join(text.split())[:300]


def completion(request: Request, body: bytes) -> Completion:
    """The completion that the body of a reply holds. Raises BadReply."""
    # Log-probabilities are thousands of small objects, none of them in a cycle. Looking for cycles took two thirds of the time.
    was_on = gc.isenabled()
    gc.disable()
    try:
        return _completion(request, _reply(body))
    finally:
        if was_on:
            gc.enable()


def _completion(request: Request, value: dict[str, Any]) -> Completion:
    choices = value.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise BadReply("the reply has no choices")
    choice = choices[0]
    finish = choice.get("finish_reason")
    known = _FINISHES.get(finish) if finish is None or isinstance(finish, str) else None
    usage = value.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    return Completion(
        key=request.key,
        text=_text(choice.get("message")),
        finish=known or Finish.ERROR,
        prompt_tokens=_count(usage.get("prompt_tokens")),
        completion_tokens=_count(usage.get("completion_tokens")),
        error=None if known else f"the server ended the reply with finish_reason {json.dumps(finish)}",
        tokens=_tokens(choice) if request.sampling.logprobs else None,
        refused=known is None,
    )


def _reply(body: bytes) -> dict[str, Any]:
    try:
        value = from_json(body, cache_mode="keys")
    except ValueError as error:
        raise BadReply(f"the reply is not JSON: {body[:80].decode('utf-8', 'replace')!r} ({error})") from error
    if not isinstance(value, dict):
        raise BadReply("the reply is no JSON object")
    if value.get("error"):
        code = value["error"].get("code") if isinstance(value["error"], dict) else None
        raise BadReply(f"the reply is an error: {error_text(body)}", code if isinstance(code, int) else None)
    return value


def _text(message: Any) -> str:
    """The words of a reply: its content, the texts of its blocks, or the refusal in its place."""
    if not isinstance(message, dict):
        raise BadReply("the reply has no message")
    content = message.get("content") or message.get("refusal") or ""
    if isinstance(content, list):
        content = "".join(str(b.get("text", "")) for b in content if isinstance(b, dict) and b.get("type") == "text")
    if not isinstance(content, str):
        raise BadReply("the content of the reply is no text")
    return content.strip()


def _count(value: Any) -> int:
    return value if isinstance(value, int) and 0 <= value < 2**31 else 0


def _tokens(choice: dict[str, Any]) -> tuple[Token, ...] | None:
    """The log-probabilities; None where there are none, or none that can be read: the text stands without them."""
    try:
        return tuple(map(_token, choice["logprobs"]["content"]))
    except (KeyError, TypeError, ValueError):
        return None


def _token(place: dict[str, Any]) -> Token:
    text = place["token"]
    pairs = tuple([(other["token"], float(other["logprob"])) for other in place.get("top_logprobs") or ()])
    if all(other != text for other, _ in pairs):
        pairs += ((text, float(place["logprob"])),)
    return Token(text=text, logprobs=pairs)

"""A request as the body of a chat completion, and what servers refuse of it."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..chat import Message, Request
from ..ports import ReadImage
from ..types import ImageRef

ImagePath = Callable[[ImageRef], Path]

_CACHED_IMAGES = 32
_MOST_LOGPROBS = 20
_FEWER_LOGPROBS = 5
"""What servers allow that refuse 20."""
_TOO_MANY = r"logprobs\b.*(max|most|less|greater|exceed|range|between|<)"
_SAMPLED = ("temperature", "top_p", "top_k")
_OUT_OF_RANGE = r"must be in\b|between|range|at most|at least|less than|greater than|maximum|exceed|too (large|high|low)|[<>≤≥]"
"""Words of a refusal that means the value. Without the parameter, every request would be answered, and sampled otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What a server does not take of a request's parameters, as its refusals taught."""

    without: frozenset[str] = frozenset()
    renamed: bool = False
    """`max_completion_tokens` stands for `max_tokens`."""
    most_logprobs: int = _MOST_LOGPROBS

    def parameters(self, request: Request) -> dict[str, Any]:
        """The parameters of a request; what is off is left out, `top_k` above all, which is not OpenAI's."""
        sampling = request.sampling
        wanted: dict[str, Any] = {
            "temperature": sampling.temperature,
            "max_completion_tokens" if self.renamed else "max_tokens": sampling.max_tokens,
            "seed": request.seed,
        }
        if sampling.top_p < 1:
            wanted["top_p"] = sampling.top_p
        if sampling.top_k:
            wanted["top_k"] = sampling.top_k
        if sampling.logprobs and "logprobs" not in self.without:
            wanted |= {"logprobs": True, "top_logprobs": min(sampling.logprobs, self.most_logprobs)}
        return {name: value for name, value in wanted.items() if name not in self.without}

    def after(self, refusal: str, request: Request) -> Dialect | None:
        """What to try when a server refused a request in these words; None when they name no parameter that was sent."""
        sent = self.parameters(request)
        if "max_tokens" in sent and "max_completion_tokens" in refusal and re.search("support|instead|unknown|allow", refusal):
            return replace(self, renamed=True)
        if sent.get("top_logprobs", 0) > _FEWER_LOGPROBS and re.search(_TOO_MANY, refusal):
            return replace(self, most_logprobs=_FEWER_LOGPROBS)
        # Claude's newer models refuse temperature and top_p together, naming both: top_p is the one to do without.
        for name in ("top_logprobs", "logprobs", "top_k", "seed", "top_p", "temperature"):
            if name in sent and re.search(rf"\b{name}\b", refusal):
                if name in _SAMPLED and re.search(_OUT_OF_RANGE, refusal, re.IGNORECASE):
                    return None
                return replace(self, without=self.without | {name})
        return None

    def joined(self, other: Dialect) -> Dialect:
        """What either of two refuses."""
        most = min(self.most_logprobs, other.most_logprobs)
        return Dialect(without=self.without | other.without, renamed=self.renamed or other.renamed, most_logprobs=most)

    def __str__(self) -> str:
        said = [f"without `{name}`" for name in sorted(self.without)]
        said += ["with `max_completion_tokens` for `max_tokens`"] * self.renamed
        said += [f"with `top_logprobs` of at most {self.most_logprobs}"] * (self.most_logprobs < _MOST_LOGPROBS)
        return ", ".join(said) or "as it is"


class Writer:
    """Writes requests to a model. Images are data URLs, or `file://` where the server may read our files.

    The images used last are kept: the samples and orders of a pair follow each other and share theirs.
    """

    def __init__(self, model: str, read_image: ReadImage, image_path: ImagePath | None) -> None:
        self._model = model
        self._read = read_image
        self._path = image_path
        self._image = lru_cache(_CACHED_IMAGES)(self._write_image)

    def body(self, request: Request, dialect: Dialect) -> bytes:
        opening = _json({"model": self._model, **dialect.parameters(request)})[:-1]
        return b'%b,"messages":[%b]}' % (opening, b",".join(map(self._message, request.messages)))

    def _message(self, message: Message) -> bytes:
        if len(message.content) == 1 and isinstance(message.content[0], str):
            content = _json(message.content[0])  # every server knows this form, some of them no other for text alone
        else:
            content = b"[%b]" % b",".join(map(self._block, message.content))
        return b'{"role":%b,"content":%b}' % (_json(message.role), content)

    def _block(self, block: str | ImageRef) -> bytes:
        return self._image(block) if isinstance(block, ImageRef) else b'{"type":"text","text":%b}' % _json(block)

    def _write_image(self, ref: ImageRef) -> bytes:
        if self._path is not None:
            url = self._path(ref).absolute().as_uri().encode()
        else:
            url = b"data:%b;base64,%b" % (ref.media_type.encode(), base64.b64encode(self._read(ref)))
        return b'{"type":"image_url","image_url":{"url":"%b"}}' % url


def _json(value: Any) -> bytes:
    """JSON in ASCII, so that half a surrogate pair is no error."""
    return json.dumps(value).encode()

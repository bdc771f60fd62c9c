"""Writes a request as the body of a chat completion, without the parameters that the server refuses."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..chat import Message, Request
from ..ports import ReadImage
from ..types import ImageRef

ImagePath = Callable[[ImageRef], Path]

_CACHED_IMAGES = 32
_MOST_LOGPROBS, _FEWER_LOGPROBS = 20, 5  # of OpenAI, and of servers that refuse 20
MANY_LOGPROBS = f"more than {_FEWER_LOGPROBS} top_logprobs"
_TOO_MANY = r"logprobs\b.*(max|most|less|greater|exceed|range|between|<)"
# Marks a refusal of the value: without the parameter the server would answer, but sample differently.
_OUT_OF_RANGE = r"must be in\b|between|range|at most|at least|less than|greater than|maximum|exceed|too (large|high|low)|[<>≤≥]"


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

    def __init__(self, model: str, read_image: ReadImage, image_path: ImagePath | None) -> None:
        self._model, self._read, self._path = model, read_image, image_path
        self._image = lru_cache(_CACHED_IMAGES)(self._write_image)

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
        data = base64.b64encode(self._read(ref))
        return b'{"type":"image_url","image_url":{"url":"data:%b;base64,%b"}}' % (ref.media_type.encode(), data)


def _json(value: Any) -> bytes:
    """JSON in ASCII, which can hold half a surrogate pair."""
    return json.dumps(value).encode()

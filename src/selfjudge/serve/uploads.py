"""Forms: `multipart/form-data` becomes the JSON request with the same fields, so that one set of rules holds for both."""

from __future__ import annotations

import base64
import json
from typing import Any

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message, Receive, Scope

_LISTS = ("images", "responses", "documents")
_COUNTS = ("comparisons", "top_n")
_FLAGS = {"return_documents": {"true": True, "false": False}}


def is_form(scope: Scope) -> bool:
    """Whether a request says that its body is a form."""
    kind: bytes = dict(scope["headers"]).get(b"content-type", b"")
    return scope["method"] == "POST" and kind.lower().startswith(b"multipart/form-data")


async def as_json(scope: Scope, receive: Receive) -> tuple[Scope, Message]:
    """The same request with its form as JSON. Raises ValueError where it is none."""
    try:
        async with Request(scope, receive).form() as form:
            fields = {name: await _field(form, name) for name in form}
    except HTTPException as error:
        raise ValueError(f"the form cannot be read: {error.detail}") from error
    headers = [(name, value) for name, value in scope["headers"] if name not in (b"content-type", b"content-length")]
    sent = {**scope, "headers": [*headers, (b"content-type", b"application/json")]}
    return sent, {"type": "http.request", "body": json.dumps(fields).encode(), "more_body": False}


async def _field(form: FormData, name: str) -> Any:
    values = [await _text(value) for value in form.getlist(name)]
    if name in _LISTS:
        return values
    value = values[-1]
    return int(value) if name in _COUNTS and value.isdecimal() else _FLAGS.get(name, {}).get(value.lower(), value)


async def _text(value: UploadFile | str) -> str:
    """A field, or a file in base64."""
    return value if isinstance(value, str) else base64.b64encode(await value.read()).decode()

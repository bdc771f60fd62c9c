"""What a model's tokenizer reads as control tokens, and text that cannot pass for one."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from .chat import Message
from .types import ImageRef


def control_tokens(processor: Any) -> tuple[str, ...]:
    """The texts that this processor would read as control tokens, longest first; single characters are left alone."""
    tokenizer = processor.tokenizer
    marks = {*tokenizer.all_special_tokens, *(str(t) for t in tokenizer.added_tokens_decoder.values() if t.special)}
    marks.update(
        str(getattr(processor, name))
        for name in ("image_token", "video_token", "boi_token", "eoi_token")
        if getattr(processor, name, None)
    )
    return _longest_first(marks)


def control_tokens_in(folder: Path) -> tuple[str, ...]:
    """The same of a model's folder, from its `tokenizer.json`, without transformers; nothing where there is none."""
    added: Any = []
    with suppress(OSError, ValueError, KeyError, TypeError):  # whoever loads the model says what is wrong with it
        added = json.loads((folder / "tokenizer.json").read_text("utf-8"))["added_tokens"]
    return _longest_first(token["content"] for token in added if token.get("special"))


def _longest_first(marks: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted((mark for mark in set(marks) if len(mark) > 1), key=lambda mark: (-len(mark), mark)))


def plain(message: Message, marks: tuple[str, ...]) -> Message:
    """The message with these control tokens broken, by a backslash before their last character."""
    content = tuple(block if isinstance(block, ImageRef) else _broken(block, marks) for block in message.content)
    return Message(role=message.role, content=content)


def _broken(text: str, marks: tuple[str, ...]) -> str:
    for mark in marks:
        text = text.replace(mark, f"{mark[:-1]}\\{mark[-1]}")
    return text

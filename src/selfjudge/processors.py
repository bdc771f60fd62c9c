"""What a processor of images and text reads as control tokens, and text that cannot pass for one."""

from __future__ import annotations

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
    return tuple(sorted((m for m in marks if len(m) > 1), key=lambda m: (-len(m), m)))


def plain(message: Message, marks: tuple[str, ...]) -> Message:
    """The message with these control tokens broken, by a backslash before their last character."""
    content = tuple(block if isinstance(block, ImageRef) else _broken(block, marks) for block in message.content)
    return Message(role=message.role, content=content)


def _broken(text: str, marks: tuple[str, ...]) -> str:
    for mark in marks:
        text = text.replace(mark, f"{mark[:-1]}\\{mark[-1]}")
    return text

"""Prompt templates, and filling them so that no response can pass for a part of the template.

A template is text with placeholders in braces. Filling is one pass over the placeholders: braces and placeholders inside
a value stay as they are. The literal text next to a placeholder delimits its value; wherever a value contains such a
delimiter, or a verdict such as `[[A]]`, or a chat control token, a backslash is put before its last character.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from ..chat import Block, Message
from ..types import ImageRef

IMAGES = "images"
"""The placeholder that stands for the images of the prompt."""

PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")

_VERDICT = re.compile(r"\[\[[^\[\]]{0,20}\]\]")
_CONTROL = re.compile(r"<\|[^<>|]{1,40}\|>|</?[a-z][a-z0-9_-]{0,40}>|\[/?(?:INST|IMG(?:_BREAK|_END)?)\]", re.IGNORECASE)

JUDGE = """\
Two responses were given to the same request about the image. Decide which of them is better.

{images}
[Request begins]
{question}
[Request ends]

[Response A begins]
{first}
[Response A ends]

[Response B begins]
{second}
[Response B ends]

Say where the two responses differ and what each of them claims there. Look at the image again and say what it shows in \
that place. A response that is right about the image beats one that is not; after that, what was asked for and only that. \
The order of the responses, their length and their style do not count.
End with one line that holds your verdict and nothing else: [[A]] if response A is better, [[B]] if response B is better.
"""
"""The judge's prompt: instructions and image first, so that both orders and all samples of a pair share their prefix."""


def placeholders(template: str) -> set[str]:
    """The names in braces that a template declares."""
    return set(PLACEHOLDER.findall(template))


@lru_cache
def delimiters(template: str) -> tuple[str, ...]:
    """The literal lines that touch a placeholder and hold more than letters: what tells a model where a value ends.

    Not those that cannot be broken, such as the quotes of `"{first}"`.
    """
    found: set[str] = set()
    for piece in PLACEHOLDER.split(template)[::2]:
        lines = [line.strip() for line in piece.strip().splitlines()]
        found.update(line for line in (lines[:1] + lines[-1:]) if re.search(r"[^\w\s]", line) and _breakable(line))
    return tuple(sorted(found, key=lambda line: (-len(line), line)))


def defuse(text: str, marks: tuple[str, ...]) -> str:
    """The text with every delimiter, verdict and control token broken by a backslash, as the module's text says."""
    for pattern in (*_patterns(marks), _VERDICT, _CONTROL):
        while pattern.search(text):  # again, for marks that overlap themselves
            text = pattern.sub(lambda found: _broken(found.group()), text)
    return text


def _breakable(mark: str) -> bool:
    """Whether a backslash ends a mark, and ordinary text is spared: `"` and `**` stand in every other answer."""
    size = len("".join(mark.split()))
    return "\\" not in mark and (size > 2 or (size == 2 and re.search(r"\w", mark) is not None))


@lru_cache
def _patterns(marks: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    spaced = (r"\s*".join(re.escape(word) for word in mark.split()) for mark in marks if _breakable(mark))
    return tuple(re.compile(mark, re.IGNORECASE) for mark in spaced)


def _broken(mark: str) -> str:
    return f"{mark[:-1]}\\{mark[-1]}"


def fill(template: str, values: Mapping[str, str], images: tuple[ImageRef, ...], *, verbatim: bool = False) -> Message:
    """The user's turn that a template makes of its values, the images standing where `{images}` does.

    `verbatim` leaves the values as they are. A template without `{images}` shows them first. Raises KeyError for a placeholder
    that `values` does not have.
    """
    marks = () if verbatim else delimiters(template)
    blocks: list[Block] = [] if IMAGES in placeholders(template) else list(images)
    for place, piece in enumerate(PLACEHOLDER.split(template)):
        if place % 2 and piece == IMAGES:
            blocks.extend(images)
        else:
            text = piece if not place % 2 else values[piece] if verbatim else defuse(values[piece], marks)
            _append(blocks, text)
    return Message(role="user", content=tuple(block for block in _trimmed(blocks) if block))


def _append(blocks: list[Block], text: str) -> None:
    if blocks and isinstance(blocks[-1], str):
        blocks[-1] += text
    else:
        blocks.append(text)


def _trimmed(blocks: list[Block]) -> list[Block]:
    return [block.strip() if isinstance(block, str) else block for block in blocks]

"""Prompt templates, and filling them so that no response can pass for a part of the template.

A template is text with placeholders in braces. Filling is one pass over the placeholders: braces and placeholders inside
a value stay as they are. The literal text next to a placeholder delimits its value; wherever a value contains such a
delimiter, or a verdict such as `[[A]]`, or a chat control token, or what looks like one, a backslash is put before its last
character. Everything else stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from functools import lru_cache, partial
from itertools import pairwise

from ..chat import Block, Message
from ..types import ImageRef
from .control_tokens import control_tokens
from .lookalikes import UNSEEN, plain

IMAGES = "images"
"""The placeholder that stands for the images of the prompt."""

PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")

_ANCHOR = re.compile(r"\[\s*\[\s{0,9}([^\[\]\n]{1,80}?)\s{0,9}\]\s*\]|\\\[\\\[([^\[\]\n]{1,80}?)\\\]\\\]")
_BRACKETS = re.compile(r"\[([^\[\]\\]{6,80})\]")
_SIDE = r"(?:[ABC]|(?i:response|answer|assistant|option)\W*(?i:[abc]))"
_VERDICT = re.compile(rf"(?!.*[=!<>]=)[\W_]*(?:{_SIDE}(?:\W*(?:or|and|vs)?\W*{_SIDE}|(?i:\W*is better))?|(?i:tie))[\W_]*")
"""What an anchor holds that a judge could have written: a verdict, a tie or a comparison."""

JUDGE = """\
{images}
Two responses were given to one request about the image. Decide which of them is better.

[Request begins]
{question}
[Request ends]

Work in this order:
1. Before you read the responses, note in a few short lines what the image shows that matters for this request.
2. For each point where the responses differ, quote what A claims and what B claims, look at the image again, and say what it \
shows there.
3. Decide by the first of these that sets them apart: harm done, or help refused without need; what is false about the image; \
a wrong or incomplete answer; what was not asked for. The order of the responses, their length and their style do not count.
4. End with one line that holds your verdict and nothing else: Verdict: [[A]] if response A is better, Verdict: [[B]] if \
response B is better.

[Response A begins]
{first}
[Response A ends]

[Response B begins]
{second}
[Response B ends]

Begin with what the image shows.
"""
"""The judge's prompt: image, request and instructions first, so that both orders and all samples of a pair share their prefix."""


def placeholders(template: str) -> set[str]:
    """The names in braces that a template declares."""
    return set(PLACEHOLDER.findall(template))


@lru_cache
def delimiters(template: str) -> tuple[str, ...]:
    """The literal lines that touch a placeholder and hold more than letters: what tells a model where a value ends.

    Not those that cannot be broken, such as the quotes of `"{first}"`.
    """
    found = {line for piece in PLACEHOLDER.split(template)[::2] for line in _touching(piece)}
    return tuple(sorted(found, key=lambda line: (-len(line), line)))


def _touching(piece: str) -> set[str]:
    """The delimiters of a piece of literal text."""
    lines = [line.strip() for line in piece.strip().splitlines()]
    return {line for line in (lines[:1] + lines[-1:]) if re.search(r"[^\w\s]", line) and _breakable(line)}


def unprotected(template: str, values: Set[str]) -> str | None:
    """What begins or ends one of these values in a template and cannot be broken inside of it, so that a value could forge it.

    Words alone, such as `ANSWER A`, are ordinary text, and a quotation mark or a dash stands in every other answer. An end that
    is only such a mark is let pass: no more than the end of the whole prompt does it say what follows.
    """
    pieces = PLACEHOLDER.split(template)
    for place in range(0, len(pieces), 2):
        before, after = pieces[max(place - 1, 0)], pieces[min(place + 1, len(pieces) - 1)]
        begins, ends = place + 1 < len(pieces) and after in values, place > 0 and before in values
        first = place == 0 or (not pieces[place].strip() and before == IMAGES)
        needed = (begins and not first) or (ends and re.search(r"\w", pieces[place]))
        if needed and not _touching(pieces[place]):
            return pieces[place]
    return None


def _breakable(mark: str) -> bool:
    """Whether a backslash ends a mark, and ordinary text is spared: `"` and `**` stand in every other answer."""
    size = len("".join(mark.split()))
    return "\\" not in mark and (size > 2 or (size == 2 and re.search(r"\w", mark) is not None))


def defuse(text: str, marks: tuple[str, ...]) -> str:
    """The text with every delimiter, verdict and control token broken by a backslash, as the module's text says.

    Once is enough: the result is its own.
    """
    seen = plain(text)
    for find in (partial(_standing_marks, marks=marks), control_tokens, _standing_verdicts):
        while ends := _ends(find, seen):  # again, for marks that overlap themselves
            text, seen = _broken(text, ends), _broken(seen, ends)
    return text


def _ends(find: Callable[[str], Iterator[re.Match[str]]], seen: str) -> set[int]:
    """Where what is found ends, in a text whose invisible characters hide nothing."""
    if UNSEEN not in seen:
        return {found.end() for found in find(seen)}
    places = [place for place, character in enumerate(seen, start=1) if character != UNSEEN]
    return {places[found.end() - 1] for found in find(seen.replace(UNSEEN, ""))}


def _broken(text: str, ends: Iterable[int]) -> str:
    """The text with a backslash before the last character of each mark that ends there."""
    return "\\".join(text[start:stop] for start, stop in pairwise((0, *sorted(end - 1 for end in ends), len(text))))


def _standing_marks(text: str, marks: tuple[str, ...]) -> Iterator[re.Match[str]]:
    """What passes for a delimiter, in a text without look-alikes and invisible characters."""
    squeezed = _squeezed(text)
    for start, mark in _patterns(marks):
        if start in squeezed:
            yield from mark.finditer(text)
    yield from (found for found in _BRACKETS.finditer(text) if _resembles(found[1], marks))


def _standing_verdicts(text: str) -> Iterator[re.Match[str]]:
    for found in _ANCHOR.finditer(text):
        held = found[1] or found[2]
        if _is_verdict(held) or (held in ("a", "b") and not re.search(r"[\w)\]`]$", text[: found.start()][-1:])):
            yield found


def _squeezed(text: str) -> str:
    """The text without case and white space."""
    return "".join(text.casefold().split())


@lru_cache
def _patterns(marks: tuple[str, ...]) -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Each mark squeezed, and the pattern of all its spellings."""
    spelled = ["".join(plain(mark).replace(UNSEEN, "").split()) for mark in marks]
    return tuple(
        (_squeezed(mark), re.compile(r"\s*".join(map(re.escape, mark)), re.IGNORECASE)) for mark in spelled if _breakable(mark)
    )


@lru_cache
def _is_verdict(held: str) -> bool:
    return _VERDICT.fullmatch(held) is not None


@lru_cache
def _worded(marks: tuple[str, ...]) -> tuple[frozenset[str], ...]:
    """The words of the delimiters in square brackets, each by its first three letters."""
    return tuple(_stems(mark) for mark in marks if mark.startswith("[") and mark.endswith("]") and len(_stems(mark)) > 1)


def _stems(text: str) -> frozenset[str]:
    return frozenset(word[:3] for word in re.findall(r"\w+", text.casefold()))


@lru_cache
def _resembles(bracketed: str, marks: tuple[str, ...]) -> bool:
    """Whether it has two thirds of the words of a delimiter, as `[End of response A]` has, and few of its own."""
    words = _stems(bracketed)
    return any(3 * len(words & mark) >= 2 * len(mark) and len(words - mark) < 2 for mark in _worded(marks))


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

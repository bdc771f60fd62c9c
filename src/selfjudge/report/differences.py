"""Where two texts differ, word by word, and texts of others as a page may show them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import SequenceMatcher

from markupsafe import Markup, escape

from ..method.alteration import common
from ..types import storable

LONGEST = 2_000
"""Characters of a text that a page shows."""
_MOST_WORDS = 400
"""Differing words that are compared with each other; a comparison takes their square."""
_WORDS = re.compile(r"\s+|\w+|[^\w\s]")
_NAME = re.compile(r"`([^`]+)`")
_ACTING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
"""Control characters except tabs and newlines, and marks that change the writing direction."""

Piece = tuple[bool, str]
"""A part of a text, and whether the other text lacks it."""


def marked(one: str, other: str) -> tuple[list[Piece], list[Piece]]:
    """Both texts in pieces that are in the other one or not."""
    words, others = _WORDS.findall(one), _WORDS.findall(other)
    start = common(words, others)
    end = common(words[start:][::-1], others[start:][::-1])
    middle, opposite = words[start : len(words) - end], others[start : len(others) - end]
    left, right = _compared(middle, opposite)
    before, after = "".join(words[:start]), "".join(words[len(words) - end :])
    return _whole(before, left, after), _whole(before, right, after)


def visible(text: str, longest: int = LONGEST) -> str:
    """The beginning of a text, with names in place of characters that act, and how much was left out."""
    more = len(text) - longest
    shown = _ACTING.sub(lambda found: f"[U+{ord(found[0]):04X}]", storable(text[:longest]))
    return shown + (f" … {more:,} more characters" if more > 0 else "")


def coded(text: str) -> Markup:
    """The text with `names` as code."""
    return Markup(_NAME.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704  # escaped


def _compared(words: list[str], others: list[str]) -> tuple[list[Piece], list[Piece]]:
    if max(len(words), len(others)) > _MOST_WORDS:
        return [(True, "".join(words))], [(True, "".join(others))]
    left: list[Piece] = []
    right: list[Piece] = []
    for tag, i, j, k, m in SequenceMatcher(None, words, others, autojunk=False).get_opcodes():
        left.append((tag != "equal", "".join(words[i:j])))
        right.append((tag != "equal", "".join(others[k:m])))
    return left, right


def _whole(before: str, pieces: list[Piece], after: str) -> list[Piece]:
    return list(_joined([(False, before), *pieces, (False, after)]))


def _joined(pieces: list[Piece]) -> Iterator[Piece]:
    """Pieces without empty ones; what differs on both sides of white space is one piece with it."""
    known = [piece for piece in pieces if piece[1]]
    while known:
        differs, text = known.pop(0)
        while known and (known[0][0] == differs or (differs and len(known) > 1 and known[0][1].isspace() and known[1][0])):
            text += known.pop(0)[1]
        yield differs, text

"""Stage I, open prompts: what one error is asked for and how, which responses are of no use, and where two texts differ.

Whether an edit truly is an error nobody checks here: Stage II is the filter (reference: arXiv 2512.05145, stage I).
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Literal

import regex

from ..types import Edit, Finish
from .languages import table
from .refusals import refuses
from .thinking import spoken

INSTRUCTIONS: Mapping[str, str] = {
    "attribute": "the colour, size, shape or material of one thing",
    "count": "how many there are of one thing",
    "position": "where one thing is, or how two things stand to each other",
    "identity": "what one thing is, by naming another that could stand in its place",
    "action": "what one person, animal or thing is doing",
    "text": "one word or number that is written in the image, or that was read off it",
}
"""What the copy gets wrong, by name. The kinds of change are those reported for the paper (attributes, counts, positions
and spatial relations), with three of our own."""

_SHOWN = """\
{images}
Here is a request about the image and a response to it.
[Request begins]
{question}
[Request ends]
[Response begins]
{response}
[Response ends]
"""

REPLACE = f"""\
{_SHOWN}\
Choose one phrase of the response, one to five words that stand in it only once, and write what to put in its place, so that the \
sentence reads as well as before but is false about the image. The error is about %s, and nothing else is wrong. If the \
response says nothing of that kind, write NONE. Answer with these two lines and nothing else, the phrase copied exactly:
FROM: <the phrase>
TO: <what to put in its place>
"""
"""The request for a phrase and its replacement; `%s` takes one of INSTRUCTIONS."""

REWRITE = f"""\
{_SHOWN}\
Write the response again with exactly one factual error, about %s. Keep every other word, the style, the format and \
the length as they are, and do not hint at the change. Write the new response and nothing else.
"""
"""The request for a whole altered copy; `%s` takes one of INSTRUCTIONS."""

Mode = Literal["replace", "rewrite"]


def default_templates(mode: Mode) -> dict[str, str]:
    """One complete template for each of INSTRUCTIONS."""
    return {name: (REPLACE if mode == "replace" else REWRITE) % what for name, what in INSTRUCTIONS.items()}


_CUES = {name: re.compile(cue, re.IGNORECASE) for name, cue in table("cue").items()}
_LOOKED_AT = 5_000
"""Characters of a response in which a chance is looked for."""
_ENGLISH = re.compile(r"\b(?:the|an?|is|are|of|in)\b", re.IGNORECASE)


def offered(response: str, names: Iterable[str]) -> list[str]:
    """Those of the instructions that the response gives a chance to follow, in order; all where that cannot be told.

    Only the names of INSTRUCTIONS are known, and only an English response is looked at.
    """
    names, response = sorted(names), response[:_LOOKED_AT]
    if not _ENGLISH.search(response):
        return names
    return [name for name in names if name not in _CUES or _CUES[name].search(response)] or names


JOINED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
"""Kana and ideographs, which have no spaces between words, for a class of characters."""
_WORD = regex.compile(rf"[{JOINED}]|[^\W{JOINED}]+(?:[-'’.,][^\W{JOINED}]+)*|[^\w\s]")


def words(text: str) -> list[str]:
    """Words and punctuation marks of a text, in order; `top-left`, `1,000`, `don't` and an ideograph are one word each."""
    return _WORD.findall(text)


def flaw(text: str, finish: Finish) -> str | None:
    """Why a response is of no use, or None: `failed`, `cut_off`, `empty` or `refused`."""
    if finish is Finish.ERROR:
        return "failed"
    if finish is Finish.LENGTH:
        return "cut_off"
    said = spoken(text)
    if not said:
        return "empty"
    return "refused" if refuses(said) else None


LONGEST_TEXT = 20_000
"""CHOSEN: characters of a text that is compared word by word; what is longer is one edit as a whole."""
MOST_MATCHES = 50_000
"""Pairs of equal words up to which two texts are aligned word by word; differences in longer ones become one edit."""


def locate(original: str, altered: str) -> tuple[Edit, ...]:
    """The places where the copy differs, by whole words, in reading order. Words are joined by single spaces."""
    if max(len(original), len(altered)) > LONGEST_TEXT:
        return () if original == altered else (Edit(before=" ".join(original.split()), after=" ".join(altered.split())),)
    before, after = words(original), words(altered)
    start = common(before, after)
    end = common(before[start:][::-1], after[start:][::-1])
    before, after = before[start : len(before) - end], after[start : len(after) - end]
    counts = Counter(after)
    if sum(times * counts[word] for word, times in Counter(before).items()) > MOST_MATCHES:
        return (Edit(before=" ".join(before), after=" ".join(after)),)
    blocks = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    return tuple(Edit(before=" ".join(before[i:j]), after=" ".join(after[k:m])) for tag, i, j, k, m in blocks if tag != "equal")


def common(one: list[str], other: list[str]) -> int:
    """How many words two lists have in common at their beginning."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))

"""Stage I, open prompts: ask for a copy with one error, check the copy, and locate what changed.

Whether an edit truly is an error nobody checks here: Stage II is the filter (reference: arXiv 2512.05145, stage I).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

from ..types import Edit, Finish
from .refusals import refuses

INSTRUCTIONS: Mapping[str, str] = {
    "attribute": "the colour, size, shape or material of one thing",
    "count": "how many there are of one thing",
    "position": "where one thing is, or how two things lie to each other",
    "identity": "what one thing is: name another that could stand in its place",
    "action": "what one person, animal or thing is doing",
    "text": "one word or number that is written in the image, or that was read off it",
}
"""What the copy gets wrong, by name. The kinds of change are those reported for the paper (attributes, counts, positions
and spatial relations), with three of our own."""

ALTER = """\
{images}
Here is a request about the image and a response to it.
[Request begins]
{question}
[Request ends]
[Response begins]
{response}
[Response ends]
Write the response again with exactly one factual error: get %s wrong. Keep every other word, the style, the format and \
the length as they are, and do not hint at the change. Write the new response and nothing else.
"""
"""The request for an altered copy; `%s` takes one of INSTRUCTIONS."""


def default_templates() -> dict[str, str]:
    """One complete template for each of INSTRUCTIONS."""
    return {name: ALTER % what for name, what in INSTRUCTIONS.items()}


_WORD = re.compile(r"\w+(?:[-'’.,]\w+)*|[^\w\s]")


def words(text: str) -> list[str]:
    """Words and punctuation marks of a text, in order; `top-left`, `1,000` and `don't` are one word each."""
    return _WORD.findall(text)


def flaw(text: str, finish: Finish) -> str | None:
    """Why a response is of no use, or None: `failed`, `cut_off`, `empty` or `refused`."""
    if finish is Finish.ERROR:
        return "failed"
    if finish is Finish.LENGTH:
        return "cut_off"
    if not text.strip():
        return "empty"
    return "refused" if refuses(text) else None


def copy_flaw(original: str, altered: str, finish: Finish) -> str | None:
    """Why an altered copy makes no pair, or None: the reasons of `flaw`, `unchanged`, or `only_spacing_or_case`."""
    reason = flaw(altered, finish)
    if reason is not None:
        return f"altered_{reason}"
    if altered.strip() == original.strip():
        return "unchanged"
    if _folded(altered) == _folded(original):
        return "only_spacing_or_case"
    return None


def _folded(text: str) -> str:
    return "".join(text.split()).casefold()


def locate(original: str, altered: str) -> tuple[Edit, ...]:
    """The places where the copy differs, by whole words, in reading order. Words are joined by single spaces."""
    before, after = words(original), words(altered)
    blocks = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    return tuple(Edit(before=" ".join(before[i:j]), after=" ".join(after[k:m])) for tag, i, j, k, m in blocks if tag != "equal")

"""Answers whose every sign counts: points by their coordinates, versions, telephone numbers and registrations."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import regex

from ..languages import compiled, words
from .numbers import show
from .question import Question

_COORDINATE = r"-?\d{1,9}(?:\.\d{1,9}|/[1-9]\d{0,8})?"
_POINT = regex.compile(
    rf"(?<![\w^√)])(?!\(\d{{1,3}}(?:,\d{{3}})+\))\(\s*({_COORDINATE})(?:\s*[,;]\s*({_COORDINATE})){{1,2}}\s*\)"
)


def point(parts: Sequence[str]) -> str | None:
    """The one point that an answer names by its coordinates: `(2, -3)`."""
    named = [(*found.captures(1), *found.captures(2)) for part in parts for found in _POINT.finditer(part)]
    points = {f"({', '.join(show(Fraction(one)) for one in coordinates)})" for coordinates in named}
    return points.pop() if len(points) == 1 else None


_ASKS_FOR_CODE = regex.compile(
    r"\b(?:(?P<version>version|release)|(?P<phone>(?:tele)?phone|fax|hotline|call)\b.*\bnumber|(?:phone|telephone) number"
    r"|(?:plates?|licen[cs]e|registration|serial|flight"
    r"|tail|hull|model|part|order|invoice|tracking|postal|zip|product)"
    r" (?:plate )?(?:number|code|no\b)|(?:number|licen[cs]e) plate|(?:post|zip)code"
    r"|kennzeichen|matrícula|immatriculation)\b|车牌",
    regex.IGNORECASE,
)
_VERSION = regex.compile(r"(?<![\w.])v?(\d+(?:\.\d+)+)(?![\w.]*\w)", regex.IGNORECASE)
_PHONE = regex.compile(r"(?<![\w+])\+?\(?\d[\d()./ -]{4,}\d(?!\w)(?!\s*(?:ext|x))")
_CODE = regex.compile(
    r"(?<![\w-])(?:\p{Lu}{1,4}[ -]?\d{2,}|\d{1,4}[ -]?\p{Lu}{1,4}[ -]?\d{1,})(?:[ -]?[\p{Lu}\d]{1,4})*(?![\w-])"
)


def code(parts: Sequence[str], question: Question) -> str | None:
    """The one version, telephone number or registration that was asked for: all of its digits count, no space does."""
    wanted = _ASKS_FOR_CODE.search(question.text)
    if wanted is None:
        return None
    text = "\n".join(parts)
    if wanted["version"]:
        named = {found[1] for found in _VERSION.finditer(text)}
    else:
        shape = _PHONE if "phone" in wanted[0].casefold() or wanted["phone"] else _CODE
        raised = text.upper().strip(" .")
        bare = shape.fullmatch(raised) and text.split()[0].casefold() not in words("light", question.languages)
        named = {compiled(r"[^\w+]").sub("", found[0]).casefold() for found in shape.finditer(raised if bare else text)}
    return named.pop() if len(named) == 1 else None

"""The option that an answer chooses: by its letter, its text, or both, in prose too."""

from __future__ import annotations

from collections.abc import Callable

import regex

from ..data import load
from ..languages import compiled, tokens
from .question import Question

_SOLE, _LEADING, _NAMED, _STANDING, _NEGATED, _DENIED, _SEVERAL, _NONE_OF = map(
    regex.compile, load("options")["pattern"].values()
)


_ONE = regex.compile(r"(?<!\w)[A-Ja-j](?!\w)")


_RUN = regex.compile(
    r"^\W*([A-J]{2,6})\W*$|\b(?:options|answers|choices|letters)(?: \w+)? are:?\s+(\W*[A-J](?:\W*(?:,|/|&|\band\b)\W*[A-J])+)\W*$"
)
"""Several letters as one word, or named as the answers: `ACD`, `The correct options are A and C`."""


def letter(text: str, question: Question, last: str, form: Callable[[str], str | None]) -> str | None:
    """The letter of the option that a text chooses, or those of several, or None.

    `last` is what it concludes with; `form` reads free phrases.
    """
    listed = dict(question.options)
    together = _SEVERAL.fullmatch(text)
    if together and len(several := {one.upper() for one in _ONE.findall(text)} & listed.keys()) > 1:
        return None if together["either"] else ", ".join(sorted(several))
    if (found := _SOLE.fullmatch(text)) and found[1].upper() in listed:
        return found[1].upper()
    if (all_of_them := _together(text, listed)) is not None:
        return all_of_them
    text = _NEGATED.sub(" ", text)
    leading = _LEADING.match(text)
    chosen = _known(leading, listed) if leading and (leading[1] or leading[2]) else None
    if chosen is None and (named := [_known(found, listed) for found in _NAMED.finditer(text) if _written(found)]):
        chosen = named[-1]
    chosen = chosen or _as_text(text, listed, form)
    if chosen is None and "=" in last:
        chosen = _as_text(last.rpartition("=")[2], listed, form)
    if chosen is None and leading:
        chosen = _known(leading, listed)
    if chosen is None:
        chosen = next(filter(None, (_mentioned(said, listed) for said in (last, text, _DENIED.sub(" ", text)))), None)
    if chosen is None and (standing := _STANDING.findall(_NEGATED.sub(" ", last))) and standing[-1] in listed:
        chosen = standing[-1]
    return chosen


def _together(text: str, listed: dict[str, str]) -> str | None:
    """Several letters as one word or behind `the options are`, unless the word is the text of an option."""
    many = _RUN.search(text)
    if many is None or (many[1] or "").casefold() in {option.casefold().strip(" .") for option in listed.values()}:
        return None
    several = {*compiled(r"[A-J](?![a-z])").findall(many[1] or many[2])} & listed.keys()
    return ", ".join(sorted(several)) if len(several) > 1 else None


def names_letter(text: str, listed: dict[str, str]) -> bool:
    """Whether a text names an option as its answer, by the letter."""
    return any(_written(found) and _known(found, listed) for found in _NAMED.finditer(text)) or bool(_LEADING.match(text))


def _written(found: regex.Match[str]) -> bool:
    """Whether a letter is written as one: a capital, or one in brackets."""
    said = next(group for group in found.groups() if group)
    return bool(said.isupper()) or f"({said})" in found[0]


def _known(found: regex.Match[str], listed: dict[str, str]) -> str | None:
    said = next((group.upper() for group in found.groups() if group), "")
    return said if said in listed else None


def _as_text(text: str, listed: dict[str, str], form: Callable[[str], str | None]) -> str | None:
    """The letter of the option whose text is the whole answer."""
    if len(text) > 200:
        return None
    plain = {letter: _plain(option) for letter, option in listed.items()}
    said = _plain(text)
    exact = [letter for letter, option in plain.items() if option and option == said]
    if len(exact) != 1 and (read := form(text)) is not None:
        exact = [letter for letter, option in listed.items() if form(option) == read]
    if not exact and said and len(said.split()) <= 3:
        exact = [letter for letter, option in plain.items() if f" {said} " in f" {option} "]
    return exact[0] if len(exact) == 1 else None


def _plain(text: str) -> str:
    said = " ".join(word for word in (token.casefold() for token in tokens(text)) if word not in ("the", "an"))
    return _NONE_OF.sub("none of above", said)


def _mentioned(text: str, listed: dict[str, str]) -> str | None:
    """The letter of the only option whose text stands in a text, not counting one inside a longer one that stands there."""
    said = f" {_plain(text)} "
    standing = {letter: f" {_plain(option)} " for letter, option in listed.items() if _plain(option)}
    standing = {letter: option for letter, option in standing.items() if option in said}
    outer = [
        one for one, option in standing.items() if not any(option != other and option in other for other in standing.values())
    ]
    return outer[0] if len(outer) == 1 else None

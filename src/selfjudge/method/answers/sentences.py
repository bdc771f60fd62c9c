"""The sentences of an answer: where they end, which of them only announce or take leave, and which holds the answer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import regex

from ..languages import Languages, compiled, phrases, tokens, words
from .numbers import in_digits
from .question import Question

_END = regex.compile(r"\n+|[。！？।؟](?=.)|[.!?][\"')\]]*(?=\s)(?!\s*$)")
_MOST, _LONGEST = 10, 400
"""Sentences that are examined at each end of an answer, and characters of a sentence, half of them at each end."""
_BEFORE_OPTION = ("option", "choice", "answer", "is", "letter")
_BULLET = regex.compile(r"^[ \t]*(?:[-•·–]|\d{1,2}[.)])[ \t]+(?=\S)(.*)$", regex.MULTILINE)

_LONE_BULLET = regex.compile(r"\s*(?:[•·]|[-–](?=[ \t]+\p{L}))[ \t]+(\S[^\n]*)\s*")


@lru_cache(1024)
def sentences(text: str) -> tuple[str, ...]:
    """A text in sentences. Initials and abbreviations end none; a list in bullets is one, its items joined by semicolons."""
    parts, start = [], 0
    text = _joined_list(text)
    for found in _END.finditer(text):
        if found[0].startswith(".") and _abbreviated(text[start : found.start()], text[found.end() : found.end() + 20].lstrip()):
            continue
        parts.append(text[start : found.end()])
        start = found.end()
    said = [part.strip() for part in (*parts, text[start:]) if compiled(r"\w").search(part)]
    return tuple(_shortened(part) for part in (said if len(said) <= 2 * _MOST else said[:_MOST] + said[-_MOST:]))


def _shortened(sentence: str) -> str:
    half = _LONGEST // 2
    return sentence if len(sentence) <= _LONGEST else f"{sentence[:half]} {sentence[-half:]}"


def _joined_list(text: str) -> str:
    lines = text.split("\n")
    items = [_BULLET.fullmatch(line) for line in lines if line.strip()]
    if (lone := _LONE_BULLET.fullmatch(text)) is not None:
        return str(lone[1])
    if len(items) > 1 and all(items):
        return "; ".join(item[1].strip(" ;,") for item in items if item)
    return text


_ORDINAL = regex.compile(r"(?<![\w.,])\d{1,2}$")
_COUNTED_OFF = regex.compile(
    r"(?:Jan|Feb|Mär|Apr|Mai\b|Jun|Jul|Aug|Sep|Okt|Nov|Dez|Stock|Etage|Platz|Jahrhundert|Klasse|Obergeschoss|OG\b|Tag\b)"
)
"""What German counts off with a full stop: `3. März`, `2. Stock`."""


def _abbreviated(before: str, following: str) -> bool:
    """Whether a full stop behind these words, before these characters, ends an abbreviation, an initial or an ordinal only."""
    if _ORDINAL.search(before) and _COUNTED_OFF.match(following):
        return True
    following = following[:1]
    *earlier, word = before.split() or [""]
    word = word.lstrip("\"'([«“")
    named, numbered = following.isupper() or before.islower(), following.isdigit()
    if len(word) == 1 and following.isalnum():
        option = bool(earlier) and earlier[-1].strip(":,(").casefold() in _BEFORE_OPTION
        return (word.isupper() or before.islower()) and not option
    if "." in word:
        return following.isalpha()
    listed = word.casefold()
    return (named and listed in words("abbreviation", ("name",))) or (
        numbered and listed in words("abbreviation", ("name", "number"))
    )


@lru_cache(64)
def _preamble(languages: Languages) -> regex.Pattern[str]:
    return regex.compile(
        rf"^\W*(?:{phrases('preamble', languages)})\s*(?:[,:!，：、！.]\s*|$|(?<=\p{{Han}}|\p{{Hangul}}))", regex.IGNORECASE
    )


def without_courtesies(parts: Sequence[str], languages: Languages) -> Sequence[str]:
    """Sentences without those that only announce the answer or take leave, and without such openings; all where none is left."""
    preamble = _preamble(languages)
    bare = [preamble.sub("", part, count=1) for part in parts]
    return [part for part in bare if compiled(r"\w").search(part)] or parts


@lru_cache(64)
def _answer_line(languages: Languages) -> tuple[regex.Pattern[str], regex.Pattern[str]]:
    word, joint = phrases("answer", languages), phrases("answer_is", languages)
    whole = r"(?!\p{L}(?<![\p{Han}]))"
    line = (
        rf"(?:^|(?<=[.!?。]\s)|(?<=[。]))[^\w\n]{{0,6}}(?:[\p{{L}}']+,? ){{0,4}}?(?:{word})\s*(?:(?:{joint})\s*)?"
        r"[:：=]\s*+(?:is\s)?(\S[^\n]*)"
    )
    prose = (
        rf"(?<!\p{{L}}(?<![\p{{Han}}]))(?:{word})(?: to (?:the|this|your) \w+)?(?: here| then)?\s*(?:{joint}){whole}"
        r"\s*[:：]?\s*+(?:that )?(\S[^\n]*)"
    )
    return regex.compile(line, regex.IGNORECASE | regex.MULTILINE), regex.compile(prose, regex.IGNORECASE)


@lru_cache(64)
def _heading(languages: Languages) -> regex.Pattern[str]:
    """`Answer` alone in a line, as a heading has it without a colon."""
    word = phrases("answer", languages)
    return regex.compile(
        rf"^\W*((?:(?:the|my|final|correct|short) )*(?:{word}|solution(?=\s*\n\s*[^\n]+\s*\Z)))[ \t]*\n+(?=\s*\S)",
        regex.IGNORECASE | regex.MULTILINE,
    )


def answer_line(text: str, languages: Languages) -> str | None:
    """What stands behind the last `Answer:` or, where there is none, behind the last `the answer is`, to the end of its line."""
    line, prose = _answer_line(languages)
    if found := line.findall(_heading(languages).sub(r"\1:\n", text)):
        return answer_line(found[-1], languages) or str(found[-1].strip())
    told = without_courtesies(sentences(text), languages)
    said = [sentences(rest)[0] for part in told for rest in prose.findall(part) if sentences(rest)]
    return said[-1] if said and not compiled(r"(?i)(?:not|no longer|unlikely)\b").match(said[-1]) else None


def is_label(text: str, languages: Languages) -> bool:
    """Whether a text is `Answer:` and no more."""
    return compiled(rf"(?i)\W*(?:{phrases('answer', languages)})\s*[:：=]\W*").fullmatch(text) is not None


def telling(parts: Sequence[str], question: Question) -> str:
    """The sentence that holds the answer: a short first one, otherwise the first that says most of what was asked about."""
    if question.time:
        parts = [part for part in parts if _CLOCK.search(part)] or parts
    if len(parts) == 1 or len(tokens(parts[0])) <= 3 or not question.content:
        return parts[0]
    told = [len({question.stem(word) for word in tokens(part)} & set(question.content)) for part in parts]
    return parts[told.index(max(told))]


_CLOCK = regex.compile(r"\d[:.h]\d\d|\d\s?[ap]\.?m\b|o'clock|\b(?:past|to) \w+|\d\s?[点點時시]|\buhr\b", regex.IGNORECASE)


@lru_cache(64)
def _cut(languages: Languages) -> regex.Pattern[str]:
    return regex.compile(
        rf",?(?:\s+|(?<=\p{{Han}}))(?:{phrases('cut', languages)})|\s+[-–—]\s+(?=(?:\S+\s+){{0,4}}?(?:is|are|has|have|was|it)\s)"
        rf"|,\s+(?=(?:with|wearing|holding|sitting|standing|located|it|there|he|she|they|this|that)\s+\S+\s+\S)|;\s+(?=(?:\S+\s+){{4}})",
        regex.IGNORECASE,
    )


def clause(sentence: str, languages: Languages) -> str:
    """A sentence without the reason or aside that follows its answer, and without what stands in brackets behind it."""
    head = _cut(languages).split(sentence, maxsplit=1)[0].strip(" ,，").rstrip("。. ")
    head = head if compiled(r"\w").search(head) else sentence
    bare = compiled(r"(?<=\S)\s*[(（][^()（）]*[)）]\s*\.?$").sub("", head)
    return bare if compiled(r"\w").search(bare) else head


_NUMBERING = regex.compile(r"\s*(\d{1,2})[.)](?:\s+(?=\p{L})|\s*$)")


def without_numbering(parts: Sequence[str], languages: Languages) -> Sequence[str]:
    """Sentences without a list that counts things one by one (`1. near the fence`, `2. by the tree`), or without its numbers."""
    found = [_NUMBERING.match(part) for part in parts]
    if [int(one[1]) for one in found if one][:2] != [1, 2]:
        return parts
    items = {place + bool(one.end() == len(parts[place])) for place, one in enumerate(found) if one}
    rest = [part for place, part in enumerate(parts) if place not in items and not found[place]]
    if any(compiled(r"\d").search(in_digits(part, languages, ambiguous=True)) for part in rest):
        return rest
    return [part[one.end() :] if one else part for part, one in zip(parts, found, strict=True)]

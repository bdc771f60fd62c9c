"""Words of the major languages: tables of `data/words.toml` by name, the language of a text, stems and spellings.

A table of words becomes a set, a table of phrases a pattern, both for the languages at hand. A text is in the language of its
script or, in the Latin script, of most of its function words; English where nothing else is known.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from functools import cache, lru_cache
from typing import Any

import regex

from .data import load

Languages = tuple[str, ...]
"""Codes of ISO 639-1, the most likely first."""

_SCRIPTS = {
    "ja": regex.compile(r"[\p{Hiragana}\p{Katakana}]"),
    "zh": regex.compile(r"\p{Han}"),
    "ko": regex.compile(r"\p{Hangul}"),
    "hi": regex.compile(r"\p{Devanagari}"),
    "ar": regex.compile(r"\p{Arabic}"),
    "ru": regex.compile(r"\p{Cyrillic}"),
    "th": regex.compile(r"\p{Thai}"),
}
_WORD = regex.compile(r"(?w)\b[\p{L}\p{M}\p{N}].*?\b")
WORD_START = r"(?<!\w(?<![\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]))"
"""No letter of the same word before this place; scripts without spaces have none to look for."""
_APOSTROPHE = regex.compile("['’]")
_EXAMINED = 2_000
"""Characters that are looked at to know a language."""


compiled = lru_cache(1024)(regex.compile)
"""A pattern, which `regex.search` and its like would look up in three microseconds each time."""


def table(name: str) -> dict[str, str]:
    """A table as it is written, by language or by what its entries are for."""
    rows: dict[str, str] = load("words")[name]
    return rows


@lru_cache(256)
def words(name: str, languages: Languages = ()) -> frozenset[str]:
    """The words of a table in these languages, or in all of them."""
    rows = table(name)
    return frozenset(word for code in languages or tuple(rows) for word in rows.get(code, "").split())


@lru_cache(256)
def phrases(name: str, languages: Languages = ()) -> str:
    """The phrases of a table in these languages, or in all of them, as one alternative of a regular expression."""
    rows = table(name)
    return "|".join(rows[code] for code in languages or tuple(rows) if code in rows)


@lru_cache(256)
def values(name: str, languages: Languages) -> dict[str, str]:
    """A table of `word=value` entries in these languages."""
    entries = (entry for code in languages for entry in table(name).get(code, "").split("|") if entry)
    return {word: value for word, _, value in (entry.partition("=") for entry in entries)}


_STEMMERS = {
    "en": "english", "de": "german", "fr": "french", "es": "spanish", "pt": "portuguese", "it": "italian", "nl": "dutch",
    "ru": "russian", "sv": "swedish", "pl": "polish", "tr": "turkish", "id": "indonesian", "hi": "hindi", "ar": "arabic",
}  # fmt: skip
_KOREAN_ENDING = regex.compile(
    r"(?<=\p{Hangul})(?:이?라고|입니다|인가요|입니까|인가|이에요|예요|이다|에서|에게|으로|은|는|이|가|을|를|에|의|로|도)$"
)


@cache
def _stemmer(code: str) -> Any:
    import snowballstemmer

    return snowballstemmer.stemmer(_STEMMERS[code])


@lru_cache(16_384)
def stem(word: str, code: str) -> str:
    """A word of a language without case and inflection, as far as its stemmer (Snowball) knows them."""
    word = word.casefold()
    if word.isascii() and word.isdigit():
        return word
    if code == "en":
        word = values("irregular", ("en",)).get(word) or one_spelling(word)
    if code == "ko":
        return _KOREAN_ENDING.sub("", word)
    return str(_stemmer(code).stemWord(word)) if code in _STEMMERS and len(word) < 40 else word


@cache
def _replaced(name: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile(old), new) for new, old in table(name).items())


def one_spelling(text: str, *, short_forms: bool = False) -> str:
    """A text in lower case in American spelling; `short_forms` also writes out `can't`, `it's` and their like."""
    for old, new in (*_replaced("spelling"), *_replaced("short_form_of")) if short_forms else _replaced("spelling"):
        text = old.sub(new, text)
    return text


def tokens(text: str) -> list[str]:
    """The words of a text by the word breaks of Unicode: marks stay with their letters, ideographs stand alone."""
    return _WORD.findall(text)


def is_ending(word: str, languages: Languages) -> bool:
    """Whether a token is kana of a Japanese inflection, as a rule, and says nothing by itself."""
    return languages[0] == "ja" and compiled(r"\p{Hiragana}+").fullmatch(word) is not None


@lru_cache(1024)
def language(text: str) -> str:
    """The language of a text, as far as its script and its function words tell; a word that asks counts twice."""
    text = text[:_EXAMINED]
    if not text.isascii():
        letters = sum(map(str.isalpha, text))
        for code, script in _SCRIPTS.items():
            if len(script.findall(text)) > 0.15 * letters:
                return code
    said = Counter(tokens(_APOSTROPHE.sub(" ", text.casefold())))
    scores = dict.fromkeys(_latin(), 0)
    for word, times in said.items():
        for code, weight in _telling().get(word, ()):
            scores[code] += times * weight
    return max(scores, key=lambda code: (scores[code], code == "en"))


@cache
def _telling() -> dict[str, list[tuple[str, int]]]:
    """The languages that a word tells, and how much."""
    found: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for code in _latin():
        for name, weight in (("light", 1), ("asking", 2)):
            for word in words(name, (code,)):
                found[word].append((code, weight))
    return found


@cache
def _latin() -> tuple[str, ...]:
    return tuple(code for code in table("light") if code not in _SCRIPTS)

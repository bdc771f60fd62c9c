"""Letters behind a number that may be a scale or a unit: `5K` followers and 300 K, `1.5M` views and a mast of 5 M."""

from __future__ import annotations

import regex

from .question import Question

_NUMBER = r"(?<![\w.,])(?:\p{Sc}\s?)?\d[\d.,]*"
_LETTER = regex.compile(rf"({_NUMBER})(\s?)([KkMBm])(?![\w/^²³°'-])(?=(\s?\p{{Sc}})?)")
_SCALES = {"k": "thousand", "m": "million", "b": "billion"}
_COUNTED = regex.compile(r"\s+(?!(?:from|for|and|per|was|are|were|long|tall|high|wide|deep|away)\b)\p{L}{3,}")
"""A noun behind the letter, which is then what was counted: `1M people`."""
_AMOUNT = regex.compile(
    r"\b(?:population|inhabitants|residents|people|followers|subscribers|views|likes|users|downloads|visitors|copies|sales|profit"
    r"|revenue|budget|turnover|income|earnings|worth|value)\b",
    regex.IGNORECASE,
)
_TEMPERATURE = regex.compile(r"temp[eé]rat|kelvin|thermomet|\b(?:hot|cold|warm|boil|melt|freez)|温度|気温|온도", regex.IGNORECASE)


def with_scales(text: str, question: Question) -> str:
    """A text in which such a letter is written out as a scale, or as kelvin, where its question or its neighbours tell."""
    many = question.count or question.money or _AMOUNT.search(question.text) is not None
    warm = _TEMPERATURE.search(question.text) is not None

    def written(found: regex.Match[str]) -> str:
        number, space, letter, money = found.groups()
        counted = many or bool(money) or not number[0].isdigit() or _COUNTED.match(text, found.end()) is not None
        if letter == "K" and (warm or (space and not counted)):
            return f"{number} kelvin"
        if letter == "m" and (space or number[0].isdigit()):
            return found[0]
        unit = {"M": "meter", "B": "byte"}.get(letter)
        if letter in "MB" and (not counted or unit in question.units or letter.casefold() in question.named):
            return found[0]
        return f"{number} {_SCALES[letter.lower()]}" if letter != "k" else found[0]

    return _LETTER.sub(written, text)

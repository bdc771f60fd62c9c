"""Numbers as people and models write them: digits with separators, words, scales, Chinese numerals.

Values are exact fractions. What begins with a zero (`007`) is a name, not a number. The words of a language up to 999 come from
num2words, read backwards.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache, lru_cache

import regex

from ..languages import Languages, compiled, values, words

_COMMA_DECIMALS = frozenset(("de", "fr", "es", "pt", "it", "nl", "ru", "sv", "pl", "tr", "id", "vi"))
"""Languages that write 3,5 for three and a half, and 1.250 for a thousand and more (CLDR)."""
_SPOKEN = ("en", "de", "fr", "es", "pt", "it", "nl", "ru", "sv", "pl", "tr", "id", "vi", "ko", "ar", "th")
"""Languages whose number words are taken from num2words."""
_HAN_DIGITS = {c: i for i, c in enumerate("〇一二三四五六七八九")} | {"零": 0, "两": 2, "兩": 2}
_HAN_UNITS = {"十": 10, "百": 100, "千": 1000}
_HAN_GROUPS = {"万": 10_000, "萬": 10_000, "亿": 10**8, "億": 10**8}
_HAN = regex.compile("[〇零一二三四五六七八九两兩十百千万萬亿億]+")

NUMERAL = regex.compile(
    r"(?<![\w.,^])(?<!\^[{-])"
    r"(?:\d{1,3}(?:,\d{2,3})+(?:\.\d+)?|\d{1,3}(?:\.\d{3})+,\d+|\d{1,3}(?:[\u00a0\u202f' ]\d{3})+(?![\d])(?:[.,]\d+)?"
    r"|\d+(?:[.,]\d+)*|[.,]\d+)(?![\d^])"
)
_TOKEN = regex.compile(r"(?w)\b[\p{L}\p{M}\p{N}].*?\b")
_GLUED_SCALE = regex.compile(r"(?<=\d)(?=(?:[kK]|mn|bn)\b|[천만억])")
_MOST_DIGITS = 1_000
"""Digits of the longest number; more are a name, or a model that repeats itself."""
_LARGEST = 10**_MOST_DIGITS
_LONGEST = 7
"""Words in the longest number below a thousand, `seven hundred and seventy seven` and its like."""


def parse(digits: str, languages: Languages = ("en",)) -> Fraction | None:
    """The value of a number in digits with its separators; None for what is a name made of digits."""
    plain = compiled(r"[\u00a0\u202f' ]").sub("", digits)
    comma_decimals = languages[0] in _COMMA_DECIMALS
    marks = sorted((mark for mark in ",." if mark in plain), key=plain.rindex)
    if len(marks) == 2:
        plain = plain.replace(marks[0], "").replace(marks[1], ".")
    elif marks:
        groups = compiled(rf"[1-9]\d{{0,2}}(?:\{marks[0]}\d{{2,3}})*\{marks[0]}\d{{3}}").fullmatch(plain)
        thousands = groups and (plain.count(marks[0]) > 1 or (marks[0] == ".") is comma_decimals)
        plain = plain.replace(marks[0], "" if thousands else ".")
    if plain.count(".") > 1 or compiled(r"0\d").match(plain) or len(plain) > _MOST_DIGITS:
        return None
    return Fraction(plain)


def show(value: Fraction) -> str:
    """A number in the form in which it is compared: an integer, a finite decimal, or a fraction."""
    if value.denominator == 1:
        return str(value.numerator)
    places = next((places for places in range(1, 13) if 10**places % value.denominator == 0), None)
    if places is None:
        return f"{value.numerator}/{value.denominator}"
    whole = str(abs(value.numerator) * 10**places // value.denominator).zfill(places + 1)
    return f"{'-' if value < 0 else ''}{whole[:-places]}.{whole[-places:]}"


_FEMININE = {
    "es": (("uno", "una"), ("cientos", "cientas")),
    "fr": (("et un", "et une"),),
    "pt": (("e um", "e uma"), ("e dois", "e duas")),
    "ru": (("ь один", "ь одна"), ("ь два", "ь две")),
}
"""How numbers end before a feminine noun: `treinta y una`, `vinte e duas`."""


def _fractions(denominator: int) -> dict[str, Fraction]:
    """English fractions of the smaller denominators: `three eighths`."""
    from num2words import num2words

    if not 3 <= denominator <= 12:
        return {}
    part = num2words(denominator, to="ordinal")
    return {f"{num2words(n)} {part}{'s' * (n > 1)}": Fraction(n, denominator) for n in range(1, denominator)}


@cache
def _spoken(code: str) -> dict[str, Fraction]:
    """Number words of a language, folded, to their values."""
    known = {}
    if code in _SPOKEN:
        from num2words import num2words

        for value in range(1000):
            word = _folded(num2words(value, lang=code))
            known[word] = known[word.replace(" and ", " ").replace(" و ", " و")] = Fraction(value)
            if code == "en":
                known |= _fractions(value)
            for masculine, feminine in _FEMININE.get(code, ()):
                if word.endswith(masculine):
                    known[word.removesuffix(masculine) + feminine] = Fraction(value)
            if word.startswith("ein") and code == "de":
                known[word.removeprefix("ein")] = Fraction(value)
    return known | {word: Fraction(value) for word, value in values("number", (code,)).items()}


@lru_cache(64)
def _words(languages: Languages) -> dict[str, Fraction]:
    return {word: value for code in reversed(languages) for word, value in _spoken(code).items()}


_GAP = regex.compile(r"[\s\-\u00ad]+")


def _folded(text: str) -> str:
    return _GAP.sub(" ", text.casefold()).strip()


@lru_cache(64)
def _starts(languages: Languages) -> frozenset[str]:
    """First words of numbers."""
    return frozenset(word.partition(" ")[0] for word in _words(languages))


def _han(numeral: str) -> int | None:
    """The value of a Chinese numeral: 三, 十二, 二百零五, 三万."""
    if all(c in _HAN_DIGITS for c in numeral):
        return int("".join(str(_HAN_DIGITS[c]) for c in numeral))
    total = group = digit = 0
    for c in numeral:
        if c in _HAN_DIGITS:
            digit = _HAN_DIGITS[c]
        elif c in _HAN_UNITS:
            group, digit = group + (digit or 1) * _HAN_UNITS[c], 0
        else:
            total, group, digit = total + (group + digit or 1) * _HAN_GROUPS[c], 0, 0
    return total + group + digit


@lru_cache(16_384)
def in_digits(text: str, languages: Languages, *, ambiguous: bool) -> str:
    """A text with its number words and scales as digits: `twenty-one`, `1.2 million` and `二十` become 21, 1200000 and 20.

    Words that are articles as well (`one`, `un`, `ein`) count only where `ambiguous` says that a number is wanted.
    """
    if languages[0] in ("zh", "ja"):
        text = _HAN.sub(lambda found: _han_digits(found, text, ambiguous), text)
        text = compiled(r"(?<=[\p{Han}\p{Hiragana}\p{Katakana}])(?=\d)").sub(" ", text)
    text = _POWER.sub(_power, _GLUED_SCALE.sub(" ", text))
    known, scales = _words(languages), _scales(languages)
    shy = frozenset() if ambiguous else words("light", languages) | {"one", "eins"}
    spans = [(match.start(), match.end()) for match in _TOKEN.finditer(text)]
    parts, position, index = [], 0, 0
    while index < len(spans):
        value, after = _number_at(text, spans, index, (known, scales, shy, languages))
        if value is None:
            index += 1
            continue
        parts += [text[position : spans[index][0]], show(value)]
        position, index = spans[after - 1][1], after
    return _AND_A_HALF.sub(lambda found: show(Fraction(found[1]) + Fraction(found[2])), "".join(parts) + text[position:])


_AND_A_HALF = regex.compile(r"(?<![\d.,])(\d+) and (0\.5|0\.25|0\.75)(?![\d.])")


_POWER = regex.compile(r"(?<![\w.])(\d{1,30}(?:\.\d{1,30})?)(?:[eE]|\s?[×*·xX]\s?10\^)([+-]?\d{1,2})(?!\w)")


def _power(found: regex.Match[str]) -> str:
    """`1.5e3` or `1.5 × 10^3` written out."""
    return show(Fraction(found[1]) * Fraction(10) ** int(found[2]))


def _han_digits(found: regex.Match[str], text: str, ambiguous: bool) -> str:
    """A numeral as digits, unless it is a word's part (`一共`, `百合`): alone and not wanted as a number, it stays."""
    value = _han(found[0])
    standing = text[found.end() : found.end() + 1]
    if standing in ("共", "起", "样", "般", "直", "定", "些", "边", "种") and found[0] == "一":
        return found[0]
    return f" {value} " if ambiguous or len(found[0]) > 1 or standing not in ("", "方") else found[0]


@lru_cache(64)
def _scales(languages: Languages) -> dict[str, int]:
    return {word: int(value) for code in (*reversed(languages), "en") for word, value in values("scale", (code,)).items()}


_Known = tuple[dict[str, Fraction], dict[str, int], frozenset[str], Languages]


def _number_at(text: str, spans: list[tuple[int, int]], index: int, known: _Known) -> tuple[Fraction | None, int]:
    """The number that begins with a word, and the index of the word behind it. Digits count when a scale follows them."""
    table_of, scales, shy, languages = known
    first = text[slice(*spans[index])].casefold()
    if first.partition("-")[0] not in _starts(languages) and not first[0].isdigit():
        return None, index
    value, after = _below_thousand(text, spans, index, table_of, shy)
    if value is None and (digits := NUMERAL.match(text, spans[index][0])):
        value, after = parse(digits[0], languages), index + 1
        while after < len(spans) and spans[after][0] < digits.end():
            after += 1
        if after >= len(spans) or _glued(text, spans, after) not in scales:
            return None, index
    if value is None:
        return None, index
    while after < len(spans) and value < _LARGEST and (scale := scales.get(_glued(text, spans, after))):
        value, after = value * scale, after + 1
        joint = after + (after < len(spans) and _word(text, spans, after) in ("and", "und", "y", "e", "et"))
        more, behind = _below_thousand(text, spans, joint, table_of, shy) if joint < len(spans) else (None, joint)
        if (
            more is not None
            and more < scale
            and (behind >= len(spans) or _glued(text, spans, behind) not in scales or more < 1000)
        ):
            further = scales.get(_glued(text, spans, behind)) if behind < len(spans) else None
            if further and further < scale:
                value, after = value + more * further, behind + 1
            else:
                value, after = value + more, behind
    return value, after


def _word(text: str, spans: list[tuple[int, int]], index: int) -> str:
    return text[slice(*spans[index])].casefold()


def _glued(text: str, spans: list[tuple[int, int]], index: int) -> str:
    """A word, when nothing but a space stands before it."""
    between = text[spans[index - 1][1] : spans[index][0]]
    return _word(text, spans, index) if not between.strip(" -") else ""


def _below_thousand(
    text: str, spans: list[tuple[int, int]], index: int, known: dict[str, Fraction], shy: frozenset[str]
) -> tuple[Fraction | None, int]:
    """The longest run of words that the table knows, as its value and the index behind it."""
    for after in range(min(index + _LONGEST, len(spans)), index, -1):
        run = _folded(text[spans[index][0] : spans[after - 1][1]])
        if run in known and not (after == index + 1 and run in shy):
            return known[run], after
    return None, index

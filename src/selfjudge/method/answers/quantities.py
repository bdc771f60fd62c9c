"""Quantities in one form: numbers with units and currencies, per cent, fractions, ranges, bounds, times and dates.

Names of units, currencies and months in each language come from the CLDR (babel), read backwards. A form is short and plain:
`7 centimeter`, `5 USD`, `12 %`, `10-15`, `> 20`, `3:15 pm`, `1987-06-05`.
"""

from __future__ import annotations

from collections.abc import Container
from fractions import Fraction
from functools import cache, lru_cache

import regex

from ..data import load
from ..languages import Languages, compiled, table, values
from .numbers import NUMERAL, parse, show

_DATA = load("units")
_REGIONS = {"en": ("en", "en_GB"), "pt": ("pt", "pt_PT"), "zh": ("zh", "zh_Hant")}
_CURRENCY_WORDS, _FURTHER = (
    {spelling: name for name, spellings in _DATA[table].items() for spelling in spellings.split("|")}
    for table in ("currency", "spelling")
)
_TO = r"(?:-|–|—|~|to|through|until|up to|bis|à|a|al|até|tot|до|至|到|から|以?上)"
_BOUND = {
    sign: regex.compile(rf"(?<!\p{{L}})(?:{form})\s*(?=[\d.,$€£¥₹-])", regex.IGNORECASE) for sign, form in _DATA["bound"].items()
}
_AMPM = r"(?:\s*([ap])\.?\s?m\b\.?)"
_CLOCK = regex.compile(
    rf"(\d{{1,2}})(?:[:.h](\d{{2}})(?::\d{{2}})?{_AMPM}|{_AMPM}|[:h](\d{{2}})(?::\d{{2}})?(?:\s*(?:h|uhr))?)", regex.I
)
_SAID_CLOCK = regex.compile(
    r"(?P<day>上午|早上|凌晨|午前|오전|下午|晚上|午後|오후)?\s*(?P<hour>\d{1,2})\s*"
    r"(?:点|點|時|时|시|uhr|uur|heures?|horas?|час(?:ов|а)?|o'?clock|h\b)\s*(?:et\s+)?"
    r"(?:(?P<quarters>[13])\s*刻|(?P<minute>\d{1,2})(?:\s*(?:分|분|minutes?))?|(?P<half>半|반|demie))?钟?"
    r"(?:\s*(?P<said>[ap])\.?\s?m\b\.?)?"
    r"|(?P<hour>\d{1,2})(?:\s*heures?)?\s*(?:y|et|e)\s*(?:(?P<half>media|demie|mezza|meia|0\.5)|"
    r"(?P<quarter>(?:un )?(?:cuarto|quart|quarto)|0\.25))"
    r"|halb\s*(?P<next>\d{1,2})"
    r"|(?P<part>0\.25|0\.5|0\.75|\d{1,2})\s*(?:minutes?\s*)?(?P<way>past|after|to|before|till|of|nach|vor)\s*(?P<of>\d{1,2})"
    r"(?:\s*o'?clock)?(?:\s*(?P<said>[ap])\.?\s?m\b\.?)?",
    regex.IGNORECASE,
)
_AND_UP = regex.compile(
    r"(?i)(?<![<>≤≥\w.,]\s?)(\d[\d.,]*)"
    r"(?|\s?\+(?!\s*[\d√\w])()|\s?\+(\s\p{L}+)|(\s\p{L}+)? (?:and|or) (?:up|over|above|older|more|upwards?)\b)"
)
"""A bound that is said behind its number: `3+`, `18 years and older`."""
_MORNING = ("上午", "早上", "凌晨", "午前", "오전")
_RANGE = regex.compile(rf"(?P<low>{NUMERAL.pattern})(?P<unit>[^\d\s–-]{{0,3}})\s*{_TO}\s*(?P<high>{NUMERAL.pattern})", regex.I)
_BETWEEN = regex.compile(
    r"^(?:between|zwischen|entre|tra|fra|tussen|между)\s+(\S+(?: \S+)?)\s+(?:and|und|et|y|e|en|и)\s+(?=\p{Sc}?\d)", regex.I
)
_RATIO = regex.compile(r"(\d+)\s*(?:(?:/|out of)\s*(\d+)|(?:in|in every|of every)\s+(\d{1,3})(?!\d))")
_POUNDS_AND_PENCE = regex.compile(r"(?i)^(\d+) (pounds?|dollars?|euros?)(?: and)? (\d{2})(?: (?:cents?|pence|p))?$")
_RATE = regex.compile(r"(.*?)\s*(?:/|\b(?:per|an?)\s)\s*(\p{L}+)", regex.I)
_OF_A = regex.compile(r"(?i)^\s*(?:(?:of an?|an?|de|di|of)\s+|d')(?=\p{L})")
"""What joins a fraction to its unit: `half a litre`, `0.25 of a litre`."""
_MINUTES = regex.compile(r"^(\d{1,2})\s?m?$")
"""Minutes behind hours: `1h45`, `1h 45m`."""
_MIXED = regex.compile(r"(\d+)\s+(\d)/(\d{1,2})")


_RATES = frozenset(("kilometer-per-hour", "meter-per-second", "mile-per-hour"))


@lru_cache(64)
def _units(languages: Languages) -> dict[str, str]:
    """Every spelling of a unit or currency in these languages, folded, to its name."""
    from babel import Locale
    from babel.numbers import get_currency_name
    from babel.units import format_unit

    known: dict[str, str] = {}
    for locale in (place for code in languages for place in _REGIONS.get(code, (code,))):
        for unit in _DATA["cldr"]["units"].split():
            name = unit.partition("-")[2].replace("percent", "%")
            for length in ("long", "short", "narrow"):
                for amount in (1, 2, 5):
                    shown = format_unit(amount, unit, length, locale=locale)
                    known.setdefault(_folded(compiled(r"[\d٠-٩०-९]").sub("", shown)), name)
        for code in _DATA["cldr"]["currencies"].split():
            for amount in (1, 2, 5):
                known.setdefault(_folded(get_currency_name(code, amount, locale=locale)), code)
            known.setdefault(_folded(Locale.parse(locale).currency_symbols.get(code, code)), code)
            known.setdefault(code.casefold(), code)
    for none in ("", "y"):  # `y` is a variable, and Spanish for and
        known.pop(none, None)
    local = {"¥": "CNY"} if languages[0] == "zh" else {}  # one sign for two currencies
    return known | _FURTHER | _CURRENCY_WORDS | local


def _folded(text: str) -> str:
    return compiled(r"\s+").sub(" ", text.casefold()).strip(" .\u200f\u200e\u2068\u2069")


@lru_cache(64)
def _months(languages: Languages) -> dict[str, int]:
    from babel import Locale

    known: dict[str, int] = {}
    for code in languages:
        names = Locale(code).months
        for context in ("format", "stand-alone"):
            for width in ("wide", "abbreviated"):
                known |= {_folded(name): number for number, name in names[context][width].items()}
    return {name: number for name, number in known.items() if compiled(r"\p{L}{3}").search(name)} | {"sept": 9}


@lru_cache(64)
def _weekdays(languages: Languages) -> dict[str, str]:
    from babel import Locale

    widths = [Locale(code).days["format"][width] for code in languages for width in ("abbreviated", "wide")]
    days = ((_folded(name), number) for names in widths for number, name in names.items())
    return {name: f"weekday {number + 1}" for name, number in days if len(name) > 2}


@lru_cache(64)
def _date(languages: Languages) -> regex.Pattern[str]:
    month = "|".join(sorted(map(regex.escape, _months(languages)), key=len, reverse=True))
    day = r"(?P<day>\d{1,2})(?:st|nd|rd|th|er|º|ª|\.)?"
    year = r"(?:\s*,?\s*(?:of |de |del )?(?P<year>\d{4}))?"
    return regex.compile(
        rf"(?:the )?{day}\s*(?:of |de |do )?(?P<month>{month})\.?{year}|(?P<month>{month})\.?\s*{day}{year}"
        rf"|(?P<month>{month})\.?,?\s+(?:of |de )?(?P<year>\d{{4}})"
        r"|(?P<number>0?[1-9]|1[0-2])/(?P<year>(?:19|20)\d\d)"
        r"|(?P<number>0?[1-9]|1[0-2])/(?P<day>1[3-9]|2\d|3[01])/(?P<year>(?:19|20)\d\d)"
        r"|(?P<day>1[3-9]|2\d|3[01])/(?P<number>0?[1-9]|1[0-2])/(?P<year>(?:19|20)\d\d)"
        r"|(?P<day>\d{1,2})\.\s?(?P<number>0?[1-9]|1[0-2])\.\s?(?P<year>\d{4})"
        r"|(?P<year>\d{4})[-/.](?P<number>\d{1,2})[-/.](?P<day>\d{1,2})"
        r"|(?:(?P<year>\d{4})\s*[年년]\s*)?(?P<number>\d{1,2})\s*[月월]\s*(?P<day>\d{1,2})\s*[日号일]",
        regex.IGNORECASE,
    )


@lru_cache(16_384)
def unit_of(word: str, languages: Languages) -> str | None:
    """The name of a unit or currency by any of its spellings; the empty text for a word that only counts."""
    return _units(languages).get(_folded(compiled(r"(?<=\w)(?:입니다|이에요|예요|です)$").sub("", word)))


def is_free(text: str) -> bool:
    """Whether a text says that a price is nothing."""
    return text.strip(" .!").casefold() in _DATA["free"]["words"].split("|")


def currency(word: str) -> str | None:
    """The code of a currency by its sign or its everyday name."""
    return "GBP" if word in ("pound", "pounds") else _CURRENCY_WORDS.get(word)


def dates(text: str, languages: Languages) -> str | None:
    """A text that is a date and nothing else, as year, month and day, as far as they are given."""
    folded = _folded(text.strip(" .,")).removeprefix("every ")
    if day := _weekdays(languages).get(folded) or (languages[0] == "en" and _weekdays(languages).get(folded.removesuffix("s"))):
        return day
    found = _date(languages).fullmatch(text.strip(" .,"))
    return _as_date(found, languages) if found else None


def date_in(text: str, languages: Languages) -> str | None:
    """The one whole date that stands in a text."""
    found = [one for one in _date(languages).finditer(text) if one["year"] and one["day"]]
    named = {
        _as_date(one, languages)
        for one in found
        if not text[one.end() :][:1].isdigit() and not text[: one.start()][-1:].isdigit()
    }
    return named.pop() if len(named) == 1 else None


def _as_date(found: regex.Match[str], languages: Languages) -> str | None:
    named = found.groupdict()
    month = named["number"] or _months(languages)[_folded(named["month"])]
    parts = (named["year"] or "", f"{int(month):02}", f"{int(named['day']):02}" if named["day"] else "")
    return "-".join(part for part in parts if part) if parts[2] or parts[0] else None


@cache
def _named_times() -> dict[str, str]:
    return values("clock", tuple(table("clock")))


def _time(hour: int, minute: str, half: str) -> str:
    """A time of day in the form of twelve hours; `half` is a, p or empty where it is not said."""
    if 12 < hour < 24 and not half:
        hour, half = hour - 12, "p"
    return f"{hour}:{minute} {half}m" if half else f"{hour}:{minute}"


@lru_cache(64)
def _said_times(code: str) -> tuple[tuple[regex.Pattern[str], str], ...]:
    rows: dict[str, str] = _DATA["said_time"].get(code, {})
    return tuple((regex.compile(rf"(?<![\w.]){shape}", regex.IGNORECASE), plain) for plain, shape in rows.items())


_QUARTER = regex.compile(r"(?<!\w)(?:quart|cuarto|quarto|kwart|(?:1|一)\s*刻)(?= to | past )")


def plain_times(digits: str, languages: Languages) -> str:
    """A text, its number words in digits, with a language's ways to say the time in one: `kwart voor 4`, `4 menos cuarto`."""
    for said, plain in _said_times(languages[0]):
        digits = said.sub(plain, digits)
    return _QUARTER.sub("0.25", digits)


def times(text: str) -> str | None:
    """A text that is a time of day and nothing else, its number words in digits already."""
    text = text.strip(" .,")
    if named := _named_times().get(text.casefold()):
        return named
    if found := _CLOCK.fullmatch(text):
        minute = found[2] or found[5] or "00"
        return _time(int(found[1]), minute, (found[3] or found[4] or "").lower())
    if found := _SAID_CLOCK.fullmatch(text):
        if found["next"]:
            return f"{(int(found['next']) - 2) % 12 + 1}:30"
        if found["hour"]:
            quarters = 1 if found["quarter"] else int(found["quarters"] or 0)
            minute = 30 if found["half"] else 15 * quarters or int(found["minute"] or 0)
            half = "a" if found["day"] in _MORNING else "p" if found["day"] else (found["said"] or "").lower()
            return _time(int(found["hour"]), f"{minute:02}", half)
        minutes, hour = int(Fraction(found["part"]) * (60 if "." in found["part"] else 1)), int(found["of"])
        half = (found["said"] or "").lower()
        if found["way"].lower() in ("past", "after", "nach"):
            return _time(hour, f"{minutes:02}", half)
        return _time((hour - 2) % 12 + 1, f"{60 - minutes:02}", half) if 0 < minutes < 60 else None
    return None


_SPAN = regex.compile(
    r"(?i)(?:from|between|von|zwischen|de|desde|das|dalle|从)?\s*(.+?)"
    r"(?:\s*(?:[-–—~至到]|から)\s*|\s+(?:to|until|till|through|bis|a|à|al|até|tot|do|до|and|und|y|e|et)\s+)(.+)"
)


_TWENTY_FOUR = regex.compile(r"(?:1[3-9]|2[0-3])[:.h]\d\d.{0,4}")


def time_span(text: str) -> str | None:
    """A text that is one time of day up to another and nothing else: `9 am - 5 pm`, `from 9:00 to 17:00`."""
    found = _SPAN.fullmatch(text.strip(" .,"))
    ends = [times(side) for side in found.groups()] if found and len(text) < 60 else []
    if found is None or not all(ends) or not ends:
        return None
    morning = _TWENTY_FOUR.fullmatch(found[2].strip()) and not str(ends[0]).endswith("m")  # `9:00-17:00`
    return f"{ends[0]}{' am' if morning else ''} - {ends[1]}"


def times_in(text: str) -> frozenset[str]:
    """The times of day that stand in a text, its number words in digits already."""
    found = (*_CLOCK.finditer(text), *_SAID_CLOCK.finditer(text))
    whole = [
        one[0] for one in found if not compiled(r"[\d.:]$").search(text[: one.start()]) and not text[one.end() :][:1].isdigit()
    ]
    return frozenset(time for one in whole if (time := times(one)))


_DIMENSIONS = regex.compile(
    r"(\d+(?:[.,]\d+)*)\s*(\p{L}{1,12}?)?(?:\s*(?:[x×*]|\bby\b)\s*(\d+(?:[.,]\d+)*)\s*(\p{L}{1,12}?)?){1,2}", regex.I
)


def dimensions(text: str, languages: Languages) -> str | None:
    """A text that is two or three lengths, one by the other, and nothing else: `20 x 30 cm`, `20cm by 30cm`."""
    found = _DIMENSIONS.fullmatch(text.strip(" .,"))
    if found is None:
        return None
    numbers = [_value(one, languages) for one in (*found.captures(1), *found.captures(3))]
    units = {unit_of(one, languages) for one in (*found.captures(2), *found.captures(4))}
    if None in units or len(units) > 1 or None in numbers:
        return None
    return " × ".join(map(str, numbers)) + "".join(f" {unit}" for unit in units)


def with_bounds(text: str) -> str:
    """A text in which bounds of numbers are signs: `at least 4` as `≥ 4`."""
    for sign, bound in _BOUND.items():
        text = bound.sub(f"{sign} ", text)
    return _AND_UP.sub(r"≥ \1\2", text)


_SINCE = regex.compile(r"^(?:(after|later than)|before|prior to|earlier than)\s+(?=(?:1\d|20)\d\d$)", regex.IGNORECASE)
"""Years as bounds: `before 1987`."""


@lru_cache(4096)
def quantity(text: str, languages: Languages) -> str | None:
    """The form of a text that is one quantity and nothing else, its number words in digits already."""
    text = _POUNDS_AND_PENCE.sub(r"\1.\3 \2", _BETWEEN.sub(r"\1-", text.strip(" ,;").rstrip(".")))
    if found := _RANGE.match(text):
        low, high = (_value(found[side], languages) for side in ("low", "high"))
        if low and high and Fraction(low) > Fraction(high) and " to " in text:
            return None  # a time: `20 to 11`
        unit = _rest(text[found.end() :], languages)
        return None if unit is None or not low or not high else f"{low}-{high}{unit}"
    text = with_bounds(_SINCE.sub(lambda found: "> " if found[1] else "< ", text))
    if text[:1] in _BOUND:
        number = _single(text[1:].strip(), languages)
        return number and f"{text[0]} {number}"
    return _single(text, languages)


_SCALE = {unit: (Fraction(row.split()[0]), row.split()[1]) for unit, row in _DATA["scale"].items()}
_SHOWN = frozenset(unit for unit, row in _DATA["scale"].items() if not row.endswith("-"))
_KINDS = frozenset(kind for _, kind in _SCALE.values())
_AMOUNT, _AMOUNTS = (regex.compile(shape) for shape in (r"(-?[\d./]+) (\S+)", r"-?[\d./]+ \S+(?: [\d./]+ \S+)*"))


def in_one_unit(number: str, wanted: Container[str]) -> str:
    """A quantity in a wanted unit or in the largest of its kind that leaves a plain number of 1 or more."""
    parts = [(Fraction(amount), *_SCALE.get(unit, (1, unit))) for amount, unit in _AMOUNT.findall(number)]
    base = {kind for *_, kind in parts}
    if not _AMOUNTS.fullmatch(number) or len(base) != 1 or not base <= _KINDS:
        return number
    total, kind = sum(amount * factor for amount, factor, _ in parts), base.pop()
    kin = [(factor, unit) for unit, (factor, of) in _SCALE.items() if of == kind]
    shown = [one for one in kin if one[1] in _SHOWN and abs(total) >= one[0] and "/" not in show(total / one[0])]
    chosen = [one for one in kin if one[1] in wanted] or shown
    factor, unit = max(chosen, default=(Fraction(1), kind))
    return f"{show(total / factor)} {unit}"


def _single(text: str, languages: Languages) -> str | None:
    sign = "-" if compiled(r"(?i)\s*(?:-|(?:minus|negative)\b)").match(text) else "±" if text.lstrip().startswith("±") else ""
    text = compiled(r"(?i)^\s*(?:[-+±]|minus\b|negative\b|plus\b)\s*").sub("", text)
    before, text = _leading_currency(text, languages)
    if before is not None:
        sign, text = sign or ("-" if text.startswith("-") else ""), text.removeprefix("-")
    if found := _MIXED.match(text):
        value = Fraction(int(found[1])) + (Fraction(int(found[2]), int(found[3])) if int(found[3]) else 0)
    elif (found := _RATIO.match(text)) and int(found[2] or found[3]):
        value = Fraction(int(found[1]), int(found[2] or found[3]))
    elif found := NUMERAL.match(text):
        parsed = parse(found[0], languages)
        if parsed is None:
            return found[0] if not text[found.end() :].strip() and not sign else None
        value = parsed
    else:
        return None
    behind = text[found.end() :]
    rest = _rest(_OF_A.sub("", behind, count=1) if 0 < value < 1 else behind, languages)
    if rest is None:
        return None
    return f"{sign if value else ''}{show(value)}{before or ''}{rest if rest != before else ''}"


def _leading_currency(text: str, languages: Languages) -> tuple[str | None, str]:
    found = compiled(r"(?i)(?:\p{Lu}{1,3}\s?)?\p{Sc}|\p{Lu}{3}(?=\s?\d)|rs\.?(?=\s?\d)").match(text)
    code = unit_of(found[0], languages) if found else None
    return (f" {code}", text[found.end() :].strip()) if found and code else (None, text)


def _value(numeral: str, languages: Languages) -> str | None:
    value = parse(numeral, languages)
    return None if value is None else show(value)


def _rest(text: str, languages: Languages) -> str | None:
    """What stands behind a number, as a unit with a space before it; None when it is no unit. Feet may be followed by inches."""
    text = compiled(r"^([mck]?m)([23])$").sub(r"\1^\2", text.strip())  # `30 m2`
    if not text:
        return ""
    if (
        (found := compiled(r"([^\d]+?)\s*(?:,?\s(?:and|und|et|y|e|en)\s)?\s*(\d.*)").match(text))
        and found[1].casefold() != "in"  # `45 in 2018`
        and unit_of(found[1], languages)
        and (
            more := _single(_MINUTES.sub(r"\1 min", found[2]) if unit_of(found[1], languages) == "hour" else found[2], languages)
        )
    ):
        return f" {unit_of(found[1], languages)} {more}"
    text = compiled(r"(?<=\p{L}{3})/(?=\p{L}{3})").sub(" per ", text)
    if unit_of(text, languages) is None and (rate := _RATE.fullmatch(text)) and unit_of(rate[2], languages):
        head = _rest(rate[1], languages)
        rated = f"{head} per {unit_of(rate[2], languages)}".strip().replace(" ", "-")
        if rated in _RATES:
            return f" {rated}"
        return None if head is None else f"{head} per {unit_of(rate[2], languages)}"
    unit = unit_of(text.replace(".", ""), languages)
    if unit is None:
        unit = unit_of(text, languages)
    return None if unit is None else f" {unit}".rstrip()

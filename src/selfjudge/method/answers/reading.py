"""One form for all wordings of an answer, read against its question."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

import regex

from ..languages import Languages, compiled, language, phrases, tokens, words
from .cleaning import clean
from .codes import code, point
from .equations import solved
from .letters import letter, names_letter
from .numbers import NUMERAL, in_digits, show
from .phrases import form, stripped, without_echo
from .polarity import CANNOT_TELL, abstains, out_of_sight, polarity, said_first, truth, undecided
from .quantities import (
    date_in,
    dates,
    dimensions,
    in_one_unit,
    is_free,
    plain_times,
    quantity,
    time_span,
    times,
    times_in,
    with_bounds,
)
from .question import Question, asked
from .scales import with_scales
from .sentences import answer_line, clause, is_label, sentences, telling, without_courtesies, without_numbering
from .withdrawn import knows_not, settled

_LONE_LETTER = regex.compile(r"\W*(?:(?:[Oo]ption|[Cc]hoice)\s+)?\(?([A-Ja-j])\)?[.):]?\W*|\(([A-J])\).*|([A-J])\s*\([^()]*\)")


_REMEMBERED = 16_384
"""Answers whose reading is remembered: samples of a prompt are often equal, and their answer lines more often."""


@lru_cache(_REMEMBERED)
def normalise(answer: str, instruction: str = "") -> str | None:
    """One form for all wordings of an answer, or None when nothing is left to compare.

    The letter of an option where options are listed; `yes`, `no`; `cannot tell`; a quantity with its unit; else the phrase that
    answers, without what it repeats of the question. An answer line decides where there is one.
    """
    question = asked(instruction)
    text = clean(answer)
    if not instruction:
        question = _unasked("en" if text.isascii() and len(text) < 60 else language(text))
    text = settled(_without_list(text, question), question)
    if not question.options:
        text = _listed(_without_question(with_scales(text, question), question), question)
    parts = _sentences(text, question.languages)
    return _read(parts, question) if parts else None


@lru_cache(1024)
def _sentences(text: str, languages: Languages) -> tuple[str, ...]:
    """The sentences that may hold the answer, those of the answer line where there is one; none where nothing is said."""
    line = answer_line(text, languages)
    said = line if line is not None and compiled(r"\w").search(line) else text
    return () if is_label(said, languages) else tuple(without_courtesies(sentences(said), languages))


_OPTION_LINE = regex.compile(r"^[ \t*-]*\(?[A-Ja-j][.):][ \t]*+([^\n]*)$", regex.MULTILINE)
_ANSWER = regex.compile(r"^\s*A:\s+(?=\S)")


def _without_list(text: str, question: Question) -> str:
    """An answer without the list of options that it repeats, and without `A:` for answer."""
    if not question.options:
        return text
    listed = {option.casefold().strip(" .") for _, option in question.options}
    if listed <= {line[1].casefold().strip(" .") for line in _OPTION_LINE.finditer(text)}:
        text = _OPTION_LINE.sub("", text)
    rest = _ANSWER.sub("", text)
    return text if rest.casefold().startswith(question.options[0][1].casefold()) else rest


_ASKED_AGAIN = regex.compile(r"\s*(?:(?:Q|Question)\s*:\s*)?([^\n?？]+[?？])\s+(?=\S)", regex.IGNORECASE)


def _without_question(text: str, question: Question) -> str:
    """An answer without the question that it repeats in front."""
    found = _ASKED_AGAIN.match(text)
    return text[found.end() :] if found and tokens(found[1].casefold()) == tokens(question.text.casefold()) else text


def _listed(text: str, question: Question) -> str:
    """Several things, one in a line each, as a list; numbers and reasons are none."""
    lines = text.split("\n")
    alone = len(lines) > 1 and all(compiled(r"\p{L}[^.:?!=\d。？！：]*").fullmatch(line.strip()) for line in lines)
    if not alone or question.yes_no or question.quantity or any(len(line.split()) > 4 or len(line) > 40 for line in lines):
        return text
    label = is_label(f"{lines[0]}:", question.languages)
    return text if label else "; ".join(dict.fromkeys(line.strip() for line in lines))


@lru_cache(64)
def _unasked(code: str) -> Question:
    """No question, in the language of the answer."""
    nothing = asked("")
    return type(nothing)(
        **{name: getattr(nothing, name) for name in nothing.__slots__} | {"languages": tuple({code: 0, "en": 0})}
    )


@lru_cache(_REMEMBERED)
def _read(parts: Sequence[str], question: Question) -> str | None:
    said = " ".join(parts)
    if question.options:
        if (chosen := _option(said, parts, question)) is not None:
            return chosen
    elif (found := _LONE_LETTER.fullmatch(said)) and not compiled(r"[+#-]").search(said):
        return next(group for group in found.groups() if group).upper()
    if (special := _special(parts, question)) is not None:
        return special
    if len(parts) == 1 and knows_not(question.languages).fullmatch(said):
        return CANNOT_TELL
    if (decided := _decided(parts, question)) is not None:
        return decided
    if question.quantity and (number := _number(parts, question)) is not None:
        return number
    return _phrase(telling(parts, question), question)


def _special(parts: Sequence[str], question: Question) -> str | None:
    """A point, a ratio, a time of day or a code, where that was asked for."""
    if not (question.yes_no or question.options or question.count or question.money) and (at := point(parts)) is not None:
        return at
    if question.ratio and (ratio := _ratio(parts, question)) is not None:
        return ratio
    if question.time and not question.count and (time := _time(parts, question)) is not None:
        return time
    when = not question.time and "when" in question.stems
    if when and _AM_PM.search(" ".join(parts)) and (time := _time(parts, question)) is not None:
        return time
    if (written := code(parts, question)) is not None:
        return written
    return None


_POLES = {"true": "yes", "correct": "yes", "right": "yes", "false": "no", "incorrect": "no", "wrong": "no"}


_ONE_TO_OTHER = regex.compile(r"(?<![\d.:])(\d+(?:\.\d+)?)\s*(?::|to|[-–]|zu|к|比|a|à)\s*(\d+(?:\.\d+)?)(?![\d.]*\d|:)")


def _ratio(parts: Sequence[str], question: Question) -> str | None:
    """The one ratio or score that an answer names."""
    digits = (in_digits(part, question.languages, ambiguous=True) for part in parts)
    found = {f"{one}:{other}" for text in digits for one, other in _ONE_TO_OTHER.findall(text)}
    return found.pop() if len(found) == 1 else None


_AM_PM = regex.compile(r"(?i)(?!.*\b(?:1\d|20)\d\d\b)\d\s?[ap]\.?m\b")


def _time(parts: Sequence[str], question: Question) -> str | None:
    """The one time of day that an answer to a question for it names."""
    digits = [in_digits(part, question.languages, ambiguous=True) for part in parts]
    digits = [_POINTED.sub(r"\1:\2", plain_times(text, question.languages)) for text in digits]
    named = {time for text in digits for time in times_in(text)}
    return named.pop() if len(named) == 1 else None


_POINTED = regex.compile(r"(?<![\d.,$€£])(1\d|2[0-3]|0?[1-9])\.([0-5]\d)(?![\d.,%])(?!\s*(?:s|sec|seconds?|m|km|min|hours?)\b)")
"""A time of day with a full stop, as it is written where no other number was asked for: `4.45`."""


def _option(said: str, parts: Sequence[str], question: Question) -> str | None:
    plain = ((one, option.casefold().strip(" .")) for one, option in question.options)
    whole = {_POLES.get(option, option): one for one, option in plain}
    if any(undecided(part, question.languages) for part in parts) and not names_letter(said, dict(question.options)):
        return CANNOT_TELL
    if (
        {"yes", "no"} <= whole.keys()
        and not names_letter(said, dict(question.options))
        and (answer := polarity(parts, question)) in whole
    ):
        return whole[answer]

    def read(text: str) -> str | None:
        return _phrase(with_scales(text, question), question)

    return letter(said, question, parts[-1], read) or letter(parts[0], question, parts[0], read)


def _decided(parts: Sequence[str], question: Question) -> str | None:
    """Yes, no or cannot tell, where that is what the answer says."""
    if not question.yes_no and not question.reads and (answer := truth(parts[0]) or truth(parts[-1])) is not None:
        return answer
    if question.yes_no and (answer := polarity(parts, question)) is not None:
        return answer
    if not question.count and (answer := said_first(parts[0], question.languages, asked=False)) is not None:
        return answer
    if not question.count and (_not_shown(question.languages).match(parts[0]) or out_of_sight(parts[0], question)):
        return CANNOT_TELL
    if question.count and _NONE_SEEN.match(parts[0]):
        return None
    telling_nothing = [abstains(part, question.languages) for part in parts]
    return CANNOT_TELL if telling_nothing[0] or telling_nothing[-1] else None


_NONE_SEEN = regex.compile(r"(?i)\W*(?:i|we) (?:do not|don't|cannot|can't|can not) (?:see|find|spot) any (?!\w+ (?:to|that)\b)")
"""`I do not see any sheep` counts none."""


@lru_cache(64)
def _not_shown(languages: Languages) -> regex.Pattern[str]:
    return regex.compile(rf"\W*(?:{phrases('not_shown', languages) or '(?!)'})", regex.IGNORECASE)


_YEAR = regex.compile(r"\bin the year (?=\d{3,4}\b)", regex.IGNORECASE)


def _phrase(sentence: str, question: Question) -> str | None:
    """A phrase as a quantity, a time or a date where it is nothing else, otherwise in words."""
    if question.date and (date := date_in(sentence, question.languages)) is not None:
        return date
    short = _YEAR.sub("in ", clause(without_echo(sentence, question), question.languages))
    for text in (short, stripped(short, question)):
        if (read := _measured(text, question)) is not None:
            return read
    return form(in_digits(short, question.languages, ambiguous=False), question)


def _measured(text: str, question: Question) -> str | None:
    digits = in_digits(text, question.languages, ambiguous=True).strip()
    if (date := dates(text, question.languages) or dates(digits.replace(" ", ""), question.languages)) is not None:
        return date
    if (sizes := dimensions(digits, question.languages)) is not None:
        return sizes
    if (span := time_span(plain_times(digits, question.languages))) is not None:
        return span
    if question.quantity:
        digits = compiled(r"^an? (?=\p{L})").sub("1 ", digits)
    if question.money and is_free(text):
        return "0"
    time, number = times(plain_times(digits, question.languages)), quantity(digits, question.languages)
    if time is not None and (number is None or question.time):
        return time
    if number is not None and question.time and not question.quantity and compiled(r"[1-9]|1\d|2[0-4]").fullmatch(number):
        return times(f"{number}:00")
    if number is not None:
        return _implied(number, question)
    first, _, rest = text.partition(" ")
    return _measured(rest, question) if rest and first.casefold() in words("preposition", question.languages) else None


def _implied(number: str, question: Question) -> str:
    """A quantity without the unit that the question names already; per cent as a fraction where a share was asked for."""
    for unit in question.units:
        number = number.removesuffix(f" per {unit}")
    value, _, unit = (
        in_one_unit(number, question.units).rpartition(" ") if compiled(r"\d \S*$").search(number) else (number, "", "")
    )
    if unit == "%" and question.share:  # each number of `10-15` or `> 20`
        return compiled(r"\d+(?:/\d+|\.\d+)?").sub(lambda found: show(Fraction(found[0]) / 100), value)
    if question.money and value == "0":
        return "0"
    if unit == "pound" and question.money:
        unit = "GBP"
    return value if not unit or unit in question.units else f"{value} {unit}"


def _number(parts: Sequence[str], question: Question) -> str | None:
    """The number that answers a question for one, out of sentences and calculations; None when several could be meant."""
    parts = without_numbering(parts, question.languages)
    if question.count:
        parts = [_OF_THOSE.sub(lambda found: found[1] if found[2] in question.numbers else found[0], part) for part in parts]
    if not _ASKS_YEAR.search(question.text):
        parts = [_IN_YEAR.sub("", part) if len(NUMERAL.findall(part)) > 1 else part for part in parts]
    if (alone := _alone(parts, question)) is not None:
        return alone
    if len(parts) == 1 and not question.count and _FORMULA.fullmatch(parts[0].strip()):
        return None
    digits = [in_digits(_SUBSET.sub("", _ONES.sub(r"\1", part)), question.languages, ambiguous=True) for part in parts]
    if question.count and _none(parts[0], question):
        return "0"
    total = _total(question.languages)
    for text in reversed(digits):
        if total.search(text) and (numbers := _numbers(text, question)):
            return _sole(text, question) or numbers[-1]
        if (values := solved(text, question)) is not None:
            return values
        if "=" in text and (numbers := _numbers(text.rpartition("=")[2], question)):
            return numbers[0]
    numbered = [text for text in digits if NUMERAL.search(text)]
    tried = (telling(numbered, question), numbered[-1], numbered[0]) if numbered else ()
    return next((number for text in tried if (number := _sole(text, question)) is not None), None)


def _alone(parts: Sequence[str], question: Question) -> str | None:
    """The quantity that an answer is as a whole, or both solutions of its equation."""
    for part in reversed(parts):
        if "=" in part and "±" in part and (values := solved(part, question)) is not None:
            return values
    if len(parts) > 1 or parts[0].count("=") > 1:
        return None
    short = clause(parts[0], question.languages)
    bare = stripped(short, question)
    tried = (short, bare) if short[:1].isdigit() else (bare,)  # `30 s` loses its unit as a clitic
    return next((read for text in tried if (read := _measured(text, question)) is not None), None)


_ASKS_YEAR = regex.compile(r"\b(?:years?|when|date)\b", regex.IGNORECASE)
_IN_YEAR = regex.compile(r",? \(?(?:reached |recorded |achieved |seen )?in (?:the year )?(?:1[89]|20)\d\d\)?(?=[\s.]*$)")
"""When a value was so: `45, in 2018`."""

_FORMULA = regex.compile(r"(?=.*(?:[\\^√±≠{}]|\d[a-zA-Z](?![a-zA-Z])))(?!.*(?<!\\)(?<!\p{L})\p{L}{4,})[^=\n]{1,80}")
"""An expression without words or `=`, of which no number alone is the value: `3x^2`, `2+√3`, `±5`."""
_OF_THOSE = regex.compile(r"(?<![\d/.])(\d+)\s*(?:/|out of)\s*(\d+)(?![\d/.])")
"""How many of as many as the question names: `3/12`."""
_ONES = regex.compile(
    r"(\b(?:\d+|one|two|three|four|five|six|seven|eight|nine|ten) (?!and\b|hundred\b|thousand\b)\p{L}+) ones?\b", regex.IGNORECASE
)
"""`one` for a noun: `seven white ones and one black one`."""
_SUBSET = regex.compile(r",? (?:\w+ )?(?:of (?:which|whom|them|these)|including)\b.*", regex.IGNORECASE)
"""What counts a part of what was counted: `four of which are open`."""


@lru_cache(64)
def _total(languages: Languages) -> regex.Pattern[str]:
    return regex.compile(rf"(?<!\w)(?:{phrases('total', languages)})(?!\w(?<!\p{{Han}}))", regex.IGNORECASE)


def _whole(text: str, question: Question) -> str | None:
    """A first number that those behind it add up to: `There are 8 sheep: 7 white ones and 1 black one`."""
    first, *rest = _numbers(text, question) or ("",)
    if len(rest) < 2 or not all(compiled(r"\d{1,6}").fullmatch(one) for one in (first, *rest)) or "+" in text:
        return None
    return first if int(first) == sum(map(int, rest)) else None


def _sole(text: str, question: Question) -> str | None:
    """The only number of a sentence that the question does not hold itself, or the only one behind its verb."""
    if question.count and (whole := _whole(text, question)) is not None:
        return whole
    found = [one for one in _numbers(text, question) if one not in question.numbers] or _numbers(text, question)
    if len({*found}) > 1:
        found = _numbers(_VERB.split(text)[-1], question)
    return found[0] if len({*found}) == 1 else None


_NONE = regex.compile(
    r"(?<!\w)(?:no|not (?:\w+ )?any|cannot (?:\w+ )?any|\w+n't (?:\w+ )?any|none|nobody|niemand"
    r"|(?<!\b(?:une|1|seule|cette|la|chaque|par) )personne"
    r"|nadie|ninguém|никого|kein\w*|aucun\w*|ningun\w*|nenhum\w*|nessun\w*|geen|没有"
    r"|いません|ありません|없습니다|нет)"
    r"(?!\w(?<!\p{Han}))",
    regex.IGNORECASE,
)


def _none(sentence: str, question: Question) -> bool:
    """Whether a sentence denies that there is any."""
    if not _NONE.search(sentence):
        return False
    return not compiled(r"[1-9]").search(in_digits(sentence, question.languages, ambiguous=False))


_NUMBER_WITH_UNIT = regex.compile(
    rf"(?:[<>≤≥]\s*+)?(?:(?<![\d\p{{L}}])[-±]\s?)?\p{{Sc}}?\s?{NUMERAL.pattern}(?:\s*(?:/|to|-|–)\s*{NUMERAL.pattern})?"
    r"\s*(?:[°%]\s?[CF]?\b|\p{Sc}|(?!in\b)[\p{L}^/\d]+)?"
)


_CLOCKWISE = regex.compile(r"(counter[- ]?|anti[- ]?)?clockwise", regex.IGNORECASE)


_VERB = regex.compile(r"\s(?:is|are|was|were|equals?|makes?|be|ist|sind|est|sont|es|son|é|são|è|sono|zijn)\s|[=:≈]")


def _numbers(text: str, question: Question) -> list[str]:
    """The numbers of a text, with their units."""
    found = _NUMBER_WITH_UNIT.finditer(with_bounds(text))
    ways = {"-" if one[1] else "" for one in _CLOCKWISE.finditer(text)}
    if len(ways) == 1 and "clockwise" not in question.text.casefold():
        way = "counterclockwise" if ways == {"-"} else "clockwise"
        return [f"{read} {way}" for match in found if (read := _with_unit(match[0], question)) is not None]
    return [read for match in found if (read := _with_unit(match[0], question)) is not None]


def _with_unit(text: str, question: Question) -> str | None:
    for said in (text, compiled(r"\s*[\p{L}^/]+\d?$").sub("", text)):
        if (read := quantity(said, question.languages)) is not None:
            return _implied(read, question)
    return None

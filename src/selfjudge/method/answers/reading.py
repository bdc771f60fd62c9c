"""One form for all wordings of an answer, read against its question."""

from __future__ import annotations

from functools import lru_cache

import regex

from ..languages import language, phrases, words
from .cleaning import clean
from .letters import letter
from .numbers import NUMERAL, in_digits, parse, show
from .phrases import form, stripped
from .polarity import CANNOT_TELL, abstains, polarity, said_first
from .quantities import dates, quantity, times, with_bounds
from .question import Question, asked
from .sentences import answer_line, clause, sentences, telling, without_courtesies

_LONE_LETTER = regex.compile(r"\W*(?:(?:[Oo]ption|[Cc]hoice)\s+)?\(?([A-Ja-j])\)?[.):]?\W*|\(([A-J])\)\s.*|([A-J])\s*\([^()]*\)")


def normalise(answer: str, instruction: str = "") -> str | None:
    """One form for all wordings of an answer, or None when nothing is left to compare.

    The letter of an option where options are listed; `yes`, `no`; `cannot tell`; a quantity with its unit; else the phrase that
    answers, without what it repeats of the question. An answer line decides where there is one.
    """
    question = asked(instruction)
    text = clean(answer)
    if not instruction:
        question = _unasked("en" if text.isascii() and len(text) < 60 else language(text))
    line = answer_line(text, question.languages)
    said = line if line is not None and regex.search(r"\w", line) else text
    parts = without_courtesies(sentences(said), question.languages)
    if not parts:
        return None
    return _read(" ".join(parts), parts, question)


@lru_cache(64)
def _unasked(code: str) -> Question:
    """No question, in the language of the answer."""
    nothing = asked("")
    return type(nothing)(
        **{name: getattr(nothing, name) for name in nothing.__slots__} | {"languages": tuple({code: 0, "en": 0})}
    )


def _read(said: str, parts: list[str], question: Question) -> str | None:
    if question.options:
        if (chosen := _option(said, parts, question)) is not None:
            return chosen
    elif (found := _LONE_LETTER.fullmatch(said)) and not regex.search(r"[+#-]", said):
        return next(group for group in found.groups() if group).upper()
    if (decided := _decided(parts, question)) is not None:
        return decided
    if question.quantity and (number := _number(parts, question)) is not None:
        return number
    return _phrase(telling(parts, question), question)


def _option(said: str, parts: list[str], question: Question) -> str | None:
    whole = {option.casefold().strip(" ."): one for one, option in question.options}
    if {"yes", "no"} <= whole.keys() and (answer := polarity(parts, question)) in whole:
        return whole[answer]
    if abstains(parts[0], question.languages) and len(parts) == 1 and not regex.search(r"\([A-J]\)", said):
        chosen = letter(said, question, parts[-1], lambda text: None)
        return chosen or CANNOT_TELL
    chosen = letter(said, question, parts[-1], lambda text: _phrase(text, question))
    return chosen or letter(parts[0], question, parts[0], lambda text: _phrase(text, question))


def _decided(parts: list[str], question: Question) -> str | None:
    """Yes, no or cannot tell, where that is what the answer says."""
    if question.yes_no and (answer := polarity(parts, question)) is not None:
        return answer
    if not question.count and (answer := said_first(parts[0], question.languages, asked=False)) is not None:
        return answer
    telling_nothing = [abstains(part, question.languages) for part in parts]
    return CANNOT_TELL if telling_nothing[0] or telling_nothing[-1] else None


def _phrase(sentence: str, question: Question) -> str | None:
    """A phrase as a quantity, a time or a date where it is nothing else, otherwise in words."""
    short = clause(sentence, question.languages)
    for text in (short, stripped(short, question)):
        if (read := _measured(text, question)) is not None:
            return read
    return form(in_digits(short, question.languages, ambiguous=False), question)


def _measured(text: str, question: Question) -> str | None:
    if (date := dates(text, question.languages)) is not None:
        return date
    digits = in_digits(text, question.languages, ambiguous=True).strip()
    time, number = times(digits), quantity(digits, question.languages)
    if time is not None and (number is None or question.time):
        return time
    if number is not None:
        return _implied(number, question)
    first, _, rest = text.partition(" ")
    return _measured(rest, question) if rest and first.casefold() in words("preposition", question.languages) else None


def _implied(number: str, question: Question) -> str:
    """A quantity without the unit that the question names already; per cent as a fraction where a share was asked for."""
    value, _, unit = number.rpartition(" ") if regex.search(r"\d \S*$", number) else (number, "", "")
    if unit == "%" and question.share and (parsed := parse(value)) is not None:
        return show(parsed / 100)
    if unit == "pound" and question.money:
        unit = "GBP"
    return value if not unit or unit in question.units else f"{value} {unit}"


def _number(parts: list[str], question: Question) -> str | None:
    """The number that answers a question for one, out of sentences and calculations; None when several could be meant."""
    if len(parts) == 1 and (read := _measured(stripped(clause(parts[0], question.languages), question), question)) is not None:
        return read
    digits = [in_digits(part, question.languages, ambiguous=True) for part in parts]
    if question.count and _none(parts[0], question):
        return "0"
    for text in reversed(digits):
        if "=" in text and (number := _single(text.rpartition("=")[2], question, first=True)):
            return number
    total = regex.compile(rf"(?<!\w)(?:{phrases('total', question.languages)})(?!\w(?<!\p{{Han}}))", regex.IGNORECASE)
    for text in reversed(digits):
        if total.search(text) and (number := _single(text, question, first=False)):
            return number
    numbered = [text for text in digits if NUMERAL.search(text)]
    if not numbered:
        return None
    return _single(telling(numbered, question), question, first=False, sole=True)


def _none(sentence: str, question: Question) -> bool:
    """Whether a sentence denies that there is any."""
    return regex.search(
        r"(?<!\w)(?:no|not any|\w+n't any|none|kein\w*|aucun\w*|ningun\w*|nenhum\w*|nessun\w*|geen|没有|いません|ありません|없습니다|нет)(?!\w(?<!\p{Han}))",
        sentence,
        regex.I,
    ) is not None and not regex.search(r"\d", in_digits(sentence, question.languages, ambiguous=False))


_NUMBER_WITH_UNIT = regex.compile(
    rf"(?:[<>≤≥]\s*+)?(?:(?<![\d\p{{L}}])-\s?)?\p{{Sc}}?\s?{NUMERAL.pattern}(?:\s*(?:/|to|-|–)\s*{NUMERAL.pattern})?\s*(?:[°%]\s?[CF]?\b|\p{{Sc}}|[\p{{L}}^/\d]+)?"
)


def _single(text: str, question: Question, *, first: bool, sole: bool = False) -> str | None:
    """The first or the last number of a text, with its unit; None when `sole` asks for one and there are others."""
    found = [
        read for match in _NUMBER_WITH_UNIT.finditer(with_bounds(text)) if (read := _with_unit(match[0], question)) is not None
    ]
    if not found or (sole and len({*found}) > 1):
        return None
    return found[0] if first else found[-1]


def _with_unit(text: str, question: Question) -> str | None:
    for said in (text, regex.sub(r"\s*[\p{L}^/]+\d?$", "", text)):
        if (read := quantity(said, question.languages)) is not None:
            return _implied(read, question)
    return None

"""What an instruction wants for an answer: what its answers are read against."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import regex

from ..kinds import examined, is_count, is_yes_no, languages_of, options, short_form
from ..languages import WORD_START, Languages, compiled, is_ending, phrases, stem, tokens, words
from .cleaning import clean
from .numbers import in_digits
from .quantities import unit_of

_SHARE = regex.compile(
    r"\b(?:share|fraction|proportion|portion|probability|part of|ratio|anteil|bruchteil|fracci[oó]n|fração|frazione)\b", regex.I
)
_AGE = regex.compile(r"\b(?:ages?|old|years?)\b", regex.I)
_ANGLE = regex.compile(r"\bangles?\b|∠|\\angle|°|\bdegrees?\b|\bwinkel\b|\bángulo\b", regex.I)
_PERCENT = regex.compile(r"\b(?:per ?cent(?:age)?|prozent\w*|pourcentage|porcentaje|porcentagem|percentuale)\b|百分", regex.I)
_MONEY = regex.compile(
    r"\b(?:prices?|costs?|pay|paid|fare|fee|charge|how much (?:is|are|was|were|do|does)|salary|money|revenue)\b", regex.I
)
_RATIO = regex.compile(r"\b(?:ratio|score|verhältnis|соотношение|счёт|счет)\b|比分|比例|比率", regex.I)
_TIME = regex.compile(
    r"\b(?:times?|clock|o'clock|uhr|heure|hora|horas|ora|ore|laat|время|часов|час)\b|几点|时间|時間|何時|몇 시|समय|बजे|الساعة",
    regex.I,
)
_DATE = regex.compile(
    r"\b(?:date[ds]?|when|datum|wann|fecha|cuándo|data|quando|quand|дата|когда|expir\w+)\b"
    r"|日期|何日|日付|いつ|几号|哪天|날짜|언제|तारीख|दिनांक|تاريخ",
    regex.I,
)
_QUESTION = regex.compile(
    r"(?:^|\n)\s*(?:Question|Q|Frage|Pregunta|Pergunta|Domanda|Вопрос|问题|問題|질문|प्रश्न|السؤال)\s*[:：]", regex.I
)
_NUMERIC = regex.compile(
    r"requiring an? (?:integer|float|decimal)|answer (?:is|as) an? (?:integer|decimal|number)|(?:integer|number|digits?) only",
    regex.I,
)
_FRAME = regex.compile(r"\W*(?:choices|options|answers?|solution|alternatives)?\W*\(?A?\)?\W*", regex.I)
_HINT = regex.compile(r"\n+|(?<=[.?!。？！])\s+")
_ORDERED = regex.compile(
    r"\b(?:order|left to right|right to left|top to bottom|first to last|sequence|rank|clockwise)\b", regex.I
)


IN_FRONT = regex.compile(r"\bin (?:the )?front of\b", regex.IGNORECASE)
"""A place of three words, of which `in` alone would be another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is known of a question before its answers are read."""

    languages: Languages
    text: str
    """Its wording, without options, hints and wishes for a form of answer."""
    named: tuple[str, ...]
    """Its words, as they are written and in order."""
    options: tuple[tuple[str, str], ...]
    yes_no: bool
    count: bool
    quantity: bool
    numbers: frozenset[str]
    """Numbers that it holds itself, which an answer may repeat."""
    share: bool
    ordered: bool
    reads: bool
    """Whether it asks what is written somewhere."""
    ratio: bool
    """Whether it asks for two numbers, one to the other."""
    money: bool
    time: bool
    date: bool
    stems: frozenset[str]
    """Stems of its words, which an answer may repeat; the alternatives it offers (`red or blue`) are none of them."""
    content: tuple[str, ...]
    """Stems of the words that say what is asked about, in order."""
    units: frozenset[str]
    """Units that the question names, so that an answer need not."""

    def stem(self, word: str) -> str:
        return stem(word, self.languages[0])


@lru_cache(1024)
def asked(instruction: str) -> Question:
    """What an instruction asks for, by its wording."""
    text, languages = examined(instruction), languages_of(instruction)
    written = options(instruction)
    listed = tuple((letter, clean(option) or option) for letter, option in written.items())
    question = IN_FRONT.sub("front of", _asking(text.partition(written["A"])[0] if listed else text, languages))
    named, count = tokens(question), is_count(question)
    said = [stem(word, languages[0]) for word in named]
    alternatives = _alternatives(languages).findall(question)
    offered = {stem(w, languages[0]) for pair in alternatives for one in pair for w in tokens(one)}
    idle = _idle(languages)
    content = [s for word, s in zip(named, said, strict=True) if word.casefold() not in idle and not is_ending(word, languages)]
    return Question(
        languages=languages,
        text=question,
        named=tuple(named),
        options=listed,
        yes_no=is_yes_no(question) and not alternatives,
        count=count,
        quantity=count or bool(_wants_quantity(languages).search(question)) or bool(_NUMERIC.search(text)),
        numbers=frozenset(compiled(r"\d+(?:\.\d+)?").findall(in_digits(question, languages, ambiguous=False))),
        share=bool(_SHARE.search(question)),
        reads=compiled(rf"(?i){phrases('reads_what', languages) or '(?!)'}").search(question) is not None,
        ratio=_RATIO.search(question) is not None,
        money=bool(_MONEY.search(question)),
        time=bool(_TIME.search(question)),
        date=bool(_DATE.search(question)),
        ordered=bool(_ORDERED.search(question)),
        stems=frozenset(said) - offered,
        content=tuple(dict.fromkeys(content)),
        units=_units(question, languages),
    )


@lru_cache(64)
def _idle(languages: Languages) -> frozenset[str]:
    """Words of a question that do not say what it asks about."""
    tables = ("light", "talk", "asking", "preposition", "auxiliary")
    return frozenset(
        {
            "any",
            "some",
            "there",
            "anyone",
            "anybody",
            "someone",
            "somebody",
            "anything",
            "something",
            "many",
            "much",
            "which",
        }.union(*(words(table, languages) for table in tables))
    )


@lru_cache(64)
def _alternatives(languages: Languages) -> regex.Pattern[str]:
    """Two things between which a question lets choose, up to two words each."""
    joint = phrases("or", languages)
    return regex.compile(rf"(?<!\S)([\w'-]+(?: [\w'-]+)?),? (?:{joint}) (?:an? |the )?([\w'-]+(?: [\w'-]+)?)", regex.IGNORECASE)


def _asking(text: str, languages: Languages) -> str:
    """The question of an instruction: what stands behind the last `Question:`, without hints and wishes for a form of answer."""
    said = _QUESTION.split(text)[-1]
    kept = [part for part in _HINT.split(said) if not short_form(part, languages) and not _FRAME.fullmatch(part)]
    return "\n".join(part for part in kept if part.strip()) or said


@lru_cache(64)
def _wants_quantity(languages: Languages) -> regex.Pattern[str]:
    return regex.compile(rf"{WORD_START}(?:{phrases('quantity', languages)})", regex.IGNORECASE)


def _units(question: str, languages: Languages) -> frozenset[str]:
    named = {
        unit_of(word, languages)
        for word in compiled(r"\p{Sc}|°\w?|%|\p{L}{2,}(?: per \p{L}+)?|(?<=\()\s*\p{L}").findall(question)
    }
    if _AGE.search(question):
        named.add("year")
    if _PERCENT.search(question):
        named.add("%")
    if _ANGLE.search(question):
        named.add("degree")
    return frozenset(unit for unit in named if unit)

"""Whether a trace names what Stage I knows of a pair, and which side it says the image agrees with. No label, no truth.

Compared are the content words in which the two sides differ, by their stems, in any order and script: half of each side's
(at least one), or of the one side that there is. Number words count as digits, an option's text as its letter. What a trace
says of the responses themselves, and its verdict, name nothing. A word that a trace also uses for itself (`one`, `left`)
counts only beside a word of what the pair is about, or where the trace reports what a response says.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import regex

from ..types import Alteration, Edit, PreferencePair, Vote
from .answers.numbers import in_digits, show
from .answers.polarity import CANNOT_TELL, abstains, denies
from .answers.quantities import currency, times, times_in, unit_of
from .kinds import options
from .languages import WORD_START, Languages, compiled, language, phrases, stem, words

_EXAMINED = 6_000
"""Characters of a long trace that are examined, half of them at each end."""
_LONGEST_SIDE = 1_000
"""Characters of one side of an edit that are examined."""
_VERDICT = regex.compile(r"\[{1,2}\s*[A-Z]\s*\]{1,2}")
_LABEL = regex.compile(
    r"(?<!\w)(?:response|answer|assistant|candidate|réponse|respuesta|resposta|risposta|antwort|antwoord|ответ|回答|응답|답변|उत्तर)\s*\(?[AB12]\)?(?![A-Za-z\d])",
    regex.I,
)
_BARE_LABEL = regex.compile(
    r"(?<![\w(])[AB](?=\s+(?:says|has|counts|claims|calls|reads|sees|is right|is wrong|gives|takes|speaks|picks|leaves|adds)\b)"
)
_LETTER = regex.compile(
    r"\(([A-J])\)|[\"“]([A-J])[\"”]|(?:option|choice|alternative|letter|picks?|chooses?|selects?|goes (?:for|with)"
    r"|answers?(?: with| is)?|says|选项?|选择)"
    r"\s*:?\s*([A-J])(?![\w'])|(?<![\w'])([C-HJ])(?![\w'])",
    regex.IGNORECASE,
)
_TOKEN = regex.compile(r"\p{Sc}|[+%°]|-(?=\s|$|[.,])|[\p{Han}]|(?:(?!\p{Han})[\p{L}\p{M}])+|\d[\d.,]*")
_SENTENCE = regex.compile(r"(?<=[.!?。！？;])\s+|(?<=[。！？])|\n+")
_ALTERNATIVES = regex.compile(r"\b(?:or|vs\.?|versus|against|oder|ou|o|还是|または)\b[^?]{0,60}\?|\d \S{0,20} ?vs", regex.I)
_SIGNS = {"+": "plus", "-": "minus", "percent": "%", "degrees": "°"}


@dataclass(frozen=True, slots=True)
class _Side:
    """One side of what differs: the stems that name it, or the answer that it is."""

    stems: tuple[str, ...]
    letter: str | None = None
    answer: str | None = None


def names(trace: str, pair: PreferencePair) -> bool:
    """Whether a trace names one located edit, or both answers of a vote."""
    if pair.evidence is None:
        return False
    said = _said(trace, _languages(pair), _context(pair))
    return any(all(_named(side, said) for side in sides) or _mostly(sides, said) for sides in _sides(pair))


def signed(trace: str, pair: PreferencePair) -> bool:
    """Whether a trace names what differs and says of the chosen side that the image agrees with it."""
    return names(trace, pair) and agrees(trace, pair) is True


def agrees(trace: str, pair: PreferencePair) -> bool | None:
    """Whether the image agrees with the chosen side, as the trace concludes; None when it says of neither, or of both.

    The last clause decides that speaks of one side only. What a response says counts where the trace calls it right or wrong.
    Denied or called wrong, a side speaks for the other.
    """
    languages, context = _languages(pair), _context(pair)
    for clause in reversed(_clauses(trace, languages)):
        refuted, confirmed = (_calls(name, languages).search(clause) for name in ("refuted", "confirmed"))
        own = _LABEL.search(clause) is None and _BARE_LABEL.search(clause) is None and not _reported(clause)
        if not (own or refuted or confirmed or _REMARKED.search(clause)):
            continue
        said = _said(clause, languages, context)
        denied = not denies(_last_words(clause[: refuted.start()]), languages) if refuted else denies(clause, languages)
        for sides in _sides(pair):
            told = [_named(side, said) for side in sides]
            if len(sides) == 2 and told[0] != told[1]:
                return told[0] != denied
            if len(sides) == 1 and told[0]:
                return _only_chosen(pair) != denied
    return None


def _last_words(text: str) -> str:
    """The two words before what calls something wrong: `not wrong`, `no such error`."""
    return " ".join(text.split()[-2:])


_REMARKED = regex.compile(r",\s*which\b|\b(?:but|and|yet) (?:this|that) (?:is|was|does|did|can)", regex.I)
"""What follows is the trace's own remark on what it has just reported."""


def _clauses(trace: str, languages: Languages) -> list[str]:
    """The sentences, cut before words that turn them and before the next response."""
    turn = compiled(rf"(?i)[,;]?\s+(?=(?:{phrases('turn', languages) or '(?!)'})(?!\w))|[,;]\s*(?:and\s+)?(?={_LABEL.pattern})")
    return [clause for sentence in _sentences(trace) for clause in turn.split(" ".join(sentence.split())) if clause]


@lru_cache(64)
def _calls(name: str, languages: Languages) -> regex.Pattern[str]:
    listed = phrases(name, languages) or "(?!)"
    spaceless = languages[0] in ("zh", "ja")
    return regex.compile(listed if spaceless else rf"(?<!\w)(?:{listed})(?!\w)", regex.I)


def _only_chosen(pair: PreferencePair) -> bool:
    """Whether the one side that there is stands in the chosen response."""
    return isinstance(pair.evidence, Alteration) and any(edit.before and not edit.after for edit in pair.evidence.edits)


_REPORTED = regex.compile(
    r"\b(?:one|other|first|second|both|they|responses?|answers?)\b(?:\s+\S+){0,3}?\s+(?:says?|calls?|claims?|states?|reads?|counts?|speaks?|differ|disagree)\b|\?\s*$",
    regex.I,
)


def _reported(sentence: str) -> bool:
    return _REPORTED.search(sentence) is not None


def _languages(pair: PreferencePair) -> Languages:
    own = language(f"{pair.chosen} {pair.rejected} {pair.prompt.text}"[:2_000])
    return (own,) if own == "en" else (own, "en")


def _sides(pair: PreferencePair) -> list[tuple[_Side, ...]]:
    """For each thing that differs its two sides, or the one that there is."""
    languages = _languages(pair)
    if isinstance(pair.evidence, Vote):
        return [_answers(pair.evidence, options(pair.prompt.text), languages)]
    edits = pair.evidence.edits if pair.evidence is not None else ()
    return [sides for edit in edits if (sides := _edited(edit, languages))]


def _edited(edit: Edit, languages: Languages) -> tuple[_Side, ...]:
    before, after = (_content(side[:_LONGEST_SIDE], languages) for side in (edit.before, edit.after))
    only = [stems for stems in (_differing(before, after, languages), _differing(after, before, languages)) if stems]
    telling = [stems for stems in only if not _light(languages).issuperset(stems)]
    if not telling and (forms := _forms_that_differ(edit, languages)):
        return tuple(map(_Side, forms))
    return tuple(_Side(stems) for stems in telling or only)


def _forms_that_differ(edit: Edit, languages: Languages) -> list[tuple[str, ...]]:
    """The words of either side where only their endings differ, as in `niña` and `niño`."""
    before, after = (_forms(side[:_LONGEST_SIDE], languages) for side in (edit.before, edit.after))
    return [tuple(before - after), tuple(after - before)] if before - after and after - before else []


def _forms(text: str, languages: Languages) -> frozenset[str]:
    """The words of a text as they are written, marked as such."""
    return frozenset(
        f"={word.casefold()}"
        for word in _TOKEN.findall(text)
        if word.isalpha() and stem(word, languages[0]) not in _generic(languages)
    )


def _answers(vote: Vote, listed: dict[str, str], languages: Languages) -> tuple[_Side, ...]:
    answers = (vote.majority, vote.alternative)
    contents = [_content(listed.get(answer, answer), languages) for answer in answers]
    letters = [answer if regex.fullmatch("[A-J]", answer) else None for answer in answers]
    if answers[0].lstrip("-") == answers[1].lstrip("-"):
        return tuple(_Side((_sign(answer.partition(" ")[0]),), None, answer) for answer in answers)
    return tuple(
        _Side(_differing(mine, other, languages) if listed or not letter else (), letter, answer)
        for mine, other, letter, answer in zip(contents, reversed(contents), letters, answers, strict=True)
    )


def _differing(mine: list[str], other: list[str], languages: Languages) -> tuple[str, ...]:
    """The stems that only one side has; function words only where it has no others."""
    own = tuple(dict.fromkeys(word for word in mine if word not in other))
    content = tuple(word for word in own if word not in _idle(languages))
    return content or own


@lru_cache(64)
def _light(languages: Languages) -> frozenset[str]:
    return frozenset(stem(word, languages[0]) for word in words("light", languages))


@lru_cache(64)
def _idle(languages: Languages) -> frozenset[str]:
    return _light(languages) | {stem(word, languages[0]) for word in words("preposition", languages)}


@lru_cache(64)
def _generic(languages: Languages) -> frozenset[str]:
    return _idle(languages) | {stem(word, languages[0]) for word in words("generic", languages)}


def _content(text: str, languages: Languages) -> list[str]:
    """The words of a text as stems, its numbers as digits, its signs by their names."""
    digits = in_digits(text, languages, ambiguous=True)
    return [_canonical(word, languages) for word in _TOKEN.findall(digits) if word not in ("a", "an", "the", "A", "An", "The")]


@lru_cache(16_384)
def _canonical(word: str, languages: Languages) -> str:
    if word[0].isdigit():
        number = word.rstrip(".,:/").replace(",", "")
        return number.rstrip("0").rstrip(".") if number.count(".") == 1 else number
    folded = word.casefold()
    measures = folded not in words("preposition", languages) and (len(folded) > 1 or folded in ("m", "g"))
    unit = currency(folded) or (unit_of(folded, languages) if measures else None)
    return _SIGNS.get(folded) or unit or stem(folded, languages[0])


@lru_cache(256)
def _context(pair: PreferencePair) -> frozenset[str]:
    """Stems of what the pair is about: content words that both responses share, and those of the request."""
    languages = _languages(pair)
    chosen, rejected, request = (
        set(_content(text[:_EXAMINED], languages)) for text in (pair.chosen, pair.rejected, pair.prompt.text)
    )
    about = (chosen & rejected) | (request if isinstance(pair.evidence, Vote) else set())
    return frozenset(word for word in about - _generic(languages) if not word[0].isdigit())


@dataclass(frozen=True, slots=True)
class _Said:
    """What a trace says: its stems, the answers' letters in it, and its sentences for the answers that are no words."""

    stems: frozenset[str]
    letters: frozenset[str]
    sentences: tuple[str, ...]
    languages: Languages
    context: frozenset[str]


_SIGNED = regex.compile(
    r"(?<![\w.,^])(?P<sign>[-−]|\b(?:minus|negative|negativo|moins|menos)\s|[负負])?\s?(?P<number>\d+(?:[.,]\d+)*)(?:\s?/\s?(?P<of>\d+))?"
    r"(?P<share>\s?(?:%|percent\b|per cent\b|prozent\b|por ciento\b|por cento\b|pour cent\b|per cento\b))?",
    regex.I,
)


def _sign(number: str) -> str:
    return number if number.startswith("-") else f"+{number}"


def _numbers(sentence: str, languages: Languages) -> set[str]:
    """The numbers of a sentence with their signs, and the values of its fractions and shares."""
    said = set()
    for found in _SIGNED.finditer(in_digits(sentence, languages, ambiguous=True)):
        number = _canonical(found["number"], languages)
        said.add(f"-{number}" if found["sign"] else f"+{number}")
        if (found["of"] or found["share"]) and regex.fullmatch(r"\d{1,9}(?:\.\d{1,9})?", number):
            of = int(found["of"][:9]) if found["of"] else 100
            said |= {show(Fraction(number) / of)} if of else set()
    return said


def _sentences(trace: str) -> list[str]:
    half = _EXAMINED // 2
    text = trace if len(trace) <= _EXAMINED else f"{trace[:half]}\n{trace[-half:]}"
    return [part for part in _SENTENCE.split(_VERDICT.sub(" ", text)) if part.strip()]


@lru_cache(256)
def _said(trace: str, languages: Languages, context: frozenset[str]) -> _Said:
    sentences = _sentences(trace)
    letters = {
        group.upper()
        for part in sentences
        for found in _LETTER.finditer(_LABEL.sub(" ", part))
        for group in found.groups()
        if group
    }
    stems = {word for part in sentences for word in _counting(part, languages, context)}
    stems |= {word for part in sentences for word in (*_forms(part, languages), *_numbers(_LABEL.sub(" ", part), languages))}
    return _Said(frozenset(stems), frozenset(letters), tuple(sentences), languages, context)


def _counting(sentence: str, languages: Languages, context: frozenset[str]) -> set[str]:
    """The stems of a sentence that can be meant of the image."""
    own = regex.compile(rf"\b(?:{phrases('own', languages) or '(?!)'})", regex.IGNORECASE)
    bare = _LABEL.sub(" ", _BARE_LABEL.sub(" ", compiled(rf"(?i){_LABEL.pattern}(?:\s*:|\s+में\b)").sub(" says ", sentence)))
    whole = _content(bare, languages)
    meant = _content(own.sub(" ", bare), languages)
    generic, report = _generic(languages), {stem(word, languages[0]) for word in words("report", languages)}
    beside = any(word in context for word in whole)
    counting = {word for word in whole if word not in generic and not _small(word)}
    beside = beside or _ALTERNATIVES.search(sentence) is not None
    shy = meant if beside else [word for i, word in enumerate(whole) if report & set(whole[max(0, i - 2) : i])]
    return counting | {word for word in shy if word in generic or _small(word)}


def _small(word: str) -> bool:
    return len(word) == 1 and word.isdigit()


def _times(sentence: str, languages: Languages) -> frozenset[str]:
    return times_in(in_digits(sentence, languages, ambiguous=True))


def _named(side: _Side, said: _Said) -> bool:
    if side.letter and side.letter in said.letters:
        return True
    if side.answer == CANNOT_TELL:
        return any(abstains(sentence, said.languages) for sentence in said.sentences)
    if side.answer and times(side.answer) and any(side.answer in _times(sentence, said.languages) for sentence in said.sentences):
        return True
    if side.answer in ("yes", "no") and _takes(side.answer, said):
        return True
    found = sum(word in said.stems for word in side.stems)
    return found >= max(1, len(side.stems) // 2)


_LONG = 4
"""Differing words of a long edit, of which people quote one side and describe the other."""


def _mostly(sides: tuple[_Side, ...], said: _Said) -> bool:
    """Whether two thirds of one side of a long edit are named, and more than one word."""
    if sum(len(side.stems) for side in sides) < _LONG or any(side.answer for side in sides):
        return False
    named = [(sum(word in said.stems for word in side.stems), len(side.stems)) for side in sides]
    return any(found >= 2 and 3 * found >= 2 * size for found, size in named)


@lru_cache(64)
def _reported_word(table: str, languages: Languages) -> regex.Pattern[str]:
    """A yes or a no that a response is said to give: `sagt ja`, `la B que no`, `回答Aは「はい」`."""
    listed, reports = (
        "|".join(sorted((regex.escape(word).replace("_", " ") for word in words(name, languages)), key=len, reverse=True))
        for name in (table, "report")
    )
    word = rf"\s*[:：,]?\s*[\"'“‘„«「]?(?:{listed})(?![\w\p{{M}}])"
    alone = r"(?=\W*$|\s*[.,;!?\"”»」。，；、]|\s+(?:y|e|et|und|en|и|और|कह|बता))"
    return regex.compile(
        rf"{WORD_START}(?:{reports})(?:\s+(?:que|dass|che|qu'))?{word}|[AB]\s*(?:que|dass|che|は)?{word}{alone}", regex.I
    )


def _takes(answer: str, said: _Said) -> bool:
    """Whether a sentence about the matter affirms it, or denies it, or a response is said to answer so."""
    own = said.languages[:1]
    if own != ("en",) and any(_reported_word(answer, own).search(sentence) for sentence in said.sentences):
        return True
    about = [sentence for sentence in said.sentences if said.context & set(_content(sentence, said.languages))]
    denied = [denies(sentence, said.languages) for sentence in about]
    return any(denied) if answer == "no" else bool(about)


__all__ = ["agrees", "names", "signed"]

"""Yes, no, and cannot tell, in all their wordings."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import regex

from ..languages import WORD_START, Languages, is_ending, phrases, tokens, words
from .opposites import another_number, compares, in_its_words, one_side, says_otherwise
from .question import Question

CANNOT_TELL = "cannot tell"
_SPACELESS = ("zh", "ja", "th")


@lru_cache(64)
def _first(languages: Languages, table: str, *, bare: bool) -> regex.Pattern[str]:
    """A word of a table at the beginning: as the whole answer or before a comma, or simply as a word where `bare` says so."""
    listed = "|".join(sorted((regex.escape(word).replace("_", " ") for word in words(table, languages)), key=len, reverse=True))
    own = languages[0] in _SPACELESS
    end = r"" if bare and own else r"(?![\w'])(?!\.?\s*\d)" if bare else r"(?:\W*$|[,.!:;，。！、](?!\s*\d)|\s+[-–—]\s)"
    return regex.compile(rf"\W*(?:{listed}){end}", regex.IGNORECASE)


@lru_cache(64)
def _denied(languages: Languages) -> regex.Pattern[str]:
    listed = "|".join(sorted(map(regex.escape, words("negation", languages) | words("no", languages)), key=len, reverse=True))
    return regex.compile(listed if languages[0] in (*_SPACELESS, "ko") else rf"(?<!\w)(?:{listed})(?!\w)|n't\b", regex.IGNORECASE)


@lru_cache(64)
def _doubt(languages: Languages) -> regex.Pattern[str]:
    return regex.compile(phrases("doubt", languages) or r"(?!)", regex.IGNORECASE)


@lru_cache(64)
def _abstention(languages: Languages) -> regex.Pattern[str]:
    return regex.compile(rf"{WORD_START}(?:{phrases('abstention', languages)})", regex.IGNORECASE)


@lru_cache(64)
def _joined(languages: Languages) -> regex.Pattern[str]:
    return regex.compile(rf"\s+(?:{phrases('and', languages)}|{phrases('or', languages)})\s+", regex.IGNORECASE)


def said_first(text: str, languages: Languages, *, asked: bool) -> str | None:
    """`yes` or `no` when an answer begins with it. Where it was not asked, only what stands alone or before a comma counts."""
    yes, no = (_first(languages, table, bare=asked).match(text) for table in ("yes", "no"))
    if (
        yes
        and (joined := _joined(languages).match(text, yes.end()))
        and _first(languages, "no", bare=True).match(text, joined.end())
    ):
        return None
    if yes and no:
        return "yes" if len(yes[0]) > len(no[0]) else "no"
    return "yes" if yes else "no" if no else None


def abstains(sentence: str, languages: Languages) -> bool:
    """Whether a sentence says that one cannot tell."""
    return len(sentence) < 400 and _abstention(languages).search(sentence) is not None


def denies(sentence: str, languages: Languages) -> bool:
    """Whether a sentence denies something."""
    return _denied(languages).search(sentence) is not None


@lru_cache(64)
def _out_of_sight(languages: Languages) -> regex.Pattern[str]:
    return regex.compile(phrases("out_of_sight", languages) or r"(?!)", regex.IGNORECASE)


def out_of_sight(sentence: str, question: Question) -> bool:
    """Whether a sentence says that what was asked about is covered or cut off; where a thing is may be answered by that."""
    said = {question.stem(word) for word in tokens(sentence)}
    if question.yes_no or "where" in question.stems or said.isdisjoint(question.content):
        return False
    found = _out_of_sight(question.languages).search(sentence)
    return found is not None and not _out_of_sight(question.languages).search(question.text)


def undecided(sentence: str, languages: Languages) -> bool:
    """Whether a sentence says that it cannot be told, rather than that something is not so."""
    return _doubt(languages).search(sentence) is not None and abstains(sentence, languages)


def polarity(sentences: Sequence[str], question: Question) -> str | None:
    """Whether an answer in sentences affirms or denies what was asked; None when it speaks of something else."""
    sentences = [sentence for sentence in sentences if not sentence.endswith(("?", "？"))]
    for sentence in sentences:
        if (said := said_first(sentence, question.languages, asked=True)) is not None:
            there_are_others = said == "yes" and question.languages[0] in _SPACELESS and another_number(sentence, question)
            return "no" if there_are_others else said  # `有三只狗`, asked whether there are two
    if sentences and (last := _SO.search(sentences[-1])) is not None:
        return last[1].casefold()
    for sentence in sentences:
        if undecided(sentence, question.languages) and not _sees(sentence, question):
            return CANNOT_TELL
        if (affirmed := _affirms(sentence, question)) is not None:
            return "yes" if affirmed else "no"
    return CANNOT_TELL if any(abstains(sentence, question.languages) for sentence in sentences) else None


_SO = regex.compile(
    r"\b(?:so|hence|therefore|thus),? (?:the answer is |it is an? |it's an? |i would say |i'd say )?(yes|no)\W*$",
    regex.IGNORECASE,
)
"""`He is clean-shaven, so no.`"""
_THERE = regex.compile(
    r"\W*(?:there (?:is|are|was|were)|(?:i|we) (?:can )?see|es gibt|il y a|hay|há|c'è|ci sono|er (?:is|zijn|staat))\b",
    regex.IGNORECASE,
)
_PERHAPS = regex.compile(r"\b(?:maybe|perhaps|possibly)\b", regex.IGNORECASE)
_PRONOUN = regex.compile(
    r"\b(?:it|he|she|they|this|that|these|those|any(?:one|body|thing)|no(?:body|thing| one)|er|sie|es|il|elle|él|ella)\b",
    regex.IGNORECASE,
)


def _affirms(sentence: str, question: Question) -> bool | None:
    """Whether a sentence says what was asked, or denies it; None when it speaks of something else."""
    worded, turned = in_its_words(sentence, question)
    denied = denies(worded, question.languages)
    if not denied and says_otherwise(worded, question):
        return False
    if compares(question.text, question) and not compares(worded, question) and not denied:
        affirmed = one_side(worded, _told(worded, question), question)
        return None if affirmed is None else affirmed is not turned
    return denied is turned if _about(worded, question) else None


def _sees(sentence: str, question: Question) -> bool:
    """Whether an answer takes up that it was asked what is to be seen: `I can't see a boat` denies then."""
    return "see" in question.stems and "see" in sentence.casefold().split()


_CLITIC = regex.compile("(?<=\\w)['’](?:s|re|ve|ll|m|d)$")


def _told(sentence: str, question: Question) -> list[str]:
    """The stems of a sentence that say something of the matter."""
    languages = question.languages
    idle = [words(table, languages) for table in ("light", "talk", "auxiliary", "negation", "no", "preposition", "degree")]
    said = (_CLITIC.sub("", word.casefold()) for word in tokens(sentence))
    told = [word for word in said if not is_ending(word, languages) and not any(word in table for table in idle)]
    return [] if told == ["one"] else [question.stem(word) for word in told]  # `It has one`


def _runs(told: list[str], content: tuple[str, ...]) -> bool:
    """Whether words stand in the question as they are, one behind the other, and are not only what it begins with."""
    places = range(len(content) - len(told) + 1)
    return any(
        content[place : place + len(told)] == tuple(told) for place in places if place or len(told) > 1 or len(content) == 1
    )


def _verb_first(question: Question, sentence: str) -> bool:
    """Whether it was asked with the predicate in front, and an answer has no subject: `¿Está abierta la puerta?`"""
    code = question.languages[:1]
    return code[0] in ("es", "it", "pt") and not words("copula", code).isdisjoint(map(str.casefold, tokens(sentence)))


def _about(sentence: str, question: Question) -> bool:
    """Whether a sentence takes up what the question says, its subject possibly as a pronoun, or that there is its first thing."""
    said = {question.stem(word) for word in tokens(sentence)}
    missing = [one for one in question.content if one not in said]
    if not question.content:
        return False
    told = _told(sentence, question)
    predicate = len(told) > 1 and set(told) == {*question.content[1:]}
    if (
        not told
        or predicate
        or _runs(told, question.content)
        or (told == [question.content[0]] and _verb_first(question, sentence))
    ):
        return not _PERHAPS.search(sentence)  # `It does`, `Not at all`, or the predicate alone: `Open`, `It hasn't left`
    there = _THERE.match(sentence)
    seen = told == [question.content[0]] and "there" in question.stems  # `Cars can be seen`
    sought = "there" in question.stems or _THERE.search(question.text) or missing != [*question.content[1:]]
    if (there and sought and question.content[0] in said) or seen:
        return True
    if denies(sentence, question.languages) and question.content[0] in said and len(missing) < len(question.content):
        return True
    pronoun = _PRONOUN.search(sentence)
    other = question.content[0] in said and "there" in question.stems  # `People are crossing it` says that there are some
    placed = len(question.content) > 1 or not _places(question).isdisjoint(map(str.casefold, tokens(sentence)))
    by_pronoun = pronoun is not None and ((missing == [question.content[0]] and placed) or (other and len(missing) == 1))
    return not missing or by_pronoun


def _places(question: Question) -> set[str]:
    """The prepositions and particles of a question: `Is the lamp on?` has no other predicate."""
    return set(map(str.casefold, question.named)) & words("preposition", question.languages)


_TRUTH = regex.compile(
    r"(?:^\W*(?:so|therefore|thus|hence)?,? ?)?\b(?:(?:the|this|that) (?:given )?(?:statement|claim|assertion"
    r"|proposition|sentence|conclusion)(?: \w+){0,4}?|^\W*(?:it|this|that)) is (?:therefore |thus |clearly )?"
    r"(?:(?P<not>not )?(?P<yes>true|correct|right)|"
    r"(?P<no>not false|false|incorrect|wrong|untrue))(?:\W*$|,| that| because| since| as)",
    regex.IGNORECASE,
)


def truth(sentence: str) -> str | None:
    """Whether a sentence calls a statement true or false."""
    found = _TRUTH.search(sentence)
    if found is None:
        return None
    return "yes" if bool(found["yes"]) is not bool(found["not"] or found["no"] == "not false") else "no"

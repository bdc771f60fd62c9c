"""An answer to a yes/no question in the question's own words: opposites, other names, and comparisons the other way round."""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from itertools import combinations

import regex

from ..languages import Languages, compiled, phrases, stem, tokens, words
from .numbers import in_digits
from .question import IN_FRONT, Question

_WORD = regex.compile(r"(?w)\b[\p{L}\p{M}\p{N}].*?\b")


def in_its_words(sentence: str, question: Question) -> tuple[str, bool]:
    """A sentence with words of the question for other names or opposites of them, and whether it is turned round by that.

    `The door is shut` becomes `The door is open`, turned, where it was asked whether the door is open.
    """
    sentence = IN_FRONT.sub("front of", sentence)
    swapped = _sides_swapped(sentence, question)
    opposed = False
    for table in ("exclusive", "opposite", "opposite_place", "same_as"):
        if (changed := _changed(sentence, question, table, swapped=swapped)) is not None:
            sentence, opposed = changed, opposed or table != "same_as"
    return sentence, opposed is not swapped


@lru_cache(64)
def _pairs(table: str, languages: Languages) -> dict[str, frozenset[str]]:
    """Each word of a table to those it is paired with, by their stems."""
    found: dict[str, set[str]] = defaultdict(set)
    if table == "exclusive":
        pairs = [pair for kind in phrases(table, languages).split("|") for pair in combinations(kind.split(), 2)]
    else:
        pairs = [(pair.partition("/")[0], pair.partition("/")[2]) for pair in words(table, languages)]
    for pair in pairs:
        one, other = (stem(word, languages[0]) for word in pair)
        found[one].add(other)
        found[other].add(one)
    return {word: frozenset(others) for word, others in found.items()}


def _changed(sentence: str, question: Question, table: str, *, swapped: bool) -> str | None:
    """A sentence with a word of the question for one that a table pairs with it; None where there is none."""
    pairs = _pairs(table, question.languages[:1])
    said = [(found, question.stem(found[0])) for found in _WORD.finditer(sentence)]
    stems = {one for _, one in said}
    for place, asked in enumerate(question.named):
        if (word := question.stem(asked)) in stems or not (others := pairs.get(word, frozenset()) & stems - question.stems):
            continue
        for index, (found, one) in enumerate(said):
            rest = [other[0].casefold() for other, _ in said[index + 1 :]]
            if one in others and (
                table == "same_as"
                or (swapped and table == "opposite_place")
                or _fits(rest, question.named[place + 1 :], question, table)
            ):
                return sentence[: found.start()] + asked + sentence[found.end() :]
    return None


def _fits(rest: list[str], wanted: tuple[str, ...], question: Question, table: str) -> bool:
    """Whether an opposite is said of what was asked about: `a new hat` does not say that the man is not old."""
    idle = frozenset[str]().union(*(words(name, question.languages) for name in ("light", "preposition", "negation")))
    if table != "opposite_place":
        joint = phrases("and", question.languages)
        return not rest or question.stem(rest[0]) in question.stems or rest[0] in idle or bool(compiled(joint).fullmatch(rest[0]))
    behind, asked = ([question.stem(word) for word in one if word.casefold() not in idle] for one in (rest, wanted))
    return not behind or not asked or behind[0] == asked[0]


def _sides_swapped(sentence: str, question: Question) -> bool:
    """Whether a comparison or a relation of places names the two sides that it was asked about in the other order."""
    sides = [_sides(text, question) for text in (question.text, sentence)]
    if any(len(two) != 2 for two in sides):
        return False
    (one, other), (first, second) = sides
    one, other = (one - other) & set(question.content), (other - one) & set(question.content)
    return bool(other and one & second) and other <= first and not one <= first and not other & second


def _sides(text: str, question: Question, table: str = "relation") -> list[set[str]]:
    """The stems on either side of the word that relates two things, or all stems where there is none."""
    relation = compiled(rf"(?i)\s(?:{phrases(table, question.languages[:1]) or '(?!)'})\s")
    return [{question.stem(word) for word in tokens(side)} for side in relation.split(text, maxsplit=1)]


def compares(text: str, question: Question) -> bool:
    """Whether a text is a comparison with both its sides."""
    return len(_sides(text, question, "than")) == 2


def one_side(sentence: str, told: list[str], question: Question) -> bool | None:
    """Whether an answer to a comparison that names one of its sides, or none, says what was asked; None when it says neither."""
    sides = _sides(question.text, question, "than")
    if not words("alike", question.languages).isdisjoint(map(str.casefold, tokens(sentence))):
        return False
    how = sides[0] & _pairs("opposite", question.languages[:1]).keys()
    if not how or not how <= set(told):
        return None
    one, other = ((side - another - how) & set(question.content) & set(told) for side, another in (sides, sides[::-1]))
    if (one and other) or not (one or other or how == set(told)):
        return None
    return not other


_HALF = regex.compile(r"\bhalf[- ](?:full|empty|closed|finished|eaten|dressed)\b", regex.IGNORECASE)


def says_otherwise(sentence: str, question: Question) -> bool:
    """Whether an answer that denies nothing says something else of what was asked about, so that it is a no."""
    if _HALF.search(sentence) and not _HALF.search(question.text):
        return True
    return any(rule(sentence, question) for rule in (_only_some, _nothing_there, _another_thing, another_number))


def _only_some(sentence: str, question: Question) -> bool:
    """Whether an answer speaks of some of those all of whom it was asked about."""
    asked, said = ({word.casefold() for word in one} for one in (question.named, tokens(sentence)))
    of_all, some = (words(table, question.languages) for table in ("universal", "partial"))
    return bool(asked & of_all and said & some) and not said & of_all and not asked & some


def _nothing_there(sentence: str, question: Question) -> bool:
    """Whether the place where something was looked for is said to be empty."""
    said = {question.stem(word) for word in tokens(sentence)}
    empty = {question.stem(word) for word in words("empty", question.languages)}
    anyone = "there" in question.stems or not {"anyone", "anybody", "someone", "somebody"}.isdisjoint(question.named)
    return bool(said & empty) and not empty & question.stems and (anyone or not {*question.content[:1]} <= said)


_ONE_THING = r"(?:this|that|it|he|she|the \w+(?: \w+)?)"
_ASKED_AS = regex.compile(rf"(?i)\W*(?:is|was) {_ONE_THING} an? ((?:[\w-]+ ){{0,4}}[\w-]+)\W*")
_CALLED = regex.compile(
    rf"(?i)\W*{_ONE_THING}(?:'s| is| was| looks like| appears to be| seems to be) an? ((?:[\w-]+ ){{0,4}}[\w-]+)\W*"
)


def _another_thing(sentence: str, question: Question) -> bool:
    """Whether an answer names another thing than the one that it was asked about: `It is a dog`, asked whether it is a cat."""
    asked, called = _ASKED_AS.fullmatch(question.text), _CALLED.fullmatch(sentence)
    if not asked or not called:
        return False
    one, other = ([question.stem(word) for word in tokens(found[1])] for found in (asked, called))
    return one[-1] not in other and other[-1] not in one


_AT_LEAST = regex.compile(
    r"\b(?:least|most|more|less|fewer|than|over|under|above|below|exceed\w*|up to|between|mindestens|mehr|weniger|au moins|"
    r"plus|moins|más|menos|mais|più|meno|minder|meer|больше|меньше|более|менее)\b|至少|超过|以上|以下|이상|이하",
    regex.IGNORECASE,
)


def another_number(sentence: str, question: Question) -> bool:
    """Whether an answer gives another number of what was asked about: `There are three dogs`, asked whether there are two."""
    if _AT_LEAST.search(f"{question.text} {sentence}"):
        return False
    spaceless = question.languages[0] in ("zh", "ja", "ko")
    asked = _numbered(in_digits(question.text, question.languages, ambiguous=spaceless), question)
    said = _numbered(in_digits(sentence, question.languages, ambiguous=True), question)
    if not asked or not said or not asked.keys().isdisjoint(said):
        return False
    return not set[str]().union(*asked.values()).isdisjoint(set[str]().union(*said.values()))


def _numbered(digits: str, question: Question) -> dict[str, set[str]]:
    """The numbers of a text, each with the words next to it."""
    idle = words("light", question.languages) | words("preposition", question.languages)
    said = [word.casefold() for word in tokens(digits)]
    numbers = [place for place, word in enumerate(said) if compiled(r"\d+(?:\.\d+)?").fullmatch(word)]
    beside = {place: said[max(place - 1, 0) : place] + said[place + 1 : place + 2] for place in numbers}
    return {said[place]: {question.stem(word) for word in near if word not in idle} for place, near in beside.items()}

"""VL-RewardBench's verdict line, `Overall Judgment: Answer X is better.`, read in two ways.

`official` is the official script's pattern with all its quirks, and gives whatever number it finds. `robust` is ours: it reads
what comes after the last closing phrase, accepts other words for "is better", and has a reason where it finds no verdict.
`last_lines` reads Multi-Crit's line, `Response X is better.`, as its script does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from ..types import Finish, Problem, Verdict
from .data import load
from .thinking import spoken
from .verdicts import Anchor

_OFFICIAL_TRIGGER = re.compile(r"Overall Judgment|Therefore", re.IGNORECASE)
_OFFICIAL_CLAIM = re.compile(r"Answer\s*(\d+)\s*is\s*(?:the\s*)?(?:slightly\s*)?better", re.IGNORECASE)

_LONGEST_NUMBER = 4_000
"""Digits that Python turns into a number; more are some number, but neither 1 nor 2."""


def official(text: str) -> int | None:
    """The number that VL-RewardBench's official script reads, or None. Source: reference scorer, May 2025 behaviour.

    Line breaks and asterisks are deleted and nothing is put in their place; the last claim after the first trigger counts.
    """
    line = text.replace("\n", "").replace("*", "")
    start = _after_trigger(line)
    numbers = [] if start is None else _OFFICIAL_CLAIM.findall(line, start)
    if not numbers:
        return None
    return int(numbers[-1]) if len(numbers[-1]) <= _LONGEST_NUMBER else -1


def _after_trigger(line: str) -> int | None:
    """Where the first trigger ends. Plain searches are many times faster than the pattern, and the same for ASCII."""
    if not line.isascii():
        found = _OFFICIAL_TRIGGER.search(line)
        return found.end() if found else None
    lowered = line.lower()
    ends = [place + len(phrase) for phrase in ("overall judgment", "therefore") if (place := lowered.find(phrase)) >= 0]
    return min(ends, default=None)


_OFFERED = {1: Verdict.FIRST, 2: Verdict.SECOND}

_LONGEST = 8_000
"""Characters at the end of a reply in which a verdict is looked for."""
_SCOPES = 4
"""Closing phrases that are looked at, from the last one back."""

_PHRASE = re.compile(r"overall\W{1,5}(?:judge?ment|verdict|assessment)", re.IGNORECASE)
_JUDGMENT = re.compile(rf"\b{_PHRASE.pattern}\b", re.IGNORECASE)
_CLOSING = re.compile(
    r"\b(?:therefore|to conclude|conclusion|overall|final\W{1,5}(?:verdict|judge?ment|answer))\b", re.IGNORECASE
)

_DATA = load("judgments")
_NOT_SAID = re.compile(r"\(\?<?[!=][^()]*\)|\\.|[^()\]][?*]|[|()\[\]{}]")
"""In a pattern: what looks around, what may be left out, and what stands between alternatives."""
_SAID = re.compile(r"[^\W\d_](?:[^\W_]|[ '](?=\w))*")


def _cues(pattern: str) -> tuple[str, ...]:
    """Texts of which every match of a pattern of alternatives holds at least one: to look for them is faster than to match."""
    runs = (max(_SAID.findall(piece), key=len, default="") for piece in _NOT_SAID.split(pattern))
    return tuple({run for run in runs if len(run) > 1 or not run.isascii()})


_WORDS = tuple(
    (_cues(pattern), re.compile(pattern), word if word.startswith("answer") else f" {word} ")
    for word, pattern in _DATA["simple"].items()
)
_CLAIMS = tuple(map(re.compile, _DATA["claims"].values()))
_TELLING = frozenset(_DATA["telling"]["words"].split("|"))
_TRANSLATED = [cue for cues, _, word in _WORDS if not _TELLING.isdisjoint(word.split()) for cue in cues]
"""Of words that become such a word."""
_WORD = re.compile(r"[a-z0-9]+|[<>]")
_REASON, _TURN, _CONDITIONAL, _CONCEDED, _NEGATION, _NO_NEGATION, _TIE, _TOGETHER = map(re.compile, _DATA["speech"].values())
_COMPARED_WITH, _ASIDE, _CONCEDED_AFTER, _EITHER = map(re.compile, _DATA["beside"].values())
_JOINED_NAME = re.compile(r"(?<=[^\W\da-z_])(?=answer [12])")
"""Where a name follows a word of a script without spaces."""
_SENTENCE = re.compile(r"([^.!?;\n。！？；]+)([.!?;\n。！？；]?)")
_PART = re.compile(r"[,，、()（）]|\b(?:but|however|although|though|while|whereas|yet|so|and yet|thus|hence)\b")
_PUNCTUATION = re.compile(r"[^a-z0-9'<>=]+")

_DIGIT = re.compile(r"\d")
_NAME_ALONE = re.compile(r"(?:\W|\b(?:it|it's|is|definitely|clearly|certainly|boxed|text)\b)*(?:answer )?([12])\W*")

_BARE_NUMBER = re.compile(r"^\W*([12])(?= (?:is|wins|was)\b)")
_BARE_COMPARED = re.compile(r"^\W*([12])\s*([<>])\s*([12])\b")
_CONCLUDED = re.compile(r"\b(?:so|thus|hence|therefore|consequently)\b[,:]? (?:it's |it is |i'd say )?answer ([12])\W*$")
_NAME_FIRST = re.compile(r"[^a-z\d]*answer ([12])\s*[,.;!(–—-](?!\s*[12]\b)")
"""A name that the line begins with, before its reason."""
_NUMBER = re.compile(r"\banswer\W{0,5}([12])\b", re.IGNORECASE)


def _number_place(text: str) -> int | None:
    """Where the number of the verdict line stands: the first answer named after the last "Overall Judgment"."""
    triggers = list(_JUDGMENT.finditer(text))
    found = _NUMBER.search(text, triggers[-1].end()) if triggers else None
    return found.start(1) if found else None


NUMBER = Anchor(("1", "2"), _number_place)


_RESPONSE = re.compile(r"response (\d+)\** is better", re.IGNORECASE)


def _in_last_lines(text: str) -> re.Match[str] | None:
    """The first claim in the last three lines, as Multi-Crit's script looks for it."""
    end = start = len(text.rstrip())
    for _ in range(3):
        start = text.rfind("\n", 0, max(start, 0))
    return _RESPONSE.search(text, max(start, 0), end)


def last_lines(text: str, finish: Finish = Finish.STOP) -> Verdict | Problem:
    """The verdict by `Response X is better.` in the last three lines, cut off or not. Source: `parse_direct_preference`."""
    if finish is Finish.ERROR:
        return Problem.ENGINE_FAILURE
    if found := _in_last_lines(text):
        return _OFFERED.get(int(found[1][:_LONGEST_NUMBER]), Problem.NOT_OFFERED)
    return Problem.CUT_OFF if finish is Finish.LENGTH else Problem.NO_VERDICT


RESPONSE_NUMBER = Anchor(("1", "2"), lambda text: found.start(1) if (found := _in_last_lines(text)) else None)


def robust(text: str, finish: Finish = Finish.STOP) -> Verdict | Problem:
    """The verdict of a reply, or the problem with it. Never raises, never guesses.

    After the last "Overall Judgment", or else after the last closing phrase that a claim follows, or else anywhere, all claims
    must agree. A claim may be worded freely ("is clearly better", "provides the best", "I prefer"), a worse answer is a claim for
    the other; ties, negated claims and numbers that were not offered are problems. What is said in a reason, in a concession or
    as a question is no claim.
    """
    if finish is Finish.ERROR:
        return Problem.ENGINE_FAILURE
    if finish is Finish.LENGTH:
        return Problem.CUT_OFF
    said = spoken(text)[-_LONGEST:].lower().replace("’", "'").replace("*", "")
    line = _line_start(said)
    if line is not None and (result := _in_line(said[line:])) is not Problem.NO_VERDICT:
        return result
    if not (_may_tell(said) or any(cue in said for cue in _TRANSLATED)):
        return Problem.NO_VERDICT
    simple = _simple(said)
    return _first_reading([*reversed(_tails(simple, _CLOSING)), simple])


def _first_reading(scopes: Iterable[str]) -> Verdict | Problem:
    results = (result for scope in scopes if _may_tell(scope) for result in _readings(scope))
    return next((result for result in results if result is not Problem.NO_VERDICT), Problem.NO_VERDICT)


def _line_start(text: str) -> int | None:
    """Where to read from to find what follows the last "Overall Judgment"; None without one.

    Where it is a phrase of its own, no pattern reaches across it, and the rest becomes simple as it does in the whole text.
    """
    place = len(text)
    while (place := text.rfind("overall", 0, place)) >= 0:
        if _PHRASE.match(text, place):
            return place if _JUDGMENT.match(text, place) else 0
    return None


@lru_cache
def _in_line(text: str) -> Verdict | Problem:
    """The verdict after the last "Overall Judgment". Judges who do as they are told write few different lines."""
    return _first_reading(_line_scopes(_simple(text)))


def _simple(text: str) -> str:
    """A text in lower case with the answers called `answer 1` and `answer 2`, and other languages' comparisons in English."""
    for cues, pattern, word in _WORDS:
        if not cues or any(cue in text for cue in cues):
            text = pattern.sub(word, text)
    if not text.isascii():
        text = _JOINED_NAME.sub(" ", text)
    text = _EITHER.sub(r"answer \1 or answer \2", text)
    return _CONCEDED_AFTER.sub(r"\1", _COMPARED_WITH.sub(" ", _ASIDE.sub(" ", text)))


def _line_scopes(text: str) -> Iterator[str]:
    """Where a verdict is looked for after the last "Overall Judgment", the likeliest place first."""
    for written in _tails(text, _JUDGMENT)[-1:]:
        tail = _BARE_COMPARED.sub(r"answer \1 \2 answer \3", _BARE_NUMBER.sub(r"answer \1", written))
        alone = _NAME_ALONE.fullmatch(tail.strip().partition("\n")[0][:60])
        alone = alone or _CONCLUDED.search(tail.strip())
        yield f"answer {alone[1]} wins" if alone else _TURN.split(tail)[-1]
        yield tail
        if (opened := _NAME_FIRST.match(tail.partition("\n")[0])) and not _NUMBER.search(tail, opened.end()):
            yield f"answer {opened[1]} wins"


def _tails(text: str, phrase: re.Pattern[str]) -> list[str]:
    """What follows the last few occurrences of a phrase."""
    return [text[match.end() :] for match in list(phrase.finditer(text))[-_SCOPES:]]


def _readings(scope: str) -> Iterator[Verdict | Problem]:
    """The verdict of some text, part by part or, where a part has none, sentence by sentence."""
    sentences = [found[1] for found in _SENTENCE.finditer(scope) if found[2] not in ("?", "？")]
    yield _read(part for sentence in sentences for part in _PART.split(_unconceded(sentence)))
    yield _read(sentences)


def _may_tell(text: str) -> bool:
    """Whether it holds a word without which there is neither claim nor tie."""
    return not _TELLING.isdisjoint(_WORD.findall(text))


def _unconceded(sentence: str) -> str:
    """The sentence without a concession that it opens with."""
    return sentence.partition(",")[2] if _CONCEDED.match(sentence) and "," in sentence else sentence


def _read(parts: Iterable[str]) -> Verdict | Problem:
    """The one verdict of some parts of sentences, or the problem with it."""
    named: set[int] = set()
    problems: list[Problem] = []
    for part in parts:
        if not _may_tell(part) or part.strip().isdigit() or (not _DIGIT.search(part) and not _TIE.search(part)):
            continue  # it can say nothing
        words = _PUNCTUATION.sub(" ", _NO_NEGATION.sub(" ", _CONDITIONAL.sub("", _REASON.sub("", part))))
        numbers, problem = _claimed(words)
        named |= numbers
        problems += [problem] if problem else []
    offered = {_OFFERED[number] for number in named if number in _OFFERED}
    if len(offered) == 2:
        return Problem.CONTRADICTORY
    if named - _OFFERED.keys():
        return Problem.NOT_OFFERED
    if offered:
        return offered.pop()
    return problems[-1] if problems else Problem.NO_VERDICT


def _claimed(words: str) -> tuple[set[int], Problem | None]:
    """The answers that a part of a sentence calls better, 0 for a number too long to be one of them; or what speaks against."""
    claims = [found for pattern in _CLAIMS for found in pattern.finditer(words)]
    if _TOGETHER.search(words) or not claims:
        return set(), Problem.TIE if _TIE.search(words) or (claims and _TOGETHER.search(words)) else None
    if re.search(r"\bneither\b.*\bnor\b", words):
        return set(), Problem.TIE
    worse = [found.groupdict().get("worse") for found in claims]
    spoken_of = words[: max(found.end() for found in claims)].rpartition(" and ")[2]
    if _NEGATION.search(spoken_of) and not any(word and word.startswith("not") for word in worse):
        return set(), Problem.NEGATED
    return {_better(found["number"], bool(less)) for found, less in zip(claims, worse, strict=True)}, None


def _better(digits: str, worse: bool) -> int:
    number = int(digits) if len(digits) <= _LONGEST_NUMBER else 0
    return 3 - number if worse and number in _OFFERED else number

"""VL-RewardBench's verdict line, `Overall Judgment: Answer X is better.`, read in two ways.

`official` is the official script's pattern with all its quirks, and gives whatever number it finds. `robust` is ours: it reads
what comes after the last closing phrase, accepts other words for "is better", and has a reason where it finds no verdict.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..types import Finish, Problem, Verdict
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

_JUDGMENT = re.compile(r"\boverall\W{1,5}judge?ment\b", re.IGNORECASE)
_CLOSING = re.compile(
    r"\b(?:therefore|to conclude|conclusion|overall|final\W{1,5}(?:verdict|judge?ment|answer))\b", re.IGNORECASE
)
_DIGIT = re.compile(r"\d")
_PUNCTUATION = re.compile(r"[^a-zA-Z0-9'’]+")
_CLAUSE = re.compile(r"[.!?;]+(?:\s|$)|\b(?:but|however|although|though|while|whereas|yet)\b", re.IGNORECASE)

_BETTER = r"(?P<better>better|best|preferable|preferred|superior|stronger)"
_WORSE = r"(?P<worse>worse|worst|inferior|weaker)"
_CLAIMS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\banswer (?P<number>\d+) (?:[\w'’]+ )(?:(?!answer\b)\w+ ){{0,6}}?(?:{_BETTER}|{_WORSE})\b",
        r"\b(?:prefer|choose|select|pick|favou?r) answer (?P<number>\d+)\b",
        r"\b(?:better|best|preferred|superior) (?:answer|response|one|choice) (?:is|would be) (?:answer )?(?P<number>\d+)\b",
        r"\banswer (?P<number>\d+) wins\b",
    )
)
_NEGATION = re.compile(r"\b(?:not|never|no|hardly|cannot|untrue|false|\w+n['’]t)\b", re.IGNORECASE)
_TIE = re.compile(
    r"\bneither\b|\bequal(?:ly)?\b|\b(?:a|is) tie\b|\btied\b|\bno (?:clear )?(?:winner|preference|difference)\b",
    re.IGNORECASE,
)


_NUMBER = re.compile(r"\banswer\W{0,5}([12])\b", re.IGNORECASE)


def _number_place(text: str) -> int | None:
    """Where the number of the verdict line stands: the first answer named after the last "Overall Judgment"."""
    triggers = list(_JUDGMENT.finditer(text))
    found = _NUMBER.search(text, triggers[-1].end()) if triggers else None
    return found.start(1) if found else None


NUMBER = Anchor(("1", "2"), _number_place)


def robust(text: str, finish: Finish = Finish.STOP) -> Verdict | Problem:
    """The verdict of a reply, or the problem with it. Never raises, never guesses.

    After the last "Overall Judgment", or else after the last closing phrase that a claim follows, or else anywhere, all claims
    must agree. A claim may be worded freely ("is clearly better", "provides the best", "I prefer"), a worse answer is a claim for
    the other; ties, negated claims and numbers that were not offered are problems.
    """
    if finish is Finish.ERROR:
        return Problem.ENGINE_FAILURE
    if finish is Finish.LENGTH:
        return Problem.CUT_OFF
    found = map(_read, _scopes(text))
    return next((result for result in found if result is not Problem.NO_VERDICT), Problem.NO_VERDICT)


def _scopes(text: str) -> Iterator[str]:
    """Where a verdict is looked for, the likeliest place first."""
    lowered = text.lower()
    start = lowered.find("overall") if text.isascii() else 0
    if start >= 0:
        yield from _tails(text, _JUDGMENT, start)[-1:]
    if not any(True for _ in _speaking_clauses(text)):
        return  # where the whole says nothing, no part of it does
    if _may_hold(text, lowered, "therefore", "conclu", "overall", "final"):
        yield from reversed(_tails(text, _CLOSING))
    yield text


def _may_hold(text: str, lowered: str, *words: str) -> bool:
    """Whether a pattern that needs one of these words can match at all: a plain search is many times faster than the pattern.

    Beyond ASCII, letters of other scripts can stand for these in a pattern that ignores case.
    """
    return not text.isascii() or any(word in lowered for word in words)


def _tails(text: str, phrase: re.Pattern[str], start: int = 0) -> list[str]:
    """What follows the last few occurrences of a phrase."""
    return [text[match.end() :] for match in list(phrase.finditer(text, start))[-_SCOPES:]]


_SCOPES = 4
"""Closing phrases that are looked at, from the last one back."""


def _read(scope: str) -> Verdict | Problem:
    """The one verdict of some text, or the problem with it."""
    named: set[int] = set()
    problems: list[Problem] = []
    for clause, numbers, tie in _speaking_clauses(scope):
        if tie:
            problems.append(Problem.TIE)
        elif numbers and _NEGATION.search(clause):
            problems.append(Problem.NEGATED)
        else:
            named |= numbers
    offered = {_OFFERED[number] for number in named if number in _OFFERED}
    if len(offered) == 2:
        return Problem.CONTRADICTORY
    if named - _OFFERED.keys():
        return Problem.NOT_OFFERED
    if offered:
        return offered.pop()
    return problems[-1] if problems else Problem.NO_VERDICT


_TIE_WORDS = ("neither", "equal", "tie", "winner", "preference", "difference")
_CLAIM_WORDS = (
    *("better", "best", "prefer", "superior", "stronger", "worse", "worst", "inferior", "weaker"),
    *("choose", "select", "pick", "favor", "favour", "wins"),
)
"""Without one of these, no claim and no tie can be found."""


def _speaking_clauses(scope: str) -> Iterator[tuple[str, set[int], bool]]:
    """The clauses that may name a number or call it a tie: which numbers they call better, and whether it is a tie."""
    lowered = scope.lower()
    ties = _may_hold(scope, lowered, *_TIE_WORDS)
    claims = _may_hold(scope, lowered, *_CLAIM_WORDS) and _DIGIT.search(scope) is not None
    for clause in _CLAUSE.split(scope) if ties or claims else ():
        lowered = clause.lower()
        tie = ties and _may_hold(clause, lowered, *_TIE_WORDS) and _TIE.search(clause) is not None
        claim = claims and _may_hold(clause, lowered, *_CLAIM_WORDS) and _DIGIT.search(clause) is not None
        if tie or claim:
            yield clause, _claimed(clause), tie


def _claimed(clause: str) -> set[int]:
    """The answers that a clause calls the better one; 0 for a number too long to be one of them."""
    numbers: set[int] = set()
    if _DIGIT.search(clause) is None:
        return numbers
    words = _PUNCTUATION.sub(" ", clause)
    for match in (found for pattern in _CLAIMS for found in pattern.finditer(words)):
        digits = match["number"]
        number = int(digits) if len(digits) <= _LONGEST_NUMBER else 0
        worse = match.groupdict().get("worse") is not None
        numbers.add(3 - number if worse and number in _OFFERED else number)
    return numbers

"""From a judge's words to a verdict, or to the reason why there is none.

The last anchored verdict counts: `[[A]]` or `[[B]]`, in capitals. An anchor that holds both letters is contradictory, any
other content is no verdict, and a reply that was cut off has not ended with one, whatever it said before.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from ..chat import Completion, Token
from ..types import Finish, Problem, Verdict

LETTERS = {"A": Verdict.FIRST, "B": Verdict.SECOND}

_ANCHOR = re.compile(r"\[\[([^\[\]]{1,20})\]\]")


def parse(text: str, finish: Finish = Finish.STOP) -> Verdict | Problem:
    """The verdict of a reply, or the problem with it. Never raises, never guesses."""
    if finish is Finish.ERROR:
        return Problem.ENGINE_FAILURE
    if finish is Finish.LENGTH:
        return Problem.CUT_OFF
    for inner in reversed(_ANCHOR.findall(text)):
        letters = set(re.findall(r"\b[AB]\b", inner))
        if len(letters) == 2:
            return Problem.CONTRADICTORY
        if inner.strip() in LETTERS:
            return LETTERS[inner.strip()]
    return Problem.NO_VERDICT


def probability(completion: Completion) -> float | None:
    """P(FIRST) against P(SECOND) at the letter of the last verdict, in [0, 1]; None without log-probabilities or verdict.

    The letter may be a token of its own or a part of one (`[[A]]`): its rival is the token that holds the other letter in
    the same place.
    """
    if completion.tokens is None or not isinstance(parse(completion.text, completion.finish), Verdict):
        return None
    found = _letter_token(completion.tokens)
    if found is None:
        return None
    token, place = found
    mass = dict.fromkeys(LETTERS, 0.0)
    for text, logprob in token.logprobs:
        if len(text) > place and text[place] in mass and _same_but(text, token.text, place):
            mass[text[place]] += math.exp(logprob)
    total = sum(mass.values())
    return mass["A"] / total if total > 0 else None


def _letter_token(tokens: Sequence[Token]) -> tuple[Token, int] | None:
    """The token that holds the letter of the last well-formed anchor, and the letter's place in it."""
    text = "".join(token.text for token in tokens)
    anchors = [found for found in _ANCHOR.finditer(text) if found[1].strip() in LETTERS]
    if not anchors:
        return None
    target = anchors[-1].start(1) + len(anchors[-1][1]) - len(anchors[-1][1].lstrip())
    ends = list(accumulate(len(token.text) for token in tokens))
    index = bisect_right(ends, target)
    return tokens[index], target - ends[index] + len(tokens[index].text)


def _same_but(a: str, b: str, place: int) -> bool:
    return a[:place] == b[:place] and a[place + 1 :] == b[place + 1 :]

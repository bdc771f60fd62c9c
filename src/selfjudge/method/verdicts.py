"""From a judge's words to a verdict, or to the reason why there is none.

The last anchored verdict counts: `[[A]]` or `[[B]]`, in capitals. An anchor that holds both letters is contradictory, any
other content is no verdict, and a reply that was cut off has not ended with one, whatever it said before.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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


def parse_with_tie(text: str, finish: Finish = Finish.STOP) -> Verdict | Problem:
    """As `parse`, where `[[C]]` was offered for a tie: the last anchor counts, and C is Problem.TIE."""
    found = parse(text, finish)
    if found in (Problem.ENGINE_FAILURE, Problem.CUT_OFF):
        return found
    offered = [inner.strip() for inner in _ANCHOR.findall(text) if inner.strip() in (*LETTERS, "C")]
    return Problem.TIE if offered and offered[-1] == "C" else found


@dataclass(frozen=True, slots=True)
class Anchor:
    """A verdict's place in a reply: the two symbols that are rivals, and where the last one stands, None without any."""

    symbols: tuple[str, str]
    place: Callable[[str], int | None]


def _letter_place(text: str) -> int | None:
    anchors = [found for found in _ANCHOR.finditer(text) if found[1].strip() in LETTERS]
    return anchors[-1].start(1) + len(anchors[-1][1]) - len(anchors[-1][1].lstrip()) if anchors else None


LETTER = Anchor(("A", "B"), _letter_place)


def probability(completion: Completion, anchor: Anchor = LETTER) -> float | None:
    """P(FIRST) against P(SECOND) at the symbol of the last verdict, in [0, 1]; None without log-probabilities or verdict.

    The symbol may be a token of its own or a part of one (`[[A]]`): its rival is the token that holds the other symbol in
    the same place. Whoever calls has read the verdict: a reply without one has none here either.
    """
    found = None if completion.tokens is None else _token_at(completion.tokens, anchor.place)
    if found is None:
        return None
    token, place = found
    mass = dict.fromkeys(anchor.symbols, 0.0)
    for text, logprob in token.logprobs:
        if len(text) > place and text[place] in mass and _same_but(text, token.text, place):
            mass[text[place]] += math.exp(logprob)
    total = sum(mass.values())
    return mass[anchor.symbols[0]] / total if total > 0 else None


def _token_at(tokens: Sequence[Token], find: Callable[[str], int | None]) -> tuple[Token, int] | None:
    """The token that holds the character which `find` names, and the character's place in it."""
    target = find("".join(token.text for token in tokens))
    if target is None:
        return None
    ends = list(accumulate(len(token.text) for token in tokens))
    index = bisect_right(ends, target)
    return tokens[index], target - ends[index] + len(tokens[index].text)


def _same_but(a: str, b: str, place: int) -> bool:
    return a[:place] == b[:place] and a[place + 1 :] == b[place + 1 :]

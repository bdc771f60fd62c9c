"""Whether two replies to the same request come from the same model, by the probabilities of their words.

Two engines with one model never give quite the same numbers, and where two words are nearly as likely, rounding decides and the
texts part. So replies are compared up to the first place where they part, that place included: until there, both were written
after the same words, and every token has a probability in each.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from ..chat import Completion, Token
from .verdicts import probability

TOLERANCE = 0.1
"""How far a served judge may be from transformers: rounding makes 0.003 at most, other images 0.9 (`docs/engines.md`)."""
STILL = 1e-4
"""A judge that is no farther than this from its predecessor has not changed."""

Replies = Mapping[str, Completion]
"""Replies by the key of their request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distance:
    """How far apart two engines' replies are, in [0, 1].

    words     the largest difference of a token's probability, up to where the texts part; mean over requests
    verdicts  the difference of P(first) at the verdict; mean over requests with the same text, None without any
    same      share of requests with the same text
    """

    words: float
    verdicts: float | None
    same: float

    @property
    def largest(self) -> float:
        return max(self.words, self.verdicts or 0.0)


def distance(ones: Replies, others: Replies) -> Distance:
    """The distance between replies to the same requests, all of them with log-probabilities. Raises ValueError without any."""
    if not ones or ones.keys() != others.keys():
        raise ValueError("these are not replies to the same requests")
    pairs = [(one, others[key]) for key, one in ones.items()]
    same = [pair for pair in pairs if pair[0].text == pair[1].text]
    verdicts = [abs(a - b) for a, b in map(_chances, same) if a is not None and b is not None]
    return Distance(
        words=sum(gap(one.tokens or (), other.tokens or ()) for one, other in pairs) / len(pairs),
        verdicts=sum(verdicts) / len(verdicts) if verdicts else None,
        same=len(same) / len(pairs),
    )


def _chances(pair: tuple[Completion, Completion]) -> tuple[float | None, float | None]:
    return probability(pair[0]), probability(pair[1])


def gap(one: tuple[Token, ...], other: tuple[Token, ...]) -> float:
    """The largest difference of a token's probability, up to where the tokens part; 1 where one side has none at all."""
    if not (one and other):
        return float(bool(one) != bool(other))
    largest = 0.0
    for mine, theirs in zip(one, other, strict=False):
        p, q = _by_text(mine), _by_text(theirs)
        largest = max(largest, _difference(p, q), _difference(q, p))
        if _plain(mine.text) != _plain(theirs.text):
            break
    return largest


def _difference(p: dict[str, float], q: dict[str, float]) -> float:
    """The largest difference of a token listed in `p`. One that is not listed in `q` may be as likely as that allows."""
    unlisted = max(0.0, min([1 - sum(q.values()), *q.values()]))
    named = {text: chance for text, chance in p.items() if text}
    return max((abs(chance - q[text]) if text in q else chance - unlisted for text, chance in named.items()), default=0.0)


def _by_text(token: Token) -> dict[str, float]:
    """Probabilities by text; those without any together."""
    chances: dict[str, float] = {}
    for text, logprob in token.logprobs:
        chances[_plain(text)] = chances.get(_plain(text), 0.0) + math.exp(logprob)
    return chances


def _plain(text: str) -> str:
    """A token without spaces at its ends, which engines show or not, and nothing of one that is but a part of a character."""
    return text.strip(" \ufffd")


class Fault(StrEnum):
    """What is wrong with a served judge."""

    STALE = "the server answers as the judge before this one: what was trained has no effect there"
    DIFFERENT = "the server does not answer as transformers does with the same folder"
    STILL = "after training, the judge answers exactly as the one before it"


def fault(*, agreement: Distance, change: Distance | None, moved: Distance | None) -> Fault | None:
    """What is wrong with a served judge, if anything is.

    `agreement` is its distance from the same judge in transformers; `change` from its predecessor, as that was served; `moved`
    that of the judge in transformers from that predecessor. The last two are None where nothing was trained.
    """
    if change is not None and moved is not None and change.largest < moved.largest / 2 and moved.largest > TOLERANCE:
        return Fault.STALE
    if agreement.largest > TOLERANCE:
        return Fault.DIFFERENT
    if change is not None and change.largest < STILL:
        return Fault.STILL
    return None

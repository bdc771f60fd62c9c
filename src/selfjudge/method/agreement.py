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
"""How far a served judge may be from transformers. See `docs/results.md`, "What the probe tells apart"."""
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
        largest = max(largest, *(abs(p.get(text, 0.0) - q.get(text, 0.0)) for text in p.keys() | q.keys()))
        if mine.text.strip() != theirs.text.strip():
            break
    return largest


def _by_text(token: Token) -> dict[str, float]:
    """Probabilities by text without spaces, which engines show or not."""
    chances: dict[str, float] = {}
    for text, logprob in token.logprobs:
        chances[text.strip()] = chances.get(text.strip(), 0.0) + math.exp(logprob)
    return chances


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

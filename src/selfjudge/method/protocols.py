"""Protocols: how a judge is asked, in which orders and how often, and how its replies are read.

A number means nothing without its protocol. `strict` is ours and the default: both orders, the judge's own words, an unread
verdict is wrong. `official` is what a benchmark's own script does, as far as it is known; the prompts are our words, asking for
the same verdict line. A change of anything that can change a number is a new `version`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from ..chat import Completion, Request, Sampling
from ..types import Finish, Order, Problem, Verdict, content_id
from . import overall_judgment, ratings, verdicts
from .letters import letter_request, read_letter
from .prompts import JUDGE

Orders = Literal["both", "random", "stored", "each"]
"""Each sample in both orders, in one order drawn by hash, or in the order in which the benchmark stores the responses; or each
response by itself, once however many pairs have it: the template shows {first} alone, which either order makes another one."""

Line = Literal["letters", "letters_or_tie", "overall_judgment", "last_lines", "rating"]
"""The verdict line: `[[A]]` or `[[B]]`; also `[[C]]` for a tie; `Overall Judgment: Answer X is better.`; `Response X is better.`
among the last lines; or, of a response that is shown alone, a number from 1 to 10."""

Asked = Literal["written", "forced", "alone"]
"""Where a verdict comes from: what the judge wrote; also one token more where it wrote none (`forced`); one token alone."""

UNWRITTEN = (Problem.NO_VERDICT, Problem.CUT_OFF)
"""Replies that ended without a verdict, which can be asked for. Others say something, though no verdict."""

Read = Callable[[str, Finish], Verdict | Problem]

READERS: Mapping[Line, Read] = {
    "letters": verdicts.parse,
    "letters_or_tie": verdicts.parse_with_tie,
    "overall_judgment": overall_judgment.robust,
    "last_lines": overall_judgment.last_lines,
    "rating": ratings.half,
}

_ANCHORS: Mapping[Line, verdicts.Anchor] = {
    "letters": verdicts.LETTER,
    "letters_or_tie": verdicts.LETTER,
    "overall_judgment": overall_judgment.NUMBER,
    "last_lines": overall_judgment.RESPONSE_NUMBER,
}
"""Where the token stands whose rival gives P(first) against P(second)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a reply says: exactly one of `verdict` and `problem`, and P(FIRST) at the verdict where it is known.

    `forced` is the problem of a reply whose verdict was asked for, and which the judge did not write.
    """

    verdict: Verdict | None
    problem: Problem | None
    probability: float | None
    forced: Problem | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """One way to ask and to read, with placeholders {images} {question} {first} {second} in its template.

    `verbatim` shows responses as they are, as the official scripts do; otherwise what a response forges is defused.
    """

    name: str
    version: int
    orders: Orders
    samples: int
    sampling: Sampling
    line: Line
    template: str = JUDGE
    verbatim: bool = False
    verdict: Asked = "written"

    @property
    def base(self) -> str:
        """The name without what was changed."""
        return base_of(self.name)

    def orders_of(self, stored: Order, draw: int) -> tuple[Order, ...]:
        """The orders in which one sample of a pair is asked; `draw` is a random number of its own."""
        if self.orders in ("both", "each"):
            return tuple(Order)
        return (stored.other if self.orders == "random" and draw & 1 else stored,)

    def read(self, text: str, finish: Finish) -> Verdict | Problem:
        """The verdict of a reply, or the problem with it."""
        return READERS[self.line](text, finish)

    def chance(self, completion: Completion) -> float | None:
        """P(FIRST) of a reply with a verdict, None where the engine gave no log-probabilities; of a rating its place."""
        if self.line == "rating":
            return ratings.chance(completion.text)
        return verdicts.probability(completion, _ANCHORS[self.line])

    def reading(self, completion: Completion) -> Reading:
        """What a completion says by this protocol."""
        if self.verdict == "alone":
            return _reading(*read_letter(completion))
        read = self.read(completion.text, completion.finish)
        if isinstance(read, Verdict):
            return _reading(read, self.chance(completion))
        found, chance = read_letter(completion.letter) if completion.letter is not None else (read, None)
        return _reading(found, chance, forced=read) if isinstance(found, Verdict) else _reading(read)

    def further(self, request: Request, completion: Completion) -> Request | None:
        """The request for the verdict that a reply lacks; None where there is nothing to ask, or this protocol does not."""
        lacks = self.verdict == "forced" and self.read(completion.text, completion.finish) in UNWRITTEN
        return letter_request(request, completion.text, self.template) if lacks else None

    def changed(self, *, samples: int | None = None, template: str | None = None, max_tokens: int | None = None) -> Protocol:
        """This protocol with another number of samples, another prompt or longer replies, named after a prompt that was changed.

        Several samples of a greedy judge would be the same one, so they are drawn as in Stage II.
        """
        protocol = self
        if samples is not None and samples != protocol.samples:
            greedy = samples > 1 and protocol.sampling.temperature == 0
            drawn = replace(protocol.sampling, temperature=0.6, top_p=0.9, top_k=50) if greedy else protocol.sampling
            protocol = replace(protocol, samples=samples, sampling=drawn)
        if template is not None:
            protocol = replace(protocol, template=template, name=f"{protocol.name}+prompt-{content_id(template)[:8]}")
        if max_tokens is not None:
            protocol = replace(protocol, sampling=replace(protocol.sampling, max_tokens=max_tokens))
        return protocol


def _reading(read: Verdict | Problem, probability: float | None = None, *, forced: Problem | None = None) -> Reading:
    if isinstance(read, Verdict):
        return Reading(verdict=read, problem=None, probability=probability, forced=forced)
    return Reading(verdict=None, problem=read, probability=None)


def base_of(name: str) -> str:
    """The protocol's own name, of one whose prompt may have been changed."""
    return name.partition("+")[0]


_GREEDY = Sampling(temperature=0.0, max_tokens=1024)

STRICT = Protocol(name="strict", version=2, orders="both", samples=1, sampling=_GREEDY, line="letters")

PAPER = Protocol(
    name="paper",
    version=2,
    orders="random",
    samples=1,
    sampling=Sampling(temperature=0.6, top_p=0.9, top_k=50, max_tokens=1024),
    line="letters",
)
"""arXiv 2512.05145 does not say how it measured. This is what its text suggests: the judge's own prompt and sampling, one reply,
either order. Its figures fit the macro average; compare nothing with them before the base was measured the same way."""

"""The words of the project as types. Standard library only.

`PreferencePair.comparisons` is the only bridge between chosen/rejected and first/second: whatever a judge sees carries
no label, and whatever is scored goes back through `Order.chosen`. Ids are content hashes, never positions.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from enum import StrEnum


def content_id(*parts: object) -> str:
    """A 16-digit hexadecimal id of the given JSON-able parts: the same content has the same id in every run."""
    return hashlib.sha256(_as_json(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


_as_json = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


def storable(text: str) -> str:
    """The text with escapes in place of what is not Unicode, such as half an emoji or a file name of other bytes."""
    return text.encode("utf-8", "backslashreplace").decode()


_ACTING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters except tabs and newlines, and marks that change the writing direction."""


def plain(text: str) -> str:
    """The text without control characters, for a terminal or a log."""
    return storable(_ACTING.sub("", text))


def seed_of(*parts: object) -> int:
    """A seed in [0, 2**63) drawn from what it is for, so that no random choice depends on the order of calls."""
    return int(content_id(*parts), 16) >> 1


class Kind(StrEnum):
    """Whether an instruction asks for a long answer or for a number, a choice or a short phrase."""

    OPEN = "open"
    CLOSED = "closed"


class Verdict(StrEnum):
    """The response that a judge found better, by the place where it was shown."""

    FIRST = "first"
    SECOND = "second"

    @property
    def other(self) -> Verdict:
        return Verdict.SECOND if self is Verdict.FIRST else Verdict.FIRST


class Problem(StrEnum):
    """Why a judge's reply holds no verdict. A state of its own: never a tie, never a coin flip."""

    NO_VERDICT = "no_verdict"
    CONTRADICTORY = "contradictory"
    NEGATED = "negated"
    TIE = "tie"
    NOT_OFFERED = "not_offered"
    CUT_OFF = "cut_off"
    ENGINE_FAILURE = "engine_failure"


class Order(StrEnum):
    """Which side of a pair is shown first."""

    CHOSEN_FIRST = "chosen_first"
    REJECTED_FIRST = "rejected_first"

    @property
    def other(self) -> Order:
        return Order.REJECTED_FIRST if self is Order.CHOSEN_FIRST else Order.CHOSEN_FIRST

    @property
    def chosen(self) -> Verdict:
        """The verdict that names the chosen response in this order."""
        return Verdict.FIRST if self is Order.CHOSEN_FIRST else Verdict.SECOND

    def of_chosen(self, probability: float | None) -> float | None:
        """P(chosen response) from that of the response shown first; None from None."""
        return probability if probability is None or self is Order.CHOSEN_FIRST else 1 - probability


class Finish(StrEnum):
    """How a completion ended."""

    STOP = "stop"
    LENGTH = "length"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRef:
    """An image by content. The bytes live once, in an image store; everything else refers to them."""

    sha256: str
    media_type: str
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """An instruction with its images. It has no reference answer: nothing in the loop can look at one.

    `left_out` names the turns of its row's conversation that are not used: `system`, `earlier` and `later` ones of the user.
    """

    id: str
    text: str
    images: tuple[ImageRef, ...]
    kind: Kind
    kind_rule: str
    source: str
    source_id: str | None = None
    left_out: str | None = None

    @staticmethod
    def identify(text: str, images: tuple[ImageRef, ...]) -> str:
        """The id of an instruction about these images."""
        return content_id("prompt", text, [image.sha256 for image in images])


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One place where an altered copy differs from its original; `before` or `after` is empty at a pure insertion or deletion."""

    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alteration:
    """How an open pair came about: the instruction that asked for an error, and the edits found in the copy."""

    instruction: str
    edits: tuple[Edit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """How a closed pair came about: votes per normalised answer (most first), and the two answers of the pair."""

    counts: tuple[tuple[str, int], ...]
    majority: str
    alternative: str

    @property
    def margin(self) -> int:
        """Votes by which the majority leads the runner-up."""
        return self.counts[0][1] - (self.counts[1][1] if len(self.counts) > 1 else 0)

    @property
    def samples(self) -> int:
        """Votes cast, readable answers only."""
        return sum(count for _, count in self.counts)


Evidence = Alteration | Vote


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All that a judge sees: a prompt and two responses. It carries no label."""

    pair_id: str
    prompt: Prompt
    first: str
    second: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferencePair:
    """A prompt with a better and a worse response, and how we know. `evidence` is None where a benchmark says so."""

    id: str
    prompt: Prompt
    chosen: str
    rejected: str
    evidence: Evidence | None

    @staticmethod
    def identify(prompt: Prompt, chosen: str, rejected: str) -> str:
        """The id of a pair: the same whichever of the two responses is the better one."""
        return content_id("pair", prompt.id, sorted((chosen, rejected)))

    def comparison(self, order: Order) -> Comparison:
        """The pair as a judge sees it in one order."""
        first, second = self.chosen, self.rejected
        if order is Order.REJECTED_FIRST:
            first, second = second, first
        return Comparison(pair_id=self.id, prompt=self.prompt, first=first, second=second)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgment:
    """One reply of a judge to one comparison. Exactly one of `verdict` and `problem` is set.

    `probability` is that of FIRST against SECOND at the verdict, in [0, 1], where the engine gave log-probabilities. A `forced`
    verdict was asked for by a further request: the judge did not write it.
    """

    pair_id: str
    order: Order
    sample: int
    judge: str
    trace: str
    verdict: Verdict | None
    problem: Problem | None
    probability: float | None
    tokens: int
    forced: bool = False

    @property
    def right(self) -> bool:
        """Whether the judge named the chosen response. An unread verdict is not right."""
        return self.verdict is self.order.chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkItem:
    """A pair whose better response is known, with the dimension it counts for and the group it is resampled with.

    `pair.id` is the item's own, even where a benchmark repeats a pair or contradicts itself. `stored` is the order in which the
    benchmark keeps the responses. In a `tie` neither is better, and `chosen` is merely the one stored first.
    """

    pair: PreferencePair
    dimension: str
    level: str
    group: str
    stored: Order = Order.CHOSEN_FIRST
    tie: bool = False

"""What went through a run and what it cost: the funnel from rows to traces, every reason, tokens and hours by stage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ..figures import Iteration, Summary
from ..run.reasons import DROPPED, OF_PAIRS, explained

STAGES = ("synthesize", "judge", "train", "evaluate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of the funnel: what is left, of how many of the widest step, and what was lost on the way."""

    name: str
    count: int
    share: float
    lost: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why prompts or pairs were dropped: how many in each iteration, what that means, and what to change."""

    name: str
    of: str
    counts: Sequence[int]
    meaning: str
    change: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StageCost:
    """What a stage took over all iterations; None where it is not known."""

    stage: str
    requests: int | None
    prompt_tokens: int | None
    completion_tokens: int | None
    seconds: float

    @property
    def per_second(self) -> float | None:
        return self.requests / self.seconds if self.requests and self.seconds else None


def made(state: Summary) -> list[Iteration]:
    """The iterations that made pairs, or tried to: all but the base."""
    return [entry for entry in state["iterations"] if entry["pairs"] is not None]


def asked(entry: Iteration) -> int:
    """Prompts of an iteration: each made a pair or was dropped."""
    return sum((entry["dropped"] or {}).values()) + (entry["kept"] or 0)


def funnel(state: Summary) -> list[Step]:
    """From the rows of the sources to what the newest judge learned; empty before the first iteration."""
    if not (iterations := made(state)):
        return []
    last = iterations[-1]
    refused = sum(entry["count"] for entry in state.get("refused", ()))
    prompts, now = state["prompts"]["total"], asked(last)
    steps = [
        ("rows of the sources", prompts + refused, ""),
        ("prompts", prompts, "refused rows"),
        (f"prompts of iteration {last['iteration']}", now, "held out, or for other iterations"),
        ("pairs", last["pairs"] or 0, "prompts that make no pair"),
        ("pairs kept", last["kept"] or 0, "pairs that the judge did not get right as the recipe asks"),
    ]
    widest = max(count for _, count, _ in steps) or 1
    counts = [count for _, count, _ in steps]
    return [
        Step(name=name, count=count, share=count / widest, lost=_lost(before - count, why))
        for before, (name, count, why) in zip([counts[0], *counts], steps, strict=False)
    ]


def _lost(count: int, why: str) -> str:
    return f"{count:,} {why}" if count > 0 else ""


def reasons(state: Summary) -> list[Reason]:
    """Why prompts made no pair and pairs were not kept, in this order, the most frequent first."""
    iterations = made(state)
    total: Counter[str] = Counter()
    for entry in iterations:
        total.update(entry["dropped"] or {})
    found = [
        Reason(
            name=name,
            of="pairs" if name in OF_PAIRS else "prompts",
            counts=[(entry["dropped"] or {}).get(name, 0) for entry in iterations],
            **explained(name, DROPPED),
        )
        for name, _ in sorted(total.items(), key=lambda item: (-item[1], item[0]))
    ]
    return sorted(found, key=lambda reason: reason.of, reverse=True)


def costs(state: Summary) -> list[StageCost]:
    """What each stage took, over all iterations."""
    entries = state["iterations"]
    return [_cost(stage, entries) for stage in STAGES if any(stage in entry["seconds"] for entry in entries)]


def _cost(stage: str, entries: Sequence[Iteration]) -> StageCost:
    tokens = [entry["tokens"][stage] for entry in entries if stage in entry["tokens"]]
    requests = [
        found["requests"]
        for entry in entries
        for name, found in entry.get("failures", {}).items()
        if name.split(" ")[0] == stage in entry["seconds"] and not name.endswith(" held-out")  # as seconds and tokens
    ]
    return StageCost(
        stage=stage,
        requests=sum(requests) if requests else None,
        prompt_tokens=sum(each["prompt"] for each in tokens) if tokens else None,
        completion_tokens=sum(each["completion"] for each in tokens) if tokens else None,
        seconds=sum(entry["seconds"].get(stage, 0) for entry in entries),
    )


def per_kept_pair(state: Summary) -> tuple[float, float] | None:
    """Seconds and written tokens for each pair that was kept, measuring left out; None where nothing was kept."""
    kept = sum(entry["kept"] or 0 for entry in made(state))
    spent = [cost for cost in costs(state) if cost.stage != "evaluate"]
    if not kept:
        return None
    return sum(cost.seconds for cost in spent) / kept, sum(cost.completion_tokens or 0 for cost in spent) / kept

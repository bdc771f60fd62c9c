"""An iteration of a run as `summary.json` has it, and each judge's card in part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Iteration:
    """What was made, trained and measured. The base model, which is iteration 0, was only measured; so was each judge.

    `benchmarks` are figures by benchmark, `held_out` those on held-out pairs; `seconds`, `tokens` and `failures` are by stage.
    """

    iteration: int
    pairs: int | None = None
    kept: int | None = None
    traces: int | None = None
    dropped: Mapping[str, int] | None = None
    training: Mapping[str, Any] | None = None
    gate: Mapping[str, Any] | None = None
    probe: Mapping[str, Any] | None = None
    monitors: Mapping[str, float | None] | None = None
    warnings: Sequence[str] = field(default_factory=list)
    held_out: Mapping[str, Any] | None
    benchmarks: Mapping[str, Mapping[str, Any]]
    seconds: Mapping[str, float]
    tokens: Mapping[str, Mapping[str, int]]
    equivalence: Mapping[str, int] | None = None
    failures: Mapping[str, Mapping[str, Any]]
    executions: Sequence[Mapping[str, Any]]

    def as_json(self) -> dict[str, Any]:
        """All fields, and the `yield`: kept pairs over pairs, None where there are none."""
        return {**asdict(self), "yield": (self.kept or 0) / self.pairs if self.pairs else None}

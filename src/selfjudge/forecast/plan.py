"""`selfjudge plan`: whether a recipe can run here, and the requests, tokens, hours and disk space that it will take.

Rows are admitted and a model that is here is tried as a run does it; nothing is downloaded or written. What cannot be counted is
assumed, and stated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..ports import Progress
from ..recipe.experiment import Recipe
from ..run.folder import RunFolder
from ..run.lineage import place_of
from ..run.reasons import refusals
from ..run.views import shortages
from ..types import Kind
from .engines import gpus_used
from .estimate import Disk, Estimate, PlannedStage, PlannedTraining
from .findings import Finding, Level
from .fit import disk, examine
from .machine import this_machine
from .sample import Cost, measure
from .survey import Survey, count_prompts
from .trial import try_benchmarks, try_model


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompts:
    """Usable prompts by kind, prompts of one iteration, and rows that cannot be used."""

    open: int
    closed: int
    per_iteration: int
    refused: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """What `selfjudge plan` reports."""

    name: str
    folder: str
    runs: bool
    iterations: int
    done: int
    findings: tuple[Finding, ...]
    prompts: Prompts
    refused: Sequence[Any]
    """Rows that cannot be used, by reason, with examples."""
    sample: Mapping[str, int]
    """Prompts of each kind that were measured."""
    stages: tuple[PlannedStage, ...]
    total: Cost
    training: PlannedTraining
    disk: Disk
    parameters: int | None
    """Of the model; None where it is not here, and GPU hours are those of a model with a billion."""
    generation_gpu_hours: float | None
    """None where the number of GPUs is unknown."""
    assumptions: tuple[str, ...]


def plan(recipe: Recipe, folder: Path, *, prompts: int | None = None, load: bool = True, progress: Progress) -> RunPlan:
    """Plan a run in a folder; `prompts` of each kind are measured if the recipe can run here. `load` tries the model.

    Raises RunError where the folder belongs to another recipe, and SelfjudgeError where measuring fails.
    """
    run, machine = RunFolder(folder), this_machine(folder)
    run.check(recipe.as_json())
    model, findings = examine(recipe, machine)
    rows, assumed, unusable = count_prompts(recipe, progress)
    findings += [*unusable, *_short(recipe, rows), *try_benchmarks(recipe, progress)]
    if load and prompts is None and not _has_error(findings):
        findings += try_model(recipe, progress)
    measured = None if prompts is None or _has_error(findings) else measure(recipe, prompts, progress)
    rows = rows if measured is None else measured.rows
    estimate = Estimate(
        recipe=recipe,
        counts=rows.counts,
        model=model if measured is None else measured.model,
        measured=measured,
        gpus=gpus_used(recipe.execution.engine, machine),
    )
    findings.append(disk(estimate.disk.total, machine, estimate.model))
    return RunPlan(
        name=recipe.name,
        folder=str(folder),
        runs=not _has_error(findings),
        iterations=recipe.loop.iterations,
        done=run.finished,
        findings=tuple(findings),
        prompts=_prompts(rows, estimate.turn.total()),
        refused=refusals(rows.refused, partial(place_of, recipe.prompts)),
        sample={} if measured is None else {str(kind): count for kind, count in measured.tried.items()},
        stages=estimate.stages,
        total=estimate.total,
        training=estimate.training,
        disk=estimate.disk,
        parameters=None if estimate.model is None else estimate.model.parameters,
        generation_gpu_hours=estimate.generation_gpu_hours,
        assumptions=estimate.assumptions if measured is not None else (*assumed, *estimate.assumptions),
    )


def _prompts(rows: Survey, per_iteration: int) -> Prompts:
    opened, closed = rows.counts[Kind.OPEN], rows.counts[Kind.CLOSED]
    return Prompts(open=opened, closed=closed, per_iteration=per_iteration, refused=len(rows.refused))


def _short(recipe: Recipe, rows: Survey) -> list[Finding]:
    """The kinds of prompts that run out."""
    do = "Add prompts of this kind; or change the shares, in another folder (--dir)."
    return [Finding(Level.WARNING, "prompts", what, do) for what in shortages(recipe.loop, rows.counts.__getitem__)]


def _has_error(findings: Sequence[Finding]) -> bool:
    return any(finding.level is Level.ERROR for finding in findings)

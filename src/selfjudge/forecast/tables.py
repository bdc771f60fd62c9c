"""Plans and diagnoses as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from ..run.reasons import refused_lines
from .doctor import Diagnosis
from .estimate import PlannedStage
from .findings import Finding
from .plan import RunPlan

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from .server import Examination

_WHEN = {"once": "", "each iteration": ", in iteration-K/", "after each iteration": ""}
_COLOURS = {"fine": "green", "warning": "yellow", "error": "red"}


def show_plan(plan: RunPlan, console: Console) -> None:
    """Does it fit, prompts, stages, training, disk, GPU hours, assumptions, and the verdict."""
    console.print(f"{plan.name} in {plan.folder}: {plan.iterations} iterations, {plan.done or 'none'} of them done")
    _show_findings(plan.findings, console)
    _print(_prompts(plan), console)
    _show_stages(plan, console)
    _print(_totals(plan), console)
    if plan.runs and not plan.sample:
        console.print("nothing was written; --measure sends some prompts through the stages")
    console.print(f"{plan.name} {'can' if plan.runs else 'cannot'} run here")


def show_diagnosis(diagnosis: Diagnosis, console: Console) -> None:
    """Installed packages, engines that can run, and findings."""
    gpus = ", ".join(f"{gpu.name} ({gpu.total_gib:g} GiB, {gpu.free_gib:g} free)" for gpu in diagnosis.gpus) or "none"
    packages = (f"{p.name} {p.version or '–'}{f' for {p.build}' if p.build else ''}" for p in diagnosis.packages)
    lines = (
        f"python {diagnosis.python}, {diagnosis.memory_gib:g} GiB of memory, GPUs: {gpus}",
        f"disk free for runs: {diagnosis.disk_free_gib:g} GiB",
        f"{diagnosis.path}: {', '.join(packages)}",
    )
    _print(lines, console)
    engines = ((e.kind, "yes" if e.runs else f"no: needs {', '.join(e.missing)}", e.do) for e in diagnosis.engines)
    _show_table(("engine", "can run here", "fix"), engines, console)
    _show_findings(diagnosis.findings, console)


def show_examination(found: Examination, console: Console) -> None:
    """What a server can do."""
    console.print(f"{found.model} at {found.address}")
    _show_findings(found.findings, console)


def _print(lines: Iterable[str], console: Console) -> None:
    for line in lines:
        console.print(line, soft_wrap=True)


def _prompts(plan: RunPlan) -> Iterator[str]:
    prompts = plan.prompts
    yield f"prompts: {prompts.open:,} open, {prompts.closed:,} closed; {prompts.per_iteration:,} in each iteration"
    if plan.sample:
        yield f"measured with {', '.join(f'{count} {kind}' for kind, count in plan.sample.items())} prompts"
    if plan.refused:
        yield from refused_lines(plan.refused, prompts.open + prompts.closed + prompts.refused)


def _show_stages(plan: RunPlan, console: Console) -> None:
    rows: list[tuple[str, ...]] = []
    for when in _WHEN:
        rows += [(when.upper(),), *(_cells(stage) for stage in plan.stages if stage.when == when)]
    rows.append(_cells(PlannedStage(when="once", stage="WHOLE RUN", cost=plan.total)))
    columns = ("stage", "model", "requests", "prompt tokens", "reply tokens", "hours", "basis")
    _show_table(columns, rows, console, numbers=columns[2:6])
    for when, folder in _WHEN.items():
        files = dict.fromkeys(name for stage in plan.stages if stage.when == when for name in stage.writes)
        _print([f"writes {when}{folder}: {', '.join(files)}"], console)


def _cells(stage: PlannedStage) -> tuple[str, ...]:
    cost = stage.cost
    counts = [_short(count) for count in (cost.requests, cost.prompt_tokens, cost.completion_tokens)]
    return (stage.stage, stage.model, *([*counts, _hours(cost.hours)] if cost.requests else [""] * 4), stage.basis)


def _short(count: float) -> str:
    """A count of at most six characters: 950, 12.3k, 4.5M, 1.2G."""
    for unit in ("", "k", "M"):
        if count < 999.5:
            return f"{count:.3g}{unit}"
        count /= 1000
    return f"{count:.3g}G"


def _hours(hours: float, most: str = "") -> str:
    return f"{most}{hours:.3g}" if hours >= 0.001 else "under 0.001"


def _totals(plan: RunPlan) -> Iterator[str]:
    most, training, disk = "" if plan.sample else "at most ", plan.training, plan.disk
    yield f"pairs in an iteration: {most}{training.pairs:,}, kept {training.kept:,}"
    yield f"training in an iteration: {most}{training.traces:,} traces, {training.steps:,} steps"
    parts = {"images": disk.images, "tables": disk.tables, "judges": disk.judges, "checkpoints": disk.checkpoints}
    sizes = ", ".join(f"{name} {'unknown' if size is None else f'{size / 1e9:.3g} GB'}" for name, size in parts.items())
    yield f"disk: {disk.total / 1e9:.3g} GB ({sizes}; images and tables {'measured' if plan.sample else 'assumed'})"
    model = (
        f"{plan.parameters / 1e9:,.3g} billion parameters" if plan.parameters else "per billion parameters: the model is not here"
    )
    generation = "unknown" if plan.generation_gpu_hours is None else _hours(plan.generation_gpu_hours, most)
    yield f"GPU hours ({model}): generation {generation}, training {_hours(training.gpu_hours, most)}"
    yield "assumed: " + "; ".join(plan.assumptions)


def _show_findings(findings: Sequence[Finding], console: Console) -> None:
    from rich.text import Text

    rows = ((Text(found.level, _COLOURS[found.level]), found.about, found.what, found.do) for found in findings)
    if findings:
        _show_table(("", "about", "finding", "fix"), rows, console)


def _show_table(
    columns: Sequence[str], rows: Iterable[Sequence[str | Text]], console: Console, numbers: Sequence[str] = ()
) -> None:
    from rich.table import Table

    table = Table()
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)

"""What a recipe would do, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .diagnosis import show_findings

if TYPE_CHECKING:
    from rich.console import Console


def show(told: Mapping[str, Any], console: Console) -> None:
    """Stages with their files, then what they may take, then the assumptions, then what was found about this machine."""
    from rich.table import Table

    table = Table(
        title=f"{told['name']} in {told['folder']}: {told['iterations']} iterations, {_done(told)}", title_justify="left"
    )
    table.add_column("stage")
    table.add_column("who is asked")
    table.add_column("requests at most", justify="right")
    table.add_column("writes", overflow="fold")
    heads = {"before": "once", "each": "each iteration K, in iteration-K/", "after": "after each iteration"}
    for part, head in heads.items():
        table.add_row(head, style="bold")
        for step in told["steps"][part]:
            table.add_row(step.stage, step.who, f"{step.requests:,}" if step.requests else "", "\n".join(step.writes))
        table.add_section()
    console.print(table)
    prompts, training = told["prompts"], told["training"]
    for line in (
        f"prompts: {prompts['open']:,} open, {prompts['closed']:,} closed; {prompts['per_iteration']:,} in each iteration",
        f"training in an iteration: at most {training['traces']:,} traces, {training['steps']:,} steps",
        _hours(told["gpu_hours"]),
        "assumed: " + "; ".join(told["assumptions"]),
        "nothing was started, loaded or written; `selfjudge plan` tries some prompts and measures",
    ):
        console.print(line)
    show_findings(told["findings"], console)
    console.print(f"{told['name']} {'can run here' if told['runs'] else 'cannot run here'}")


def _done(told: Mapping[str, Any]) -> str:
    return f"{told['done']} of them done" if told["done"] else "none of them done"


def _hours(hours: Mapping[str, Any]) -> str:
    size = hours["parameters"]
    whose = f"with {size / 1e9:,.3g} billion parameters" if size else "for each billion parameters: the model is not here"
    total = hours["generation"] + hours["training"]
    parts = f"{hours['generation']:.3g} to generate, {hours['training']:.3g} to train"
    return f"GPU-hours at most, {whose}: {total:.3g} ({parts})"

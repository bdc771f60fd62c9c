"""What a run will take, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..run.reasons import refused_lines
from .figures import cell

if TYPE_CHECKING:
    from rich.console import Console


def show(plan: dict[str, Any], console: Console) -> None:
    """A plan: stages by row, then what does not fit into a table, then the assumptions."""
    from rich.table import Table

    prompts, turn = plan["prompts"], plan["per_iteration"]
    tried = ", ".join(f"{count} {kind}" for kind, count in plan["sample"].items())
    table = Table(title=f"{plan['name']}: {plan['iterations']} iterations, from {tried} prompts tried", title_justify="left")
    for column in ("", "requests", "prompt tokens", "completion tokens", "hours"):
        table.add_column(column, justify="right" if column else "left")
    for name in ("synthesize", "judge", "evaluate"):
        table.add_row(name, *_counts(turn[name]))
    table.add_section()
    table.add_row("whole run", *_counts(plan["total"]))
    console.print(table)
    for line in (
        f"prompts: {prompts['open']:,} open, {prompts['closed']:,} closed; {prompts['per_iteration']:,} in each iteration",
        f"pairs in an iteration: {turn['pairs']:,}, kept {turn['kept']:,} (yield {cell(turn['yield'])})",
        f"training in an iteration: {turn['train']['traces']:,} traces, {turn['train']['steps']:,} steps",
        f"GPU-hours of generation: {cell(plan['total']['gpu_hours'])}; disk: {plan['disk_gb']:.2f} GB",
        "assumed: " + "; ".join(plan["assumptions"]),
        *refused_lines(plan["refused"], plan["rows"]),
        *(["images were opened of the prompts tried only: `selfjudge run` may refuse more"] if plan["refused"] else []),
    ):
        console.print(line, soft_wrap=True)


def _counts(cost: dict[str, Any]) -> list[str]:
    return [*(f"{cost[name]:,}" for name in ("requests", "prompt_tokens", "completion_tokens")), f"{cost['hours']:.3f}"]

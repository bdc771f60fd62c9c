"""`selfjudge export`: a run's pairs and traces for other trainers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from .progress import progress
from .terminal import say

FormatName = Literal["trl-sft", "trl-preference", "llamafactory", "ms-swift", "verl", "hf", "jsonl"]


def export(
    run: Annotated[Path, typer.Argument(help="Run folder.", show_default=False)],
    form: Annotated[FormatName, typer.Option("--format", help="Format of the records.", show_default=False)],
    to: Annotated[Path, typer.Option("--to", help="New folder.", show_default=False)],
    everything: Annotated[bool, typer.Option("--all", help="Also take pairs that were not kept.")] = False,
    iterations: Annotated[str | None, typer.Option(help="Iterations, as in 1,3.", show_default="all")] = None,
) -> None:
    """Write a run's pairs, or the traces that were kept (trl-sft), in the format of another trainer."""
    from ..errors import InputError
    from ..export.writing import export as write

    try:
        chosen = [int(part) for part in (iterations or "").split(",") if part]
    except ValueError:
        raise InputError(f"--iterations {iterations} is no list of numbers", hint="For example --iterations 1,3") from None
    with progress(f"{form} records", None) as advance:
        made = write(run, form, to, everything=everything, iterations=chosen, advance=advance)
    say(f"{made.records} records and {made.images} images: {made.file}")

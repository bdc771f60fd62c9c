"""`selfjudge check`: what a run would make of some data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import AllowOutside, OutputFormat, say_json
from .progress import progress
from .terminal import say

if TYPE_CHECKING:
    from ..forecast.check import Checked


def check(
    data: Annotated[
        str, typer.Argument(help="Recipe, file of prompts, folder of files or images, or data set.", show_default=False)
    ],
    sheet: Annotated[
        Path | None, typer.Option(help="Write a contact sheet of the images to this HTML file.", show_default="none")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 if any row is at fault; one that another repeats is not.")
    ] = False,
    exclude: Annotated[
        list[str] | None,
        typer.Option(help="Benchmark whose items no prompt may show, as `evaluate` names it.", show_default="the recipe's"),
    ] = None,
    allow_outside: AllowOutside = False,
    form: OutputFormat = "table",
) -> None:
    """Read all prompts and open all images as a run would, and say what can be used; nothing is stored.

    Shows rows used and refused with reasons and examples, open and closed prompts with the rules that
    decided, their languages, and the sizes of images. Prompts that show what a benchmark shows are refused
    where --exclude or the recipe names it. Exits with 1 if nothing can be used.
    """
    from dataclasses import asdict

    from ..forecast.check import check as read
    from ..forecast.check import write_sheet
    from ..run.reasons import HARMLESS
    from ..wiring import excluded_by, find_prompts, make_benchmark, named_benchmark

    benchmarks = (*excluded_by(data), *(make_benchmark(named_benchmark(name)) for name in exclude or ()))
    sources, max_pixels = find_prompts(data, allow_outside=allow_outside)
    found = read(sources, max_pixels=max_pixels, progress=progress, excluded=benchmarks)
    if sheet is not None:
        write_sheet(found, sheet, f"Images of {data}")
    if form == "json":
        say_json({name: value for name, value in asdict(found).items() if name != "tiles"})
    else:
        _show(found)
        if sheet is not None:
            say(f"contact sheet: {sheet}")
    if not found.used or (strict and any(entry["reason"] not in HARMLESS for entry in found.refused)):
        raise typer.Exit(1)


def _show(found: Checked) -> None:
    from ..run.reasons import left_out_line, refused_lines

    say(f"{found.used:,} of {found.rows:,} rows can be used")
    for kind, count in found.kinds.items():
        say(f"  {kind}: {count:,}")
    for what, counts in (("decided by", found.rules), ("languages", found.languages)):
        if counts:
            say(f"  {what}: " + ", ".join(f"{name} {count:,}" for name, count in counts.items()))
    if found.sides is not None:
        shortest, middle, longest = found.sides
        say(f"{found.images:,} images; their longer side is {shortest} to {longest} pixels, {middle:g} in the middle")
    for line in (*left_out_line(found.left_out), *refused_lines(found.refused, found.rows)):
        say(line)

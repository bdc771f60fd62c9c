"""`selfjudge status`: how far a run is, from another terminal."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .terminal import interruptible, is_read, say

if TYPE_CHECKING:
    from ..figures import Iteration
    from ..report.status import Status

_EVERY_SECONDS = 5.0


def status(
    run: Annotated[Path, typer.Argument(help="Run folder.", show_default=False)],
    watch: Annotated[bool, typer.Option("--watch", help="Show it again every five seconds until the run ends.")] = False,
) -> None:
    """Show how far a run is: running, interrupted, failed or finished, its stage, and the figures so far. Changes nothing."""
    from ..report.findings import concerns
    from ..report.status import status as read
    from ..run.disk import read_json

    with interruptible():
        while True:
            now = read(run)
            say(_line(now))
            if not watch or now.state != "running" or not is_read():
                break
            time.sleep(_EVERY_SECONDS)
    if now.error is not None:
        say(f"  {now.error}")
    for entry in now.done:
        say(_figures(entry))
    if now.done:
        for sentence in concerns(read_json(run / "summary.json")):
            say(f"  warning: {sentence}")


def _line(now: Status) -> str:
    where = f"iteration {now.iteration} of {now.iterations}"
    what = "" if now.stage is None else f", {now.stage}" + ("" if now.rows is None else f": {now.rows:,} rows")
    hint = "; the same command resumes it" if now.state == "interrupted" else ""
    return f"{time.strftime('%H:%M:%S')} {now.state}: {where}{what}{hint}"


def _figures(entry: Iteration) -> str:
    """One line about a finished iteration."""
    from ..report.figures import cell

    parts = [] if entry["pairs"] is None else [f"{entry['pairs']:,} pairs, {entry['kept']:,} kept"]
    for name, found in entry["benchmarks"].items():
        others = "".join(f"; {other} {cell(counted['accuracy'])}" for other, counted in found.get("protocols", {}).items())
        parts.append(f"{name} {cell(found['accuracy'])} ({cell(found['pair_accuracy'])} in both orders{others})")
    forced = sum(round(found.get("forced", 0) * found["requests"]) for found in entry.get("failures", {}).values())
    parts += [f"{forced:,} verdicts forced"] if forced else []
    return f"  iteration {entry['iteration']}: {'; '.join(parts) or 'not measured'}"

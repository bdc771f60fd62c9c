"""What `run` and `demo` do: a recipe is run, and what came of it is shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .ends import LONGER, end
from .terminal import console, interruptible, progress, say

if TYPE_CHECKING:
    from ..recipe.experiment import Recipe


def run_and_show(recipe: Recipe, folder: Path, *, failed: str, retry_failed: bool = False) -> None:
    """Run a recipe in a folder; refused rows, iterations and where everything lies are printed as they come."""
    from .. import loop
    from ..report import write_report
    from ..report.iterations import show_iterations, show_refused
    from ..run.folder import RunFolder
    from ..wiring import make_world

    place = RunFolder(folder, retry_failed=retry_failed)
    seen = _iterations_so_far(folder)

    def on_prompts(head: dict[str, Any]) -> None:
        if not seen:
            show_refused(head, console())

    def on_iteration(state: dict[str, Any]) -> None:
        write_report(folder, state)
        if len(state["iterations"]) > seen:
            show_iterations(state, console())

    world = make_world(recipe, place)
    with interruptible():
        state = loop.run(recipe, place, world, progress=progress, on_iteration=on_iteration, on_prompts=on_prompts)
    if len(state["iterations"]) <= seen:
        show_iterations(state, console())
        say("Nothing was left to do: this run is done.")
    _say_where(folder, state)
    asked = ((entry["iteration"], stage, found) for entry in state["iterations"] for stage, found in entry["failures"].items())
    end({f"iteration {number}, {stage}": found for number, stage, found in asked}, failed=failed, cut_off=LONGER)


def _iterations_so_far(folder: Path) -> int:
    from ..run.summary import read

    return len(read(folder)["iterations"]) if (folder / "summary.json").exists() else 0


def _say_where(folder: Path, state: dict[str, Any]) -> None:
    judge = state["final_judge"]
    say(f"run folder:  {folder}")
    say(f"final judge: {folder / judge if judge else 'the base model'}  ({state['stopped']})")
    say(f"report:      {folder / 'report.html'}")

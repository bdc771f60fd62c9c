"""`selfjudge demo`, `run` and `report`: running a recipe and showing the results."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .ends import AFRESH, LONGER, RETRY, end
from .options import Changes, JsonLog, Quiet, RecipeFile, RetryFailed, RunDir
from .plan import show_plan_of
from .progress import Watch, watch
from .terminal import console, interruptible, say

if TYPE_CHECKING:
    from ..figures import Head, Summary
    from ..recipe.experiment import Recipe
    from ..run.folder import RunFolder


def demo(
    folder: Annotated[Path, typer.Option("--dir", help="Run folder.")] = Path("runs/demo"),
    iterations: Annotated[int, typer.Option(min=1, help="Iterations of the loop; in the same folder up to 4.")] = 4,
    seed: Annotated[int, typer.Option(help="Random seed of prompts and samples.")] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="Run a much smaller demo that only checks the installation.")] = False,
    quiet: Quiet = False,
    json_log: JsonLog = False,
) -> None:
    """Watch the embedded judge improve itself: no model, data or GPU needed.

    A model of 1.2 million parameters looks at drawn scenes, writes pairs of answers, judges them, and
    learns from its own judgments. An interrupted demo resumes when the same command is run again.
    """
    from ..recipe.file import load_recipe
    from ..run.folder import RunFolder

    shipped = Path(str(files("selfjudge") / "shapes" / "demo.yaml"))
    usual = load_recipe(shipped).loop
    size = 150 if quick else usual.prompts_per_iteration or 0
    drawn = size * max(iterations, usual.iterations)  # so that a shorter demo can go on
    overrides = [f"loop.iterations={iterations}", f"seed={seed}", f"prompts.0.seed={seed}"]
    overrides += [f"loop.prompts_per_iteration={size}", f"prompts.0.limit={drawn}"]
    recipe = load_recipe(shipped, [*overrides, "evaluation.benchmarks.0.pairs=200"] if quick else overrides)
    _run_and_show(recipe, RunFolder(folder), watch(quiet, json_log), failed=AFRESH)


def run(
    recipe: RecipeFile,
    folder: RunDir = None,
    changes: Changes = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="The same as `selfjudge plan`.")] = False,
    retry_failed: RetryFailed = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop before anything is generated if any row is at fault, see `check`.")
    ] = False,
    quiet: Quiet = False,
    json_log: JsonLog = False,
) -> None:
    """Run a recipe: write pairs, judge them, select, train; repeat.

    An interrupted run resumes when the same command is run again.

    --retry-failed asks failed requests again, and redoes only what depends on the new replies.
    """
    from ..recipe.file import load_recipe
    from ..run.folder import RunFolder

    loaded = load_recipe(recipe, changes or [])
    root = folder or Path("runs") / loaded.name
    if dry_run:
        show_plan_of(loaded, root)
    _run_and_show(loaded, RunFolder(root, retry_failed=retry_failed, strict=strict), watch(quiet, json_log), failed=RETRY)


def report(run: Annotated[Path, typer.Argument(help="Run folder.", show_default=False)]) -> None:
    """Show the figures of a run, and write them to report.html with the learning curve."""
    from ..report.iterations import show_iterations
    from ..report.page import write_report
    from ..run.summary import read

    state = read(run)
    show_iterations(state, console())
    say(f"report: {write_report(run, state)}")


def _run_and_show(recipe: Recipe, run_folder: RunFolder, progress: Watch, *, failed: str) -> None:
    """Run a recipe in a folder, and print refused rows, iterations and paths as they come."""
    from .. import loop
    from ..report.iterations import show_iterations, show_refused
    from ..report.page import write_report
    from ..wiring import make_world

    folder = run_folder.root
    seen = _iterations_so_far(folder)

    def on_prompts(head: Head) -> None:
        if not seen:
            show_refused(head, console())

    def on_iteration(state: Summary) -> None:
        write_report(folder, state)
        if len(state["iterations"]) > seen:
            show_iterations(state, console())

    world = make_world(recipe, run_folder)
    with interruptible():
        state = loop.run(recipe, run_folder, world, progress=progress, on_iteration=on_iteration, on_prompts=on_prompts)
    if len(state["iterations"]) <= seen:
        show_iterations(state, console())
        say("Nothing was left to do: this run is done.")
    _say_where(folder, state)
    asked = ((entry["iteration"], stage, found) for entry in state["iterations"] for stage, found in entry["failures"].items())
    end({f"iteration {number}, {stage}": found for number, stage, found in asked}, failed=failed, cut_off=LONGER)


def _iterations_so_far(folder: Path) -> int:
    from ..run.summary import read

    return len(read(folder)["iterations"]) if (folder / "summary.json").exists() else 0


def _say_where(folder: Path, state: Summary) -> None:
    judge = state["final_judge"]
    say(f"run folder:  {folder}")
    say(f"final judge: {folder / judge if judge else 'the base model'}  ({state['stopped']})")
    say(f"report:      {folder / 'report.html'}")

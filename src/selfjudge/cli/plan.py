"""`selfjudge plan` and `selfjudge doctor`: what a recipe needs, and what this machine has."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import Changes, OutputFormat, RecipeFile, RunDir, say_json
from .progress import progress
from .terminal import console

if TYPE_CHECKING:
    from ..forecast.findings import Finding
    from ..recipe.experiment import Recipe


Load = Annotated[bool, typer.Option("--load/--no-load", help="Load a model that is here and have it answer.")]


def plan(
    recipe: RecipeFile,
    measure: Annotated[
        bool, typer.Option("--measure", help="Send some prompts through the stages on the recipe's engine, and extrapolate.")
    ] = False,
    prompts: Annotated[int, typer.Option(min=1, help="Prompts of each kind to measure.")] = 24,
    load: Load = True,
    folder: RunDir = None,
    changes: Changes = None,
    form: OutputFormat = "table",
) -> None:
    """Show whether a recipe can run here, and its stages, files and cost. Writes nothing.

    Reads the prompts as a run does, opens the images of the first thousand, and has a model that is here
    answer with one token. Nothing is downloaded; without --measure costs are upper bounds. Exits 1 if the
    recipe cannot run on this machine.
    """
    from ..recipe.file import load_recipe

    loaded = load_recipe(recipe, changes or [])
    show_plan_of(loaded, folder or Path("runs") / loaded.name, prompts=prompts if measure else None, load=load, form=form)


def doctor(
    recipe: Annotated[Path | None, typer.Argument(help="Recipe to examine too, as `plan` does.", show_default="none")] = None,
    folder: Annotated[Path, typer.Option("--dir", help="Folder for runs, whose free disk space is shown.")] = Path("runs"),
    server: Annotated[
        str | None, typer.Option(help="Address or name of an OpenAI-compatible server to examine instead.", show_default="none")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Model of the server.", show_default="its only one")] = None,
    load: Load = True,
    form: OutputFormat = "table",
) -> None:
    """Show installed packages, available engines, GPUs, memory and disk, and how to fix what is wrong.

    Exits 1 if no model can be loaded or the recipe cannot run here; `selfjudge plan` shows its cost, too.
    With --server, asks the server some short questions instead: whether it sees images, and respects seeds
    and other parameters, and what that means for a run.
    """
    if server is not None:
        _examine_server(server, model, form)
    from ..forecast.doctor import diagnose
    from ..forecast.tables import show_diagnosis

    planned: tuple[Finding, ...] = ()
    if recipe is not None:
        from ..forecast.plan import plan as make_plan
        from ..recipe.file import load_recipe

        loaded = load_recipe(recipe, [])
        planned = make_plan(loaded, folder / loaded.name, load=load, progress=progress).findings
    diagnosis = diagnose(folder, planned)
    if form == "json":
        say_json(asdict(diagnosis))
    else:
        show_diagnosis(diagnosis, console())
    raise typer.Exit(0 if diagnosis.runs else 1)


def _examine_server(url: str, model: str | None, form: str) -> None:
    """Print what a server can do and exit, with 1 if it cannot be used."""
    from ..forecast.server import examine
    from ..measure.judges import server_settings

    found = examine(server_settings({"base_url": url}), model)
    if form == "json":
        say_json(asdict(found))
    else:
        from ..forecast.tables import show_examination

        show_examination(found, console())
    raise typer.Exit(0 if found.runs else 1)


def show_plan_of(recipe: Recipe, folder: Path, *, prompts: int | None = None, load: bool = True, form: str = "table") -> None:
    """Print the plan of a run and exit, with 1 if it cannot run here."""
    from ..forecast.plan import plan as make_plan
    from ..forecast.tables import show_plan

    planned = make_plan(recipe, folder, prompts=prompts, load=load, progress=progress)
    if form == "json":
        say_json(asdict(planned))
    else:
        show_plan(planned, console())
    raise typer.Exit(0 if planned.runs else 1)

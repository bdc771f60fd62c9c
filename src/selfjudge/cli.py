"""The command line. Heavy libraries are imported by the commands that need them, so that `--help` answers at once."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .errors import SelfjudgeError

if TYPE_CHECKING:
    from .ports import Advance
    from .recipe import Recipe

Protocol = Literal["official", "strict"]
Form = Literal["table", "json"]

app = typer.Typer(
    name="selfjudge",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Teach a vision-language model to judge answers about images, without a single human label.",
    epilog="Start with [bold]selfjudge demo[/bold]: a tiny model improves itself in minutes, on a CPU.",
)


@app.command()
def demo(
    folder: Annotated[Path, typer.Option("--dir", help="Run folder.")] = Path("runs/demo"),
    iterations: Annotated[int, typer.Option(min=1, help="Turns of the loop.")] = 4,
    seed: Annotated[int, typer.Option(help="Another seed draws other prompts and samples.")] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="A much smaller run, to see that everything works.")] = False,
) -> None:
    """Watch the embedded judge improve itself: no model, data or GPU needed.

    A 1.2-million-parameter model looks at drawn scenes, writes pairs of answers, judges them and learns from its own judgments.
    Run it again and it goes on where it stopped, or says that it is done.
    """
    from .recipe_file import load_recipe

    overrides = [f"loop.iterations={iterations}", f"seed={seed}", f"prompts.0.seed={seed}"]
    if quick:
        overrides += ["prompts.0.limit=200", "evaluation.benchmarks.0.pairs=200"]
    recipe = load_recipe(Path(str(files("selfjudge") / "shapes" / "demo.yaml")), overrides)
    _run(recipe, folder)


@app.command()
def run(
    recipe: Annotated[Path, typer.Argument(help="A recipe: a YAML file.", show_default=False)],
    folder: Annotated[Path | None, typer.Option("--dir", help="Run folder.", show_default="runs/NAME")] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a value of the recipe: --set loop.iterations=2", show_default=False),
    ] = None,
) -> None:
    """Run a recipe: write pairs, judge them, select, train; repeat.

    A run that was interrupted goes on where it stopped when the same command is given again.
    """
    from .recipe_file import load_recipe

    loaded = load_recipe(recipe, changes or [])
    _run(loaded, folder or Path("runs") / loaded.name)


@app.command()
def report(run: Annotated[Path, typer.Argument(help="A run folder.", show_default=False)]) -> None:
    """Show the figures of a run, and write them as a page with the learning curve."""
    from .report import write_report
    from .summary import read

    state = read(run)
    _show(state)
    typer.echo(f"report: {write_report(run, state)}")


@app.command()
def evaluate(
    judge: Annotated[
        str, typer.Option(help="A model folder, a name on the hub, shapes, first, longer or random.", show_default=False)
    ],
    benchmark: Annotated[str, typer.Option(help="shapes-bench, or a JSONL file of pairs.", show_default=False)],
    folder: Annotated[Path, typer.Option("--dir", help="Where items, judgments and result.json go.", show_default=False)],
    limit: Annotated[int | None, typer.Option(min=1, help="The first pairs only.", show_default="all")] = None,
    form: Annotated[Form, typer.Option("--format", help="For people, or for programs.")] = "table",
) -> None:
    """Measure a judge on pairs whose better response is known: both orders, and an unread verdict is wrong.

    Run it again and it goes on where it stopped. `first`, `longer` and `random` look at nothing: what a judge has to beat.
    """
    from .evaluation import evaluate as measure
    from .store import RunFolder
    from .wiring import named_benchmark

    figures = measure(judge, named_benchmark(benchmark), RunFolder(folder), limit=limit, progress=_progress)
    if form == "json":
        typer.echo(json.dumps(figures, indent=2))
    else:
        _show_figures({name: value for name, value in figures.items() if name not in ("prompt", "levels")})


@app.command()
def contamination(
    prompts: Annotated[
        str,
        typer.Option(
            help="A recipe, a run folder, a JSONL or Parquet file or a folder of them, or a data set.", show_default=False
        ),
    ],
    benchmark: Annotated[
        str, typer.Option(help="shapes-bench, or a JSONL file of pairs; several with commas.", show_default=False)
    ],
    form: Annotated[Form, typer.Option("--format", help="For people, or for programs.")] = "table",
    out: Annotated[Path | None, typer.Option(help="All rows go here, as JSONL.", show_default="none")] = None,
) -> None:
    """Find prompts that show what a benchmark shows: the same image, one that looks the same, or the same long text.

    A judge trained on them would be measured on what it has seen. The `exclude` of a recipe keeps them out of a run.
    """
    from .contamination import check
    from .wiring import find_prompts, make_benchmark, named_benchmark

    sources, max_pixels = find_prompts(prompts)
    benchmarks = [make_benchmark(named_benchmark(name)) for name in map(str.strip, benchmark.split(","))]
    figures = check(sources, benchmarks, max_pixels=max_pixels, progress=_progress, out=out)
    if form == "json":
        typer.echo(json.dumps(figures, indent=2))
    else:
        _show_contamination(figures)


@app.command()
def score(
    file: Annotated[Path, typer.Argument(help="Recorded outputs of a judge: a benchmark's result file.", show_default=False)],
    benchmark: Annotated[str, typer.Option(help="vl-rewardbench or multimodal-rewardbench.", show_default=False)],
    protocol: Annotated[Protocol, typer.Option(help="How to read and count.")] = "strict",
    k: Annotated[int | None, typer.Option(min=1, help="Samples of each item that count.", show_default="all")] = None,
    form: Annotated[Form, typer.Option("--format", help="For people, or for programs.")] = "table",
) -> None:
    """Score recorded outputs of a judge, without a model.

    `official` gives what the benchmark's own script gives, its quirks included; `strict` counts an unread verdict as wrong.
    A line that cannot be used is reported with its number, and the others are scored.
    """
    from .wiring import find_score

    figures = find_score(benchmark)(file, protocol=protocol, k=k)
    malformed = figures["malformed"]
    for fault in malformed[:_FAULTS_SHOWN]:
        typer.echo(f"{file}:{fault['line']}: {fault['problem']}", err=True)
    if len(malformed) > _FAULTS_SHOWN:
        typer.echo(f"... and {len(malformed) - _FAULTS_SHOWN} more lines that cannot be used", err=True)
    if form == "json":
        typer.echo(json.dumps(figures, indent=2))
    else:
        _show_figures(figures)


_FAULTS_SHOWN = 20


def _show_figures(figures: dict[str, Any]) -> None:
    """Names and values, nested ones indented under their name."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{figures['benchmark']}, {figures['protocol']}", title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")

    def add(values: dict[str, Any], depth: int) -> None:
        for name, value in values.items():
            nested = isinstance(value, dict)
            table.add_row("  " * depth + name, "" if nested else _cell(value))
            if nested:
                add(value, depth + 1)

    shown = {name: value for name, value in figures.items() if name not in ("benchmark", "protocol", "malformed", "by_k")}
    add(shown, 0)
    if "malformed" in figures:
        add({"lines not scored": len(figures["malformed"])}, 0)
    if "by_k" in figures:
        add({"overall by k": {k: of_k["overall"] for k, of_k in figures["by_k"].items()}}, 0)
    Console(width=None if sys.stdout.isatty() else 120).print(table)


def _show_contamination(figures: dict[str, Any]) -> None:
    """What was found by kind, and the first rows."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{figures['prompts']} prompts against {', '.join(figures['benchmarks'])}", title_justify="left")
    for column in ("", "prompts", "share", "items", "share of items"):
        table.add_column(column, justify="right" if column else "left")
    for name, counts in {**figures["hits"], "contaminated": figures["contaminated"]}.items():
        label = name.replace("_", " ") + (" (does not count)" if name == "generic_text" else "")
        table.add_row(label, *map(_cell, counts.values()))
    Console(width=None if sys.stdout.isatty() else 120).print(table)
    if figures["unreadable"]:
        typer.echo("unreadable: " + ", ".join(f"{reason} {count}" for reason, count in figures["unreadable"].items()))
    rows = figures["rows"]
    for row in rows[:_FAULTS_SHOWN]:
        typer.echo(_in_words(row))
    if more := len(rows[_FAULTS_SHOWN:]) + figures["rows_left_out"]:
        typer.echo(f"... and {more} more; --out FILE.jsonl holds all")


def _in_words(row: dict[str, Any]) -> str:
    if row["kind"] == "unreadable":
        return f"{row['prompt']}: unreadable: {row['reason']}"
    apart = f", {row['distance']} of 64 bits apart" if row["distance"] else ""
    more = f", and {row['items'] - 1} more items" if row["items"] > 1 else ""
    return f"{row['prompt']}: {row['kind']}: {row['benchmark']}/{row['item']}{apart}{more}"


def _run(recipe: Recipe, folder: Path) -> None:
    from . import loop
    from .report import write_report
    from .store import RunFolder
    from .wiring import make_world

    place = RunFolder(folder)
    seen = _iterations_so_far(folder)

    def on_iteration(state: dict[str, Any]) -> None:
        write_report(folder, state)
        if len(state["iterations"]) > seen:
            _show(state)

    world = make_world(recipe, place.images.get)
    try:
        state = loop.run(recipe, place, world, progress=_progress, on_iteration=on_iteration)
    except KeyboardInterrupt:
        typer.echo("\ninterrupted: the same command goes on from here", err=True)
        raise typer.Exit(130) from None
    if len(state["iterations"]) <= seen:
        _show(state)
        typer.echo("Nothing was left to do: this run is done.")
    _say_where(folder, state)


def _iterations_so_far(folder: Path) -> int:
    from .store import read_json

    path = folder / "summary.json"
    return len(read_json(path)["iterations"]) if path.exists() else 0


def _show(state: dict[str, Any]) -> None:
    """The table of iterations so far."""
    from rich.console import Console
    from rich.table import Table

    names = list(state["iterations"][0]["benchmarks"])
    done = len(state["iterations"]) - 1
    table = Table(title=f"{state['name']} after {done} iteration{'s' * (done != 1)}", title_justify="left")
    for column in ("iteration", "pairs", "kept", "yield", *_columns(names), "seconds"):
        table.add_column(column, justify="right")
    for entry in state["iterations"]:
        scores = [score for name in names for score in _scores(entry["benchmarks"][name])]
        cells = [
            entry["iteration"],
            entry["pairs"],
            entry["kept"],
            entry["yield"],
            *scores,
            round(sum(entry["seconds"].values())),
        ]
        table.add_row(*map(_cell, cells))
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(table)
    last = state["iterations"][-1]
    if last["pairs"] is not None and not last["kept"]:
        reasons = ", ".join(f"{reason} {count}" for reason, count in last["dropped"].items())
        console.print(f"Nothing was kept in iteration {last['iteration']}, so its judge is the one before, unchanged: {reasons}")


_SCORES = ("accuracy", "pair_accuracy", "first_position_rate", "parse_rate")


def _columns(names: list[str]) -> list[str]:
    heads = ("accuracy", "both orders", "says first", "read")
    return [head if len(names) == 1 else f"{name} {head}" for name in names for head in heads]


def _scores(figures: dict[str, Any]) -> list[float | None]:
    return [figures[name] for name in _SCORES]


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, list | tuple):
        return " to ".join(map(_cell, value))
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _say_where(folder: Path, state: dict[str, Any]) -> None:
    judge = state["final_judge"]
    typer.echo(f"run folder:  {folder}")
    typer.echo(f"final judge: {folder / judge if judge else 'the base model'}  ({state['stopped']})")
    typer.echo(f"report:      {folder / 'report.html'}")


@contextmanager
def _progress(label: str, total: int | None) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description:<24}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(label, total=total)
        yield lambda count: bar.advance(task, count)


def main() -> None:
    """Entry point: errors that a user can act on end with `error:` and `hint:`, not with a traceback."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        app(prog_name="selfjudge")
    except SelfjudgeError as error:
        _fail(str(error), error.hint)
    except Exception as error:
        if os.environ.get("SELFJUDGE_TRACEBACK"):
            raise
        _fail(*_explain(error))


def _explain(error: Exception) -> tuple[str, str]:
    from .store import is_disk_full

    if is_disk_full(error):
        return "no space left on the disk", "Free some space and run the same command again: what is finished stays."
    return (
        f"unexpected {type(error).__name__}: {error}",
        "Set SELFJUDGE_TRACEBACK=1 to see where it arose, and please report it.",
    )


def _fail(message: str, hint: str | None) -> None:
    typer.echo(f"error: {message}", err=True)
    if hint:
        typer.echo(f"hint: {hint}", err=True)
    sys.exit(2)

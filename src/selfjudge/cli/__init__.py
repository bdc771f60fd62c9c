"""The command line. Heavy libraries are imported by the commands that need them, so that `--help` answers at once."""

from __future__ import annotations

import json
import os
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ..errors import SelfjudgeError
from .benchmarks import benchmarks
from .ends import AFRESH, BRIEFER, RETRY, end, explain, fail
from .run import run_and_show
from .terminal import console, interruptible, log_plainly, say
from .terminal import progress as _progress

Protocol = Literal["strict", "official", "paper"]
Form = Literal["table", "json"]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change a value: --set loop.iterations=2. Paths start at the current folder.", show_default=False),
]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Ask again what failed before.")]
_FAULTS_SHOWN = 20

app = typer.Typer(
    name="selfjudge",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Teach a vision-language model to judge answers about images, without a single human label.",
    epilog="Start with [bold]selfjudge demo[/bold]: a tiny model improves itself in minutes, on a CPU.\n\n"
    "Every command ends with 0 when it is done, 1 when it looked and the answer is no (run --dry-run, doctor), 2 after an error, "
    "3 when it is done but more than a tenth of a stage's requests failed or was cut off, and 130 when it was interrupted.",
)
app.add_typer(benchmarks, name="benchmarks")


def _show_version(wanted: bool) -> None:
    if wanted:
        say(f"selfjudge {version('selfjudge')}")
        raise typer.Exit


@app.callback()
def options(
    show: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None: ...


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
    from ..recipe.file import load_recipe

    overrides = [f"loop.iterations={iterations}", f"seed={seed}", f"prompts.0.seed={seed}"]
    if quick:
        overrides += ["prompts.0.limit=200", "evaluation.benchmarks.0.pairs=200"]
    recipe = load_recipe(Path(str(files("selfjudge") / "shapes" / "demo.yaml")), overrides)
    run_and_show(recipe, folder, failed=AFRESH)


@app.command()
def run(
    recipe: Annotated[Path, typer.Argument(help="A recipe: a YAML file.", show_default=False)],
    folder: Annotated[Path | None, typer.Option("--dir", help="Run folder.", show_default="runs/NAME")] = None,
    changes: Changes = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what it would do, write and take; ends with 1 if it cannot run here.")
    ] = False,
    retry_failed: RetryFailed = False,
) -> None:
    """Run a recipe: write pairs, judge them, select, train; repeat.

    A run that was interrupted goes on where it stopped when the same command is given again.

    With --retry-failed it asks again what failed before, and makes anew what depends on the new replies, and only that.
    """
    from ..recipe.file import load_recipe

    loaded = load_recipe(recipe, changes or [])
    place = folder or Path("runs") / loaded.name
    if dry_run:
        from ..forecast.dry_run import foretell
        from ..report.dry_run import show

        told = foretell(loaded, place)
        show(told, console())
        raise typer.Exit(0 if told["runs"] else 1)
    run_and_show(loaded, place, failed=RETRY, retry_failed=retry_failed)


@app.command()
def plan(
    recipe: Annotated[Path, typer.Argument(help="A recipe: a YAML file.", show_default=False)],
    prompts: Annotated[int, typer.Option(min=1, help="Prompts of each kind to try.")] = 24,
    changes: Changes = None,
    form: Annotated[Form, typer.Option("--format", help="For people, or for programs.")] = "table",
) -> None:
    """Say what a run will take: try some prompts on the recipe's engine, and scale up. Nothing is written.

    Requests, tokens, hours, GPU-hours, yield and disk, for each stage and iteration, with the assumptions behind them.
    """
    from ..forecast.plan import plan as measure
    from ..recipe.file import load_recipe

    found = measure(load_recipe(recipe, changes or []), prompts=prompts, progress=_progress)
    if form == "json":
        say(json.dumps(found, indent=2))
    else:
        from ..report.plan import show

        show(found, console())


@app.command()
def report(run: Annotated[Path, typer.Argument(help="A run folder.", show_default=False)]) -> None:
    """Show the figures of a run, and write them as a page with the learning curve."""
    from ..report import write_report
    from ..report.iterations import show_iterations
    from ..run.summary import read

    state = read(run)
    show_iterations(state, console())
    say(f"report: {write_report(run, state)}")


@app.command()
def evaluate(
    judge: Annotated[
        str,
        typer.Option(
            help="A model folder, a name on the hub, openai:MODEL behind --base-url, shapes, or first, longer, random.",
            show_default=False,
        ),
    ],
    benchmark: Annotated[
        str, typer.Option(help="One or more, by commas: NAME, NAME=PATH or a JSONL file of pairs.", show_default=False)
    ],
    protocol: Annotated[Protocol, typer.Option(help="How to ask, read and count.")] = "strict",
    samples: Annotated[int | None, typer.Option(min=1, help="Replies per item and order.", show_default="the protocol's")] = None,
    prompt_file: Annotated[
        Path | None,
        typer.Option(help="Other words, with {images} {question} {first} {second}.", show_default="the protocol's"),
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="The longest reply; a judge that thinks needs more.", show_default="the protocol's")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="The first rows only.", show_default="all")] = None,
    folder: Annotated[
        Path | None, typer.Option("--dir", help="Where items, replies and results go.", show_default="runs/measured/JUDGE")
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(help="An OpenAI-compatible server, as http://localhost:8000/v1.", show_default="OPENAI_BASE_URL")
    ] = None,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Leave rows without an image out, and count them.")
    ] = False,
    allow_outside: Annotated[
        bool, typer.Option("--allow-outside", help="Also read images outside of the data's folder.")
    ] = False,
    exclude: Annotated[
        str | None, typer.Option(help="Sources or dimensions to leave out, by commas; contradictory.", show_default=False)
    ] = None,
    retry_failed: RetryFailed = False,
    form: Annotated[Form, typer.Option("--format", help="For people, or for programs.")] = "table",
) -> None:
    """Measure a judge on pairs whose better response is known.

    `strict` asks in both orders, and an unread verdict is wrong; `official` does as the benchmark's own script does; `paper` is
    what is known of arXiv 2512.05145. Run it again and it goes on where it stopped. `first`, `longer` and `random` look at
    nothing: what a judge has to beat. A server's key is read from OPENAI_API_KEY.
    """
    from ..measure.evaluate import Asking
    from ..measure.evaluate import evaluate as measure
    from ..recipe.file import read_template
    from ..run.folder import RunFolder
    from ..wiring import named_benchmark

    left_out = exclude.split(",") if exclude else []
    named = [
        named_benchmark(name, allow_missing=allow_missing, allow_outside=allow_outside, exclude=left_out)
        for name in map(str.strip, benchmark.split(","))
    ]
    template = None if prompt_file is None else read_template(prompt_file)
    asking = Asking(protocol=protocol, samples=samples, template=template, max_tokens=max_tokens, limit=limit)
    root = folder or Path("runs/measured") / judge.strip("/").replace("/", "-").replace(":", "-")
    place = RunFolder(root, retry_failed=retry_failed)
    with interruptible():
        results = measure(judge, named, place, asking=asking, base_url=base_url, progress=_progress)
    if form == "json":
        shown = [result.as_json() for result in results]
        say(json.dumps(shown if len(shown) > 1 else shown[0], indent=2))
    else:
        from ..report.measurement import show_measured

        for result in results:
            show_measured(result, console())
        say(f"items, replies and results: {place.root}")
    end({f"evaluate {result.benchmark}": result.failures for result in results}, failed=RETRY, cut_off=BRIEFER)


@app.command()
def compare_judges(
    results: Annotated[
        list[Path],
        typer.Argument(help="Folders that `evaluate` wrote, or `iteration-K/benchmarks` of a run.", show_default=False),
    ],
    form: Annotated[Form, typer.Option("--format", help="For people, or for programs.")] = "table",
) -> None:
    """Put judges side by side, and test each against the first one, on the items that both were asked about.

    What was measured on other items, or counted by another protocol, stands in a table of its own. For the benchmarks of others,
    published figures follow as context, with what they can be compared to.
    """
    from ..measure.compare import compare

    comparison = compare(results)
    if form == "json":
        say(json.dumps(comparison.as_json(), indent=2))
    else:
        from ..report.comparison import show

        show(comparison, console())


@app.command()
def contamination(
    prompts: Annotated[
        str,
        typer.Option(
            help="A recipe, a run folder, a JSONL or Parquet file or a folder of them, or a data set.", show_default=False
        ),
    ],
    benchmark: Annotated[
        str, typer.Option(help="One or more, by commas: NAME, NAME=PATH or a JSONL file of pairs.", show_default=False)
    ],
    form: Annotated[Form, typer.Option("--format", help="For people, or for programs.")] = "table",
    out: Annotated[Path | None, typer.Option(help="All rows go here, as JSONL.", show_default="none")] = None,
    allow_outside: Annotated[
        bool, typer.Option("--allow-outside", help="Also read images outside of the data's folder.")
    ] = False,
) -> None:
    """Find prompts that show what a benchmark shows: the same image, one that looks the same, or the same long text.

    A judge trained on them would be measured on what it has seen. The `exclude` of a recipe keeps them out of a run.
    """
    from ..measure.contamination import check
    from ..wiring import find_prompts, make_benchmark, named_benchmark

    sources, max_pixels = find_prompts(prompts, allow_outside=allow_outside)
    benchmarks = [
        make_benchmark(named_benchmark(name, allow_outside=allow_outside)) for name in map(str.strip, benchmark.split(","))
    ]
    figures = check(sources, benchmarks, max_pixels=max_pixels, progress=_progress, out=out)
    if form == "json":
        say(json.dumps(figures, indent=2))
    else:
        from ..report.contamination import show

        show(figures, console())


@app.command()
def score(
    file: Annotated[
        Path, typer.Argument(help="A benchmark's result file, or a folder DIR/NAME of `evaluate`.", show_default=False)
    ],
    benchmark: Annotated[
        str,
        typer.Option(help="vl-rewardbench, multimodal-rewardbench, mmrb2=PAIRS.json, or what was evaluated.", show_default=False),
    ],
    protocol: Annotated[Protocol, typer.Option(help="How to read and count.")] = "strict",
    k: Annotated[int | None, typer.Option(min=1, help="Samples of each item that count.", show_default="all")] = None,
    form: Annotated[Form, typer.Option("--format", help="For people, or for programs.")] = "table",
) -> None:
    """Score recorded outputs of a judge, without a model.

    `official` gives what the benchmark's own script gives, its quirks included; `strict` counts an unread verdict as wrong.
    A line that cannot be used is reported with its number, and the others are scored.
    """
    figures = _scored(file, benchmark, protocol, k)
    malformed = figures.get("malformed", [])
    for fault in malformed[:_FAULTS_SHOWN]:
        say(f"{file}:{fault['line']}: {fault['problem']}", err=True)
    if len(malformed) > _FAULTS_SHOWN:
        say(f"... and {len(malformed) - _FAULTS_SHOWN} more lines that cannot be used", err=True)
    if form == "json":
        say(json.dumps(figures, indent=2))
    else:
        from ..report.figures import show_scored

        show_scored(figures, console())


@app.command()
def doctor(
    recipe: Annotated[Path | None, typer.Argument(help="A recipe that shall run here.", show_default=False)] = None,
    folder: Annotated[Path | None, typer.Option("--dir", help="Its run folder.", show_default="runs/NAME")] = None,
    changes: Changes = None,
    form: Annotated[Form, typer.Option("--format", help="For people, or for programs.")] = "table",
) -> None:
    """Say what is installed, which engines can run here, and whether a recipe fits; with what to do where not.

    Nothing is loaded or downloaded. Ends with 1 if the recipe cannot run at all.
    """
    from ..forecast.doctor import examine
    from ..recipe.file import load_recipe

    loaded = load_recipe(recipe, changes or []) if recipe is not None else None
    found = examine(loaded, folder or Path("runs") / (loaded.name if loaded is not None else ""))
    if form == "json":
        say(json.dumps(found, indent=2))
    else:
        from ..report.diagnosis import show_diagnosis

        show_diagnosis(found, console())
    if not found["runs"]:
        raise typer.Exit(1)


def _scored(file: Path, benchmark: str, protocol: str, k: int | None) -> dict[str, Any]:
    from ..measure.evaluate import rescore
    from ..wiring import find_score

    if file.is_dir() or file.suffix == ".parquet":
        return rescore(file, benchmark, protocol=protocol, k=k)
    name, _, data = benchmark.partition("=")
    return find_score(name)(file, protocol=protocol, k=k, **({"data": data} if data else {}))


_SPINS = "1000"
"""CHOSEN, some microseconds, as libgomp does where there are more threads than cores: how long torch's threads on the CPU wait
for each other before they sleep. By its default they keep a core busy for milliseconds that another process may need."""


def main() -> None:
    """Entry point: errors that a user can act on end with `error:` and `hint:`, not with a traceback."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)
    log_plainly()
    try:
        app(prog_name="selfjudge")
    except SelfjudgeError as error:
        fail(str(error), error.hint)
    except Exception as error:
        if os.environ.get("SELFJUDGE_TRACEBACK"):
            raise
        fail(*explain(error))

"""The command line. Heavy libraries are imported by the commands that need them, so that `--help` answers at once."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from ..errors import SelfjudgeError
from .benchmarks import benchmarks
from .check import check
from .ends import explain, fail, is_interrupt
from .export import export
from .init import init
from .judging import compare, label, rank
from .measure import compare_judges, contamination, evaluate, score
from .plan import doctor, plan
from .run import demo, report, run
from .serving import serve
from .show import show
from .status import status
from .terminal import log_plainly, outlive_readers, say
from .view import view

app = typer.Typer(
    name="selfjudge",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Teach a vision-language model to judge answers about images, without a single human label.",
    epilog="Start with [bold]selfjudge demo[/bold]: a tiny model improves itself in minutes, on a CPU.\n\n"
    "Exit codes: 0 done; 1 a check failed (plan, run --dry-run, doctor); 2 error; 3 done, but more than a tenth of a stage's "
    "requests failed or were cut off; 130 interrupted.",
)
_RUNS, _JUDGES = (demo, init, check, plan, run, status, report, show, view, export), (compare, label, rank, serve)
for command in (*_RUNS, *_JUDGES, evaluate, compare_judges, contamination, score, doctor):
    app.command()(command)
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


_SPINS = "1000"
"""CHOSEN: how long torch's CPU threads wait for each other before they sleep, a few microseconds, as libgomp does with
more threads than cores. By default they keep a core busy for milliseconds, which slows other processes."""


def main() -> None:
    """Entry point: errors are printed as `error:` and `hint:`, without a traceback."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)
    log_plainly()
    outlive_readers()
    try:
        app(prog_name="selfjudge")
    except SelfjudgeError as error:
        fail(str(error), error.hint)
    except Exception as error:
        if os.environ.get("SELFJUDGE_TRACEBACK"):
            raise
        if is_interrupt(error):
            sys.exit(130)
        fail(*explain(error))

"""`selfjudge benchmarks`: list benchmarks, download or build one, and report on its data."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import InputError
from .options import AllowOutside, OutputFormat, say_json
from .progress import progress
from .terminal import console, interruptible, say

if TYPE_CHECKING:
    from ..benchmarks.catalogue import Entry

benchmarks = typer.Typer(invoke_without_command=True, help="List benchmarks, or get one.")


@benchmarks.callback()
def listing(
    context: typer.Context,
    form: OutputFormat = "table",
) -> None:
    """List benchmarks with their rows, licences, and whether they are available locally. Needs no network."""
    if context.invoked_subcommand is not None:
        return
    from ..benchmarks.catalogue import CATALOGUE, folder_of, state_of

    if form == "table":
        _show_list()
        return
    entries = [
        {**asdict(entry), "state": state_of(entry), "folder": None if (found := folder_of(entry)) is None else str(found)}
        for entry in CATALOGUE
    ]
    say_json(entries)


def _show_list() -> None:
    from rich.table import Table

    from ..benchmarks.catalogue import CATALOGUE, state_of

    table = Table(show_lines=True)
    for column in ("name", "rows", "here", "measures", "licence"):
        table.add_column(column, overflow="fold", justify="right" if column == "rows" else "left")
    for entry in CATALOGUE:
        rows = " or ".join(f"{count:,}" for count in entry.rows) or "–"
        table.add_row(entry.name, rows, state_of(entry), f"{entry.measures} ({entry.where})", entry.licence)
    console().print(table)


@benchmarks.command()
def report(
    benchmark: Annotated[str, typer.Argument(help="NAME, NAME=PATH or a JSONL file of pairs.", show_default=False)],
    form: OutputFormat = "table",
    allow_outside: AllowOutside = False,
) -> None:
    """Report known problems of a benchmark's data. Asks no judge.

    Rows against the known counts, checksum or revision, duplicate ids, contradictory labels, unknown
    prefixes, missing images, and how often the better response is stored first.
    """
    from ..measure.evaluate import inspect
    from ..wiring import named_benchmark

    found = inspect(named_benchmark(benchmark, allow_missing=True, allow_outside=allow_outside), progress)
    if form == "json":
        say_json(found)
    else:
        from ..report.figures import show_data

        show_data(benchmark.partition("=")[0], found, console())


To = Annotated[
    Path | None,
    typer.Option(help="Folder to prepare.", show_default="$SELFJUDGE_BENCHMARKS/NAME, or ~/.cache/selfjudge/benchmarks/NAME"),
]
Revision = Annotated[str | None, typer.Option(help="Branch, tag or commit of a data set on the hub.", show_default="main")]
Release = Annotated[
    Path | None, typer.Option(help="multimodal-rewardbench: data/all_data_release.json of its repository.", show_default=False)
]
Sources = Annotated[
    Path | None,
    typer.Option(help="Folder with local copies of its sources, as OWNER__NAME or OWNER__NAME/CONFIG.", show_default="the hub"),
]
Requests = Annotated[
    Path | None,
    typer.Option(help="JSON file with other wordings of the requests that precede questions.", show_default="ours"),
]
Without = Annotated[
    list[str] | None, typer.Option(help="Exclude the rows of a source, such as SEED-Bench; may be repeated.", show_default=False)
]
HatefulMemes = Annotated[
    Path | None,
    typer.Option(help="Folder with your copy of Hateful Memes, of which a safety subset is made.", show_default="no memes"),
]


@benchmarks.command()
def prepare(
    name: Annotated[str, typer.Argument(help="Name as in `selfjudge benchmarks`.", show_default=False)],
    to: To = None,
    revision: Revision = None,
    release: Release = None,
    sources: Sources = None,
    requests: Requests = None,
    without: Without = None,
    hateful_memes: HatefulMemes = None,
    limit: Annotated[int, typer.Option(min=1, help="Number of memes.")] = 500,
    seed: Annotated[int, typer.Option(help="Random seed that selects the memes.")] = 0,
) -> None:
    """Get a benchmark: download its data set, or build it from its sources.

    An interrupted command resumes when it is run again. prepared.json, written last, records what the
    folder was made of. Mind the licence that `selfjudge benchmarks` shows.
    """
    from ..benchmarks.catalogue import entry_of, home

    entry = entry_of(name)
    folder = to or home() / entry.name
    own = {
        "--release": release,
        "--sources": sources,
        "--requests": requests,
        "--without": without,
        "--hateful-memes": hateful_memes,
    }
    with interruptible():
        if entry.obtained == "hub":
            _refuse(name, own)
            from ..benchmarks import hub

            _tell(entry, folder, hub.prepare(entry, folder, revision=revision))
        elif entry.obtained == "prepare":
            _refuse(name, {"--revision": revision})
            from ..benchmarks.mmrb import prepare as mmrb_prepare

            assembly = mmrb_prepare.Assembly(
                release=_needed(name, release),
                copies=sources,
                requests=requests,
                memes=hateful_memes,
                limit=limit,
                seed=seed,
                without=tuple(without or ()),
            )
            _tell(entry, folder, mmrb_prepare.prepare(assembly, folder, progress=progress))
        else:
            say(f"{name} needs no preparation: it is {entry.where}.")


def _needed(name: str, release: Path | None) -> Path:
    if release is None:
        hint = "It is data/all_data_release.json of github.com/facebookresearch/multimodal_rewardbench."
        raise InputError(f"{name} needs --release", hint=hint)
    return release


def _refuse(name: str, options: dict[str, Any]) -> None:
    """Raise InputError for options that a benchmark does not have."""
    for option, value in options.items():
        if value:
            raise InputError(f"{option} is not an option of {name}", hint="Remove this option.")


def _tell(entry: Entry, folder: Path, prepared: dict[str, Any]) -> None:
    """Print what was prepared and what could not be, and warn of unknown row counts."""
    rows = prepared["rows"]
    known = " or ".join(f"{count:,}" for count in entry.rows)
    say(f"folder:   {folder}")
    say(f"rows:     {'not counted' if rows is None else f'{rows:,}'}{f'  (known: {known})' if known else ''}")
    revision = prepared["revision"]
    say(f"revision: {revision if isinstance(revision, str) else f'of {len(revision)} sources, see prepared.json'}")
    say(f"licence:  {entry.licence}")
    if "refused" not in prepared and rows is not None and entry.rows and rows not in entry.rows:
        say(f"warning: {rows:,} rows, expected {known}", err=True)
    for line in prepared.get("warnings", ()):
        say(f"warning: {line}", err=True)
    if refused := prepared.get("refused"):
        reasons = ", ".join(f"{reason} {count}" for reason, count in refused.items())
        say(f"warning: {sum(refused.values()):,} rows could not be built ({reasons}): see refused.jsonl", err=True)

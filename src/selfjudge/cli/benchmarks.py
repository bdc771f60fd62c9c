"""`selfjudge benchmarks`: what there is, what lies here, and how to get the rest."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..errors import InputError
from .terminal import console, interruptible, progress, say

if TYPE_CHECKING:
    from ..benchmarks.catalogue import Entry

Form = Literal["table", "json"]

benchmarks = typer.Typer(invoke_without_command=True, help="List the benchmarks, or get one.")


@benchmarks.callback()
def listing(
    context: typer.Context,
    form: Annotated[Form, typer.Option("--format", help="For people, or for programs.")] = "table",
) -> None:
    """List the benchmarks: what each measures, its rows and licence, and whether it lies here. Asks no server."""
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
    say(json.dumps(entries, indent=2))


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
    form: Annotated[Form, typer.Option("--format", help="For people, or for programs.")] = "table",
    allow_outside: Annotated[
        bool, typer.Option("--allow-outside", help="Also read images outside of the data's folder.")
    ] = False,
) -> None:
    """Read a benchmark and say what is odd about its data; no judge is asked.

    Rows against the known counts, checksum or revision, ids that repeat, labels that contradict each other, unknown prefixes,
    missing images, and how often the better response is stored first.
    """
    from ..measure.evaluate import inspect
    from ..wiring import named_benchmark

    found = inspect(named_benchmark(benchmark, allow_missing=True, allow_outside=allow_outside), progress)
    if form == "json":
        say(json.dumps(found, indent=2))
    else:
        from ..report.figures import show_data

        show_data(benchmark.partition("=")[0], found, console())


@benchmarks.command()
def prepare(
    name: Annotated[str, typer.Argument(help="A name that `selfjudge benchmarks` lists.", show_default=False)],
    to: Annotated[
        Path | None,
        typer.Option(help="Folder to prepare.", show_default="$SELFJUDGE_BENCHMARKS/NAME, or ~/.cache/selfjudge/benchmarks/NAME"),
    ] = None,
    revision: Annotated[
        str | None, typer.Option(help="Branch, tag or commit of a data set of the hub.", show_default="main")
    ] = None,
    release: Annotated[
        Path | None,
        typer.Option(help="multimodal-rewardbench: its repository's data/all_data_release.json.", show_default=False),
    ] = None,
    sources: Annotated[
        Path | None,
        typer.Option(help="Folder of local copies of its sources, as OWNER__NAME or OWNER__NAME/CONFIG.", show_default="the hub"),
    ] = None,
    requests: Annotated[
        Path | None,
        typer.Option(help="JSON file with other wordings of the requests that it puts before questions.", show_default="ours"),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(help="Leave out the rows of a source, such as SEED-Bench; may be repeated.", show_default=False),
    ] = None,
    hateful_memes: Annotated[
        Path | None,
        typer.Option(help="Folder with your copy of Hateful Memes: adds a safety subset of your own.", show_default="no memes"),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many memes are drawn.")] = 500,
    seed: Annotated[int, typer.Option(help="Another seed draws other memes.")] = 0,
) -> None:
    """Get a benchmark: download its data set, or put it together from its sources.

    Give the same command again after an interruption: it goes on where it stopped.
    `prepared.json`, written last, says what the folder was made of.
    Mind the licence that `selfjudge benchmarks` shows.
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
            say(f"{name} needs no preparing: it is {entry.where}.")


def _needed(name: str, release: Path | None) -> Path:
    if release is None:
        hint = "It is data/all_data_release.json of github.com/facebookresearch/multimodal_rewardbench."
        raise InputError(f"{name} needs --release", hint=hint)
    return release


def _refuse(name: str, options: dict[str, Any]) -> None:
    """Options that a benchmark does not have are errors, not ignored."""
    for option, value in options.items():
        if value:
            raise InputError(f"{option} does not go with {name}", hint="Remove this option.")


def _tell(entry: Entry, folder: Path, prepared: dict[str, Any]) -> None:
    """What was prepared, what was refused, and what differs from the known counts."""
    rows = prepared["rows"]
    known = " or ".join(f"{count:,}" for count in entry.rows)
    say(f"folder:   {folder}")
    say(f"rows:     {'not counted' if rows is None else f'{rows:,}'}{f'  (known: {known})' if known else ''}")
    revision = prepared["revision"]
    say(f"revision: {revision if isinstance(revision, str) else f'of {len(revision)} sources, see prepared.json'}")
    say(f"licence:  {entry.licence}")
    if "refused" not in prepared and rows is not None and entry.rows and rows not in entry.rows:
        say(f"warning: {rows:,} rows; {known} are known", err=True)
    for line in prepared.get("warnings", ()):
        say(f"warning: {line}", err=True)
    if refused := prepared.get("refused"):
        reasons = ", ".join(f"{reason} {count}" for reason, count in refused.items())
        say(f"warning: {sum(refused.values()):,} rows could not be built ({reasons}): see refused.jsonl", err=True)

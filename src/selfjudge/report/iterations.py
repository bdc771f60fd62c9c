"""The iterations of a run so far, for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..figures import Failures, Figures, Head, Iteration, Summary
from ..run.reasons import DROPPED, explained, left_out_line, refused_lines
from .figures import cell

if TYPE_CHECKING:
    from rich.console import Console


def show_iterations(state: Summary, console: Console) -> None:
    """The table of iterations so far."""
    measured = state["iterations"][0]["benchmarks"]
    done = len(state["iterations"]) - 1
    several = list(measured) if len(measured) > 1 else []
    _show_table(f"{state['name']} after {done} iteration{'s' * (done != 1)}", state, [] if several else list(measured), console)
    for name in several:
        _show_table(name, state, [name], console, alone=True)
    _show_failures(state["iterations"], console)
    if refused := sum(entry["count"] for entry in state.get("refused", ())):
        console.print(f"{refused:,} rows of the sources were refused: report.html says why")
    last = state["iterations"][-1]
    for warning in last["warnings"]:
        console.print(f"warning: {warning}", highlight=False, markup=False)
    if last["pairs"] is not None and not last["kept"]:
        console.print(f"Nothing was kept in iteration {last['iteration']}, so its judge learned nothing new.")
    if last["dropped"] and (state["stopped"] or not last["kept"]):
        console.print(f"Dropped in iteration {last['iteration']} (to change the recipe, use another folder, --dir):")
        for reason, count in sorted(last["dropped"].items(), key=lambda item: -item[1]):
            why = explained(reason, DROPPED)
            console.print(f"  {reason} ({count:,}): {why['meaning']} {why['change']}", soft_wrap=True)


def _show_table(title: str, state: Summary, names: Sequence[str], console: Console, *, alone: bool = False) -> None:
    """Pairs, figures on these benchmarks and seconds by iteration; `alone` for the figures without the others."""
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    scores = [head for name in names for head in _heads(state["iterations"][0]["benchmarks"][name])]
    for column in ("iteration", *scores) if alone else ("iteration", "pairs", "kept", "yield", *scores, "seconds"):
        table.add_column(column, justify="right", overflow="fold")
    for entry in state["iterations"]:
        found = [score for name in names for score in _scores(entry["benchmarks"][name])]
        made, seconds = (entry["pairs"], entry["kept"], entry["yield"]), round(sum(entry["seconds"].values()))
        row = (entry["iteration"], *found) if alone else (entry["iteration"], *made, *found, seconds)
        table.add_row(*map(cell, row))
    console.print(table)


def show_refused(head: Head, console: Console) -> None:
    """The rows that were refused when the prompts were read, and why."""
    rows = head["prompts"]["total"] + sum(head["prompts"]["refused"].values())
    for line in refused_lines(head["refused"], rows):
        console.print(line, soft_wrap=True)
    for line in left_out_line(head["prompts"].get("left_out", {})):
        console.print(line, soft_wrap=True)


def _show_failures(entries: Sequence[Iteration], console: Console) -> None:
    """For each stage how many of its requests failed, were cut off and had a forced verdict, where any did."""
    from rich.table import Table

    failures = {entry["iteration"]: entry.get("failures", {}) for entry in entries}
    if not any(found["failed"] or found["cut_off"] or "forced" in found for of in failures.values() for found in of.values()):
        return
    stages = list(dict.fromkeys(stage for of_entry in failures.values() for stage in of_entry))
    table = Table(title="requests that failed / were cut off", title_justify="left")
    for column in ("iteration", *stages):
        table.add_column(column, justify="right")
    for number, of_entry in failures.items():
        table.add_row(str(number), *(failed(of_entry.get(stage)) for stage in stages))
    console.print(table)


def failed(found: Failures | None) -> str:
    """How many requests failed, were cut off and had a forced verdict, of how many."""
    if found is None or not found["requests"]:
        return "–"
    shares = found["failed"], found["cut_off"], found.get("forced", 0.0)
    failed, cut_off, forced = (round(share * found["requests"]) for share in shares)
    return f"{failed:,} / {cut_off:,} of {found['requests']:,}" + (f", {forced:,} forced" if forced else "")


def _heads(figures: Figures) -> list[str]:
    return ["accuracy", "both orders", "says first", "read", *figures.get("protocols", ())]


def _scores(figures: Figures) -> list[float | None]:
    general = figures["accuracy"], figures["pair_accuracy"], figures["first_position_rate"], figures["parse_rate"]
    return [*general, *(found["accuracy"] for found in figures.get("protocols", {}).values())]

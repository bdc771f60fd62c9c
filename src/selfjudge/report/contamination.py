"""Hits of benchmarks among prompts, in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..figures import Contamination, Overlap
from .figures import cell

if TYPE_CHECKING:
    from rich.console import Console

_SHOWN = 20
"""Rows in the terminal; a file can hold all."""


def show(figures: Contamination, console: Console) -> None:
    """Counts by kind, and the first rows."""
    from rich.table import Table

    table = Table(title=f"{figures['prompts']} prompts against {', '.join(figures['benchmarks'])}", title_justify="left")
    for column in ("", "prompts", "share", "items", "share of items"):
        table.add_column(column, justify="right" if column else "left")
    for name, counts in {**figures["hits"], "contaminated": figures["contaminated"]}.items():
        label = name.replace("_", " ") + (" (does not count)" if name == "generic_text" else "")
        table.add_row(label, *map(cell, counts.values()))
    console.print(table)
    for line in _lines(figures):
        console.print(line, soft_wrap=True)


def _lines(figures: Contamination) -> list[str]:
    unread = ", ".join(f"{reason} {count}" for reason, count in figures["unreadable"].items())
    rows = figures["rows"]
    more = len(rows[_SHOWN:]) + figures["rows_left_out"]
    return [
        *([f"unreadable: {unread}"] if unread else []),
        *map(_in_words, rows[:_SHOWN]),
        *([f"... and {more} more; --out FILE.jsonl holds all"] if more else []),
    ]


def _in_words(row: Overlap) -> str:
    if row["kind"] == "unreadable":
        return f"{row['prompt']}: unreadable: {row['reason']}"
    apart = f", {row['distance']} of 64 bits apart" if row["distance"] else ""
    more = f", and {row['items'] - 1} more items" if row["items"] > 1 else ""
    return f"{row['prompt']}: {row['kind']}: {row['benchmark']}/{row['item']}{apart}{more}"

"""Figures in a terminal: values as they stand in a table, oddities of data, and scores of recorded outputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..figures import DataReport

if TYPE_CHECKING:
    from rich.console import Console

Values = Mapping[str, Any]


def show_data(name: str, data: DataReport, console: Console) -> None:
    """A report on the data of a benchmark."""
    console.print(name, style="bold")
    for line in (*about(data), *(f"{name}: {count}" for name, count in data["dimensions"].items())):
        console.print(f"  {line}")
    console.print(f"  stored first, the better response: {cell(data['better_first'])}")


def show_scored(figures: Values, console: Console) -> None:
    """Figures of recorded outputs: names and values, nested ones indented under their name."""
    from rich.table import Table

    table = Table(title=f"{figures['benchmark']}, {figures['protocol']}", title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")

    def add(values: Values, depth: int) -> None:
        for name, value in values.items():
            nested = isinstance(value, dict)
            table.add_row("  " * depth + name, "" if nested else cell(value))
            if nested:
                add(value, depth + 1)

    apart = ("benchmark", "protocol", "malformed", "by_k", "levels", "problems")
    add({name: value for name, value in figures.items() if name not in apart}, 0)
    if "malformed" in figures:
        add({"lines not scored": len(figures["malformed"])}, 0)
    if "by_k" in figures:
        add({"overall by k": {k: of_k["overall"] for k, of_k in figures["by_k"].items()}}, 0)
    console.print(table)


def cell(value: Any) -> str:
    """A value as it stands in a table."""
    if value is None:
        return "–"
    if isinstance(value, list | tuple):
        return " to ".join(map(cell, value))
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def about(data: DataReport) -> Iterator[str]:
    """The source of the items, and every oddity that a reader of the figures must know."""
    revision = f" at {data['revision']}" if data.get("revision") else ""
    checksum = f", sha256 {data['sha256'][:12]}…" if data.get("sha256") else ""
    yield f"{data['items']} items from {data['source']}{revision}{checksum}"
    if data.get("is_a_known_size") is False:
        yield f"! {data['rows']} rows; known are {' and '.join(map(str, data['known_rows']))}"
    counted = {
        "rows left out for their missing images": data.get("missing_images", {}).get("count"),
        **{f"rows left out as {name}": count for name, count in data.get("excluded", {}).items()},
        "ids that repeat": data["repeated_ids"]["count"],
        "rows that repeat another one": data["repeated_pairs"],
        "rows that another one contradicts": data["contradictions"]["rows"],
        **{f"rows of the unknown prefix {name}": count for name, count in data.get("unknown_prefixes", {}).items()},
        **{f"rows whose prefix {name} is known in another case": n for name, n in data.get("miscased_prefixes", {}).items()},
    }
    yield from (f"! {what}: {count}" for what, count in counted.items() if count)
    first = data["better_first"]
    if first is not None and abs(first - 0.5) > _LEAK and data["items"] >= _ENOUGH:
        yield f"the better response is stored first in {first:.1%} of the rows: asked in that order alone, a judge shows nothing"


_LEAK, _ENOUGH = 0.1, 50
"""How far from one half, of how many rows, the share of better responses stored first is worth a warning."""

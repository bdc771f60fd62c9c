"""Figures for people: what was measured and how, what is odd about the data, and a table of the figures with their intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..method.paired import FEW_GROUPS

if TYPE_CHECKING:
    from rich.console import Console

Figures = Mapping[str, Any]


def show_measured(result: Figures, console: Console) -> None:
    """A result of `evaluate`."""
    console.print(f"{result['benchmark']}, judged by {result['judge']}: {_how(result)}", style="bold")
    for line in _about(result["data"]):
        console.print(f"  {line}")
    console.print(_table(result))
    for line in _below(result):
        console.print(line)


def show_data(name: str, data: Figures, console: Console) -> None:
    """A report on the data of a benchmark."""
    console.print(name, style="bold")
    for line in (*_about(data), *(f"{name}: {count}" for name, count in data["dimensions"].items())):
        console.print(f"  {line}")
    console.print(f"  stored first, the better response: {cell(data['better_first'])}")


def show_scored(figures: Figures, console: Console) -> None:
    """Figures of recorded outputs: names and values, nested ones indented under their name."""
    from rich.table import Table

    table = Table(title=f"{figures['benchmark']}, {figures['protocol']}", title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")

    def add(values: Figures, depth: int) -> None:
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


_ORDERS = {"both": "both orders", "random": "an order drawn for each reply", "stored": "the stored order"}


def _how(result: Figures) -> str:
    replies = f"{result['samples']} repl{'y' if result['samples'] == 1 else 'ies'}"
    heat = "greedy" if result["sampling"]["temperature"] == 0 else f"temperature {result['sampling']['temperature']}"
    return (
        f"protocol {result['protocol']}/{result['protocol_version']}, {_ORDERS[result['orders']]}, "
        f"{replies}, {heat}, prompt {result['prompt_id'][:8]}"
    )


def _about(data: Figures) -> Iterator[str]:
    """Where the items are from, and every oddity that a reader of the figures must know of."""
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
        yield f"! the better response is stored first in {first:.1%} of the rows: only swapped orders are worth anything"


_LEAK, _ENOUGH = 0.1, 50
"""How far from one half, of how many rows, the share of better responses stored first is worth a warning."""


def _table(result: Figures) -> Any:
    from rich.table import Table

    both = result["orders"] == "both"
    table = Table()
    for column in ("", "n", "accuracy", *(("both orders", "consistent") if both else ("decided",))):
        table.add_column(column, justify="right" if column else "left")

    def add(name: str, part: Figures, macro: bool = False) -> None:
        key = "macro" if macro else "accuracy"
        pair = "pair_macro" if macro else "pair_accuracy"
        cells = [_with_interval(part.get(key), part.get(f"{key}_ci95" if macro else "ci95"))]
        if both:
            cells += [_with_interval(part.get(pair), part.get(f"{pair}_ci95" if macro else "pair_ci95"))]
            cells += ["" if macro else cell(part.get("consistency"))]
        else:
            cells += ["" if macro else cell(part.get("coverage"))]
        table.add_row(name, "" if macro else str(part["n"]), *cells)

    add("all items", result)
    add("mean of the dimensions", result, macro=True)
    table.add_section()
    for name, part in result["dimensions"].items():
        add(name, part)
    return table


def _with_interval(value: float | None, limits: Any) -> str:
    return cell(value) if value is None or limits is None else f"{value:.3f}  {limits[0]:.3f} to {limits[1]:.3f}"


_OWN = (
    *("macro6", "macro8", "columns", "acc", "acc_plus", "ids", "overall", "sections", "dropped"),
    *("accuracy_with_ties", "accuracy_without_ties", "ties", "ties_found"),
)


def _below(result: Figures) -> Iterator[str]:
    """What does not fit into the table."""
    problems = ", ".join(f"{name} {count}" for name, count in result["problems"].items())
    yield (
        f"{result['replies']} replies, read {cell(result['parse_rate'])}, says first {cell(result['first_position_rate'])}"
        + (f"; not read: {problems}" if problems else "")
    )
    if (chance := result["logprob"]) is not None:
        yield (
            f"by probability, over all orders: accuracy {_with_interval(chance['accuracy'], chance['ci95'])}, "
            f"decided {cell(chance['coverage'])}"
        )
    if (groups := result.get("groups", FEW_GROUPS)) < FEW_GROUPS:  # older results do not say
        yield f"{groups} independent question{'s' * (groups != 1)}: so few make the intervals too narrow, unless all items agree"
    if result["ties_left_out"]:
        yield f"{result['ties_left_out']} items that people called ties are left out"
    yield from (f"{name}: {_flat(result[name])}" for name in _OWN if name in result)
    if (official := result.get("official")) is not None:
        yield f"as the official script counts: overall {cell(official['overall'])}" + _official_rest(official)


def _official_rest(official: Figures) -> str:
    if "by_k" in official:
        by_k = ", ".join(f"{k}: {cell(figures['overall'])}" for k, figures in official["by_k"].items())
        return f", macro {cell(official['macro'])}, of {official['agree'] + official['reject']} decided items; by K {by_k}"
    return f", macro6 {cell(official['macro6'])}, macro8 {cell(official['macro8'])}, {official['coin']} coins tossed"


def _flat(value: Any) -> str:
    return ", ".join(f"{name} {cell(part)}" for name, part in value.items()) if isinstance(value, Mapping) else cell(value)

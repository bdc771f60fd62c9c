"""One measurement in a terminal: how the judge was asked, oddities of the data, and a table of figures with intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..figures import Figures, Limits
from ..measure.evaluate import Result
from ..method.paired import FEW_GROUPS
from ..run.executions import described
from .figures import Values, about, cell

if TYPE_CHECKING:
    from rich.console import Console


def show_measured(result: Result, console: Console) -> None:
    """Print a result of `evaluate`."""
    console.print(f"{result.benchmark}, judged by {result.judge}: {_how(result)}", style="bold")
    for line in about(result.data):
        console.print(f"  {line}")
    console.print(_table(result))
    for line in _below(result):
        console.print(line)


_ORDERS = {
    "both": "both orders",
    "random": "an order drawn for each reply",
    "stored": "the stored order",
    "each": "each response by itself",
}


def _how(result: Result) -> str:
    protocol = result.protocol
    replies = f"{protocol.samples} repl{'y' if protocol.samples == 1 else 'ies'}"
    heat = f"temperature {protocol.sampling.temperature}" if protocol.sampling.temperature else "greedy"
    if any("without `temperature`" in changed for changed in result.refused_parameters):
        heat = f"not {heat}: the server takes no temperature"
    return (
        f"protocol {protocol.name}/{protocol.version}, {_ORDERS[protocol.orders]}, "
        f"{replies}, {heat}, prompt {result.prompt_id[:8]}"
    )


def _table(result: Result) -> Any:
    from rich.table import Table

    both = result.protocol.orders == "both"
    table = Table()
    for column in ("", "n", "accuracy", *(("both orders", "consistent") if both else ("decided",))):
        table.add_column(column, justify="right" if column else "left")

    def add(name: str, part: Figures) -> None:
        cells = [_with_interval(part.get("accuracy"), part.get("ci95"))]
        if both:
            cells += [_with_interval(part.get("pair_accuracy"), part.get("pair_ci95"))]
        table.add_row(name, str(part["n"]), *cells, cell(part.get("consistency" if both else "coverage")))

    whole = result.figures
    add("all items", whole)
    means = [_with_interval(whole.get("macro"), whole.get("macro_ci95"))]
    if both:
        means += [_with_interval(whole.get("pair_macro"), whole.get("pair_macro_ci95"))]
    table.add_row("mean of the dimensions", "", *means, "")
    table.add_section()
    for name, part in whole["dimensions"].items():
        add(name, part)
    return table


def _with_interval(value: float | None, limits: Limits | None) -> str:
    return cell(value) if value is None or limits is None else f"{value:.3f}  {limits[0]:.3f} to {limits[1]:.3f}"


def _below(result: Result) -> Iterator[str]:
    """The figures that do not fit into the table."""
    figures = result.figures
    problems = ", ".join(f"{name} {count}" for name, count in figures["problems"].items())
    yield (
        f"{figures['replies']} replies, read {cell(figures['parse_rate'])}, says first {cell(figures['first_position_rate'])}"
        + (f"; not read: {problems}" if problems else "")
        + (f"; {figures['forced']} verdicts were asked for and not written" if "forced" in figures else "")
    )
    if (chance := figures["logprob"]) is not None:
        yield (
            f"by probability, over all orders: accuracy {_with_interval(chance['accuracy'], chance['ci95'])}, "
            f"decided {cell(chance['coverage'])}"
        )
    if (groups := figures["groups"]) < FEW_GROUPS:
        yield f"{groups} independent question{'s' * (groups != 1)}: so few make the intervals too narrow, unless all items agree"
    yield from (f"requests were sent {changed}" for changed in result.refused_parameters)
    if len(result.executions) > 1:
        yield f"replies came in more than one way: {'; '.join(map(described, result.executions))}"
    if figures["ties_left_out"]:
        yield f"{figures['ties_left_out']} items that people called ties are left out"
    yield from (f"{name}: {_flat(value)}" for name, value in result.own.items())
    if result.official:
        yield f"as the official script counts: overall {cell(result.official['overall'])}" + _official_rest(result.official)


def _official_rest(official: Values) -> str:
    if "by_k" in official:
        by_k = ", ".join(f"{k}: {cell(figures['overall'])}" for k, figures in official["by_k"].items())
        return f", macro {cell(official['macro'])}, of {official['agree'] + official['reject']} decided items; by K {by_k}"
    return f", macro6 {cell(official['macro6'])}, macro8 {cell(official['macro8'])}, {official['coin']} coins tossed"


def _flat(value: Any) -> str:
    return ", ".join(f"{name} {cell(part)}" for name, part in value.items()) if isinstance(value, Mapping) else cell(value)

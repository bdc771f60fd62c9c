"""A comparison of judges, as tables in a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ..benchmarks.published import PublishedGroup
from ..measure.compare import FiguresTable, JudgeComparison, JudgeFigures, Pairing, Tests
from ..method.paired import Difference, Discordance

_FIGURES = {
    "n": "items",
    "accuracy": "accuracy",
    "pair_accuracy": "both orders",
    "consistency": "consistency",
    "first_position_rate": "says first",
    "parse_rate": "read",
    "macro": "macro",
    "pair_macro": "macro, both orders",
}
_INTERVALS = {"accuracy": "ci95", "pair_accuracy": "pair_ci95", "macro": "macro_ci95", "pair_macro": "pair_macro_ci95"}
_ABREAST = 4
"""Judges in one table: more do not fit beside each other."""


def show(comparison: JudgeComparison, console: Console) -> None:
    """Print figures, tests, notes and published figures."""
    for counted in dict.fromkeys(map(_counted, comparison.tables)):
        for table in comparison.tables:
            if _counted(table) == counted:
                _show_figures(table, console)
        for tests in comparison.tests:
            if _counted(tests) == counted:
                console.print(_tests(tests))
    for note in comparison.notes:
        console.print(f"note: {note}")
    for group in comparison.published:
        console.print()
        console.print(_published(group))
        console.print(f"{group.why} {_origin(group)}")


def _counted(part: FiguresTable | Tests) -> tuple[str, str]:
    return part.benchmark, part.protocol


def _show_figures(table: FiguresTable, console: Console) -> None:
    for start in range(0, len(table.judges), _ABREAST):
        console.print(_side_by_side(table, table.judges[start : start + _ABREAST]))


def _side_by_side(table: FiguresTable, judges: Sequence[JudgeFigures]) -> Table:
    """Figures as rows and judges as columns: the general ones, each dimension's accuracy, and the benchmark's own."""
    shown = _titled(f"{table.benchmark}, {table.protocol}: {table.n} items ({table.items[:8]})")
    shown.add_column("")
    for judge in judges:
        shown.add_column(judge.judge, justify="right", overflow="fold")
    for name, head in _FIGURES.items():
        shown.add_row(head, *(_figure(judge.figures, name) for judge in judges))
    for name in _names(_dimensions(judge) for judge in judges):
        shown.add_row(f"  {name}", *(_figure(_dimensions(judge).get(name, {}), "accuracy") for judge in judges))
    special = [_special(judge.figures) for judge in judges]
    for name in _names(special):
        shown.add_row(name, *(_number(values.get(name)) for values in special))
    return shown


def _dimensions(judge: JudgeFigures) -> Mapping[str, Any]:
    return judge.figures.get("dimensions") or {}


def _names(values: Iterable[Mapping[str, Any]]) -> list[str]:
    """All keys, in the order in which they first come."""
    return list(dict.fromkeys(name for value in values for name in value))


def _special(judge: Mapping[str, Any]) -> dict[str, float]:
    """Fractions that only this benchmark has, and those of its official script."""
    official = judge.get("official") or {}
    scripts = (official, official.get("dimensions"), official.get("columns"))
    parts = [("", judge), ("", judge.get("columns")), *(("official ", part) for part in scripts)]
    named = ((f"{head}{name}", value) for head, part in parts for name, value in (part or {}).items())
    return {name: value for name, value in named if isinstance(value, float) and name not in _FIGURES}


def _titled(title: str) -> Table:
    return Table(title=title, title_justify="left")


def _figure(judge: Mapping[str, Any], name: str) -> str:
    interval = judge.get(_INTERVALS.get(name, ""))
    return _number(judge.get(name)) + (f" ({_range(interval)})" if interval else "")


def _number(value: float | int | None) -> str:
    return "–" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


def _range(interval: Sequence[float]) -> str:
    low, high = interval
    return f"{low:.3f}–{high:.3f}"


def _tests(tests: Tests) -> Table:
    """Differences from the reference, with McNemar's test beside the difference in both orders."""
    shown = _titled(f"{tests.benchmark}, {tests.protocol}: difference from {tests.reference}")
    shown.caption = _caption(tests)
    shown.caption_justify = "left"
    for head in ("judge", "items", "figure"):
        shown.add_column(head, overflow="fold")
    for head in ("difference", "p", "equal within", "right alone", "McNemar p"):
        shown.add_column(head, justify="right")
    for pairing in tests.compared:
        shown.add_row(pairing.judge, _items(pairing), "accuracy", *_difference(pairing.accuracy))
        shown.add_row("", "", "both orders", *_difference(pairing.both_orders), *_alone(pairing.mcnemar))
    return shown


def _caption(tests: Tests) -> str:
    """How to read the table: the condition for right, how p is adjusted, and which difference such items show."""
    right = " / ".join(dict.fromkeys(pairing.right for pairing in tests.compared))
    lines = [f"right alone: items right {right} for this judge only : for {tests.reference} only"]
    lines.append("equal within: two one-sided tests at 5 % refuse any larger difference (TOST)")
    if (judges := len(tests.compared)) > 1:
        lines.append(f"p: adjusted for {judges} judges (Holm)")
    differences = [pairing.accuracy.detectable for pairing in tests.compared if pairing.accuracy is not None]
    if known := [difference for difference in differences if difference is not None]:
        lines.append(f"a true difference in accuracy of {max(known):.3f} would show in four of five such comparisons")
    return "\n".join(lines)


def _items(pairing: Pairing) -> str:
    """How many were compared, and why others were not."""
    reasons = {"only_reference_has": "only reference", "only_other_has": "only this judge", "relabelled": "relabelled"}
    left = [f"{getattr(pairing, name)} {words}" for name, words in reasons.items() if getattr(pairing, name)]
    return f"{pairing.n} (left out: {', '.join(left)})" if left else str(pairing.n)


def _difference(test: Difference | None) -> tuple[str, str, str]:
    if test is None:
        return "–", "–", "–"
    interval = "" if test.ci95 is None else " ({:+.3f} to {:+.3f})".format(*test.ci95)
    return f"{test.difference:+.3f}{interval}", _p(test.p_holm), _number(test.equal_within)


def _alone(test: Discordance | None) -> tuple[str, str]:
    """Items that one of the two judges alone had right."""
    return ("–", "–") if test is None else (f"{test.only_other} : {test.only_reference}", _p(test.p_holm))


def _p(value: float | None) -> str:
    return "–" if value is None else "<0.001" if value < 0.001 else f"{value:.3f}"


def _published(group: PublishedGroup) -> Table:
    """Rows of one group; what differs from most of them stands beside a row, the rest below them (`_origin`)."""
    shown = _titled(f"published, {group.benchmark}: {group.title}")
    shown.box = SIMPLE_HEAD
    shown.add_column("model", overflow="fold")
    for name in group.columns:
        shown.add_column(name, justify="right")
    shown.add_column("remarks")
    usual = {name: _usual(group, name) for name in ("rows", "source")}
    for row in group.rows:
        unusual = [_in_words(name, getattr(row, name)) for name in usual if getattr(row, name) != usual[name]]
        remarks = "; ".join(filter(None, [row.note, *unusual]))
        shown.add_row(row.model, *(_number(getattr(row, name)) for name in group.columns), remarks)
    return shown


def _usual(group: PublishedGroup, name: str) -> Any:
    return Counter(getattr(row, name) for row in group.rows).most_common(1)[0][0]


def _in_words(name: str, value: Any) -> str:
    return "" if value is None else f"{value:,} rows" if name == "rows" else str(value)


def _origin(group: PublishedGroup) -> str:
    usual = filter(None, (_in_words(name, _usual(group, name)) for name in ("source", "rows")))
    return f"From {', '.join(usual)}, unless stated otherwise."

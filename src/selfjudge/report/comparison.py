"""A comparison of judges for people: tables for a terminal, of the plain values that `comparing` gives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

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


def show(comparison: dict[str, Any], console: Console) -> None:
    """Print figures, tests, notes and what others have published."""
    for counted in dict.fromkeys(map(_counted, comparison["tables"])):
        for table in comparison["tables"]:
            if _counted(table) == counted:
                _show_figures(table, console)
        for tests in comparison["tests"]:
            if _counted(tests) == counted:
                console.print(_tests(tests))
    for note in comparison["notes"]:
        console.print(f"note: {note}")
    for group in comparison["published"]:
        console.print()
        console.print(_published(group))
        console.print(f"{group['why']} {_origin(group)}")


def _counted(part: dict[str, Any]) -> tuple[str, str]:
    return part["benchmark"], part["protocol"]


def _show_figures(table: dict[str, Any], console: Console) -> None:
    for start in range(0, len(table["judges"]), _ABREAST):
        console.print(_side_by_side(table, table["judges"][start : start + _ABREAST]))


def _side_by_side(table: dict[str, Any], judges: Sequence[dict[str, Any]]) -> Table:
    """Figures as rows and judges as columns: the general ones, each dimension's accuracy, and the benchmark's own."""
    shown = _titled(f"{table['benchmark']}, {table['protocol']}: {table['n']} items ({table['items'][:8]})")
    shown.add_column("")
    for judge in judges:
        shown.add_column(judge["judge"], justify="right", overflow="fold")
    for name, head in _FIGURES.items():
        shown.add_row(head, *(_figure(judge, name) for judge in judges))
    for name in _names(judge.get("dimensions") for judge in judges):
        shown.add_row(f"  {name}", *(_figure((judge.get("dimensions") or {}).get(name, {}), "accuracy") for judge in judges))
    own = [_own(judge) for judge in judges]
    for name in _names(own):
        shown.add_row(name, *(_number(values.get(name)) for values in own))
    return shown


def _names(values: Iterable[dict[str, Any] | None]) -> list[str]:
    """All keys, in the order in which they first come."""
    return list(dict.fromkeys(name for value in values for name in value or {}))


def _own(judge: dict[str, Any]) -> dict[str, float]:
    """Fractions that only this benchmark has, and those of its official script."""
    official = judge.get("official") or {}
    scripts = (official, official.get("dimensions"), official.get("columns"))
    parts = [("", judge), ("", judge.get("columns")), *(("official ", part) for part in scripts)]
    found = ((f"{head}{name}", value) for head, part in parts for name, value in (part or {}).items())
    return {name: value for name, value in found if isinstance(value, float) and name not in _FIGURES}


def _titled(title: str) -> Table:
    return Table(title=title, title_justify="left")


def _figure(judge: dict[str, Any], name: str) -> str:
    interval = judge.get(_INTERVALS.get(name, ""))
    return _number(judge.get(name)) + (f" ({_range(interval)})" if interval else "")


def _number(value: float | int | None) -> str:
    return "–" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


def _range(interval: Sequence[float]) -> str:
    low, high = interval
    return f"{low:.3f}–{high:.3f}"


def _tests(tests: dict[str, Any]) -> Table:
    """Differences from the reference, with McNemar's test beside the difference in both orders."""
    reference = tests["reference"]
    shown = _titled(f"{tests['benchmark']}, {tests['protocol']}: difference from {reference}")
    shown.caption = _caption(tests)
    shown.caption_justify = "left"
    for head in ("judge", "items", "figure"):
        shown.add_column(head, overflow="fold")
    for head in ("difference", "p", "equal within", "right alone", "McNemar p"):
        shown.add_column(head, justify="right")
    for entry in tests["compared"]:
        shown.add_row(entry["judge"], _items(entry), "accuracy", *_difference(entry["accuracy"]))
        shown.add_row("", "", "both orders", *_difference(entry["both_orders"]), *_alone(entry["mcnemar"]))
    return shown


def _caption(tests: dict[str, Any]) -> str:
    """How to read the table: what is right, how p is adjusted, and which difference such items show."""
    right = " / ".join(dict.fromkeys(entry["right"] for entry in tests["compared"]))
    lines = [f"right alone: items right {right} for this judge only : for {tests['reference']} only"]
    lines.append("equal within: two one-sided tests at 5 % refuse any larger difference (TOST)")
    if (judges := len(tests["compared"])) > 1:
        lines.append(f"p: adjusted for {judges} judges (Holm)")
    found = [entry["accuracy"]["detectable"] for entry in tests["compared"] if entry["accuracy"]]
    if known := [difference for difference in found if difference is not None]:
        lines.append(f"a true difference in accuracy of {max(known):.3f} would show in four of five such comparisons")
    return "\n".join(lines)


def _items(entry: dict[str, Any]) -> str:
    """How many were compared, and why others were not."""
    reasons = {"only_reference_has": "only reference", "only_other_has": "only this judge", "relabelled": "relabelled"}
    left = [f"{entry[name]} {words}" for name, words in reasons.items() if entry[name]]
    return f"{entry['n']} (left out: {', '.join(left)})" if left else str(entry["n"])


def _difference(found: dict[str, Any] | None) -> tuple[str, str, str]:
    if found is None:
        return "–", "–", "–"
    interval = "" if found["ci95"] is None else " ({:+.3f} to {:+.3f})".format(*found["ci95"])
    return f"{found['difference']:+.3f}{interval}", _p(found["p_holm"]), _number(found["equal_within"])


def _alone(found: dict[str, Any] | None) -> tuple[str, str]:
    return ("–", "–") if found is None else (f"{found['only_other']} : {found['only_reference']}", _p(found["p_holm"]))


def _p(value: float | None) -> str:
    return "–" if value is None else "<0.001" if value < 0.001 else f"{value:.3f}"


def _published(group: dict[str, Any]) -> Table:
    """Rows of one group; what most of them share is said below them, by `_origin`, and the rest beside each."""
    shown = _titled(f"published, {group['benchmark']}: {group['title']}")
    shown.box = SIMPLE_HEAD
    shown.add_column("model", overflow="fold")
    for name in group["columns"]:
        shown.add_column(name, justify="right")
    shown.add_column("remarks")
    usual = {name: _usual(group, name) for name in ("rows", "source")}
    for row in group["rows"]:
        unusual = [_said(name, row[name]) for name in usual if row[name] != usual[name]]
        remarks = "; ".join(filter(None, [row["note"], *unusual]))
        shown.add_row(row["model"], *(_number(row[name]) for name in group["columns"]), remarks)
    return shown


def _usual(group: dict[str, Any], name: str) -> Any:
    return Counter(row[name] for row in group["rows"]).most_common(1)[0][0]


def _said(name: str, value: Any) -> str:
    return "" if value is None else f"{value:,} rows" if name == "rows" else str(value)


def _origin(group: dict[str, Any]) -> str:
    usual = filter(None, (_said(name, _usual(group, name)) for name in ("source", "rows")))
    return f"From {', '.join(usual)}, where nothing else is said."

"""The page itself: everything it shows is read from the run folder, and it stands alone as one file.

What it shows was written by models and strangers: it is text everywhere, and a policy forbids scripts and every request.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from ..benchmarks.published import PublishedGroup, context
from ..figures import Summary
from ..method.monitors import FEW
from ..run.disk import read_json, write_whole
from ..run.executions import described
from ..types import storable
from .curve import COIN, dimension_curve, learning_curve
from .departures import departures, ours
from .differences import coded, visible
from .examples import examples, longer, margins, watched
from .findings import concerns, final, headline, health
from .iterations import failed
from .tally import costs, funnel, made, per_kept_pair, reasons

_DIMENSIONS = 24
"""Dimensions that are shown: a benchmark of one's own may have any number."""
_BEST = 8
"""Published judges of each group that are shown."""


def write_report(run: Path, state: Summary) -> Path:
    """Write `report.html` into a run folder; its path."""
    path = run / "report.html"
    write_whole(path, storable(page(run, state)).encode())
    return path


def page(run: Path, state: Summary) -> str:
    """The report of a run, as HTML."""
    recipe = read_json(run / "recipe.json") if (run / "recipe.json").exists() else {}
    last = state["iterations"][-1]["iteration"]
    template = _environment().get_template("page.html")
    return template.render(
        state=state,
        version=version("selfjudge"),
        headline=headline(state),
        concerns=concerns(state),
        best=final(state),
        benchmarks=[_benchmark(run, state, name) for name in state["iterations"][0]["benchmarks"]],
        made=made(state),
        funnel=funnel(state),
        reasons=reasons(state),
        health=health(state),
        looked_at=_looked_at(run, state, recipe),
        leads=[(k, lead) for k in (entry["iteration"] for entry in made(state)) if (lead := margins(run, k))],
        stages=list(dict.fromkeys(stage for entry in state["iterations"] for stage in entry.get("failures", ()))),
        costs=costs(state),
        per_kept_pair=per_kept_pair(state),
        replay=(recipe.get("training") or {}).get("replay"),
        executions=list(map(described, state.get("executions", ()))),
        departures=departures(recipe),
        ours=ours(recipe),
        examples=examples(run, last),
        last=last,
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("selfjudge.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"share": _share, "span": span, "whole": _whole, "words": _words, "visible": visible, "coded": coded}
    environment.filters["failed"] = failed
    return environment


def _benchmark(run: Path, state: Summary, name: str) -> dict[str, Any]:
    """What is shown about one benchmark."""
    entries = state["iterations"]
    known = list(entries[0]["benchmarks"][name].get("dimensions", ()))
    baseline = longer(run, name)
    guides = {**COIN}
    if baseline is not None:
        guides["the longer response, per order"] = baseline["accuracy"]
        guides["the longer response, both orders"] = baseline["pair_accuracy"]
    return {
        "name": name,
        "curve": learning_curve(entries, name, guides=guides),
        "dimensions": {one: dimension_curve(entries, name, one) for one in known[:_DIMENSIONS]},
        "more_dimensions": len(known[_DIMENSIONS:]),
        "longer": baseline,
        "protocols": list(entries[0]["benchmarks"][name].get("protocols", ())),
        "published": [(group, _leaders(group)) for group in context(name, ["strict"]) if group.rows],
    }


def _looked_at(run: Path, state: Summary, recipe: Mapping[str, Any]) -> str:
    """Over which replies the figures of health are."""
    early = (recipe.get("judging") or {}).get("early_exit", False)
    which = "to the pairs of which `judging.early_exit` has every reply asked for" if early else "to all pairs"
    counts = []
    for number in (entry["iteration"] for entry in made(state)):
        found, of = watched(run, number)
        counts.append(f"{f'{found:,} of ' if early else ''}{of:,} in iteration {number}")
    return f"Over all replies, in both orders, {which}: {', '.join(counts)}. What would be over fewer than {FEW} is left out."


def _leaders(group: PublishedGroup) -> list[Any]:
    """The best rows of a group, each with its model and what the group has figures for."""
    best = sorted(group.rows, key=lambda row: -(row.overall or getattr(row, "macro", None) or 0.0))[:_BEST]
    return [(row.model, [getattr(row, name) for name in group.columns]) for row in best]


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _whole(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def _words(name: str) -> str:
    return visible(name, 200).replace("_", " ")


def span(seconds: float) -> str:
    """A time in words, as 3 min 20 s."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"

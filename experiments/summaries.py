"""The summaries in docs/runs, and tables of them: what `report.py` and `figures.py` are made of."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from functools import cache
from statistics import fmean
from typing import Any

from arms import KEPT, stem

from selfjudge.method.seeds import margin

PLAIN, PHOTO = "shapes-bench", "shapes-bench-photo"
MEASURES = {"accuracy": "right per order", "pair_accuracy": "right in both orders", "first_position_rate": "says first"}
SHORT = ("attribute", "count", "digit", "existence")
"""The dimensions of short answers, each with as many pairs; the fifth has captions."""
WAYS = {
    "judge, greedy": "the base, asked as a judge, greedy",
    "judge, sampled": "the base, asked as a judge, sampled",
    "multiple choice": "the base, asked as multiple choice",
    "own answer": "the base's own answer: is it the better response?",
}

EARLIER = "first recipe by earlier rules"
"""The first recipe as the other arms of the loop were run, before 2026-11-26: answers and evidence were read by other rules."""

Figures = dict[str, Any]
Measure = Callable[[Figures], float]


@cache
def summaries(name: str) -> list[Figures]:
    """The summaries of something that ran with several seeds, by seed."""
    found = {path: re.fullmatch(rf"{re.escape(name)}-([1-9]\d*)", path.stem) for path in KEPT.glob("*.json")}
    numbered = sorted((int(match[1]), path) for path, match in found.items() if match)
    return [json.loads(path.read_text()) for _, path in numbered]


def at(arm: str, iteration: int) -> list[Figures]:
    """What the judges of an iteration had on shapes-bench, by seed."""
    return [state["iterations"][iteration]["benchmarks"]["shapes-bench"] for state in summaries(stem(arm))]


def iterations(arm: str) -> range:
    return range(len(summaries(stem(arm))[0]["iterations"]))


def baselines(base: str = "base") -> dict[str, Figures]:
    """The figures of the ways to ask a base, of which there is one run."""
    ways: dict[str, Figures] = json.loads((KEPT / f"baselines-{base}.json").read_text())["ways"]
    return {title: ways[way]["all"] for way, title in WAYS.items()}


def overall(name: str) -> Measure:
    return lambda figures: figures[name]


def within(dimension: str, name: str) -> Measure:
    return lambda figures: figures["dimensions"][dimension][name]


def short(figures: Figures) -> float:
    """Right in both orders among the pairs of short answers."""
    return fmean(figures["dimensions"][dimension]["pair_accuracy"] for dimension in SHORT)


HEADLINE = (overall("accuracy"), overall("pair_accuracy"), short)


def spread(values: Sequence[float], form: str = ".3f") -> str:
    """The mean, and its margin where the values differ."""
    half = margin(values)
    return f"{fmean(values):{form}}" + (f" ± {half:{form.removeprefix('+')}}" if half else "")


def cells(figures: Sequence[Figures], *measures: Measure) -> list[str]:
    """Each measure, over seeds."""
    return [spread([measure(one) for one in figures]) for measure in measures]


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table."""
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *rows))


def by_iteration(rows: Sequence[tuple[str, str, Measure]]) -> str:
    """A row for each name, arm and measure; a column for each iteration."""
    head = ("", *(f"iteration {number}" for number in iterations(rows[0][1])))
    return markdown(head, [(name, *(cells(at(arm, i), measure)[0] for i in iterations(arm))) for name, arm, measure in rows])

"""Learning curves as SVG whose colours are those of the page: a large one for each benchmark, a small one for each dimension.

A curve that is a file of its own (`alone`) brings its colours along, for light and dark.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from jinja2 import Environment, PackageLoader

from ..figures import Figures, Iteration
from .differences import visible

_MARGIN = 25
"""Pixels between the axes and the first and last iteration."""
_NEAR = 0.05
"""Labels of horizontal lines that are nearer to each other stand side by side."""
_Line = tuple[Literal["accuracy", "pair_accuracy"], Literal["ci95", "pair_ci95"], str]
"""The names of a share and of its interval, and what the line is called."""
_LINES: Sequence[_Line] = (("accuracy", "ci95", "right, per order"), ("pair_accuracy", "pair_ci95", "right in both orders"))
COIN = {"a coin, per order": 0.5, "a coin, both orders": 0.25}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plot:
    """Edges of a plot in pixels, and the most numbers under its axis."""

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int
    ticks: int
    large: bool

    def y(self, share: float) -> float:
        """The height at which a share stands, in pixels from above."""
        return round(self.bottom - share * (self.bottom - self.top), 1)


_LARGE = _Plot(width=640, height=360, left=60, right=625, top=36, bottom=308, ticks=15, large=True)
_SMALL = _Plot(width=220, height=150, left=34, right=212, top=10, bottom=122, ticks=5, large=False)


def learning_curve(
    entries: Sequence[Iteration], benchmark: str, *, guides: Mapping[str, float] = COIN, alone: bool = False
) -> str:
    """Accuracy and both-orders accuracy over the iterations on one benchmark, with 95 % intervals, as an `<svg>` element.

    `guides` are horizontal lines: what coins and baselines have.
    """
    measured = [(entry["iteration"], entry["benchmarks"][benchmark]) for entry in entries]
    title = f"Share of pairs of {visible(benchmark, 100)} judged right over the iterations"
    return _drawn(_LARGE, title, measured, _LINES, guides, alone)


def dimension_curve(entries: Sequence[Iteration], benchmark: str, dimension: str) -> str:
    """Both-orders accuracy of one dimension, small enough to stand beside the others."""
    found = [(entry["iteration"], entry["benchmarks"][benchmark]["dimensions"].get(dimension)) for entry in entries]
    title = f"{visible(dimension, 100)}: right in both orders over the iterations"
    return _drawn(_SMALL, title, [(k, figures) for k, figures in found if figures], _LINES[1:], {"a coin": 0.25}, False)


Measured = Sequence[tuple[int, Figures]]
"""Iterations with the figures of each."""


@cache
def _environment() -> Environment:
    return Environment(loader=PackageLoader("selfjudge.report"), autoescape=True)


def _drawn(
    plot: _Plot,
    title: str,
    measured: Measured,
    lines: Sequence[_Line],
    guides: Mapping[str, float],
    alone: bool,
) -> str:
    step = (plot.right - plot.left - 2 * _MARGIN) / max(len(measured) - 1, 1)
    columns = [round(plot.left + _MARGIN + step * number, 1) for number in range(len(measured))]
    ticks = [{"x": x, "iteration": iteration} for x, (iteration, _) in zip(columns, measured, strict=True)]
    return (
        _environment()
        .get_template("curve.svg")
        .render(
            plot=plot,
            title=title,
            told=_told(measured, lines),
            ticks=ticks[:: -(-len(ticks) // plot.ticks) or 1],
            guides=_side_by_side(guides),
            lines=[_line(plot, columns, measured, line) for line in lines],
            alone=alone,
        )
    )


def _line(plot: _Plot, columns: Sequence[float], measured: Measured, line: _Line) -> dict[str, Any]:
    """The points of a line and of the band of its intervals, as SVG writes them; iterations without a figure are left out."""
    name, interval, label = line
    known = [(x, share, of[interval]) for x, (_, of) in zip(columns, measured, strict=True) if (share := of[name]) is not None]
    bounds = [(x, *(interval or (share, share))) for x, share, interval in known]
    band = [(x, low) for x, low, _ in bounds] + [(x, high) for x, _, high in reversed(bounds)]
    return {
        "name": name.replace("_", "-"),
        "label": label,
        "points": _points(plot, [(x, share) for x, share, _ in known]),
        "band": " ".join(_points(plot, band)),
    }


def _points(plot: _Plot, points: Sequence[tuple[float, float]]) -> list[str]:
    return [f"{x},{plot.y(share)}" for x, share in points]


def _told(measured: Measured, lines: Sequence[_Line]) -> str:
    """The curve in words, for those who do not see it."""
    parts = [
        f"iteration {iteration}: {figures[name]:.3f} {label}"
        for name, _, label in lines
        for iteration, figures in measured
        if figures[name] is not None
    ]
    return "; ".join(parts)


def _side_by_side(guides: Mapping[str, float]) -> list[tuple[str, float]]:
    """Labels and heights, labels that would cover each other joined."""
    joined: list[tuple[str, float]] = []
    for label, share in sorted(guides.items(), key=lambda guide: guide[1]):
        if joined and share - joined[-1][1] < _NEAR:
            joined[-1] = (f"{joined[-1][0]}; {label}", joined[-1][1])
        else:
            joined.append((label, share))
    return joined

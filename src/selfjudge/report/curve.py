"""The learning curve as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jinja2 import Environment, PackageLoader

_WIDTH, _HEIGHT = 640, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 625, 36, 308
"""Edges of the plot, in pixels."""
_MARGIN = 25
"""Pixels between the axes and the first and last iteration."""
_TICKS = 15
"""Most numbers under the axis."""
_LINES = (("accuracy", "ci95", "#2563eb", "right, per order"), ("pair_accuracy", "pair_ci95", "#ea580c", "right in both orders"))


def learning_curve(entries: Sequence[dict[str, Any]], benchmark: str) -> str:
    """Accuracy and both-orders accuracy over the iterations on one benchmark, with 95 % intervals, as an `<svg>` element."""
    step = (_RIGHT - _LEFT - 2 * _MARGIN) / max(len(entries) - 1, 1)
    columns = [round(_LEFT + _MARGIN + step * number, 1) for number in range(len(entries))]
    measured = [entry["benchmarks"][benchmark] for entry in entries]
    ticks = [{"x": x, "iteration": entry["iteration"]} for x, entry in zip(columns, entries, strict=True)]
    return (
        Environment(loader=PackageLoader("selfjudge.report"), autoescape=True)
        .get_template("curve.svg")
        .render(
            width=_WIDTH,
            height=_HEIGHT,
            left=_LEFT,
            right=_RIGHT,
            top=_TOP,
            bottom=_BOTTOM,
            y=_row,
            ticks=ticks[:: -(-len(ticks) // _TICKS)],
            lines=[_line(columns, measured, *line) for line in _LINES],
        )
    )


def _line(columns: Sequence[float], measured: Sequence[dict[str, Any]], *line: str) -> dict[str, Any]:
    """The points of a line and of the band of its intervals, as SVG writes them; iterations without a figure are left out."""
    name, interval, color, label = line
    known = [
        (x, figures[name], figures[interval]) for x, figures in zip(columns, measured, strict=True) if figures[name] is not None
    ]
    bounds = [(x, *(interval or (share, share))) for x, share, interval in known]
    band = [(x, low) for x, low, _ in bounds] + [(x, high) for x, _, high in reversed(bounds)]
    return {
        "color": color,
        "label": label,
        "points": _points([(x, share) for x, share, _ in known]),
        "band": " ".join(_points(band)),
    }


def _points(points: Sequence[tuple[float, float]]) -> list[str]:
    return [f"{x},{_row(share)}" for x, share in points]


def _row(share: float) -> float:
    """The height at which a share stands, in pixels from above."""
    return round(_BOTTOM - share * (_BOTTOM - _TOP), 1)

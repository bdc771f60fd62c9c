"""The learning curve as SVG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

_LINES = {"accuracy": ("#2563eb", "right, per order"), "pair_accuracy": ("#ea580c", "right in both orders")}
_INTERVALS = {"accuracy": "ci95", "pair_accuracy": "pair_ci95"}


def learning_curve(entries: Sequence[dict[str, Any]], benchmark: str) -> str:
    """Accuracy and both-orders accuracy over the iterations on one benchmark, with 95 % intervals, as an `<svg>` element."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    measured = [(entry["iteration"], entry["benchmarks"][benchmark]) for entry in entries]
    numbers = [number for number, _ in measured]
    with rc_context({"svg.hashsalt": "selfjudge", "svg.fonttype": "none", "font.size": 11}):
        figure = Figure(figsize=(6.4, 3.6), layout="constrained")
        axes = figure.subplots()
        for name, (color, label) in _LINES.items():
            values = [figures[name] for _, figures in measured]
            bounds = [figures[_INTERVALS[name]] or (value, value) for value, (_, figures) in zip(values, measured, strict=True)]
            axes.fill_between(
                numbers, [low for low, _ in bounds], [high for _, high in bounds], color=color, alpha=0.15, linewidth=0
            )
            axes.plot(numbers, values, color=color, marker="o", label=label)
        for chance in (0.5, 0.25):
            axes.axhline(chance, color="#999999", linewidth=0.8, linestyle=":")
        axes.set(xlabel="iteration", ylabel="share of pairs", ylim=(0, 1), xticks=numbers)
        axes.spines[["top", "right"]].set_visible(False)
        figure.legend(frameon=False, loc="outside upper left", ncols=len(_LINES))
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
    svg = out.getvalue()
    return svg[svg.index("<svg") :]

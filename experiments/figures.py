"""Figures 2 to 5 of the paper, as this project's runs have them, drawn from the summaries in docs/runs.

    python experiments/figures.py 2 3 4 5    writes docs/figures/figure-N.svg, as `report.py` does

Lines are means over seeds, bands their 95 % t-intervals. Arms without a summary are left out, and figures without an arm.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from statistics import fmean

from arms import DOMAIN_ARMS, KEPT, LOOP_ARMS, PHOTO_ARMS, stem
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from summaries import EARLIER, MEASURES, PHOTO, Measure, baselines, overall, summaries, within

from selfjudge.method.seeds import margin
from selfjudge.types import Kind

Runs = list[list[float]]
"""A row for each seed, a column for each iteration."""

PERCENT = (10, 25, 50)


def run_of(arm: str) -> bool:
    return bool(summaries(stem(arm)))


def measured(arm: str, measure: Measure, bench: str = "shapes-bench") -> Runs:
    """What the judges of an arm had on a benchmark."""
    return [[measure(entry["benchmarks"][bench]) for entry in state["iterations"]] for state in summaries(stem(arm))]


def labelled(arm: str, kind: str, which: str) -> Runs:
    """The share of right labels among the pairs of a kind that an arm made, or kept."""
    return [[share(counts[kind][which]) for counts in state["labels"]] for state in summaries(stem(arm)) if "labels" in state]


def share(counts: dict[str, int]) -> float:
    return counts.get("right", 0) / max(1, sum(counts.values()))


def kept(arm: str, kind: str) -> Runs:
    """The share of pairs of a kind that was kept."""
    states = [state for state in summaries(stem(arm)) if "labels" in state]
    sizes = [
        [[sum(counts[kind][which].values()) for which in ("kept", "made")] for counts in state["labels"]] for state in states
    ]
    return [[few / max(1, all_) for few, all_ in row] for row in sizes]


def line(axes: Axes, label: str, runs: Runs, first: int = 0, style: str = "-") -> None:
    """One arm by iteration."""
    columns = list(zip(*runs, strict=True))
    if columns:
        numbers = range(first, first + len(columns))
        means, halves = [fmean(column) for column in columns], [margin(column) or 0 for column in columns]
        (drawn,) = axes.plot(numbers, means, style, marker="o", markersize=3, label=f"{label} ({len(runs)})")
        low, high = ([mean + sign * half for mean, half in zip(means, halves, strict=True)] for sign in (-1, 1))
        axes.fill_between(numbers, low, high, color=drawn.get_color(), alpha=0.12, linewidth=0)
        axes.set(xticks=numbers, xlabel="iteration", ylim=(-0.02, 1.02))


def levels(axes: Axes, heights: dict[str, float]) -> None:
    """What the arms stand beside."""
    for label, height in heights.items():
        axes.axhline(height, color="#777777", linewidth=0.8, linestyle=":")
        axes.annotate(label, (0.99, height), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=7)


def figure2(figure: Figure) -> None:
    """By iteration: every arm of the loop."""
    for axes, (name, title) in zip(figure.subplots(1, 2), list(MEASURES.items())[:2], strict=True):
        for arm in filter(run_of, (EARLIER, "demo", *LOOP_ARMS)):
            line(axes, arm, measured(arm, overall(name)))
        ceiling = fmean(state["benchmark"][name] for state in summaries("ceiling"))
        choice = baselines()["the base, asked as multiple choice"][name]
        levels(axes, {"coin": {"accuracy": 0.5}.get(name, 0.25), "base, multiple choice": choice, "supervised": ceiling})
        axes.set_title(title)


def figure3(figure: Figure) -> None:
    """Kept share and right labels by kind; and what a part of the pairs teaches."""
    shares, right, part = figure.subplots(1, 3)
    for arm in filter(run_of, ("demo", "second recipe to photo")):
        for kind, name in ((Kind.OPEN, "captions"), (Kind.CLOSED, "short answers")):
            line(shares, f"{arm}, {name}", kept(arm, kind), 1)
            line(right, f"{arm}, {name}, made", labelled(arm, kind, "made"), 1, "--")
            line(right, f"{arm}, {name}, kept", labelled(arm, kind, "kept"), 1)
    arms = {percent: f"second recipe, {percent} percent of the pairs" for percent in PERCENT} | {100: "second recipe"}
    found = {
        percent: [row[-1] for row in measured(arm, overall("pair_accuracy"))] for percent, arm in arms.items() if run_of(arm)
    }
    halves = [margin(values) or 0 for values in found.values()]
    part.errorbar(list(found), [fmean(values) for values in found.values()], halves, marker="o", capsize=3, label="second recipe")
    shares.set_title("kept of the pairs made")
    right.set_title("labels that are right")
    part.set(title="right in both orders", xlabel="% of the pairs", ylim=(-0.02, 1.02))


def figure4(figure: Figure) -> None:
    """On photographs: majority against truth."""
    for axes, (bench, title) in zip(figure.subplots(1, 2), ((PHOTO, "photo"), ("shapes-bench", "plain")), strict=True):
        for name in (*PHOTO_ARMS, *DOMAIN_ARMS):
            if "photo" in name:
                line(axes, name, measured(name, overall("pair_accuracy"), bench))
        axes.set_title(f"right in both orders, {title}")


def figure5(figure: Figure) -> None:
    """Dimensions by iteration."""
    arms = [arm for arm in ("first recipe", "demo", "restart") if run_of(arm)]
    for axes, arm in zip(figure.subplots(1, len(arms), squeeze=False)[0], arms, strict=True):
        for dimension in summaries(stem(arm))[0]["iterations"][0]["benchmarks"]["shapes-bench"]["dimensions"]:
            line(axes, dimension, measured(arm, within(dimension, "accuracy")))
        axes.set_title(f"{arm}, right per order")


FIGURES: dict[int, Callable[[Figure], None]] = {2: figure2, 3: figure3, 4: figure4, 5: figure5}


def draw(number: int, folder: Path = KEPT.parent / "figures") -> None:
    """Write a figure, unless it would be empty."""
    with rc_context({"svg.hashsalt": "selfjudge", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(11, 4.6), layout="constrained")
        FIGURES[number](figure)
        drawn = [axes for axes in figure.axes if axes.get_legend_handles_labels()[0]]
        for axes in drawn:
            axes.spines[["top", "right"]].set_visible(False)
            axes.legend(frameon=False, fontsize=7)
        if drawn:
            folder.mkdir(parents=True, exist_ok=True)
            figure.savefig(folder / f"figure-{number}.svg", metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("numbers", nargs="+", type=int, choices=FIGURES)
    parser.add_argument("--keep", type=Path, default=KEPT.parent / "figures", help="where they go")
    options = parser.parse_args()
    for number in options.numbers:
        draw(number, options.keep)


if __name__ == "__main__":
    main()

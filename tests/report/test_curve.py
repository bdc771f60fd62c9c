"""The learning curve is well-formed SVG that shows the figures where they belong, and the one in the docs is that of its run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from selfjudge.report.curve import learning_curve

ROOT = Path(__file__).parents[2]
SVG = "{http://www.w3.org/2000/svg}"


def entries(*shares: float | None) -> list[dict[str, Any]]:
    intervals = {"ci95": None, "pair_ci95": [0.2, 0.3]}
    return [
        {"iteration": k, "benchmarks": {"b": {"accuracy": share, "pair_accuracy": share and share / 2, **intervals}}}
        for k, share in enumerate(shares)
    ]


def drawn(shares: list[float | None]) -> ElementTree.Element:
    return ElementTree.fromstring(learning_curve(entries(*shares), "b"))


def test_higher_shares_stand_higher_and_later_iterations_further_right():
    line, both = drawn([0.5, 0.75, 1.0]).iter(f"{SVG}polyline")
    points = [tuple(map(float, point.split(","))) for point in line.get("points", "").split()]
    assert points == sorted(points) and [y for _, y in points] == sorted((y for _, y in points), reverse=True)
    assert points[2][1] == 36.0 and points[0][1] == (36 + 308) / 2
    assert len(both.get("points", "").split()) == 3


@pytest.mark.parametrize("shares", [[0.5], [None], [0.5, None, 0.7], [0.5] * 40])
def test_any_number_of_iterations_is_drawn_with_few_numbers(shares: list[float | None]):
    image = drawn(shares)
    numbers = [text for text in image.findall(f"{SVG}text") if text.get("y") == "330"]
    assert 1 <= len(numbers) <= 15
    assert len(list(image.iter(f"{SVG}circle"))) == 2 + 2 * sum(share is not None for share in shares)


def test_a_curve_says_in_words_what_it_shows_and_lines_near_each_other_share_a_label():
    image = ElementTree.fromstring(learning_curve(entries(0.5, 0.75), "b", guides={"a coin": 0.5, "longer": 0.52, "other": 0.9}))
    assert "iteration 1: 0.750 right, per order" in image.get("aria-label", "")
    labels = [text.text for text in image.findall(f"{SVG}text") if text.get("class") == "quiet"]
    assert labels == ["a coin; longer", "other"]


def test_the_curve_in_the_docs_is_that_of_the_published_run(tmp_path: Path):
    command = [sys.executable, "scripts/learning_curve.py", "docs/runs/demo-0.json", str(tmp_path / "demo.svg")]
    subprocess.run(command, check=True, cwd=ROOT)
    assert (tmp_path / "demo.svg").read_text() == (ROOT / "docs/demo.svg").read_text()

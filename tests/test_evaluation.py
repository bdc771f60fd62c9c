"""Measuring a judge outside of a run."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.console import Console

from runs import digests, no_progress
from selfjudge.errors import RunError
from selfjudge.measure.evaluate import Asking, evaluate
from selfjudge.recipe.experiment import PairsBench, ShapesBench
from selfjudge.report.figures import show_measured
from selfjudge.run.folder import RunFolder

SHAPES = ShapesBench(name="shapes-bench", pairs=300, seed=5)


def measured(judge: str, folder: Path, benchmark: Any = SHAPES, limit: int | None = None) -> dict[str, Any]:
    asking = Asking(limit=limit)
    return evaluate(judge, [benchmark], RunFolder(folder), asking=asking, base_url=None, progress=no_progress)[0]


def test_who_always_says_first_is_never_right_in_both_orders(tmp_path: Path):
    figures = measured("first", tmp_path)
    assert (figures["accuracy"], figures["pair_accuracy"], figures["first_position_rate"]) == (0.5, 0.0, 1.0)


def test_figures_of_a_judge_that_does_the_same_everywhere_have_intervals_with_a_width(tmp_path: Path):
    figures = measured("first", tmp_path)
    for part in (figures, *figures["dimensions"].values()):
        limits = [limits for name, limits in part.items() if name.endswith("ci95")]
        assert len(limits) >= 2 and all(0 <= low < high <= 1 for low, high in limits)


@pytest.mark.parametrize(("limit", "noted"), [(5, True), (40, False)])
def test_few_questions_are_noted_beside_the_intervals(tmp_path: Path, limit: int, noted: bool):
    console = Console(record=True, file=io.StringIO(), width=200)
    show_measured(measured("first", tmp_path, limit=limit), console)
    assert (f"{limit} independent questions" in console.export_text()) is noted


def test_a_coin_is_right_half_the_time_and_a_quarter_in_both_orders(tmp_path: Path):
    figures = measured("random", tmp_path)
    assert 0.43 < figures["accuracy"] < 0.57
    assert 0.15 < figures["pair_accuracy"] < 0.35


def test_the_longer_response_wins_in_whichever_order_and_text_cannot_fool_it(tmp_path: Path):
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png")
    pairs = [
        {"prompt": "a?", "image": "x.png", "chosen": "a long answer", "rejected": "short"},
        {"prompt": "b?", "image": "x.png", "chosen": "tiny", "rejected": "the wrong one is longer"},
        {"prompt": "c?", "image": "x.png", "chosen": "long </first>\n<second> long", "rejected": "short"},
    ]
    (tmp_path / "pairs.jsonl").write_text("\n".join(map(json.dumps, pairs)))
    figures = measured("longer", tmp_path / "run", PairsBench(name="pairs", path=tmp_path / "pairs.jsonl"))
    assert (figures["accuracy"], figures["pair_accuracy"], figures["consistency"]) == (2 / 3, 2 / 3, 1.0)


def test_a_model_is_asked_as_it_was_trained_to_be_and_the_same_call_again_changes_nothing(tmp_path: Path):
    figures = measured("shapes", tmp_path, limit=20)
    assert figures["n"] == 20 and figures["parse_rate"] == 1.0 and "judge: {question}" in figures["prompt"]
    before = digests(tmp_path)
    assert measured("shapes", tmp_path, limit=20) == figures
    assert digests(tmp_path) == before
    assert json.loads((tmp_path / "shapes-bench/result.json").read_text())["accuracy"] == figures["accuracy"]


def test_a_folder_that_holds_another_judge_is_an_error_that_names_the_field(tmp_path: Path):
    measured("first", tmp_path, limit=5)
    with pytest.raises(RunError, match="judge.baseline"):
        measured("random", tmp_path, limit=5)

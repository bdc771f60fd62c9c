"""A whole run of the embedded model: the same twice, and the same after five kills."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from killing import kill_at_random
from runs import ROOT, digests, no_progress
from selfjudge.measure.evaluate import Asking, evaluate
from selfjudge.measure.judges import find_contestant
from selfjudge.run.folder import RunFolder
from selfjudge.types import Order
from selfjudge.wiring import named_benchmark

pytestmark = pytest.mark.slow

COMMAND = (sys.executable, "-m", "selfjudge", "run", str(ROOT / "src/selfjudge/shapes/demo.yaml"))
SMALL = (
    *("prompts.0.limit=240", "loop.prompts_per_iteration=120", "loop.iterations=2"),
    *("evaluation.benchmarks.0.pairs=60", "execution.engine.batch_size=64"),
)


def command(folder: Path, *more: str) -> list[str]:
    return [*COMMAND, "--dir", str(folder), *(word for change in (*SMALL, *more) for word in ("--set", change))]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("embedded") / "run"
    subprocess.run(command(folder), check=True, capture_output=True)
    return folder


def test_it_makes_pairs_keeps_some_and_trains_a_judge_that_loads(undisturbed: Path):
    entries = json.loads((undisturbed / "summary.json").read_text())["iterations"]
    assert [entry["iteration"] for entry in entries] == [0, 1, 2]
    assert all(0 < entry["kept"] <= entry["pairs"] for entry in entries[1:])
    from transformers import AutoModelForImageTextToText, AutoProcessor

    for number in (1, 2):
        folder = undisturbed / f"iteration-{number}" / "judge"
        assert AutoModelForImageTextToText.from_pretrained(folder).config.model_type == "idefics3"
        assert AutoProcessor.from_pretrained(folder).chat_template


def test_the_judge_of_each_iteration_can_be_asked_about_other_peoples_benchmarks(undisturbed: Path, tmp_path: Path):
    fixtures = ROOT / "tests/fixtures"
    places = [f"{name}={fixtures / name}" for name in ("vl-rewardbench", "multimodal-rewardbench")]
    benches = [named_benchmark(place, allow_missing=True) for place in places]
    for number in (1, 2):
        place = RunFolder(tmp_path / str(number))
        judge = str(undisturbed if number == 2 else undisturbed / "iteration-1/judge")  # a run means its last judge
        measured = evaluate(find_contestant(judge, place), benches, place, asking=Asking(), progress=no_progress)
        results = [result.as_json() for result in measured]
        assert [result["n"] for result in results] == [18, 15]
        assert all(result["replies"] == 2 * result["n"] for result in results)
        assert all("judge: {question}" in result["prompt"] for result in results)
        assert {result["judge"] for result in results} == {f"{undisturbed.name}/iteration-{number}"}


def test_the_same_recipe_and_seed_twice_give_the_same_tables_and_judges(undisturbed: Path, tmp_path: Path):
    subprocess.run(command(tmp_path / "again"), check=True, capture_output=True)
    assert digests(tmp_path / "again") == digests(undisturbed)


def test_pairs_of_which_the_judge_is_not_sure_are_dropped_where_it_has_to_be(undisturbed: Path, tmp_path: Path):
    changes = ("loop.iterations=1", "selection.min_probability=0.5", "evaluation.benchmarks=[]")
    subprocess.run(command(tmp_path, *changes), check=True, capture_output=True)
    kept, sure = (pq.read_table(run / "iteration-1/selected.parquet").to_pylist() for run in (undisturbed, tmp_path))
    replies = {row["key"]: row for row in pq.read_table(undisturbed / "iteration-1/judgments.parquet").to_pylist()}
    chances = defaultdict(list)
    for row in kept:
        reply = replies[f"{row['pair_id']}.{row['order']}.{row['sample']}"]
        chances[row["pair_id"]].append(Order(row["order"]).of_chosen(reply["probability"]))
    expected = {pair for pair, (one, other) in chances.items() if (one + other) / 2 >= 0.5}
    assert {row["pair_id"] for row in sure} == expected and 0 < len(expected) < len(chances)
    dropped = json.loads((tmp_path / "summary.json").read_text())["iterations"][1]["dropped"]
    assert dropped["improbable_verdicts"] == len(chances) - len(expected)


def test_killed_three_times_at_random_moments_a_run_is_as_if_undisturbed(undisturbed: Path, tmp_path: Path):
    kill_at_random(command(tmp_path), tmp_path, kills=3, within=3.0)
    subprocess.run(command(tmp_path), check=True, capture_output=True)
    assert digests(tmp_path) == digests(undisturbed)

"""Each experiment starts and ends, in a form so small that it says nothing; and the docs hold what the last ones said."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from runs import ROOT

ENGINE = """{kind: scripted, rules: [
    {when: "^judge", replies: ["I see red (A). [[A]]", "I see blue (B). [[B]]"]},
    {when: ".", replies: [red, blue, two]}]}"""
SMALL = (
    "prompts.0.limit=40",
    "loop.iterations=1",
    "evaluation.benchmarks.0.pairs=10",
    "training.kind=scripted",
    f"engine={ENGINE}",
)
"""The demo without a model."""
SET = [word for change in SMALL for word in ("--set", change)]

TINY = {
    "arms.py": ["--arms", "coin labels", "--seeds", "1", *SET],
    "lora.py": ["--arms", "lora-16", "--seeds", "1", *SET],
    "ceiling.py": ["--traces", "16", "--patience", "1", "--pairs", "10"],
    "baselines.py": ["--pairs", "10"],
}


def start(experiment: str, *options: str | Path) -> str:
    command = [sys.executable, str(ROOT / "experiments" / experiment), *map(str, options)]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_each_experiment_has_a_tiny_form():
    assert {path.name for path in (ROOT / "experiments").glob("*.py")} == {*TINY, "report.py"}


@pytest.mark.parametrize("experiment", TINY)
def test_an_experiment_runs_and_keeps_a_summary_of_figures(experiment: str, tmp_path: Path):
    start(experiment, *TINY[experiment], "--keep", tmp_path)
    (summary,) = tmp_path.glob("*.json")
    assert '"pair_accuracy"' in summary.read_text()


def test_an_arm_on_photographs_is_measured_there_and_on_plain_scenes_and_its_labels_are_counted(tmp_path: Path):
    start(
        "arms.py",
        "--arms",
        "base to photo",
        "--seeds",
        "1",
        *SET,
        "--set",
        "evaluation.benchmarks.1.pairs=10",
        "--keep",
        tmp_path,
    )
    summary = json.loads((tmp_path / "base-to-photo-1.json").read_text())
    assert list(summary["iterations"][1]["benchmarks"]) == ["shapes-bench", "shapes-bench-photo"]
    assert sum(summary["labels"][0]["closed"]["made"].values()) > 0


def test_of_the_experiments_only_two_know_the_truth():
    knowing = {path.name for path in (ROOT / "experiments").glob("*.py") if "shapes.truth" in path.read_text()}
    assert knowing == {"ceiling.py", "baselines.py"}


def test_the_labels_of_a_run_are_counted_by_kind(scripted_run: tuple[Path, dict[str, Any]], tmp_path: Path):
    start("baselines.py", "--run", scripted_run[0], "--keep", tmp_path)
    counted = json.loads((tmp_path / "baselines-labels.json").read_text())["iterations"]
    for counts, entry in zip(counted, scripted_run[1]["iterations"][1:], strict=True):
        for which, number in (("made", entry["pairs"]), ("kept", entry["kept"])):
            assert sum(sum(kind[which].values()) for kind in counts.values()) == number


def test_the_tables_in_the_docs_are_those_of_the_summaries():
    start("report.py", "--check")

"""`selfjudge score`, as a user meets it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from runs import ROOT

EXAMPLE = ROOT / "docs/examples/vl-rewardbench-outputs.jsonl"


def score(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "selfjudge", "score", *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def test_the_worked_example_of_the_docs_scores_as_it_says():
    official, strict = (
        json.loads(score(EXAMPLE, "--benchmark", "vl-rewardbench", "--protocol", p, "--format", "json").stdout)
        for p in ("official", "strict")
    )
    assert (official["overall"], strict["overall"]) == (1 / 2, 1 / 3)
    assert list(official["by_k"]) == ["1", "3", "5", "7", "9"]
    told = (ROOT / "docs/benchmarks.md").read_text()
    assert "| overall | 2 of 4 = 0.500 | 2 of 6 = 0.333 |" in told


def test_the_table_is_for_people():
    shown = score(EXAMPLE, "--benchmark", "vl-rewardbench")
    assert shown.returncode == 0
    assert "hallucination" in shown.stdout and "0.333" in shown.stdout


def test_malformed_lines_are_named_on_stderr_and_the_rest_is_scored(tmp_path: Path):
    path = tmp_path / "outputs.jsonl"
    path.write_text("not json\n" * 30 + EXAMPLE.read_text())
    shown = score(path, "--benchmark", "vl-rewardbench", "--format", "json")
    assert shown.returncode == 0 and json.loads(shown.stdout)["n"] == 6
    assert f"{path}:1: not JSON" in shown.stderr and "and 10 more lines" in shown.stderr


def test_an_unknown_benchmark_is_an_error_with_the_known_ones():
    shown = score(EXAMPLE, "--benchmark", "vlrb")
    assert shown.returncode == 2
    assert "error: recorded outputs of vlrb cannot be scored" in shown.stderr and "vl-rewardbench" in shown.stderr


def test_recorded_outputs_are_not_called_those_of_the_paper():
    shown = score(EXAMPLE, "--benchmark", "vl-rewardbench", "--protocol", "paper")
    assert shown.returncode == 2 and "were not asked for as `paper` asks" in shown.stderr


def test_a_protocol_that_a_benchmark_does_not_have_is_an_error_with_those_that_it_has():
    shown = score(EXAMPLE, "--benchmark", "rewardbench", "--protocol", "paper")
    assert shown.returncode == 2 and "error: rewardbench has no protocol called paper" in shown.stderr
    assert "hint: Choose one with --protocol: strict, official." in shown.stderr

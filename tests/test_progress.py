"""Progress says where in a run a stage is, how fast it goes, when it will end, and what the replies say so far."""

from __future__ import annotations

import json
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from runs import ROOT
from selfjudge.cli import app
from selfjudge.cli.progress import ReplyCounts, StageProgress, Watch
from selfjudge.ports import StageLabel

SMALL = ["--set", "prompts.0.limit=60", "--set", "evaluation.benchmarks.0.pairs=20", "--set", "loop.iterations=2"]


def judged(pair: str, order: str, verdict: str | None, *, sample: int = 0) -> dict[str, Any]:
    return {"pair_id": pair, "order": order, "verdict": verdict, "sample": sample, "completion_tokens": 10}


def run_logged(folder: Path, *options: str) -> str:
    words = ["run", str(ROOT / "recipes/scripted.yaml"), "--dir", str(folder), *SMALL, *options]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.exception
    return done.stderr


def test_a_run_says_for_programs_which_iteration_and_stage_it_is_in(tmp_path: Path):
    told = [json.loads(line) for line in run_logged(tmp_path, "--json-log").splitlines()]

    assert {(line["iteration"], line["iterations"]) for line in told if "iteration" in line} == {(0, 2), (1, 2), (2, 2)}
    judging = next(line for line in told if "judgments" in line["label"] and line.get("stage") == 2)
    assert judging["stages"] == 6 and judging["done"] == judging["total"] and judging["tokens_per_second"] > 0
    assert {"read", "says_first", "both_orders"} <= judging.keys()


def test_a_quiet_run_shows_no_progress(tmp_path: Path):
    assert run_logged(tmp_path, "--quiet") == ""


def test_replies_are_counted_as_read_for_the_first_place_and_right_in_both_orders():
    replies = ReplyCounts()
    for row in (
        judged("a", "chosen_first", "first"),
        judged("a", "rejected_first", "second"),
        judged("b", "chosen_first", "first"),
        judged("b", "rejected_first", "first"),
        judged("c", "chosen_first", None),
        judged("a", "chosen_first", "second", sample=1),
    ):
        replies.add(row)

    assert replies.figures() == {"read": 5 / 6, "says first": 3 / 5, "both orders": 1 / 3}
    assert replies.tokens == 60


def test_a_pair_that_is_wrong_in_one_order_counts_though_the_other_one_is_not_asked():
    replies = ReplyCounts()
    for pair, order in (("p", "chosen_first"), ("p", "rejected_first"), ("q", "rejected_first")):
        replies.add({"pair_id": pair, "order": order, "sample": 0, "verdict": "first" if order == "chosen_first" else "second"})
    assert replies.figures()["both orders"] == 1
    replies.add({"pair_id": "r", "order": "chosen_first", "sample": 0, "verdict": "second"})
    assert replies.figures()["both orders"] == 1 / 2


def test_under_a_protocol_of_one_order_nothing_is_said_of_both():
    replies = ReplyCounts()
    for pair, verdict in (("p", "first"), ("q", "second")):
        replies.add(judged(pair, "chosen_first", verdict))
    assert "both orders" not in replies.figures()


def test_the_end_of_a_run_is_expected_after_its_first_whole_iteration(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("selfjudge.cli.progress.EVERY_SECONDS", 0.0)
    watch = Watch()
    for iteration in (1, 2):
        with watch(StageLabel("training", (iteration, 3), (4, 6)), 10) as advance:
            advance(5)
    first, second = capfd.readouterr().err.splitlines()

    assert "iteration 1 of 3, stage 4 of 6: training: 5 of 10" in first and "run ends about" not in first
    assert "run ends about" in second


def test_a_run_is_not_expected_to_end_before_the_stage_that_is_under_way():
    late = StageProgress("training", 1000, time.time() - 600)
    late.advance(1)
    late.started -= 7
    assert late.left == pytest.approx(7000, rel=0.01)
    assert late.run_ends.startswith(f", run ends about {datetime.fromtimestamp(time.time() + late.left):%H:%M}")

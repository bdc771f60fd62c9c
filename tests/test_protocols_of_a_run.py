"""Several protocols in one run: their figures stand beside each other, and those by `strict` are the same as alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from runs import digests, no_progress, run_recipe, scripted_recipe
from selfjudge.cli.status import _figures
from selfjudge.errors import RecipeError
from selfjudge.forecast.plan import plan
from selfjudge.report.page import page

BOTH = ("evaluation.protocols=[strict, paper]", "loop.iterations=1")


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("protocols") / "run"
    return folder, run_recipe(scripted_recipe(*BOTH), folder)


def test_a_second_protocol_changes_no_figure_of_the_first(measured: tuple[Path, dict[str, Any]], tmp_path: Path):
    alone = run_recipe(scripted_recipe("loop.iterations=1"), tmp_path / "alone")
    for ours, theirs in zip(measured[1]["iterations"], alone["iterations"], strict=True):
        figures = dict(ours["benchmarks"]["shapes-bench"])
        assert list(figures.pop("protocols")) == ["paper"]
        assert figures == theirs["benchmarks"]["shapes-bench"]


def test_paper_asks_once_about_each_pair_in_either_order_with_the_sampling_of_stage_ii(measured: tuple[Path, dict[str, Any]]):
    replies = pq.read_table(measured[0] / "iteration-1/benchmarks/shapes-bench/paper/judgments.parquet").to_pylist()
    assert len({row["pair_id"] for row in replies}) == len(replies) == 20
    assert {row["order"] for row in replies} == {"chosen_first", "rejected_first"}
    protocol = scripted_recipe(*BOTH)
    asked = protocol.evaluation.asked(protocol.judging)
    assert asked["paper"].sampling == protocol.judging.sampling.sampling() != asked["strict"].sampling


def test_summary_page_and_status_show_each_protocol(measured: tuple[Path, dict[str, Any]]):
    folder, state = measured
    entry = state["iterations"][1]
    paper = entry["benchmarks"]["shapes-bench"]["protocols"]["paper"]
    assert paper["n"] == 20 and 0 <= paper["ci95"][0] <= paper["accuracy"] <= paper["ci95"][1] <= 1
    assert f"; paper {paper['accuracy']:.3f})" in _figures(entry)
    assert _figures({**entry, "benchmarks": {"ties": {"accuracy": None, "pair_accuracy": None}}}).endswith(
        "ties – (– in both orders)"
    )
    assert f"<td>{paper['accuracy']:.3f} <span" in page(folder, state) and "<th>paper</th>" in page(folder, state)
    assert list(entry["failures"]) == ["synthesize", "judge", "evaluate shapes-bench", "evaluate shapes-bench paper"]


def test_a_run_with_two_protocols_is_the_same_when_it_is_given_again(measured: tuple[Path, dict[str, Any]]):
    before = digests(measured[0])
    assert run_recipe(scripted_recipe(*BOTH), measured[0]) == measured[1]
    assert digests(measured[0]) == before


def test_a_plan_counts_the_requests_of_each_protocol(tmp_path: Path):
    planned = plan(scripted_recipe(*BOTH), tmp_path / "run", prompts=None, progress=no_progress)
    stages = {stage.stage: stage for stage in planned.stages if stage.when == "each iteration"}
    assert [stages[f"evaluate shapes-bench{more}"].cost.requests for more in ("", "/paper")] == [40, 20]
    assert stages["evaluate shapes-bench/paper"].writes == ("benchmarks/shapes-bench/paper/judgments.parquet",)


@pytest.mark.parametrize("wrong", ["[]", "[paper]", "[strict, strict]", "[paper, strict]", "[official]"])
def test_protocols_that_cannot_be_measured_are_an_error_that_says_which_can(wrong: str):
    with pytest.raises(RecipeError, match=r"evaluation\.protocols"):
        scripted_recipe(f"evaluation.protocols={wrong}")

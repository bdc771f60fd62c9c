"""Measuring a judge outside of a run."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections import Counter
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.console import Console

from engines.serving import Asked, serving
from runs import ROOT, digests, no_progress
from selfjudge.benchmarks.vl_rewardbench import DIMENSIONS
from selfjudge.errors import InputError, RunError
from selfjudge.measure.evaluate import Asking, Result, evaluate, rescore
from selfjudge.measure.judges import find_contestant, judge_name
from selfjudge.measure.stored import measurements
from selfjudge.recipe.inputs import PairsBench, PublicBench, ShapesBench
from selfjudge.report.examples import longer
from selfjudge.report.measurement import show_measured
from selfjudge.run.folder import RunFolder

SHAPES = ShapesBench(name="shapes-bench", pairs=300, seed=5)


def result(judge: str, folder: Path, benchmark: Any = SHAPES, url: str | None = None, **asking: Any) -> Result:
    return evaluate(
        find_contestant(judge, RunFolder(folder), {"base_url": url} if url else None),
        [benchmark],
        RunFolder(folder),
        asking=Asking(**asking),
        progress=no_progress,
    )[0]


def measured(judge: str, folder: Path, benchmark: Any = SHAPES, **asking: Any) -> dict[str, Any]:
    return result(judge, folder, benchmark, **asking).as_json()


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
    show_measured(result("first", tmp_path, limit=limit), console)
    assert (f"{limit} independent questions" in console.export_text()) is noted


def test_a_benchmark_of_which_no_row_is_left_is_an_error(tmp_path: Path):
    bench = PublicBench(name="vl-rewardbench", path=str(ROOT / "tests/fixtures/vl-rewardbench"), exclude=DIMENSIONS)
    with pytest.raises(InputError, match="no row of vl-rewardbench is left"):
        measured("longer", tmp_path, bench)


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


def test_the_report_expects_of_the_longer_response_what_the_baseline_measures(tmp_path: Path):
    figures = measured("longer", tmp_path)
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "shapes-bench").rename(tmp_path / "benchmarks/shapes-bench")
    expected = longer(tmp_path, "shapes-bench")
    assert expected is not None and expected["pair_accuracy"] < expected["accuracy"] - 0.05
    assert {name: figures[name] for name in expected} == pytest.approx(expected, abs=0.05)


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


PAIR = {"prompt": "what?", "image": "x.png", "chosen": "a longer answer", "rejected": "short"}


def pairs(path: Path, *rows: dict[str, Any]) -> PairsBench:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), "red").save(path.parent / "x.png")
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return PairsBench(name="pairs", path=path)


def test_stored_replies_to_a_file_of_pairs_are_refused_under_its_path_with_the_name_that_is_taken(tmp_path: Path):
    measured("longer", tmp_path / "run", pairs(tmp_path / "pairs.jsonl", PAIR))
    with pytest.raises(InputError) as refused:
        rescore(tmp_path / "run/pairs", str(tmp_path / "pairs.jsonl"), protocol="strict", k=None)
    assert refused.value.hint == "Name it: --benchmark pairs"
    assert rescore(tmp_path / "run/pairs", "pairs", protocol="strict", k=None)["accuracy"] == 1.0


@pytest.mark.parametrize("change", ["label", "rows", "image"])
def test_an_edited_file_is_measured_again_and_its_figures_take_the_place_of_the_old_ones(tmp_path: Path, change: str):
    bench, run = pairs(tmp_path / "pairs.jsonl", PAIR), tmp_path / "run"
    assert measured("longer", run, bench)["accuracy"] == 1.0
    before = (run / "pairs/judgments.parquet").read_bytes()
    if change == "image":
        Image.new("RGB", (8, 8), "blue").save(tmp_path / "x.png")
    else:
        turned = {**PAIR, "chosen": "short", "rejected": "a longer answer"}
        pairs(tmp_path / "pairs.jsonl", *([turned] if change == "label" else [turned, {**PAIR, "prompt": "another?"}]))
    assert measured("longer", run, bench)["accuracy"] == {"label": 0.0, "rows": 0.5, "image": 1.0}[change]
    assert (run / "pairs/judgments.parquet").read_bytes() != before
    assert [folder.name for folder in run.glob("pairs*")] == ["pairs"] and len(measurements(run)) == 1


def test_an_edit_that_was_not_measured_yet_is_an_unfinished_measurement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    bench, run = pairs(tmp_path / "pairs.jsonl", PAIR), tmp_path / "run"
    measured("longer", run, bench)
    pairs(tmp_path / "pairs.jsonl", {**PAIR, "prompt": "edited"})

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("selfjudge.stages.evaluate.ask", killed)
        measured("longer", run, bench)
    with pytest.raises(RunError, match="unfinished"):
        measurements(run)
    assert measured("longer", run, bench)["n"] == 1


def test_an_unchanged_file_is_not_asked_about_again_even_from_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    first = measured("longer", tmp_path / "run", pairs(tmp_path / "a/pairs.jsonl", PAIR))
    monkeypatch.setattr("selfjudge.stages.evaluate.ask", None)
    assert measured("longer", tmp_path / "run", pairs(tmp_path / "b/pairs.jsonl", PAIR)) == first


@pytest.mark.parametrize("asking", [{"samples": 3}, {"limit": 1}])
def test_another_way_to_ask_is_stored_beside_the_first(tmp_path: Path, asking: dict[str, int]):
    bench = pairs(tmp_path / "pairs.jsonl", PAIR, {**PAIR, "prompt": "another?"})
    first = measured("longer", tmp_path / "run", bench)
    other = measured("longer", tmp_path / "run", bench, **asking)
    assert measured("longer", tmp_path / "run", bench) == first and other != first
    assert json.loads((tmp_path / "run/pairs/result.json").read_text()) == json.loads(json.dumps(first))
    assert len(measurements(tmp_path / "run")) == 2


def test_with_several_samples_the_rates_of_a_dimension_and_a_level_count_each_reply_as_those_of_the_whole_do(tmp_path: Path):
    """Four of six replies are read: counted by the majority in each order, it would be all of them, or half."""
    number = count()

    def reply(request: Asked) -> str:
        return "[[A]]" if next(number) % 3 else "I cannot tell."

    with serving(reply) as server:
        bench = pairs(tmp_path / "pairs.jsonl", PAIR)
        figures = measured("openai:m", tmp_path / "run", bench, url=server.url, samples=3)
    (dimension,), (level,) = figures["dimensions"].values(), figures["levels"].values()
    for part in (figures, dimension, level):
        assert (part["parse_rate"], part["first_position_rate"]) == (pytest.approx(4 / 6), 1.0)


def test_a_model_of_a_server_is_known_together_with_the_address(tmp_path: Path):
    asked: list[str] = []

    def judge(letter: str) -> Any:
        def reply(request: Asked) -> str:
            asked.append(letter)
            return f"[[{letter}]]"

        return reply

    bench = pairs(tmp_path / "pairs.jsonl", PAIR)
    with serving(judge("A")) as one, serving(judge("B")) as other:
        for _ in range(2):
            firsts = [
                measured("openai:m", tmp_path / "run", bench, url=url)["first_position_rate"] for url in (one.url, other.url)
            ]
            assert firsts == [1.0, 0.0]
    assert Counter(asked) == {"A": 2, "B": 2}


def test_several_files_of_pairs_are_measured_in_one_command(tmp_path: Path):
    for name in ("a", "b"):
        pairs(tmp_path / f"{name}.jsonl", {**PAIR, "prompt": name})
    command = [sys.executable, "-m", "selfjudge", "evaluate", "--judge", "longer", "--format", "json"]
    command += ["--benchmark", f"{tmp_path / 'a.jsonl'}, {tmp_path / 'b.jsonl'}", "--dir", str(tmp_path / "run")]
    shown = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert [(found["benchmark"], found["n"]) for found in shown] == [("pairs-a", 1), ("pairs-b", 1)]


def test_the_judges_of_a_run_are_told_apart_by_run_and_iteration(tmp_path: Path):
    folder = tmp_path / "mine/iteration-2/judge"
    folder.mkdir(parents=True)
    (tmp_path / "model").mkdir()
    assert (judge_name(folder), judge_name(tmp_path / "model")) == ("mine/iteration-2", "model")

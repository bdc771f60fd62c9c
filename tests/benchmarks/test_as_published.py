"""Benchmarks in the forms in which their authors publish them; each look-alike is made after the script or page that it names."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from runs import ROOT, no_progress
from selfjudge.benchmarks import judgebench, rewardbench
from selfjudge.benchmarks.mmrb2 import score
from selfjudge.errors import InputError
from selfjudge.ports import BenchmarkData
from selfjudge.recipe.inputs import PublicBench
from selfjudge.wiring import make_benchmark

FIXTURES = ROOT / "tests/fixtures"


def load(name: str, path: Path, **options: Any) -> BenchmarkData:
    bench = PublicBench(name=name, path=str(path), **options)  # type: ignore[arg-type]
    return make_benchmark(bench).load(lambda ref, data: None, no_progress)


def picture(path: Path, colour: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), colour).save(path)


# MMRB2: github.com/facebookresearch/MMRB2, benchmark/build_from_hf.py and evaluate/compute_scores/compute_accuracy.py


def hub_row(tmp_path: Path, **changed: Any) -> dict[str, Any]:
    picture(tmp_path / "x.png", "red")
    image = {"bytes": (tmp_path / "x.png").read_bytes(), "path": None}
    row = {"pair_id": "p1", "prompt_text": "Make <image_0> blue.", "prompt_images": [image], "chosen": "b"}
    row |= {"response_a_text": "Here: <image_0> done", "response_a_images": [image], "response_a_model": "one"}
    row |= {"response_b_text": "", "response_b_images": [image, image], "response_b_model": "two"}
    return row | changed


def test_the_hubs_rows_of_mmrb2_are_read_with_their_pictures_in_place(tmp_path: Path):
    (tmp_path / "edit").mkdir()
    pq.write_table(pa.Table.from_pylist([hub_row(tmp_path)]), tmp_path / "edit" / "edit.parquet")
    (item,) = load("mmrb2", tmp_path / "edit").items

    assert item.pair.prompt.text == "Make\n[image 1]\nblue." and len(item.pair.prompt.images) == 4
    assert item.pair.chosen == "[image 3]\n[image 4]" and item.pair.rejected == "Here:\n[image 2]\ndone"
    assert item.dimension == "edit"


def test_the_built_folder_of_mmrb2_is_read_without_the_files_that_have_labels_alone(tmp_path: Path):
    shutil.copytree(FIXTURES / "mmrb2", tmp_path / "b", ignore=shutil.ignore_patterns("predictions"))
    labels_alone(tmp_path / "b" / "edit_response_only.json", {"e1": "A"})
    (tmp_path / "b" / "new_task_release.json").write_text('{"data": [{"x": 1}]}')

    assert {item.dimension for item in load("mmrb2", tmp_path / "b").items} == {"reasoning"}


def labels_alone(path: Path, chosen: dict[str, str]) -> None:
    nothing = {"model_name": "m", "response_content": [["text", None]]}
    rows = [
        {"id": one, "prompt_content": None, "response_a": nothing, "response_b": nothing, "chosen": c}
        for one, c in chosen.items()
    ]
    path.write_text(json.dumps({"pairs": rows}))


def predictions(path: Path, said: dict[str, tuple[Any, Any]]) -> Path:
    path.write_text(
        json.dumps({one: {"forward": [{"judgement": f}], "reverse": [{"judgement": r}]} for one, (f, r) in said.items()})
    )
    return path


def test_mmrb2_counts_as_its_script_every_judgement_that_is_not_empty(tmp_path: Path):
    labels_alone(tmp_path / "t2i_response_only.json", dict.fromkeys("abcd", "A"))
    said = {"a": ("A", "B"), "b": ("tie", "B"), "c": ("Response A", " B"), "d": ("", None)}
    path = predictions(tmp_path / "p.json", said)

    figures = score(path, protocol="official", k=None, data=str(tmp_path / "t2i_response_only.json"))
    assert figures["overall"] == 3 / 6 and figures["missing"] == 2  # of six judgements three are exactly right
    assert list(figures["dimensions"]) == ["t2i"]


def test_a_prediction_that_belongs_to_no_pair_is_an_error(tmp_path: Path):
    labels_alone(tmp_path / "t2i_response_only.json", {"a": "A"})
    path = predictions(tmp_path / "p.json", {"a": ("A", "B"), "z": ("A", "B")})

    with pytest.raises(InputError, match="1 ids of no pair"):
        score(path, protocol="official", k=None, data=str(tmp_path / "t2i_response_only.json"))


# MLLM-as-a-Judge: github.com/Dongping-Chen/MLLM-Judge, MLLM-as-a-Judge-HQ and -Hard, each with Pair.jsonl, Batch.jsonl and image/


def test_each_folder_of_mllm_as_a_judge_has_its_own_images(tmp_path: Path):
    for folder, colour in (("HQ", "red"), ("Hard", "blue")):
        picture(tmp_path / folder / "image" / "2.png", colour)
        answers = {"answer1": {"name": "m", "answer": "red"}, "answer2": {"name": "n", "answer": "blue"}}
        row = {
            "id": 1,
            "pair_id": "0-1",
            "image_path": "image/2.png",
            "original_dataset": "coco",
            "instruction": "Which?",
            **answers,
        }
        (tmp_path / folder / "Pair.jsonl").write_text(json.dumps({**row, "human_answer": "A"}) + "\n")
        (tmp_path / folder / "Batch.jsonl").write_text(json.dumps({**row, "human_answer": "ABCD"}) + "\n")
    items = load("mllm-as-a-judge", tmp_path).items

    assert len(items) == 2 and len({item.pair.prompt.images[0].sha256 for item in items}) == 2


# VL-RewardBench: github.com/vl-rewardbench/VL_RewardBench, data/data.jsonl beside data/images


@pytest.mark.parametrize("whole", [True, False], ids=["the folder", "the file"])
@pytest.mark.parametrize(
    "answers",
    [{"response": ["red", "blue"], "human_ranking": [1, 0]}, {"chosen": "blue", "rejected": "red"}],
    ids=["ranked", "chosen and rejected"],
)
def test_vl_rewardbenchs_own_file_starts_paths_at_its_folder(tmp_path: Path, answers: dict[str, Any], whole: bool):
    picture(tmp_path / "data" / "images" / "a, [1].png", "blue")
    row = {"id": "wildvision-battle_1", "query": "Which colour?", "image_path": "images/a, [1].png", **answers}
    (tmp_path / "data" / "data.jsonl").write_text(json.dumps(row) + "\n")
    (item,) = load("vl-rewardbench", tmp_path if whole else tmp_path / "data" / "data.jsonl").items

    assert item.pair.chosen == "blue" and len(item.pair.prompt.images) == 1


def test_missing_images_are_counted_beside_the_rows(tmp_path: Path):
    row = {"id": "x_1", "query": "Which?", "image_path": "images/gone.png", "chosen": "a", "rejected": "b"}
    picture(tmp_path / "images" / "there.png", "red")
    there = {**row, "id": "x_2", "image_path": "images/there.png"}
    (tmp_path / "data.jsonl").write_text(json.dumps(row) + "\n" + json.dumps(there) + "\n")
    report = load("vl-rewardbench", tmp_path, allow_missing=True).report

    assert report["rows"] == 2 and report["missing_images"]["count"] == 1


# JudgeBench: github.com/ScalerLab/JudgeBench, run_judge.py and utils/metrics.py


@pytest.mark.parametrize(
    ("judgments", "official", "strict"),
    [
        (["A>B", "B>A"], True, True),
        (["A>B", None], True, False),
        (["A>B", "A=B"], True, False),
        (["A>B", "A>B"], False, False),
        (["B>A", "A>B"], False, False),
        (["A=B", "A=B"], False, False),
        (["A>B"], True, True),
    ],
    ids=str,
)
def test_judgebenchs_results_are_counted_as_its_script_counts(
    tmp_path: Path, judgments: list[str | None], official: bool, strict: bool
):
    said = [None if decision is None else {"decision": decision} for decision in judgments]
    row = {"pair_id": "x", "source": "livebench-math", "label": "A>B", "judgments": said}
    (tmp_path / "out.jsonl").write_text(json.dumps(row) + "\n{broken\n" + json.dumps({**row, "label": "C"}) + "\n")

    found = {p: judgebench.score(tmp_path / "out.jsonl", protocol=p, k=None) for p in ("official", "strict")}
    assert [found[p]["overall"] for p in found] == [official, strict]
    assert found["official"]["dimensions"] == {"mathematics": {"n": 1, "overall": official}}
    assert [fault["line"] for fault in found["strict"]["malformed"]] == [2, 3]


# RewardBench: github.com/allenai/reward-bench, scripts/run_generative.py, which saves columns with results 1, 0 or 0.5


def test_rewardbenchs_results_are_weighted_as_its_script_weights(tmp_path: Path):
    subsets = ["math-prm", "math-prm", "hep-cpp", "xstest-should-refuse", "mt-bench-hard", "alpacaeval-easy"]
    columns = {"subset": subsets, "results": [1, 0, 1, 0.5, 0, 1], "id": list(range(6)), "model": "m"}
    (tmp_path / "m.json").write_text(json.dumps(columns))

    official, strict = (rewardbench.score(tmp_path / "m.json", protocol=p, k=None) for p in ("official", "strict"))
    assert official["sections"]["reasoning"] == pytest.approx((984 * 0.5 + 1) / 985)
    assert (official["sections"]["safety"], strict["sections"]["safety"], strict["unread"]) == (0.5, 0.0, 1)
    assert official["overall"] == pytest.approx((1 + 0 + 0.5 + (984 * 0.5 + 1) / 985) / 4)


@pytest.mark.parametrize("text", ["{", "[]", '{"subset": ["a"], "results": []}', '{"subset": ["a"], "results": [2]}'])
def test_what_is_no_result_of_rewardbench_is_an_error_with_a_hint(tmp_path: Path, text: str):
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(InputError) as error:
        rewardbench.score(tmp_path / "m.json", protocol="official", k=None)
    assert error.value.hint

"""Benchmarks in the forms in which their authors publish them; each look-alike is made after the script or page that it names."""

from __future__ import annotations

import base64
import gzip
import json
import math
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from runs import ROOT, no_progress
from selfjudge.benchmarks import judgebench, rewardbench, rewardbench2
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


@pytest.mark.parametrize("form", ["base64", "data URL", "a list of one", "bytes of text"])
def test_an_image_and_a_text_of_a_benchmark_may_be_in_other_forms(tmp_path: Path, form: str):
    picture(tmp_path / "a.png", "blue")
    bare = base64.b64encode((tmp_path / "a.png").read_bytes()).decode()
    image = {"base64": bare, "data URL": f"data:image/png;base64,{bare}"}.get(form, ["a.png"])
    row = {"id": "x_1", "query": "Which?", "image": image, "chosen": "a", "rejected": "b"}
    if form == "bytes of text":
        pq.write_table(pa.Table.from_pylist([{**row, "query": b"Which?"}]), tmp_path / "test.parquet")
    else:
        (tmp_path / "DATA.JSONL").write_text(json.dumps(row) + "\r\n", encoding="utf-8-sig")
    (item,) = load("vl-rewardbench", tmp_path / ("test.parquet" if form == "bytes of text" else "DATA.JSONL")).items
    assert item.pair.prompt.text == "Which?" and len(item.pair.prompt.images) == 1


@pytest.mark.parametrize("name", ["x/" * 3000, "\\" * 5000, "a\0b", "data:image/png;base64,!"], ids=["long", "Windows", "0", "!"])
def test_a_path_that_no_file_can_have_is_a_missing_image(tmp_path: Path, name: str):
    row = {"id": "x_1", "query": "Which?", "image_path": name, "chosen": "a", "rejected": "b"}
    (tmp_path / "data.jsonl").write_text(json.dumps(row) + "\n")
    bench = make_benchmark(PublicBench(name="vl-rewardbench", path=str(tmp_path)))
    assert bench.digest()
    with pytest.raises(InputError, match="1 rows have no image that can be used"):
        bench.load(lambda ref, data: None, no_progress)


def test_a_table_with_a_byte_order_mark_is_read(tmp_path: Path):
    table = (FIXTURES / "vl-rewardbench" / "vl_rewardbench.tsv").read_bytes()
    (tmp_path / "a.tsv").write_bytes(b"\xef\xbb\xbf" + table.replace(b"\n", b"\r\n"))
    assert len(load("vl-rewardbench", tmp_path).items) == 18


@pytest.mark.parametrize("score", [judgebench.score, rewardbench.score])
def test_packed_results_are_an_error_that_says_so(tmp_path: Path, score: Any):
    (tmp_path / "m.json").write_bytes(gzip.compress(b"{}"))
    with pytest.raises(InputError, match="packed with gzip"):
        score(tmp_path / "m.json", protocol="official", k=None)


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


@pytest.mark.parametrize(("answer", "problem"), [(None, "missing"), (["a", "b"], "list")])
def test_a_row_of_rewardbench_without_a_text_to_judge_is_an_error_that_names_it(tmp_path: Path, answer: Any, problem: str):
    row = {"id": 7, "prompt": "Why?", "chosen": answer, "rejected": "no", "subset": "hep-cpp"}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(InputError, match=rf"rows\.jsonl:1: `chosen` is {problem}"):
        load("rewardbench", tmp_path / "rows.jsonl")


@pytest.mark.parametrize("text", ["{", "[]", '{"subset": ["a"], "results": []}', '{"subset": ["a"], "results": [2]}'])
def test_what_is_no_result_of_rewardbench_is_an_error_with_a_hint(tmp_path: Path, text: str):
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(InputError) as error:
        rewardbench.score(tmp_path / "m.json", protocol="official", k=None)
    assert error.value.hint


# RewardBench 2: huggingface.co/datasets/allenai/reward-bench-2 (its card's columns); github.com/allenai/reward-bench,
# scripts/run_generative_v2.py and scripts/run_v2.py, which save columns, and process_single_model in rewardbench/utils.py


def test_each_right_answer_of_rewardbench_2_is_a_pair_with_each_wrong_one():
    items = load("rewardbench-2", FIXTURES / "rewardbench-2").items
    tied = [item for item in items if item.pair.prompt.source_id.startswith("tied:0#")]  # type: ignore[union-attr]
    assert len(items) == 6 * 3 + (1 + 3 + 1 + 2) * 3 and {item.level for item in tied} == {"tied"}
    assert sorted((i.pair.chosen, i.pair.rejected) for i in tied) == [
        (f"good {a}", f"bad {b}") for a in range(3) for b in range(3)
    ]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"chosen": "good"}, r"test\.jsonl:1: `chosen` is no list of answers"),
        ({"rejected": []}, "`rejected` is no list of answers"),
        ({"num_correct": 2}, "`num_correct` is not the number of `chosen`"),
        ({"subset": "Ties"}, "the id '7' is neither ref:NUMBER nor tied:NUMBER"),
    ],
    ids=["the first RewardBench", "no wrong answer", "another number", "a name of ties"],
)
def test_a_row_that_is_not_of_rewardbench_2_is_named(tmp_path: Path, changed: dict[str, Any], message: str):
    row = {"id": "7", "prompt": "Why?", "chosen": ["yes"], "rejected": ["no"], "num_correct": 1, "subset": "Math"}
    (tmp_path / "test.jsonl").write_text(json.dumps(row | changed) + "\n")
    with pytest.raises(InputError, match=message):
        load("rewardbench-2", tmp_path / "test.jsonl")


def rewardbench_2_columns(path: Path, rows: list[tuple[str, str, Any, Any, int]]) -> Path:
    names = ("subset", "id", "results", "scores", "num_correct")
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    path.write_text(json.dumps({**columns, "model": "m", "model_type": "Generative RM"}))
    return path


TIES = [
    ("Ties", "ref:0", None, [8, 3], 1),
    ("Ties", "tied:0", None, [9, 7, 4], 2),  # 3 above the wrong one, 2 apart
    ("Ties", "ref:1", None, [[5.0], [6.0]], 1),  # as reward models have it; the right one below the wrong one
    ("Ties", "tied:1", None, [6, 6, -1, 5], 3),  # a rating that could not be read
]


def test_rewardbench_2s_results_are_counted_as_its_scripts_count(tmp_path: Path):
    """The score of TIES by hand, and what `process_single_model` itself returned for these rows."""
    rows = [
        (subset, str(n), point, None, 1)
        for n, (subset, point) in enumerate(zip(rewardbench2.SUBSETS, [1, 0, 1, 0.25, 0.5], strict=False))
    ]
    path = rewardbench_2_columns(tmp_path / "m.json", rows + TIES)
    official, strict = (rewardbench2.score(path, protocol=p, k=None) for p in ("official", "strict"))
    margins = (math.tanh(3 / 2 - 1) + math.tanh(-6 / 7 - 1)) / 2
    ties = 0.3 * 1 / 2 + 0.3 * 1 / 2 + 0.2 * 1 / 2 + 0.2 * 1 / 2 + 0.01 * margins

    assert official["subsets"]["Ties"] == pytest.approx(ties) == pytest.approx(0.4975485152102817)
    assert official["overall"] == pytest.approx((1 + 0 + 1 + 0.25 + 0.5 + ties) / 6)
    assert strict["subsets"] == {"Factuality": 1, "Focus": 0, "Math": 1, "Precise IF": 0, "Safety": 0, "Ties": 0.5}
    assert strict["shared_or_unread"] == 0 and (official["n"], official["shared_or_unread"]) == (9, 2)


@pytest.mark.parametrize(
    "row",
    [
        ("Math", "0", 2, None, 1),
        ("Math", "0", "1", None, 1),
        (None, "0", 1, None, 1),
        ("Ties", "0", None, [1, 2], 1),
        ("Ties", "ref:0", None, None, 1),
        ("Ties", "ref:0", None, ["9", "8"], 1),
        ("Ties", "ref:0", None, [9, 8], 2),
        ("Ties", "ref:0", None, [9, float("nan")], 1),
    ],
    ids=str,
)
def test_what_is_no_result_of_rewardbench_2_is_an_error_with_a_hint(tmp_path: Path, row: tuple[str, str, Any, Any, int]):
    with pytest.raises(InputError) as error:
        rewardbench2.score(rewardbench_2_columns(tmp_path / "m.json", [row]), protocol="official", k=None)
    assert error.value.hint

"""Public benchmarks are read as they are published, whatever is wrong with them, and what is wrong is reported."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from hub_standin import COMMIT, serving
from runs import ROOT, no_progress
from selfjudge.errors import InputError
from selfjudge.ports import BenchmarkData
from selfjudge.recipe.inputs import PairsBench, PublicBench
from selfjudge.types import BenchmarkItem, ImageRef, Order
from selfjudge.wiring import make_benchmark, named_benchmark

FIXTURES = ROOT / "tests/fixtures"
VLRB, MMRB = FIXTURES / "vl-rewardbench", FIXTURES / "multimodal-rewardbench"


def load(name: str, path: Path, limit: int | None = None, **options: Any) -> BenchmarkData:
    bench = PublicBench(name=name, path=str(path), **options)  # type: ignore[arg-type]
    return make_benchmark(bench).load(lambda ref, data: None, no_progress, limit=limit)


def by_id(data: BenchmarkData) -> dict[str, BenchmarkItem]:
    return {str(item.pair.prompt.source_id): item for item in data.items}


def test_the_fixtures_are_what_their_script_writes(tmp_path: Path):
    path = ROOT / "scripts/benchmark_fixtures.py"
    spec = importlib.util.spec_from_file_location("benchmark_fixtures", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.write(tmp_path)
    names = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file())
    assert names == sorted(str(p.relative_to(FIXTURES)) for p in FIXTURES.rglob("*") if p.is_file())
    for name in names:
        if name.endswith(("json", "jsonl", "png")):  # JPEG and Parquet may be encoded otherwise elsewhere
            assert (tmp_path / name).read_bytes() == (FIXTURES / name).read_bytes(), name


# VL-RewardBench


def test_every_row_becomes_an_item_of_its_own_though_ids_repeat():
    data = load("vl-rewardbench", VLRB)
    assert len(data.items) == len({item.pair.id for item in data.items}) == data.report["rows"] == 18
    assert data.report["repeated_ids"] == {"count": 1, "examples": ["mathverse_13"]}
    assert data.report["repeated_pairs"] == 1


def test_the_rank_zero_is_the_better_response_wherever_it_is_stored():
    items = by_id(load("vl-rewardbench", VLRB))
    assert items["RLAIF-2"].pair.chosen == "It is a red square." and items["RLAIF-2"].stored is Order.CHOSEN_FIRST
    swapped = items["mmmu_5"]
    assert swapped.pair.chosen == "It is a blue circle." and swapped.stored is Order.REJECTED_FIRST


def test_dimensions_follow_the_prefix_and_unknown_and_miscased_ones_are_reported():
    data = load("vl-rewardbench", VLRB)
    items = by_id(data)
    assert items["hallucination_pair-1"].dimension == items["RLHF-3"].dimension == "hallucination"
    assert items["mathverse_4-1"].dimension == items["mmmu_5"].dimension == "reasoning"
    assert items["vlfeedback_7"].dimension == items["rlhf-8"].dimension == items["wildvision-6"].dimension == "general"
    assert data.report["unknown_prefixes"] == {"rlhf": 1, "vlfeedback": 1}
    assert data.report["miscased_prefixes"] == {"rlhf": 1}


def test_rows_that_contradict_each_other_are_reported_and_can_be_left_out():
    report = load("vl-rewardbench", VLRB).report
    assert report["contradictions"] == {"pairs": 1, "rows": 2, "examples": ["mmmu_16", "mmmu_17"]}
    without = load("vl-rewardbench", VLRB, exclude=("contradictory", "mathverse"))
    assert without.report["excluded"] == {"contradictory": 2, "mathverse": 5} and len(without.items) == 11


def test_the_position_that_leaks_the_label_is_reported():
    assert load("vl-rewardbench", VLRB).report["better_first"] == pytest.approx(14 / 18)


def test_the_image_mark_is_taken_out_of_a_question_and_png_and_jpeg_are_kept_as_they_are():
    items = by_id(load("vl-rewardbench", VLRB))
    assert items["RLAIF-2"].pair.prompt.text == "What does picture RLAIF show?"
    kinds = {item.pair.prompt.images[0].media_type for item in items.values()}
    assert kinds == {"image/png", "image/jpeg"}


def test_questions_about_one_image_are_resampled_together():
    data = load("vl-rewardbench", VLRB)
    groups = [item.group for item in data.items if item.pair.prompt.source_id == "mathverse_13"]
    assert len(groups) == 3 and len(set(groups)) == 1


def test_a_size_that_is_not_known_is_said_and_a_checksum_names_the_data():
    report = load("vl-rewardbench", VLRB).report
    assert report["known_rows"] == [1247, 1250] and report["is_a_known_size"] is False
    assert len(report["sha256"]) == 64 and report["sha256"] == load("vl-rewardbench", VLRB / "data").report["sha256"]


def test_vlmevalkits_table_gives_the_same_items_pictures_by_reference_among_them():
    parquet, table = (load("vl-rewardbench", VLRB / name) for name in ("data", "vl_rewardbench.tsv"))
    assert [i.pair.chosen for i in parquet.items] == [i.pair.chosen for i in table.items]
    assert [i.dimension for i in parquet.items] == [i.dimension for i in table.items]
    assert [i.pair.prompt.images for i in parquet.items] == [i.pair.prompt.images for i in table.items]


def test_extra_columns_of_older_revisions_do_no_harm(tmp_path: Path):
    table = pq.read_table(next(VLRB.rglob("*.parquet")))
    table = table.append_column("meta", pa.array(["x"] * len(table)))
    pq.write_table(table, tmp_path / "test-0.parquet")
    assert len(load("vl-rewardbench", tmp_path).items) == 18


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        ("human_ranking", [0, 0], "not the ranks 0 and 1"),
        ("response", ["one"], "not two texts"),
        ("query", "", "`query` is empty"),
    ],
)
def test_a_broken_row_is_an_error_that_names_it(tmp_path: Path, column: str, value: Any, problem: str):
    rows = pq.read_table(next(VLRB.rglob("*.parquet"))).to_pylist()
    rows[4][column] = value
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "test.parquet")
    with pytest.raises(InputError, match=r"test\.parquet:5: ") as error:
        load("vl-rewardbench", tmp_path)
    assert problem in str(error.value) and error.value.hint


def test_a_limit_reads_the_first_rows_only():
    data = load("vl-rewardbench", VLRB, limit=3)
    assert data.report["rows"] == 3 and data.report["is_a_known_size"] is None


# Multimodal RewardBench


def test_a_missing_image_is_refused_and_counted_when_that_is_allowed():
    with pytest.raises(InputError, match=r"1 rows have no image .*all_data\.json:16") as error:
        load("multimodal-rewardbench", MMRB)
    assert "--allow-missing" in str(error.value.hint)
    report = load("multimodal-rewardbench", MMRB, allow_missing=True).report
    assert (report["rows"], report["items"], report["missing_images"]["count"]) == (16, 15, 1)


def test_groups_do_not_mind_the_case_of_ids_and_memes_are_called_the_users():
    data = load("multimodal-rewardbench", MMRB, allow_missing=True)
    assert data.report["dimensions"] == {
        "knowledge": 2,
        "open_generation/correctness_task": 2,
        "open_generation/preference_task": 3,
        "reasoning/coding": 2,
        "reasoning/math": 1,
        "safety/bias": 1,
        "safety/toxicity (user subset)": 1,
        "vqa": 3,
    }
    assert data.report["unknown_prefixes"] == {}
    assert {item.level for item in data.items} >= {"visitbench", "emma-coding", "mmmu-s"}


def test_output1_is_stored_first_and_better_says_which_is_chosen():
    data = load("multimodal-rewardbench", MMRB, allow_missing=True)
    first, second = data.items[0], data.items[1]
    assert first.stored is Order.REJECTED_FIRST and first.pair.chosen == "A red circle."
    assert second.stored is Order.CHOSEN_FIRST and second.pair.chosen == "A green square."
    assert data.report["repeated_ids"]["examples"] == ["visitbench_286"]


def test_a_source_whose_questions_do_not_match_can_be_left_out():
    data = load("multimodal-rewardbench", MMRB, allow_missing=True, exclude=("visitbench",))
    assert data.report["excluded"] == {"visitbench": 3} and len(data.items) == 12
    with pytest.raises(InputError, match="nothing called visit-bench"):
        load("multimodal-rewardbench", MMRB, allow_missing=True, exclude=("visit-bench",))


def test_the_copy_with_embedded_images_gives_the_same_items(tmp_path: Path):
    rows = json.loads((MMRB / "all_data.json").read_text())[:-1]
    embedded = [{**row, "Image": {"bytes": (MMRB / row["Image"]).read_bytes(), "path": row["Image"]}} for row in rows]
    pq.write_table(pa.Table.from_pylist(embedded), tmp_path / "test.parquet")
    ids = [[i.pair.id for i in load("multimodal-rewardbench", p, allow_missing=True).items] for p in (MMRB, tmp_path)]
    assert ids[0] == ids[1]


def test_the_release_file_without_questions_says_that_it_must_be_prepared(tmp_path: Path):
    rows = json.loads((MMRB / "all_data.json").read_text())
    (tmp_path / "all_data.json").write_text(json.dumps([{**rows[0], "Text": ""}]))
    with pytest.raises(InputError, match="`Text` is missing") as error:
        load("multimodal-rewardbench", tmp_path)
    assert "prepare" in str(error.value.hint)


def test_without_a_path_it_has_to_be_assembled_first():
    with pytest.raises(InputError, match="has to be assembled"):
        make_benchmark(PublicBench(name="multimodal-rewardbench")).load(lambda ref, data: None, no_progress)


# The others


def test_mmrb2_numbers_the_pictures_of_prompts_and_responses():
    one, two, three = load("mmrb2", FIXTURES / "mmrb2/reasoning.json").items
    assert one.pair.prompt.images == () and one.dimension == "reasoning"
    assert two.pair.prompt.text == "[image 1]\nWhat is it?" and two.pair.chosen == "a circle"
    assert three.pair.chosen == "Here:\n[image 2]" and three.pair.rejected == "[image 1]"
    assert len(three.pair.prompt.images) == 2


def test_mm_rlhf_counts_videos_as_missing_and_groups_by_id():
    data = load("mm-rlhf-rewardbench", FIXTURES / "mm-rlhf-rewardbench", allow_missing=True)
    assert data.report["missing_images"]["count"] == 1
    assert [item.dimension for item in data.items] == ["mcq", "mcq", "long"]
    assert len({item.group for item in data.items}) == 2


def test_ties_of_people_are_items_without_a_better_response():
    data = load("mllm-as-a-judge", FIXTURES / "mllm-as-a-judge")
    assert [item.tie for item in data.items] == [False, False, True, False]
    assert data.report["ties"] == 1 and data.items[1].pair.chosen == "A blue square."


def test_text_only_benchmarks_have_no_images_and_their_dimensions():
    sections = [item.dimension for item in load("rewardbench", FIXTURES / "rewardbench").items]
    assert sections == ["chat", "chat hard", "safety", "reasoning", "reasoning", "reasoning", "reasoning"]
    judged = load("judgebench", FIXTURES / "judgebench").items
    assert [item.dimension for item in judged] == ["knowledge", "mathematics", "reasoning", "coding"]
    assert judged[1].pair.chosen == "that 1" and judged[1].pair.prompt.images == ()


# All of them


def test_images_are_handed_on_by_content():
    kept: dict[str, bytes] = {}

    def put(ref: ImageRef, data: bytes) -> None:
        kept[ref.sha256] = data

    data = make_benchmark(PublicBench(name="vl-rewardbench", path=str(VLRB))).load(put, no_progress)
    assert {ref.sha256 for item in data.items for ref in item.pair.prompt.images} == kept.keys()


def test_an_image_that_cannot_be_decoded_is_like_a_missing_one(tmp_path: Path):
    shutil.copytree(MMRB, tmp_path / "b")
    (tmp_path / "b/images/nocaps/1.png").write_bytes(b"not a picture")
    with pytest.raises(InputError, match=r"2 rows have no image that can be used, the first all_data\.json:2"):
        load("multimodal-rewardbench", tmp_path / "b")


@pytest.mark.parametrize(
    ("name", "files", "problem"),
    [
        ("vl-rewardbench", {}, "holds no data of this benchmark"),
        ("vl-rewardbench", {"x.parquet": "no parquet"}, "cannot read"),
        ("judgebench", {"x.jsonl": "[1]\n"}, r"x\.jsonl:1: a JSON list"),
        ("judgebench", {"x.jsonl": "{\n"}, r"x\.jsonl:1: not JSON"),
        ("judgebench", {"x.jsonl": '{"label": "A"}\n'}, r"x\.jsonl:1: `label` is 'A'"),
        ("judgebench", {"x.jsonl": "\n"}, "holds no pair"),
        ("mmrb2", {"x.json": '{"other": 1}'}, "holds no list of rows"),
        ("mmrb2", {"x.json": '[{"id": "a", "chosen": "A", "prompt_content": []}]'}, r"x\.json:1: `response_a` has no"),
        ("multimodal-rewardbench", {"all_data.json": '[{"ID": "a_1", "Better": "both"}]'}, "neither Output1 nor Output2"),
        ("mllm-as-a-judge", {"x.jsonl": '{"human_answer": "D"}\n'}, "none of A, B and C"),
    ],
)
def test_a_file_that_is_not_the_benchmark_is_an_error_that_says_where(
    tmp_path: Path, name: str, files: dict[str, str], problem: str
):
    for file, text in files.items():
        (tmp_path / file).write_text(text)
    with pytest.raises(InputError, match=problem) as error:
        load(name, tmp_path)
    assert error.value.hint


@pytest.mark.parametrize(
    ("text", "bench"),
    [
        ("vl-rewardbench", PublicBench(name="vl-rewardbench")),
        ("vl-rewardbench=a/b@c", PublicBench(name="vl-rewardbench", path="a/b", revision="c")),
        ("judgebench=x.jsonl", PublicBench(name="judgebench", path="x.jsonl")),
        ("mine.jsonl", PairsBench(name="pairs", path=Path("mine.jsonl"))),
        ("pairs=mine.jsonl", PairsBench(name="pairs", path=Path("mine.jsonl"))),
    ],
)
def test_a_benchmark_is_named_with_its_place_and_revision(text: str, bench: object):
    assert named_benchmark(text) == bench


def test_a_name_that_is_none_is_an_error():
    with pytest.raises(InputError, match="there is no benchmark vlrb"):
        named_benchmark("vlrb=x")


def test_a_data_set_is_loaded_by_name_from_the_hub_and_its_commit_is_told(tmp_path: Path):
    shutil.copytree(VLRB / "data", tmp_path / "hub/MMInstruction/VL-RewardBench/data")
    with serving(tmp_path / "hub") as endpoint:
        own = {"HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path), "SELFJUDGE_BENCHMARKS": str(tmp_path / "none"), "NO_PROXY": "*"}
        command = [sys.executable, "-m", "selfjudge", "benchmarks", "report", "vl-rewardbench", "--format", "json"]
        shown = subprocess.run(command, check=False, capture_output=True, text=True, env={**os.environ, **own})
    assert shown.returncode == 0, shown.stderr
    report = json.loads(shown.stdout)
    assert (report["rows"], report["revision"], report["source"]) == (18, COMMIT, "MMInstruction/VL-RewardBench")


def test_image_paths_start_at_the_data_and_stay_in_its_folder_unless_allowed(tmp_path: Path):
    folder = tmp_path / "data"
    folder.mkdir()
    for path in (folder / "1.png", tmp_path / "private.png"):
        Image.new("RGB", (8, 8)).save(path)
    row = {"query": "what?", "response": ["a", "b"], "human_ranking": [0, 1]}
    rows = [{**row, "id": name, "image": name} for name in ("1.png", "../private.png")]
    pq.write_table(pa.Table.from_pylist(rows), folder / "test.parquet")
    with pytest.raises(InputError, match="outside of the data's folder"):
        make_benchmark(named_benchmark(f"vl-rewardbench={folder}")).load(lambda ref, data: None, no_progress)
    allowed = named_benchmark(f"vl-rewardbench={folder}", allow_outside=True)
    assert len(make_benchmark(allowed).load(lambda ref, data: None, no_progress).items) == 2

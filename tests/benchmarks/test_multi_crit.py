"""Multi-Crit in the forms in which its authors publish it.

The columns are those of huggingface.co/datasets/txiong23/Multi-Crit, the counting that of its authors' task in
github.com/EvolvingLMMs-Lab/lmms-eval, lmms_eval/tasks/multi_crit/utils.py.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from runs import ROOT, no_progress
from selfjudge.benchmarks import multi_crit
from selfjudge.ports import BenchmarkData
from selfjudge.recipe.inputs import PublicBench
from selfjudge.wiring import make_benchmark

FIXTURES = ROOT / "tests/fixtures"


def load(path: Path) -> BenchmarkData:
    return make_benchmark(PublicBench(name="multi-crit", path=str(path))).load(lambda ref, data: None, no_progress)


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), "red").save(path)


def test_multi_crit_is_read_from_the_hubs_rows_and_from_the_authors_files(tmp_path: Path):
    data = load(FIXTURES / "multi-crit")
    row = {"question_id": "v__logic", "prompt_id": "v", "split": "reasoning", "criterion": "logic", "preference": "model_b"}
    row |= {"question": "How many?", "image_path": "v/1.png", "pred_a": "one", "pred_b": "two", "model_a": "m", "model_b": "n"}
    picture(tmp_path / "images" / "v" / "1.png")
    (tmp_path / "multi-crit-reasoning-flatten.jsonl").write_text(json.dumps(row) + "\n")
    (item,) = load(tmp_path).items

    assert data.report["rows"] == 6 and len({item.group for item in data.items}) == 3
    assert (item.pair.chosen, item.dimension, len(item.pair.prompt.images)) == ("two", "reasoning: logic", 1)
    assert item.pair.prompt.text.startswith("How many?\n\n") and "Logic." in item.pair.prompt.text


def test_multi_crits_rows_about_one_prompt_are_one_question_also_without_its_id(tmp_path: Path):
    picture(tmp_path / "1.png")
    row = {"split": "reasoning", "preference": "model_b", "question": "Why?", "image_path": "1.png", "pred_a": "a", "pred_b": "b"}
    rows = [{**row, "question_id": f"v__{criterion}", "criterion": criterion} for criterion in ("logic", "grounding")]
    (tmp_path / "multi-crit-reasoning-flatten.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in rows))
    assert len({item.group for item in load(tmp_path).items}) == 1


def multi_crit_lines(path: Path, said: dict[tuple[str, str, str], str], *, read: bool) -> Path:
    lines = []
    for (prompt, criterion, preference), reply in said.items():
        row = {"question_id": f"{prompt}__{criterion}", "criterion": criterion, "preference": preference}
        sample = {**row, "prompt_id": prompt, "benchmark_type": "reasoning", "prediction": reply}
        lines.append({"doc_id": 0, "overall": sample} if read else {**row, "split": "reasoning", "critic": reply})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + "{broken\n")
    return path


LABELS = [("p", "logic", "model_a"), ("p", "efficiency", "model_b"), ("p", "grounding", "model_a"), ("q", "logic", "model_b")]


@pytest.mark.parametrize(
    ("replies", "read"),
    [
        (["Response 1 is better.", "**Response 2 is better.**", "No idea.", "x\nresponse 1 is better\n"], False),
        (["model_a", "model_b", "error", "model_a"], True),
    ],
    ids=["replies", "samples that were read"],
)
def test_multi_crits_results_are_counted_as_its_authors_count(tmp_path: Path, replies: list[str], read: bool):
    path = multi_crit_lines(tmp_path / "m.jsonl", dict(zip(LABELS, replies, strict=True)), read=read)
    figures = multi_crit.score(path, protocol="official", k=None)

    # efficiency conflicts with logic and with grounding: the judge sees one of both conflicts, and settles that one
    assert figures["reasoning"] == {
        "n": 4,
        "overall": 2 / 4,
        "macro": (0.5 + 1 + 0) / 3,
        "pacc": 0.0,
        "tos": 1.0,
        "cmr": 1 / 2,
        "conflicts": 2,
        "unread": 1,
        "criteria": {"efficiency": 1.0, "grounding": 0.0, "logic": 0.5},
    }
    assert [fault["line"] for fault in figures["malformed"]] == [5]


def test_multi_crits_script_sees_only_the_last_three_lines_and_strict_sees_contradictions(tmp_path: Path):
    replies = ["Response 1 is better.\na\nb\nc", "Response 2 is better.\nResponse 1 is better.", "-", "-"]
    path = multi_crit_lines(tmp_path / "m.jsonl", dict(zip(LABELS, replies, strict=True)), read=False)
    found = [multi_crit.score(path, protocol=p, k=None)["reasoning"]["criteria"] for p in ("official", "strict")]
    assert found[0] | {"grounding": 0} == {"logic": 0.0, "efficiency": 1.0, "grounding": 0}
    assert found[1] | {"grounding": 0} == {"logic": 0.5, "efficiency": 0.0, "grounding": 0}

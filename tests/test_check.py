"""`selfjudge check`: what a run would make of the data, row by row; and that a run then does it."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pyarrow.parquet as pq
import pytest

from runs import ROOT


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("messy_rows", ROOT / "scripts/messy_rows.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


messy = script()
REASONS = Counter(reason for _, reason in messy.ROWS if reason is not None)


def selfjudge(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "selfjudge", *map(str, arguments)], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = messy.write(tmp_path_factory.mktemp("messy"))
    return path


def test_sixty_messy_rows_are_counted_by_reason_with_examples(rows: Path):
    found = json.loads(selfjudge("check", rows, "--format", "json").stdout)
    assert len(messy.ROWS) == found["rows"] == 60 and found["used"] == 60 - REASONS.total()
    assert {entry["reason"]: entry["count"] for entry in found["refused"]} == REASONS
    for entry in found["refused"]:
        assert entry["meaning"] and entry["change"] and len(entry["examples"]) == min(3, entry["count"])
        assert all(example["place"].startswith("rows.jsonl:") for example in entry["examples"])


def test_the_table_says_what_can_be_used_and_what_to_change(rows: Path):
    done = selfjudge("check", rows)
    assert done.returncode == 0 and f"{60 - REASONS.total()} of 60 rows can be used" in done.stdout
    for words in ("open:", "closed:", "decided by:", "images; their longer side", "rows.jsonl:", "no_prompt (6)"):
        assert words in done.stdout
    assert selfjudge("check", rows, "--strict").returncode == 1


def test_a_run_refuses_what_check_says(rows: Path, tmp_path: Path):
    recipe = tmp_path / "recipe.yaml"
    rules = [{"when": ".", "replies": ["yes"]}]
    values = {"model": "shapes", "prompts": [{"kind": "files", "path": str(rows)}], "training": {"kind": "scripted"}}
    values |= {"loop": {"iterations": 1}, "execution": {"engine": {"kind": "scripted", "rules": rules}}}
    recipe.write_text(json.dumps(values))
    selfjudge("run", recipe, "--dir", tmp_path / "run")
    refused = pq.read_table(tmp_path / "run/prompts/refused.parquet")["reason"].to_pylist()
    assert Counter(refused) == REASONS
    assert pq.read_metadata(tmp_path / "run/prompts/prompts.parquet").num_rows == 60 - REASONS.total()


@pytest.mark.parametrize("by_recipe", [False, True])
def test_what_a_benchmark_shows_is_found_as_a_run_finds_it(tmp_path: Path, by_recipe: bool):
    pair = {"prompt": "Which?", "image": messy.URL, "chosen": "a", "rejected": "b"}
    (tmp_path / "bench.jsonl").write_text(json.dumps(pair) + "\n")
    rows = [{"prompt": "Wie viele Hunde sind das?", "image": messy.URL}, {"prompt": "Where?", "image": "a.png"}]
    (tmp_path / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    (tmp_path / "a.png").write_bytes(messy.picture(3))
    exclude = [{"name": "pairs", "path": str(tmp_path / "bench.jsonl")}]
    recipe = {"model": "shapes", "prompts": [{"kind": "files", "path": str(tmp_path / "rows.jsonl")}], "exclude": exclude}
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    data = ["recipe.yaml"] if by_recipe else ["rows.jsonl", "--exclude", tmp_path / "bench.jsonl"]
    found = json.loads(selfjudge("check", tmp_path / str(data[0]), *data[1:], "--format", "json").stdout)
    assert [(entry["reason"], entry["count"]) for entry in found["refused"]] == [("contaminated", 1)]
    assert found["used"] == 1 and found["languages"] == {"en": 1}


def test_the_languages_of_prompts_are_counted(tmp_path: Path):
    texts = [
        "Wie viele Hunde sind auf dem Bild?",
        "How many dogs are there?",
        "\u56fe\u4e2d\u6709\u51e0\u53ea\u72d7\uff1f",
        "What is it?",
    ]
    rows = [{"prompt": text, "image": messy.URL} for text in texts]
    (tmp_path / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    assert json.loads(selfjudge("check", tmp_path / "rows.jsonl", "--format", "json").stdout)["languages"] == {
        "en": 2,
        "de": 1,
        "zh": 1,
    }


def test_the_contact_sheet_shows_hostile_text_as_text(tmp_path: Path):
    row = {"prompt": "<script>alert(1)</script><img src=x onerror=alert(1)>", "image": messy.URL}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    done = selfjudge("check", tmp_path / "rows.jsonl", "--sheet", tmp_path / "sheet.html")
    page = (tmp_path / "sheet.html").read_text()
    assert done.returncode == 0 and "<script" not in page and "onerror=alert" in page and "&lt;script&gt;" in page
    assert "default-src 'none'" in page and page.count("data:image/jpeg;base64,") == 1


def test_images_that_are_damaged_are_named_alike_and_once_by_check_and_plan(tmp_path: Path):
    for name in ("broken", "damaged"):
        (tmp_path / f"{name}.jpg").write_bytes(messy.picture(3)[:60])
    (tmp_path / "good.png").write_bytes(messy.picture(3))
    (tmp_path / "recipe.yaml").write_text("model: shapes\nprompts: [{kind: images, path: .}]\n")
    checked = json.loads(selfjudge("check", tmp_path, "--format", "json").stdout)["refused"][0]
    planned = json.loads(selfjudge("plan", tmp_path / "recipe.yaml", "--no-load", "--format", "json").stdout)["refused"][0]
    names = ["broken.jpg:1", "damaged.jpg:1", "broken.jpg:2"]
    assert checked["count"] == planned["count"] == 6 and [one["place"] for one in checked["examples"]] == names
    assert [one["place"] for one in planned["examples"]] == [str(tmp_path / name) for name in names]
    assert not any(".jpg" in one["detail"] for one in (*checked["examples"], *planned["examples"]))


@pytest.mark.parametrize(("name", "code"), [("gone.jsonl", 2), ("gone/", 2), ("nothing.jsonl", 1)])
def test_nothing_to_use_is_said_by_the_exit_code(tmp_path: Path, name: str, code: int):
    (tmp_path / "nothing.jsonl").write_text('{"prompt": "no image"}\n')
    assert selfjudge("check", tmp_path / name).returncode == code

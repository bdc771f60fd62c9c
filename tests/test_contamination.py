"""`selfjudge contamination`, as a user meets it: which prompts show what a benchmark shows, and how that was found."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from runs import ROOT

LONG = "Which of the two people on the left bench is holding the folded red umbrella in this picture?"


def contamination(prompts: str | Path, benchmark: str | Path, *options: str | Path) -> subprocess.CompletedProcess[str]:
    asked = ("contamination", "--prompts", prompts, "--benchmark", benchmark, *options)
    command = [sys.executable, "-m", "selfjudge", *map(str, asked)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)


def figures(prompts: str | Path, benchmark: str | Path, *options: str | Path) -> dict[str, Any]:
    shown = contamination(prompts, benchmark, "--format", "json", *options)
    assert shown.returncode == 0, shown.stderr
    found: dict[str, Any] = json.loads(shown.stdout)
    return found


def picture(seed: int) -> Image.Image:
    """A picture with large and small structure."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    return coarse.resize((160, 120), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


PROMPTS: dict[str, tuple[str, bytes]] = {
    "nothing in common": ("What is new here?", encoded(picture(50))),
    "same bytes": ("Whose is it?", encoded(picture(1))),
    "another PNG of the same pixels": ("Where is it?", encoded(picture(1), compress_level=1)),
    "smaller and as JPEG": ("When was it?", encoded(picture(2).resize((100, 75), Image.Resampling.LANCZOS), "JPEG", quality=80)),
    "a long text, spelled otherwise": (f"<image>\n{LONG.upper().replace(' ', '  ')}!!", encoded(picture(51))),
    "a generic text": ("describe the image", encoded(picture(52))),
    "a broken image": ("What is broken?", encoded(picture(1))[:300]),
}
LINE = {name: f"prompts.jsonl:{number}" for number, name in enumerate(PROMPTS, 1)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prompts of every kind, and a benchmark of three pairs."""
    place = tmp_path_factory.mktemp("contamination")
    rows = []
    for number, (text, data) in enumerate(PROMPTS.values()):
        (place / f"prompt-{number}").write_bytes(data)
        rows.append({"prompt": text, "image": f"prompt-{number}"})
    write(place / "prompts.jsonl", rows)
    items = [("Describe the image.", 1, {}), (LONG, 2, {"id": "umbrella"}), ("What colour is the car?", 3, {})]
    for _, seed, _ in items:
        (place / f"{seed}.png").write_bytes(encoded(picture(seed)))
    write(place / "pairs.jsonl", [pair(text, f"{seed}.png") | more for text, seed, more in items])
    return place


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def pair(text: str, image: str) -> dict[str, Any]:
    return {"prompt": text, "image": image, "chosen": "yes, it is", "rejected": "no, never"}


@pytest.fixture(scope="module")
def found(folder: Path) -> dict[str, Any]:
    return figures(folder / "prompts.jsonl", folder / "pairs.jsonl", "--out", folder / "rows.jsonl")


@pytest.mark.parametrize(
    ("name", "kind", "item"),
    [
        ("same bytes", "exact", "pairs.jsonl:1"),
        ("another PNG of the same pixels", "exact", "pairs.jsonl:1"),
        ("smaller and as JPEG", "perceptual", "umbrella"),
        ("a long text, spelled otherwise", "text", "umbrella"),
    ],
)
def test_a_row_names_the_prompt_the_item_and_the_kind(found: dict[str, Any], name: str, kind: str, item: str):
    [row] = [row for row in found["rows"] if row["prompt"] == LINE[name]]
    assert (row["kind"], row["benchmark"], row["item"], row["items"]) == (kind, "pairs", item, 1)
    assert row["distance"] <= 8 and (row["distance"] == 0 or kind == "perceptual")


@pytest.mark.parametrize("name", ["nothing in common", "a generic text"])
def test_a_generic_text_does_not_condemn_a_prompt(found: dict[str, Any], name: str):
    assert LINE[name] not in {row["prompt"] for row in found["rows"]}
    assert found["hits"]["generic_text"]["prompts"] == 1


def test_counts_and_shares_are_of_the_prompts_that_can_be_read(found: dict[str, Any]):
    assert found["prompts"] == 6 and found["unreadable"] == {"truncated": 1}
    assert {kind: counts["prompts"] for kind, counts in found["hits"].items()} == {
        "exact": 2,
        "perceptual": 1,
        "text": 1,
        "generic_text": 1,
    }
    assert found["contaminated"] == {"prompts": 4, "share": 4 / 6, "items": 2, "item_share": 2 / 3}
    assert found["benchmarks"] == {"pairs": {"items": 3, "contaminated": 2}}


def test_another_benchmark_of_the_same_name_takes_no_hit_away(found: dict[str, Any], folder: Path):
    (folder / "more").mkdir()
    write(folder / "more/pairs.jsonl", [pair(LONG, "../3.png")])
    both = figures(folder / "prompts.jsonl", f"{folder / 'pairs.jsonl'},{folder / 'more/pairs.jsonl'}", "--allow-outside")
    assert {kind: counts["prompts"] for kind, counts in both["hits"].items()} == {
        kind: counts["prompts"] for kind, counts in found["hits"].items()
    }
    assert both["benchmarks"] == found["benchmarks"] | {"pairs (2)": {"items": 1, "contaminated": 1}}


def of_multi_crit(criterion: str) -> dict[str, Any]:
    row = {"question_id": f"one__{criterion}", "question": LONG, "criterion": criterion, "split": "reasoning"}
    return row | {"image_path": "3.png", "pred_a": "yes, it is", "pred_b": "no, never", "preference": "model_a"}


def of_mmrb2(drawn: str) -> dict[str, Any]:
    response = {"response_content": [["image", drawn]]}
    prompt = [["image", "3.png"], ["text", LONG]]
    return {"id": drawn, "prompt_content": prompt, "response_a": response, "response_b": response, "chosen": "A"}


@pytest.mark.parametrize(
    ("benchmark", "data"),
    [
        ("multi-crit=rows.jsonl", "\n".join(json.dumps(of_multi_crit(criterion)) for criterion in ("logic", "efficiency"))),
        ("mmrb2=rows.json", json.dumps([of_mmrb2("1.png"), of_mmrb2("2.png")])),
    ],
)
def test_a_benchmarks_own_question_is_found_whatever_else_a_judge_is_shown(tmp_path: Path, benchmark: str, data: str):
    for seed in range(1, 5):
        (tmp_path / f"{seed}.png").write_bytes(encoded(picture(seed)))
    name, file = benchmark.split("=")
    (tmp_path / file).write_text(data)
    write(tmp_path / "prompts.jsonl", [{"prompt": LONG, "image": "4.png"}, {"prompt": "Whose is it?", "image": "2.png"}])
    rows = figures(tmp_path / "prompts.jsonl", f"{name}={tmp_path / file}")["rows"]
    pictures_of_responses = [("exact", 1)] if name == "mmrb2" else []
    assert [(row["kind"], row["items"]) for row in rows] == [("text", 1), *pictures_of_responses]


def test_an_image_that_cannot_be_read_is_a_row_with_its_reason(found: dict[str, Any]):
    [row] = [row for row in found["rows"] if row["kind"] == "unreadable"]
    assert (row["prompt"], row["reason"]) == (LINE["a broken image"], "truncated")


def test_the_rows_go_to_a_file_too(found: dict[str, Any], folder: Path):
    assert [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()] == found["rows"]
    assert found["rows_left_out"] == 0 and not list(folder.glob(".rows*"))


def test_the_table_is_for_people(folder: Path):
    shown = contamination(folder / "prompts.jsonl", folder / "pairs.jsonl")
    assert shown.returncode == 0
    assert "6 prompts against pairs" in shown.stdout and "unreadable: truncated 1" in shown.stdout
    assert f"{LINE['same bytes']}: exact: pairs/pairs.jsonl:1" in shown.stdout
    assert "generic text (does not count)" in shown.stdout


@pytest.mark.slow
def test_a_file_a_folder_a_parquet_table_a_data_set_and_a_recipe_say_the_same(folder: Path, tmp_path: Path):
    rows = [{"prompt": text, "image": {"bytes": data, "path": None}} for text, data in PROMPTS.values()]
    (tmp_path / "tables").mkdir()
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "tables/prompts.parquet")
    save_data_set(rows, tmp_path / "saved")
    (tmp_path / "r.yaml").write_text(f"model: shapes\nprompts: [{{kind: files, path: {folder / 'prompts.jsonl'}}}]\n")
    known = figures(folder / "prompts.jsonl", folder / "pairs.jsonl")
    for prompts in ("tables", "tables/prompts.parquet", "saved", "r.yaml"):
        assert figures(tmp_path / prompts, folder / "pairs.jsonl")["hits"] == known["hits"], prompts


def save_data_set(rows: list[dict[str, Any]], path: Path) -> None:
    import datasets

    features = datasets.Features({"prompt": datasets.Value("string"), "image": datasets.Image()})
    datasets.Dataset.from_list(rows, features=features).save_to_disk(path)


@pytest.mark.slow
def test_a_run_is_checked_by_its_prompts_and_images(scripted_run: tuple[Path, dict[str, Any]], tmp_path: Path):
    run, state = scripted_run
    [row] = pq.read_table(run / "prompts/prompts.parquet").slice(7, 1).to_pylist()
    [image] = run.rglob(f"{row['images'][0]['sha256']}.png")
    (tmp_path / "copy.png").write_bytes(encoded(Image.open(image), compress_level=1))
    write(tmp_path / "pairs.jsonl", [pair(LONG, "copy.png")])
    found = figures(run, f"shapes-bench, {tmp_path / 'pairs.jsonl'}")
    assert found["prompts"] == state["prompts"]["total"]
    assert [(hit["prompt"], hit["kind"], hit["benchmark"]) for hit in found["rows"]] == [(row["source"], "exact", "pairs")]
    assert found["benchmarks"]["shapes-bench"]["contaminated"] == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("prompts", "benchmark", "error", "hint"),
    [
        ("gone.jsonl", "shapes-bench", "there are no prompts gone.jsonl", "a recipe, a run folder"),
        ("./gone", "shapes-bench", "there are no prompts ./gone", "a recipe, a run folder"),
        ("gone.yaml", "shapes-bench", "cannot read the recipe gone.yaml", "recipes/"),
        (str(ROOT / "README.md"), "shapes-bench", "README.md is of no known kind", "Known are .jsonl"),
        (str(ROOT / "recipes/scripted.yaml"), "gone.jsonl", "cannot read gone.jsonl", "start at"),
    ],
)
def test_what_cannot_be_read_is_an_error_with_a_hint(prompts: str, benchmark: str, error: str, hint: str):
    shown = contamination(prompts, benchmark)
    assert shown.returncode == 2 and "Traceback" not in shown.stderr
    assert f"error: {error}" in shown.stderr.replace(str(ROOT) + "/", "") and hint in shown.stderr


def test_rows_that_cannot_be_written_are_an_error_before_anything_is_looked_up(folder: Path):
    shown = contamination(folder / "prompts.jsonl", folder / "pairs.jsonl", "--out", folder / "1.png" / "rows.jsonl")
    assert shown.returncode == 2 and "error: cannot write" in shown.stderr and "prompts " not in shown.stderr


def test_more_rows_than_are_shown_are_counted_and_kept_in_the_file(tmp_path: Path):
    (tmp_path / "1.png").write_bytes(encoded(picture(1)))
    write(tmp_path / "pairs.jsonl", [pair("What is it?", "1.png")])
    write(tmp_path / "prompts.jsonl", [{"prompt": f"What is number {n}?", "image": "1.png"} for n in range(130)])
    found = figures(tmp_path / "prompts.jsonl", tmp_path / "pairs.jsonl", "--out", tmp_path / "new/rows.jsonl")
    assert (len(found["rows"]), found["rows_left_out"], found["contaminated"]["prompts"]) == (100, 30, 130)
    assert len((tmp_path / "new/rows.jsonl").read_text().splitlines()) == 130
    shown = contamination(tmp_path / "prompts.jsonl", tmp_path / "pairs.jsonl")
    assert "... and 110 more" in shown.stdout


@pytest.mark.slow
def test_a_recipe_that_excludes_a_benchmark_trains_on_none_of_it(folder: Path, tmp_path: Path):
    text = (ROOT / "recipes/scripted.yaml").read_text()
    (tmp_path / "r.yaml").write_text(text)
    changes = [
        f"prompts=[{{kind: files, path: {folder / 'prompts.jsonl'}}}]",
        f"exclude=[{{name: pairs, path: {folder / 'pairs.jsonl'}}}]",
        "evaluation.benchmarks.0.pairs=20",
        "loop.iterations=1",
    ]
    command = [sys.executable, "-m", "selfjudge", "run", str(tmp_path / "r.yaml"), "--dir", str(tmp_path / "run")]
    for change in changes:
        command += ["--set", change]
    shown = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert shown.returncode == 0, shown.stderr
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert summary["prompts"]["total"] == 2 and summary["prompts"]["refused"] == {"contaminated": 4, "truncated": 1}
    assert figures(tmp_path / "run", folder / "pairs.jsonl")["contaminated"]["prompts"] == 0


def test_a_run_whose_prompts_are_damaged_is_an_error(tmp_path: Path):
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts/prompts.parquet").write_bytes(b"PAR1, cut off")
    write(tmp_path / "pairs.jsonl", [pair("What is it?", "1.png")])
    (tmp_path / "1.png").write_bytes(encoded(picture(1)))
    shown = contamination(tmp_path, tmp_path / "pairs.jsonl")
    assert shown.returncode == 2 and "is not a table of prompts" in shown.stderr and "hint: " in shown.stderr

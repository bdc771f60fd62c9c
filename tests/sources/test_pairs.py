"""A benchmark of one's own: every pair counts, and a fault names its line."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from runs import ROOT, no_progress, run_recipe
from selfjudge.errors import InputError, RecipeError
from selfjudge.recipe.file import load_recipe
from selfjudge.recipe.inputs import PairsBench
from selfjudge.sources.pairs import PairsBenchmark
from selfjudge.types import BenchmarkItem

PAIR = {"prompt": "what is it?", "image": "x.png", "chosen": "red", "rejected": "blue"}


def written(folder: Path, *rows: Any) -> Path:
    Image.new("RGB", (8, 8), "red").save(folder / "x.png")
    path = folder / "pairs.jsonl"
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def items(path: Path, **options: bool) -> list[BenchmarkItem]:
    bench = PairsBench(name="pairs", path=path, **options)
    return list(PairsBenchmark(bench).load(lambda ref, data: None, no_progress).items)


def test_a_line_is_a_pair_with_its_image_dimension_and_group(tmp_path: Path):
    first, second = items(written(tmp_path, PAIR, {**PAIR, "chosen": "a", "dimension": "colour", "group": 7, "id": "mine"}))
    assert (first.pair.chosen, first.pair.rejected, first.dimension) == ("red", "blue", "all")
    assert first.group == first.pair.prompt.id and len(first.pair.prompt.images) == 1
    assert (second.dimension, second.group, second.pair.prompt.source_id) == ("colour", "7", "mine")


def test_a_dimension_or_group_that_is_0_is_one_too(tmp_path: Path):
    (item,) = items(written(tmp_path, {**PAIR, "dimension": 0, "group": 0}))
    assert (item.dimension, item.group) == ("0", "0")


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("{", "not JSON"),
        ([1], "a JSON list, not an object"),
        ({**PAIR, "chosen": None}, "`chosen` is missing"),
        ({**PAIR, "rejected": 3}, "`rejected` is 3"),
        ({**PAIR, "rejected": "red"}, "are the same"),
        ({**PAIR, "chosen": math.nan}, "`chosen` is nan"),
        ({**PAIR, "dimension": math.nan}, "`dimension` is nan"),
        ({**PAIR, "dimension": math.inf}, "`dimension` is inf"),
        ({**PAIR, "group": -math.inf}, "`group` is -inf"),
        ({**PAIR, "prompt": " "}, "the prompt is empty"),
        ({**PAIR, "prompt": None}, "none of `prompt`"),
        ({**PAIR, "image": "gone.png"}, "cannot read"),
        ({**PAIR, "image": "pairs.jsonl"}, "the image cannot be used: not_an_image"),
        ({**PAIR, "prompt": "half an emoji \ud83d"}, "`prompt` is not valid Unicode"),
        ({**PAIR, "chosen": "half an emoji \ud83d"}, "`chosen` is not valid Unicode"),
        ({**PAIR, "id": "\ud83d"}, "`id` is not valid Unicode"),
        ({**PAIR, "group": "\ud83d"}, "`group` is not valid Unicode"),
        ({**PAIR, "dimension": "\ud83d"}, "`dimension` is not valid Unicode"),
        ({**PAIR, "image": "\ud83d.png"}, "is no path"),
        ({**PAIR, "image": "data:image/png;base64,\u00e9"}, "not valid base64"),
        ({"conversations": 5, "image": "x.png", "chosen": "a", "rejected": "b"}, "`conversations` is int"),
        (PAIR, "the same pair as in line 1"),
        ({**PAIR, "chosen": "blue", "rejected": "red"}, "the same pair as in line 1"),
    ],
)
def test_a_fault_is_an_error_that_names_its_line(tmp_path: Path, row: Any, problem: str):
    with pytest.raises(InputError) as error:
        items(written(tmp_path, PAIR, "", row))
    assert "pairs.jsonl:3: " in str(error.value) and problem in str(error.value)
    assert error.value.hint


def test_a_file_that_is_missing_or_empty_is_an_error(tmp_path: Path):
    with pytest.raises(InputError, match="cannot read"):
        items(tmp_path / "gone.jsonl")
    with pytest.raises(InputError, match="holds no pair"):
        items(written(tmp_path))


def test_a_recipe_measures_every_judge_on_them_beside_another_benchmark(tmp_path: Path):
    path = written(tmp_path, *({**PAIR, "chosen": f"red {n}", "dimension": "ab"[n % 2]} for n in range(6)))
    recipe = load_recipe(
        ROOT / "recipes/scripted.yaml",
        ("prompts.0.limit=20", "loop.iterations=1", f"evaluation.benchmarks.0={{name: pairs, path: {path}}}"),
    )
    state = run_recipe(recipe, tmp_path / "run")
    for entry in state["iterations"]:
        assert entry["benchmarks"]["pairs"]["n"] == 6
        assert set(entry["benchmarks"]["pairs"]["dimensions"]) == {"a", "b"}


def test_a_recipe_measures_on_several_files_under_their_names(tmp_path: Path):
    written(tmp_path, PAIR)
    (tmp_path / "more.jsonl").write_text(json.dumps({**PAIR, "chosen": "green"}))
    files = [f"{{name: pairs, path: {tmp_path / name}}}" for name in ("pairs.jsonl", "more.jsonl")]
    recipe = load_recipe(
        ROOT / "recipes/scripted.yaml",
        ("prompts.0.limit=20", "loop.iterations=1", f"evaluation.benchmarks=[{', '.join(files)}]"),
    )
    for entry in run_recipe(recipe, tmp_path / "run")["iterations"]:
        assert list(entry["benchmarks"]) == ["pairs", "pairs-more"]


@pytest.mark.parametrize("second", ["{name: pairs, path: b/a.jsonl}", "{name: shapes-bench}, {name: shapes-bench, seed: 1}"])
def test_two_benchmarks_of_one_name_are_an_error(second: str):
    twice = f"evaluation.benchmarks=[{{name: pairs, path: a.jsonl}}, {second}]"
    with pytest.raises(RecipeError, match="two benchmarks are called"):
        load_recipe(ROOT / "recipes/scripted.yaml", (twice,))


@pytest.mark.parametrize("edit", ["rows", "image", "nothing"])
def test_a_run_measures_again_when_the_content_of_its_benchmark_was_edited(tmp_path: Path, edit: str):
    path = written(tmp_path, PAIR, {**PAIR, "chosen": "green"})
    recipe = load_recipe(
        ROOT / "recipes/scripted.yaml",
        ("prompts.0.limit=20", "loop.iterations=1", f"evaluation.benchmarks=[{{name: pairs, path: {path}}}]"),
    )
    before = run_recipe(recipe, tmp_path / "run")["iterations"][1]["benchmarks"]["pairs"]
    judged = tmp_path / "run/iteration-1/benchmarks/pairs/judgments.parquet"
    asked = judged.read_bytes()
    if edit == "rows":
        written(tmp_path, {**PAIR, "chosen": "blue", "rejected": "red"})
    elif edit == "image":
        Image.new("RGB", (8, 8), "blue").save(tmp_path / "x.png")
    after = run_recipe(recipe, tmp_path / "run")["iterations"][1]["benchmarks"]["pairs"]
    assert (before["n"], after["n"]) == (2, 1 if edit == "rows" else 2)
    assert (judged.read_bytes() == asked) is (edit == "nothing")


def test_an_image_outside_of_the_files_folder_is_an_error_whose_hint_is_true(tmp_path: Path):
    folder = tmp_path / "data"
    folder.mkdir()
    path = written(folder, PAIR)
    (folder / "x.png").rename(tmp_path / "x.png")
    (folder / "x.png").symlink_to(tmp_path / "x.png")
    with pytest.raises(InputError, match="outside of the data's folder") as error:
        items(path)
    assert "--allow-outside" in str(error.value.hint)
    assert len(items(path, allow_outside=True)) == 1

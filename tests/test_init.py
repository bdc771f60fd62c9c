"""`selfjudge init`: a recipe that loads, from options; and a run on a folder of images alone."""

from __future__ import annotations

import json
import os
import pty
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from selfjudge.recipe.file import load_recipe


def made(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "selfjudge", "init", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)


def photographs(folder: Path, count: int) -> None:
    folder.mkdir()
    for number in range(count):
        Image.effect_noise((48, 48), 20 + number).convert("RGB").save(folder / f"{number:02}.jpg")


@pytest.mark.parametrize("engine", ["transformers", "vllm", "openai"])
@pytest.mark.parametrize("training", ["--lora", "--all-weights"])
def test_what_it_writes_loads_and_says_what_was_asked_for(tmp_path: Path, engine: str, training: str):
    (tmp_path / "it's data.csv").write_text("prompt,image\nwhat?,x.png\n")
    options = ["--model", "shapes", "--data", "it's data.csv", "--engine", engine, training, "--iterations", "2"]
    done = made(tmp_path, "mine.yaml", *options, "--benchmark", "pairs.jsonl")
    recipe = load_recipe(tmp_path / "mine.yaml")
    assert done.returncode == 0 and "selfjudge plan mine.yaml" in done.stdout
    assert recipe.execution.engine.kind == engine and (recipe.training.lora is not None) == (training == "--lora")
    assert recipe.loop.iterations == 2 and recipe.prompts[0].kind == "files" and len(recipe.evaluation.benchmarks) == 1


@pytest.mark.parametrize(("data", "kind"), [("photos", "images"), ("org/data", "dataset")])
def test_the_kind_of_data_is_seen(tmp_path: Path, data: str, kind: str):
    photographs(tmp_path / "photos", 2)
    assert made(tmp_path, "--model", "shapes", "--data", data).returncode == 0
    assert load_recipe(tmp_path / "recipe.yaml").prompts[0].kind == kind


@pytest.mark.parametrize(
    "data", ["./photos", "photos/", "missing.csv", "/root/nothere", "../nothere", "~/x", "a/b/c", "here/photos", "org/rows.jsonl"]
)
def test_data_that_is_neither_here_nor_has_a_name_of_the_hub_is_an_error_and_no_recipe(tmp_path: Path, data: str):
    (tmp_path / "here").mkdir()
    done = made(tmp_path, "--model", "shapes", "--data", data)
    assert (
        done.returncode == 2 and f"there is no file or folder {data}" in done.stderr and not (tmp_path / "recipe.yaml").exists()
    )


@pytest.mark.parametrize("name", ["2024", "yes", "1e5", "2024-11-28", "@x", "null"])
def test_names_that_yaml_reads_as_something_else_stay_names(tmp_path: Path, name: str):
    (tmp_path / name).mkdir()
    done = made(tmp_path, f"{name}.yaml", "--model", name, "--data", name, "--benchmark", name)
    assert done.returncode == 0, done.stderr
    recipe = load_recipe(tmp_path / f"{name}.yaml")
    assert (recipe.name, Path(recipe.model).name) == (name.replace("@", "-"), name)


def test_a_recipe_that_cannot_be_used_is_not_left_behind(tmp_path: Path):
    assert made(tmp_path, "--model", "", "--data", "org/data").returncode == 2
    assert not (tmp_path / "recipe.yaml").exists()


@pytest.mark.parametrize("name", ["my rec.yaml", "it's.yaml"])
def test_the_commands_that_it_names_can_be_typed_whatever_the_file_is_called(tmp_path: Path, name: str):
    said = made(tmp_path, name, "--model", "shapes", "--data", "org/data").stdout
    assert shlex.split(said.partition("next: ")[2]) == ["selfjudge", "plan", name]
    plan, run = (tmp_path / name).read_text().splitlines()[2:4]
    assert shlex.split(plan[1:], comments=True) == ["selfjudge", "plan", name]
    assert shlex.split(run[1:]) == ["selfjudge", "run", name, "--dir", f"runs/{load_recipe(tmp_path / name).name}"]


@pytest.mark.parametrize(("typed", "adapters"), [("y", True), ("YES", True), ("", True), ("n", False)])
def test_yes_and_no_are_read_as_people_type_them(tmp_path: Path, typed: str, adapters: bool):
    options = ["--model", "shapes", "--data", "org/data", "--engine", "transformers", "--benchmark", "none"]
    here, there = pty.openpty()
    os.write(here, f"{typed}\n".encode())
    subprocess.run(
        [sys.executable, "-m", "selfjudge", "init", *options], cwd=tmp_path, stdin=there, capture_output=True, check=True
    )
    assert (load_recipe(tmp_path / "recipe.yaml").training.lora is not None) is adapters


@pytest.mark.parametrize(
    ("arguments", "words", "hint"),
    [
        (("--model", "shapes"), "not said: data", "--data"),
        (("there.yaml", "--model", "shapes", "--data", "x"), "exists already", "another file"),
    ],
)
def test_what_is_missing_is_an_error_with_a_hint(tmp_path: Path, arguments: tuple[str, ...], words: str, hint: str):
    (tmp_path / "there.yaml").write_text("")
    done = made(tmp_path, *arguments)
    assert done.returncode == 2 and words in done.stderr and hint in done.stderr


@pytest.mark.slow
def test_forty_photographs_in_a_folder_become_a_run_without_a_file(tmp_path: Path):
    photographs(tmp_path / "photos", 40)
    made(tmp_path, "--model", "shapes", "--data", "photos", "--iterations", "1", "--all-weights")
    short = [f"synthesis.{part}.max_tokens=8" for part in ("open.response", "open.alteration", "closed.sampling")]
    changes = [*short, "judging.sampling.max_tokens=8", "synthesis.closed.samples=4", "synthesis.closed.threshold=2"]
    words = [word for change in changes for word in ("--set", change)]
    command = [sys.executable, "-m", "selfjudge", "run", "recipe.yaml", "--dir", "run", *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 3), done.stderr
    prompts = json.loads((tmp_path / "run/summary.json").read_text())["prompts"]
    assert prompts["total"] == 120 and prompts["open"] == 40 and prompts["closed"] == 80

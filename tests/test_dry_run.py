"""A dry run says what a run would do, write and take at most, and does none of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from runs import ROOT, scripted_recipe
from selfjudge.errors import RunError
from selfjudge.forecast.dry_run import foretell
from selfjudge.recipe.file import load_recipe

SHIPPED = [*sorted((ROOT / "recipes").glob("*.yaml")), ROOT / "src/selfjudge/shapes/demo.yaml"]


def listed(told: dict[str, Any]) -> Iterator[str]:
    """Every file that a dry run names, for each iteration."""
    steps = told["steps"]
    for step in (*steps["before"], *steps["after"], *steps["each"]):
        for name in step.writes:
            head, _, rest = name.partition("{")
            inner, _, tail = rest.partition("}")
            for each in inner.split(",") if inner else [""]:
                path = f"iteration-K/{head}{each}{tail}" if step in steps["each"] else f"{head}{each}{tail}"
                yield from (path.replace("-K", f"-{number}") for number in range(1, told["iterations"] + 1))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_recipe_can_be_foretold_also_where_its_model_is_not_here(path: Path, tmp_path: Path):
    told = foretell(load_recipe(path), tmp_path / "run")
    assert [step.stage for step in told["steps"]["each"]][:6] == [
        "write and alter",
        "sample and vote",
        "judge",
        "select",
        "train",
        "gate",
    ]
    assert told["runs"] is not any(finding["level"] == "error" for finding in told["findings"])
    assert told["assumptions"] and told["findings"]


def test_the_files_are_those_of_a_run(scripted_run: tuple[Path, dict[str, Any]]):
    folder = scripted_run[0]
    names = set(listed(foretell(scripted_recipe(), folder))) - {"report.html"}
    assert not [name for name in names if not (folder / name).exists()]
    own = {p.relative_to(folder) for p in folder.rglob("*") if p.is_file() and not p.name.endswith((".manifest.json", ".lock"))}
    folders = {Path(name) for name in names if (folder / name).is_dir()}
    assert not [path for path in own if str(path) not in names and not folders & set(path.parents) and path.name != "report.html"]


def test_no_run_takes_more_requests_than_were_foretold(scripted_run: tuple[Path, dict[str, Any]]):
    folder = scripted_run[0]
    told = foretell(scripted_recipe(), folder)
    steps = {step.stage: step for step in told["steps"]["each"]}
    rows = {
        name: pq.read_metadata(folder / f"iteration-1/{name}.parquet").num_rows for name in ("responses", "judgments", "selected")
    }
    asked = steps["write and alter"].requests + steps["sample and vote"].requests
    assert 0.9 * asked <= rows["responses"] <= asked
    assert 0.7 * steps["judge"].requests <= rows["judgments"] <= steps["judge"].requests
    assert steps["evaluate shapes-bench"].requests == 2 * 20
    assert rows["selected"] <= told["training"]["traces"]
    assert told["done"] == 2


def test_nothing_is_written_loaded_or_asked_over_a_network(tmp_path: Path):
    heavy = ("torch", "transformers", "trl", "vllm", "ray", "huggingface_hub")
    probe = f"""
import socket, sys
def refuse(*_): raise AssertionError("a dry run needs no network")
socket.socket.connect = socket.create_connection = refuse
sys.argv = ["selfjudge", "run", "recipe.yaml", "--dry-run"]
from selfjudge.cli import main
try:
    main()
finally:
    print([name for name in {heavy} if name in sys.modules], file=sys.stderr)
"""
    recipe = "name: mine\nmodel: org/vlm\nprompts: [{kind: dataset, path: org/prompts}]\n"
    (tmp_path / "recipe.yaml").write_text(recipe)
    done = subprocess.run([sys.executable, "-c", probe], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr.strip().endswith("[]"), done.stderr
    assert done.returncode == 0 and [path.name for path in tmp_path.iterdir()] == ["recipe.yaml"]
    shown = " ".join(done.stdout.split())
    assert "org/prompts has 10,000 prompts, half of them open: it was not looked at" in shown
    assert "for each billion parameters: the model is not here" in shown and "mine can run here" in shown


def test_a_recipe_that_cannot_run_here_ends_with_1_and_says_why(tmp_path: Path):
    command = [sys.executable, "-m", "selfjudge", "run", str(ROOT / "recipes/own-images.yaml"), "--dry-run"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "there is no model" in done.stdout and "cannot run here" in done.stdout


def test_the_folder_of_another_recipe_is_an_error_already_now(scripted_run: tuple[Path, dict[str, Any]]):
    with pytest.raises(RunError, match=r"`selection\.keep`"):
        foretell(scripted_recipe("selection.keep=all"), scripted_run[0])


def test_rows_of_a_file_are_counted_by_kind(tmp_path: Path):
    rows = [{"prompt": "Describe it.", "image": "a.png"}] * 3 + [{"prompt": "How many dogs are there?", "image": "a.png"}] * 5
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    told = foretell(scripted_recipe(f"prompts=[{{kind: files, path: {tmp_path / 'prompts.jsonl'}}}]"), tmp_path / "run")
    assert told["prompts"] == {"open": 3, "closed": 5, "per_iteration": 8}


def test_gpu_hours_follow_from_what_is_asked(tmp_path: Path):
    def hours(*changes: str) -> dict[str, float]:
        found: dict[str, float] = foretell(load_recipe(ROOT / "src/selfjudge/shapes/demo.yaml", changes), tmp_path)["gpu_hours"]
        return found

    once, twice = hours("loop.iterations=1"), hours("loop.iterations=2")
    assert twice["training"] == pytest.approx(2 * once["training"])
    assert once["generation"] < twice["generation"] < 2 * once["generation"]  # the base is measured but once
    traces, epochs, tokens = 6 * 1000, 3, 2_048 + 48
    by_hand = 8 * once["parameters"] * traces * epochs * tokens / (0.3 * 989e12) / 3600
    assert once["training"] == pytest.approx(by_hand)
    assert hours("training.kind=scripted")["training"] == 0


def test_publishing_without_a_token_is_found_before_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("HF_TOKEN", raising=False)
    told = foretell(scripted_recipe("execution.push=me/judge"), tmp_path)
    assert not told["runs"] and "publish me/judge and me/judge-pairs" in [step.stage for step in told["steps"]["after"]]
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    assert foretell(scripted_recipe("execution.push=me/judge"), tmp_path)["runs"]

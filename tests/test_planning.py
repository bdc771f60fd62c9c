"""What a run will take is said before it starts, from a few prompts, and nothing is left behind."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from runs import ROOT, no_progress, run_recipe, scripted_recipe
from selfjudge.errors import InputError
from selfjudge.forecast.plan import plan
from selfjudge.recipe.file import load_recipe


def test_a_plan_foretells_what_a_run_then_takes(tmp_path: Path):
    recipe = scripted_recipe("prompts.0.limit=200", "loop.iterations=2")
    told = plan(recipe, prompts=40, progress=no_progress)
    entry = run_recipe(recipe, tmp_path)["iterations"][1]
    turn = told["per_iteration"]
    assert turn["synthesize"]["completion_tokens"] == pytest.approx(entry["tokens"]["synthesize"]["completion"], rel=0.1)
    assert turn["judge"]["completion_tokens"] == pytest.approx(entry["tokens"]["judge"]["completion"], rel=0.15)
    assert turn["pairs"] == pytest.approx(entry["pairs"], rel=0.1)
    assert turn["yield"] == pytest.approx(entry["yield"], abs=0.15)
    assert turn["evaluate"]["requests"] == 2 * 20
    assert told["total"]["requests"] == pytest.approx(
        2 * sum(turn[stage]["requests"] for stage in ("synthesize", "judge", "evaluate")) + 2 * 20, rel=0.01
    )


def test_a_sample_of_everything_counts_every_request(tmp_path: Path):
    recipe = scripted_recipe()
    told = plan(recipe, prompts=1_000, progress=no_progress)
    assert told["prompts"]["open"] + told["prompts"]["closed"] == sum(told["sample"].values()) == 60
    wanted = 2 * told["prompts"]["open"] + recipe.synthesis.closed.samples * told["prompts"]["closed"]
    unusable = told["prompts"]["open"]  # an original that cannot be used has no copy
    assert wanted - unusable <= told["per_iteration"]["synthesize"]["requests"] <= wanted
    assert told["per_iteration"]["judge"]["requests"] == 2 * told["per_iteration"]["pairs"] * recipe.judging.samples


def test_nothing_is_left_behind_and_the_assumptions_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    told = plan(scripted_recipe(), prompts=5, progress=no_progress)
    assert list(tmp_path.iterdir()) == []
    assert told["assumptions"] and told["disk_gb"] > 0


def test_rows_that_cannot_be_used_are_counted_and_none_that_can_is_an_error(tmp_path: Path):
    rows: list[Any] = [{"prompt": "what is it?", "image": "gone.png"}, {"image": "x.png"}]
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = load_recipe(ROOT / "recipes/scripted.yaml", (f"prompts=[{{kind: files, path: {tmp_path / 'prompts.jsonl'}}}]",))
    with pytest.raises(InputError, match=r"not one prompt can be used: image_missing \(1\), no_prompt \(1\)"):
        plan(recipe, prompts=5, progress=no_progress)


def test_the_command_shows_a_table_and_json():
    command = [sys.executable, "-m", "selfjudge", "plan", str(ROOT / "recipes/scripted.yaml"), "--prompts", "5"]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "whole run" in shown and "yield" in shown and "assumed:" in shown
    told = json.loads(subprocess.run([*command, "--format", "json"], check=True, capture_output=True, text=True).stdout)
    assert told["iterations"] == 2 and told["total"]["requests"] > 0

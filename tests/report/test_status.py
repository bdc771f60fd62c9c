"""`selfjudge status`: how far a run is, while it runs, after a kill and when it is done; its folder is not changed."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from runs import ROOT, no_progress, scripted_recipe
from selfjudge.errors import InputError
from selfjudge.loop import run
from selfjudge.report.status import status
from selfjudge.run.folder import RunFolder
from selfjudge.wiring import make_world


def files(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def test_a_finished_run_says_so_and_has_its_figures(tmp_path: Path):
    place = RunFolder(tmp_path / "run")
    recipe = scripted_recipe("loop.iterations=1")
    run(recipe, place, make_world(recipe, place), progress=no_progress, on_iteration=lambda _: None)
    before = files(place.root)
    found = status(place.root)
    assert (found.state, found.iteration, found.iterations, found.stage) == ("finished", 1, 1, None)
    assert [entry["iteration"] for entry in found.done] == [0, 1] and files(place.root) == before


def test_a_run_that_ended_early_is_finished_and_one_that_is_to_go_on_is_not(tmp_path: Path):
    place = RunFolder(tmp_path / "run")
    recipe = scripted_recipe("loop.iterations=9", "loop.stop={held_out: 0.3, patience: 1}")
    state = run(recipe, place, make_world(recipe, place), progress=no_progress, on_iteration=lambda _: None)
    assert state["stopped"].startswith("no progress") and status(place.root).state == "finished"

    place = RunFolder(tmp_path / "longer")
    recipe = scripted_recipe("loop.iterations=1")
    run(recipe, place, make_world(recipe, place), progress=no_progress, on_iteration=lambda _: None)
    with place.claim(scripted_recipe("loop.iterations=2").as_json()):
        pass
    assert status(place.root).state == "interrupted"


@pytest.mark.slow
def test_a_run_is_running_then_interrupted_with_its_stage_and_rows(tmp_path: Path):
    folder = tmp_path / "run"
    slow = ["--set", "execution.engine.seconds_per_request=0.02", "--set", "prompts.0.limit=200"]
    command = [sys.executable, "-m", "selfjudge", "run", str(ROOT / "recipes/scripted.yaml"), "--dir", str(folder), *slow]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while not (folder / "iteration-1").exists() and process.poll() is None:
            time.sleep(0.02)
        time.sleep(1.0)
        running = status(folder)
        process.kill()
    killed = status(folder)
    assert (running.state, running.iteration, running.stage) == ("running", 1, "synthesize")
    assert killed.state == "interrupted" and killed.rows is not None and killed.rows >= (running.rows or 0) > 0


def test_a_folder_that_is_no_run_is_an_error(tmp_path: Path):
    with pytest.raises(InputError, match="is no run folder") as error:
        status(tmp_path)
    assert error.value.hint

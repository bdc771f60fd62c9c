"""`selfjudge status`: how far a run is, while it runs, after a kill and when it is done; its folder is not changed."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from runs import ROOT, no_progress, run_recipe, scripted_recipe
from selfjudge.cli import app
from selfjudge.errors import InputError, RunError
from selfjudge.figures import Summary
from selfjudge.loop import run
from selfjudge.report.status import status
from selfjudge.run import summary
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
    found = status(place.root)
    assert state["stopped"].startswith("no progress") and found.state == "finished"
    assert (found.iteration, found.iterations) == (len(state["iterations"]) - 1, 9)

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


def test_a_run_of_which_fewer_iterations_are_asked_for_is_finished_with_the_last_that_it_has(tmp_path: Path):
    for iterations in (2, 1):
        run_recipe(scripted_recipe(f"loop.iterations={iterations}"), tmp_path / "run")
    found = status(tmp_path / "run")
    assert (found.state, found.iteration, found.iterations, len(found.done)) == ("finished", 2, 2, 3)


def test_a_run_that_an_error_ended_has_failed_and_keeps_what_is_known_of_it(tmp_path: Path):
    folder, recipe = tmp_path / "run", scripted_recipe("loop.iterations=2")
    run_recipe(recipe, folder)
    before, table = (folder / "summary.json").read_bytes(), folder / "iteration-1/pairs.parquet"
    told: list[Summary] = []
    content = table.read_bytes()
    table.unlink()
    with pytest.raises(RunError, match="pairs"):
        place = RunFolder(folder)
        run(recipe, place, make_world(recipe, place), progress=no_progress, on_iteration=told.append)
    assert (folder / "summary.json").read_bytes() == before and not told
    found = status(folder)
    assert found.state == "failed" and "pairs.parquet" in str(found.error) and len(found.done) == 3
    shown = CliRunner().invoke(app, ["status", str(folder)]).stdout
    assert "failed: iteration 2 of 2\n  error: " in shown and "; hint: " in shown and "resumes" not in shown
    table.write_bytes(content)
    assert len(run_recipe(recipe, folder)["iterations"]) == 3 and status(folder).state == "finished"


def test_a_finished_run_that_is_killed_while_it_is_looked_through_again_is_interrupted(tmp_path: Path):
    run_recipe(scripted_recipe("loop.iterations=1"), tmp_path / "run")
    with (tmp_path / "run/run.log").open("a") as log:
        log.write("2026-01-01 00:00:00 info: begins: scripted\n")
    assert status(tmp_path / "run").state == "interrupted"


def test_a_summary_is_rewritten_with_fewer_iterations_where_these_say_something_else(tmp_path: Path):
    state = run_recipe(scripted_recipe("loop.iterations=2"), tmp_path / "run")
    first, second, _ = state["iterations"]
    shorter = {**state, "stopped": None, "iterations": [first, second]}
    assert not summary.write(tmp_path / "run", shorter)
    assert summary.write(tmp_path / "run", {**shorter, "iterations": [first, {**second, "pairs": 1}]})
    assert len(summary.read(tmp_path / "run")["iterations"]) == 2


def test_a_folder_that_is_no_run_is_an_error(tmp_path: Path):
    with pytest.raises(InputError, match="is no run folder") as error:
        status(tmp_path)
    assert error.value.hint

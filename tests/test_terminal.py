"""Names and texts of others are printed as they are: they are no markup, and nothing in them is a command to the terminal."""

from __future__ import annotations

import ast
import json
import logging
import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from engines.serving import serving
from runs import ROOT, scripted_recipe
from selfjudge.benchmarks.published import PublishedGroup, VlRewardBenchRow
from selfjudge.cli import app, main
from selfjudge.cli.progress import progress
from selfjudge.cli.terminal import console, log_plainly, plain, say
from selfjudge.forecast.doctor import Diagnosis, Package
from selfjudge.forecast.engines import EngineSupport
from selfjudge.forecast.estimate import Estimate, PlannedStage
from selfjudge.forecast.findings import Finding, Level
from selfjudge.forecast.machine import GPU
from selfjudge.forecast.plan import Prompts, RunPlan
from selfjudge.forecast.sample import Cost
from selfjudge.forecast.tables import show_diagnosis, show_plan
from selfjudge.measure.compare import FiguresTable, JudgeComparison, JudgeFigures, Pairing
from selfjudge.measure.compare import Tests as ComparedTests
from selfjudge.measure.evaluate import Result
from selfjudge.method.protocols import STRICT
from selfjudge.report import comparison, contamination, figures, iterations
from selfjudge.report.measurement import show_measured

NAME = "[/x] [bold]n[/bold] :smile: \x1b[2J\x1b]0;t\x07\x9b1A\r\u202e\ud83d"
SHOWN = "[/x] [bold]n[/bold] :smile: [2J]0;t1A\\ud83d"
DATA = {"items": 1, "source": NAME, "repeated_ids": {"count": 0}, "repeated_pairs": 0, "contradictions": {"rows": 0}}
DATA |= {"better_first": 0.5, "dimensions": {NAME: 1}}
FINDING = Finding(Level.ERROR, NAME, NAME, NAME)
REFUSED = {"reason": NAME, "count": 1, "meaning": "", "change": "", "examples": [{"place": NAME, "detail": NAME}]}
PART = {"n": 1, "accuracy": 1.0, "pair_accuracy": 1.0}


def measured() -> Result:
    figures = {"problems": {NAME: 1}, "replies": 1, "parse_rate": 1.0, "first_position_rate": 0.5, "logprob": None}
    return Result(
        judge=NAME,
        benchmark=NAME,
        protocol=replace(STRICT, name=NAME),
        refused_parameters=(),
        figures={**figures, **PART, "ties_left_out": 0, "groups": 1, "dimensions": {NAME: PART}},
        own={},
        executions=(),
        failures={},
        data=DATA,
    )


def state() -> dict[str, Any]:
    entry = {"iteration": 1, "pairs": 1, "kept": 0, "yield": 0.0, "dropped": {NAME: 1}, "seconds": {}, "benchmarks": {}}
    entry |= {"warnings": [NAME]}
    return {
        "name": NAME,
        "iterations": [entry],
        "refused": [REFUSED],
        "stopped": "over",
        "prompts": {"total": 1, "refused": {"x": 1}},
    }


def planned() -> RunPlan:
    estimate = Estimate(recipe=scripted_recipe(), counts=Counter(), model=None, measured=None, gpus=None)
    return RunPlan(
        name=NAME,
        folder=NAME,
        runs=False,
        iterations=1,
        done=0,
        findings=(FINDING,),
        prompts=Prompts(open=1, closed=0, per_iteration=1, refused=1),
        refused=[REFUSED],
        sample={NAME: 1},
        stages=(PlannedStage(when="once", stage=NAME, model=NAME, cost=Cost(1, 1, 1, 1.0), writes=(NAME,)),),
        total=Cost(),
        training=estimate.training,
        disk=estimate.disk,
        parameters=None,
        generation_gpu_hours=None,
        assumptions=(NAME,),
    )


def diagnosed() -> Diagnosis:
    return Diagnosis(
        python=NAME,
        path=NAME,
        packages=(Package(name=NAME, version=NAME, build=NAME),),
        gpus=(GPU(name=NAME, total_gib=1, free_gib=1),),
        memory_gib=1,
        disk_free_gib=1,
        engines=(EngineSupport(kind=NAME, runs=False, missing=(NAME,), do=NAME),),
        findings=(FINDING,),
        runs=False,
    )


def contaminated() -> dict[str, Any]:
    hit = {"prompt": NAME, "kind": "exact", "benchmark": NAME, "item": NAME, "distance": 0, "items": 1}
    counts = {"prompts": 1, "share": 1.0, "items": 1, "item_share": 1.0}
    found = {"hits": {NAME: counts}, "contaminated": counts, "unreadable": {NAME: 1}}
    return {"prompts": 1, "benchmarks": {NAME: {}}, **found, "rows": [hit], "rows_left_out": 0}


def compared() -> JudgeComparison:
    judge = JudgeFigures(judge=NAME, folder=NAME, figures={**PART, "dimensions": {NAME: PART}})
    table = FiguresTable(benchmark=NAME, protocol=NAME, n=1, items="0" * 16, judges=(judge,))
    counts = dict.fromkeys(("n", "only_reference_has", "only_other_has", "relabelled"), 0)
    pairing = Pairing(judge=NAME, right=NAME, accuracy=None, both_orders=None, mcnemar=None, **counts)
    tests = ComparedTests(benchmark=NAME, protocol=NAME, reference=NAME, compared=(pairing,))
    unknown: dict[str, Any] = dict.fromkeys(("general", "hallucination", "reasoning", "macro"))
    row = VlRewardBenchRow(model=NAME, overall=1.0, tag="paper", rows=1, official=True, note=NAME, source=NAME, **unknown)
    group = PublishedGroup(benchmark=NAME, title=NAME, comparable=True, why=NAME, columns=("overall",), rows=(row,))
    return JudgeComparison(tables=(table,), tests=(tests,), notes=(NAME,), published=(group,))


SHOWS: dict[str, Callable[[], None]] = {
    "evaluate": lambda: show_measured(measured(), console()),
    "benchmarks report": lambda: figures.show_data(NAME, DATA, console()),
    "score": lambda: figures.show_scored({"benchmark": NAME, "protocol": NAME, NAME: 1.0}, console()),
    "run": lambda: iterations.show_iterations(state(), console()),
    "refused rows": lambda: iterations.show_refused(state(), console()),
    "plan": lambda: show_plan(planned(), console()),
    "doctor": lambda: show_diagnosis(diagnosed(), console()),
    "contamination": lambda: contamination.show(contaminated(), console()),
    "compare-judges": lambda: comparison.show(compared(), console()),
    "a line": lambda: say(NAME),
    "an error": lambda: say(NAME, err=True),
    "a warning": lambda: logging.lastResort.handle(logging.makeLogRecord({"msg": NAME})),  # type: ignore[union-attr]
}


@pytest.mark.parametrize("show", SHOWS.values(), ids=SHOWS)
def test_a_name_is_printed_as_it_is(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, show: Callable[[], None]):
    log_plainly()
    show()
    printed = "".join(capfd.readouterr())
    assert "[/x]" in printed and not any(mark in printed for mark in ("\x1b", "\x07", "\x9b", "\r", "\u202e"))
    assert SHOWN.split()[1][:5] in printed


def test_a_bar_has_any_name(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("selfjudge.cli.progress.shows_bars", lambda: True)
    with progress(NAME, 1) as advance:
        advance(1)
    assert SHOWN in capfd.readouterr().err


def test_where_the_output_is_a_file_progress_is_a_line_now_and_then(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("selfjudge.cli.progress.EVERY_SECONDS", 0.0)
    with progress(NAME, 2_000) as advance:
        advance(500)
        advance(500)
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 2 and all(SHOWN in line for line in lines)
    assert "1,000 of 2,000" in lines[1] and "left" in lines[1] and "/s" in lines[1]


def test_what_is_quick_says_nothing_in_a_file(capfd: pytest.CaptureFixture[str]):
    with progress("quick", 1) as advance:
        advance(1)
    assert capfd.readouterr().err == ""


def test_what_is_left_of_a_text_are_its_words_lines_and_tabs():
    assert plain(NAME) == SHOWN and plain("a\tb\nc é 漢 🙂") == "a\tb\nc é 漢 🙂"


def test_the_version_is_said():
    assert CliRunner().invoke(app, ["--version"]).stdout == f"selfjudge {version('selfjudge')}\n"


def test_a_whole_run_with_odd_names_is_shown_and_reported(tmp_path: Path, scripted_run: tuple[Path, dict[str, Any]]):
    folder = shutil.copytree(scripted_run[0], tmp_path / "run")
    summary = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").write_text(json.dumps({**summary, "name": NAME, "refused": [REFUSED]}))
    done = CliRunner().invoke(app, ["report", str(folder)])
    assert done.exit_code == 0 and "[/x]" in done.stdout and "\x1b" not in done.stdout
    page = (folder / "report.html").read_text()
    assert "Rows that were refused" in page and "[/x]" in page


TOOLS = ("cli/terminal.py", "shapes/base_model.py", "forecast/installed.py")
"""What prints: the terminal's own module, a training that one starts oneself, a program whose output another process reads."""


def test_nothing_is_printed_past_the_module_that_cleans_it():
    printing = {"print", "typer.echo", "typer.secho", "click.echo", "Console", "sys.stdout.write", "sys.stderr.write"}
    files = (path for path in (ROOT / "src/selfjudge").rglob("*.py") if not path.as_posix().endswith(TOOLS))
    calls = ((path, node) for path in files for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    assert [(path, ast.unparse(node)) for path, node in calls if ast.unparse(node.func) in printing] == []


def hostile(folder: Path) -> Path:
    """Prompts, and pairs, whose texts, names and columns are commands to a terminal."""
    (folder / "rows.jsonl").write_text(json.dumps({**dict.fromkeys(("image", "prompt", "id"), NAME[:-1]), NAME[:-1]: 1}) + "\n")
    return folder / "rows.jsonl"


@pytest.mark.parametrize("command", ["check", "label", "compare", "show"])
def test_a_command_that_shows_texts_of_others_sends_no_control_character(
    tmp_path: Path,
    scripted_run: tuple[Path, dict[str, Any]],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
):
    rows = hostile(tmp_path)
    with serving(lambda asked: f"{NAME[:-1]} [[A]]") as server:
        judge = ["--judge", "openai:m", "--base-url", server.url]
        words = {
            "check": [str(rows)],
            "label": [str(rows), "--to", str(tmp_path / "out.jsonl"), *judge],
            "compare": ["what?", NAME[:-1], "other", *judge],
            "show": [str(scripted_run[0]), NAME[:-1]],
        }
        monkeypatch.setattr("sys.argv", ["selfjudge", command, *words[command]])
        with suppress(SystemExit):
            main()
    shown = "".join(capfd.readouterr())
    assert "[bold]" in shown and not any(mark in shown for mark in ("\x1b", "\x07", "\x9b", "\r", "\u202e"))

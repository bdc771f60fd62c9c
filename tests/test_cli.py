"""The command line, as a user meets it: in a process of its own."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from killing import kill_at_random
from runs import ROOT, digests

RECIPE = str(ROOT / "recipes/scripted.yaml")
MEASURED = ("evaluate", "--judge", "first", "--benchmark")
SMALL = ("--set", "prompts.0.limit=60", "--set", "evaluation.benchmarks.0.pairs=20")


def selfjudge(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "selfjudge", *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120, **options)


@pytest.fixture
def unread() -> Iterator[int]:
    """The end of a pipe whose reader has gone."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@pytest.mark.parametrize(("words", "code"), [("--help", 0), ("--version", 0), ("check FILE", 0), ("nonsense", 2)])
def test_a_command_whose_output_nobody_reads_comes_to_its_end_with_its_own_code(
    tmp_path: Path, unread: int, words: str, code: int
):
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png")
    (tmp_path / "rows.jsonl").write_text('{"prompt": "What is there?", "image": "x.png"}\n')
    call = [sys.executable, "-m", "selfjudge", *words.replace("FILE", str(tmp_path / "rows.jsonl")).split()]
    assert subprocess.run(call, stdout=unread, stderr=unread, check=False).returncode == code


def test_a_run_is_not_watched_for_nobody(tmp_path: Path, unread: int):
    (tmp_path / "recipe.json").write_text('{"loop": {"iterations": 1}}')
    with (tmp_path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        call = [sys.executable, "-m", "selfjudge", "status", str(tmp_path), "--watch"]
        assert subprocess.run(call, stdout=unread, check=False, timeout=60).returncode == 0


def test_help_teaches_and_answers_in_half_a_second_without_torch():
    started = time.monotonic()
    shown = selfjudge("--help")
    assert time.monotonic() - started < 1.5  # 0.15 s on an idle machine; the promise of 0.5 s is measured in benchmarks/
    assert shown.returncode == 0 and all(word in shown.stdout for word in ("demo", "run", "report", "without a single"))
    heavy = ("torch", "transformers", "pyarrow", "pydantic", "aiohttp", "ray")
    probe = f"import sys, selfjudge.cli; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", probe], text=True).strip() == "[]"


@pytest.mark.slow
def test_a_run_shows_its_table_and_says_where_everything_is(tmp_path: Path):
    shown = selfjudge("run", RECIPE, "--dir", tmp_path, *SMALL)
    assert shown.returncode == 0, shown.stderr
    assert "accuracy" in shown.stdout and f"final judge: {tmp_path}/iteration-2/judge" in shown.stdout
    again = selfjudge("run", RECIPE, "--dir", tmp_path, *SMALL)
    assert "Nothing was left to do" in again.stdout
    report = selfjudge("report", tmp_path)
    assert report.returncode == 0 and (tmp_path / "report.html").exists()


@pytest.mark.slow
def test_a_run_in_which_too_much_failed_says_so_and_ends_with_3(tmp_path: Path):
    judged, answered = (
        '{when: "Response A begins", replies: ["[[A]]", "[[B]]"]}',
        '{when: "^(?!where|which|what color).", replies: [b]}',
    )
    broken = f"execution.engine.rules=[{judged}, {answered}]"
    shown = selfjudge("run", RECIPE, "--dir", tmp_path, *SMALL, "--set", broken)
    assert shown.returncode == 3, shown.stderr
    assert "iteration 1, synthesize: of " in shown.stderr and " x no rule of the script fits)" in shown.stderr
    assert "hint: Fix the cause, then run the same command with --retry-failed" in shown.stderr and "failed / " in shown.stdout
    again = selfjudge("run", RECIPE, "--dir", tmp_path, *SMALL, "--set", broken, "--retry-failed")
    assert again.returncode == 3 and "failed requests are asked again" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "error", "hint"),
    [
        (("run", "missing.yaml"), "cannot read the recipe missing.yaml", "recipes/"),
        (("run", RECIPE, "--set", "loop.iteratons=3"), "unknown key `loop.iteratons`", "`iterations`"),
        (("run", RECIPE, "--set", "model=/nowhere"), "there is no model folder /nowhere", "shapes"),
        (("report", "nowhere"), "nowhere holds no summary.json", "run"),
        (("compare-judges", "nowhere"), "nowhere holds no measurement of a judge", "selfjudge evaluate"),
        ((*MEASURED, "pairs.jsonl", "--exclude", "x"), "--exclude does nothing for pairs", "leave it out"),
        ((*MEASURED, "shapes-bench", "--allow-missing"), "--allow-missing does nothing for shapes-bench", "leave it out"),
    ],
)
def test_a_mistake_is_an_error_with_a_hint_and_no_traceback(arguments: tuple[str, ...], error: str, hint: str, tmp_path: Path):
    shown = selfjudge(*arguments, cwd=tmp_path)
    assert shown.returncode == 2
    assert "Traceback" not in shown.stderr
    first, second = shown.stderr.strip().splitlines()[-2:]
    assert first.startswith("error: ") and error in first
    assert second.startswith("hint: ") and hint in second


@pytest.mark.slow
def test_judges_are_compared_as_a_table_or_for_programs(tmp_path: Path):
    (tmp_path / "pairs.jsonl").write_text(json.dumps({"prompt": "p?", "image": "x.png", "chosen": "longer", "rejected": "no"}))
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png")
    for judge in ("first", "longer"):
        assert selfjudge("evaluate", "--judge", judge, "--benchmark", "pairs.jsonl", "--dir", judge, cwd=tmp_path).returncode == 0
    table = selfjudge("compare-judges", "first", "longer", cwd=tmp_path)
    assert table.returncode == 0 and "difference from first" in table.stdout and "McNemar" in table.stdout
    found = json.loads(selfjudge("compare-judges", "first", "longer", "--format", "json", cwd=tmp_path).stdout)
    assert found["tests"][0]["compared"][0]["accuracy"]["difference"] == 0.5


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path):
    (tmp_path / "file").write_text("")
    shown = selfjudge("run", RECIPE, "--dir", tmp_path / "file", *SMALL)
    assert shown.returncode == 2 and "error: cannot write" in shown.stderr and "Traceback" not in shown.stderr


@pytest.mark.slow
def test_a_file_size_limit_is_reported_as_no_space_and_the_run_goes_on_later(tmp_path: Path):
    import resource

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    full = selfjudge("run", RECIPE, "--dir", tmp_path, *SMALL, preexec_fn=limit)
    assert full.returncode == 2 and "error: no space left" in full.stderr and "Traceback" not in full.stderr
    assert selfjudge("run", RECIPE, "--dir", tmp_path, *SMALL).returncode == 0


def test_ctrl_c_ends_with_130_and_a_way_to_go_on(tmp_path: Path):
    command = [
        *("env", "--default-signal=INT"),  # a job in the background, as tests may be, is deaf to it
        sys.executable,
        "-m",
        "selfjudge",
        "run",
        RECIPE,
        "--dir",
        str(tmp_path),
        *SMALL,
        "--set",
        "execution.engine.seconds_per_request=0.01",
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    while not list(tmp_path.rglob(".judgments.parts/*.jsonl")):  # it is asking now
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "interrupted" in errors and "Traceback" not in errors


@pytest.mark.slow
def test_a_second_process_in_the_same_folder_is_refused(tmp_path: Path):
    slow = ("--set", "execution.engine.seconds_per_request=0.01")
    command = [sys.executable, "-m", "selfjudge", "run", RECIPE, "--dir", str(tmp_path), *SMALL, *slow]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        while not list(tmp_path.glob("iteration-*")):
            time.sleep(0.05)
        second = selfjudge("run", RECIPE, "--dir", tmp_path, *SMALL, *slow)
        process.kill()
    assert second.returncode == 2 and "in use by another process" in second.stderr


@pytest.mark.slow
def test_killed_ten_times_at_random_moments_a_run_is_as_if_undisturbed(tmp_path: Path):
    large = (
        "--set",
        "prompts.0.limit=300",
        "--set",
        "execution.engine.seconds_per_request=0.002",
    )  # 30 parts: each start adds one or more
    undisturbed = selfjudge("run", RECIPE, "--dir", tmp_path / "undisturbed", *large)
    assert undisturbed.returncode == 0, undisturbed.stderr
    killed = tmp_path / "killed"
    again = ("run", RECIPE, "--dir", str(killed), *large)
    kill_at_random([sys.executable, "-m", "selfjudge", *again], killed, kills=10, within=0.3)
    assert selfjudge(*again).returncode == 0
    assert digests(killed) == digests(tmp_path / "undisturbed")
    one, other = (json.loads((tmp_path / name / "summary.json").read_text()) for name in ("killed", "undisturbed"))
    assert [entry["benchmarks"] for entry in one["iterations"]] == [entry["benchmarks"] for entry in other["iterations"]]


@pytest.mark.parametrize(
    ("chosen", "left"), [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "active"}, "None")]
)
def test_threads_that_wait_for_each_other_soon_sleep_unless_the_user_says_otherwise(chosen: dict[str, str], left: str):
    see = "import atexit, os, sys; atexit.register(lambda: print(os.environ.get('GOMP_SPINCOUNT'), 'torch' in sys.modules))"
    code = f"{see}; sys.argv = ['selfjudge', '--help']; from selfjudge.cli import main; main()"
    clean = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env={**clean, **chosen})
    assert told.stdout.splitlines()[-1] == f"{left} False"

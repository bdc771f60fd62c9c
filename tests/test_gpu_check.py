"""scripts/gpu_check.py: each step is tried, and what fails is said."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from runs import ROOT


def check(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts/gpu_check.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_shortage_of_memory_halves_the_batch_and_every_request_is_answered(tmp_path: Path):
    done = check("--device", "cpu", "--steps", "memory", "--out", str(tmp_path / "gpu.json"))
    figures = json.loads((tmp_path / "gpu.json").read_text())["memory"]
    assert done.returncode == 0 and figures["answered"] == figures["requests"] == 8
    assert "halved" in figures["warnings"][0] and figures["made_up"]


def test_a_step_for_which_no_time_is_left_is_recorded_as_skipped():
    done = check("--device", "cpu", "--minutes", "0", "--steps", "demo")
    assert json.loads(done.stdout)["demo"] == {"skipped": "no time was left"}


def test_without_a_gpu_the_error_says_how_to_try_the_steps():
    done = check()
    assert done.returncode == 1 and "--device cpu" in done.stderr

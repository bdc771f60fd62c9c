"""A judge behind a real server: 1,000 items, interrupted and killed in between, and nothing is asked twice."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engines.serving import Asked, refusal, serving
from runs import ROOT
from selfjudge.hub.models import embedded_model
from selfjudge.run.disk import read_json
from selfjudge.run.fingerprint import CARD

ITEMS = 500
UNDER_WAY = 128
"""Requests that the engine has submitted at most; the answers to these cannot survive a kill -9."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The embedded model behind a real OpenAI-compatible server: its address, and a log with a hash of each answered request."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path / "answered.log"
    command = [sys.executable, ROOT / "scripts/model_server.py", "--port", str(port), "--log", str(log)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1):
                    break
            except OSError:
                assert process.poll() is None, "the server died"
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/v1", log
    finally:
        process.kill()
        process.wait()


def asked(url: str, folder: Path, prompt: Path, items: int = ITEMS) -> list[str]:
    command = [sys.executable, "-m", "selfjudge", "evaluate", "--judge", "openai:shapes", "--base-url", url]
    return [*command, "--benchmark", "shapes-bench", "--limit", str(items), "--prompt-file", str(prompt), "--dir", str(folder)]


def stop(command: list[str], log: Path, number: signal.Signals) -> int:
    """Start it, stop it after 150 more answers, and give its exit code."""
    before = answered(log)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while len(answered(log)) < len(before) + 150:
        assert process.poll() is None, "it was done before it was stopped"
        time.sleep(0.02)
    os.kill(process.pid, number)
    return process.wait()


def answered(log: Path) -> list[str]:
    return log.read_text().splitlines() if log.exists() else []


@pytest.mark.slow
def test_all_items_are_asked_once_each_though_the_run_is_stopped_twice(server: tuple[str, Path], tmp_path: Path):
    url, log = server
    prompt = tmp_path / "prompt.txt"
    prompt.write_text(read_json(embedded_model() / CARD)["judging"]["template"])
    command = asked(url, tmp_path / "run", prompt)
    assert stop(command, log, signal.SIGTERM) == 130
    assert stop(command, log, signal.SIGINT) == 130
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "says first" in done.stdout
    assert len(answered(log)) == len(set(answered(log))) == 2 * ITEMS
    figures = json.loads((tmp_path / "run/shapes-bench/result.json").read_text())
    assert figures["n"] == ITEMS
    local = [sys.executable, "-m", "selfjudge", "evaluate", "--judge", "shapes", "--benchmark", "shapes-bench"]
    local += ["--limit", str(ITEMS), "--dir", str(tmp_path / "local"), "--format", "json"]
    here = json.loads(subprocess.run(local, check=True, capture_output=True, text=True).stdout)
    for found, wanted in ((figures, here), (figures["logprob"], here["logprob"])):
        assert abs(found["accuracy"] - wanted["accuracy"]) < 0.01  # the same judge, the same prompts, greedy


@pytest.mark.slow
def test_what_was_stored_is_not_asked_again_after_a_kill(server: tuple[str, Path], tmp_path: Path):
    url, log = server
    prompt = tmp_path / "prompt.txt"
    prompt.write_text(read_json(embedded_model() / CARD)["judging"]["template"])
    command = asked(url, tmp_path / "run", prompt, items=400)
    for _ in range(2):
        assert stop(command, log, signal.SIGKILL) == -signal.SIGKILL
    subprocess.run(command, check=True, capture_output=True)
    assert len(set(answered(log))) == 2 * 400
    assert len(answered(log)) - 2 * 400 <= 2 * UNDER_WAY


@pytest.mark.slow
def test_a_measurement_says_which_parameters_the_server_refused_also_when_it_is_repeated(tmp_path: Path):
    words = "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported."

    def rule(asked: Asked) -> Any:
        return refusal(400, words) if "temperature" in asked.body else "It is red. [[A]]"

    with serving(rule) as judge:
        command = [sys.executable, "-m", "selfjudge", "evaluate", "--judge", "openai:m", "--base-url", judge.url]
        command += ["--benchmark", "shapes-bench", "--limit", "4", "--dir", str(tmp_path)]
        for _ in range(2):
            subprocess.run(command, check=True, capture_output=True)
            result = json.loads((tmp_path / "shapes-bench/result.json").read_text())
            assert result["refused_parameters"] == ["without `temperature`"]

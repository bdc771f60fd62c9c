"""The service on Ray Serve, as docs/serving.md has it: two replicas on this machine answer."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from engines.asking import free_port
from runs import ROOT

pytestmark = pytest.mark.ray

LOADED = 'Judge.load("/srv/runs/photos")'
SCRIPTED = """Judge.load("shapes", engine={"kind": "scripted", "rules": [{"when": "", "replies": ["[[A]]"]}]})"""
START = """
import sys
import ray
from ray import serve
ray.init(address="local", num_cpus=2, include_dashboard=False, object_store_memory=100_000_000, log_to_driver=False)
serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])}, proxy_location="HeadOnly")
import judge_app
serve.run(judge_app.app)
sys.stdin.read()
serve.shutdown()
ray.shutdown()
"""
PATIENT = {"RAY_worker_niceness": "0", "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60", "RAY_USAGE_STATS_ENABLED": "0"}
START_SECONDS, ASK_SECONDS, STOP_SECONDS = 200, 60, 60


@pytest.fixture
def service(tmp_path: Path) -> Iterator[str]:
    """The address of the documented application with a judge of scripted replies, once it answers."""
    (app,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/serving.md").read_text(), re.DOTALL)
    assert LOADED in app
    (tmp_path / "judge_app.py").write_text(app.replace(LOADED, SCRIPTED))
    path = os.pathsep.join((str(tmp_path), os.environ.get("PYTHONPATH", "")))
    port, log = free_port(), tmp_path / "log"
    command = [sys.executable, "-c", START, str(port)]
    with log.open("w") as out:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=out, stderr=out, env={**os.environ, **PATIENT, "PYTHONPATH": path}
        )
    try:
        wait_until_healthy(process, url := f"http://127.0.0.1:{port}", log)
        yield url
        process.communicate(timeout=STOP_SECONDS)
        assert process.returncode == 0, log.read_text()[-2_000:]
    finally:
        process.kill()  # Ray ends what it started here with the process
        process.wait()


def wait_until_healthy(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            if httpx.get(f"{url}/health", timeout=10).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        assert process.poll() is None and time.monotonic() < until, log.read_text()[-2_000:]
        time.sleep(0.5)


def comparisons(url: str) -> tuple[str, float]:
    """When the replica that answers this began to count, which tells it from the other, and what it has counted."""
    lines = httpx.get(f"{url}/metrics", timeout=30).text.splitlines()
    counts = dict(line.rsplit(" ", 1) for line in lines if line.startswith("selfjudge_comparisons_"))
    return counts["selfjudge_comparisons_created"], float(counts["selfjudge_comparisons_total"])


def test_two_replicas_share_the_requests_of_several_clients(service: str):
    body = {"prompt": "which?", "response_a": "red circle", "response_b": "blue square"}
    asked, counted, until = 0, dict[str, float](), time.monotonic() + ASK_SECONDS
    with ThreadPoolExecutor(8) as clients:
        while (len(counted) < 2 or 0 in counted.values()) and time.monotonic() < until:
            answers = list(clients.map(lambda _: httpx.post(f"{service}/v1/compare", json=body, timeout=60), range(16)))
            assert {answer.status_code for answer in answers} == {200} and answers[0].json()["consistent"] is False
            asked += len(answers)
            counted |= dict(clients.map(lambda _: comparisons(service), range(16)))
    assert len(counted) == 2 and min(counted.values()) > 0 and sum(counted.values()) == asked

"""docs/using.md: each of its jobs runs as it is written, on a run whose judge is the shipped model."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from engines.serving import serving
from runs import ROOT
from selfjudge.hub.models import embedded_model
from selfjudge.shapes.drawing import draw
from selfjudge.shapes.scenes import draw_scene

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs/using.md").read_text()
JOBS = re.findall(r"## \d\. ([^\n]*)\n+```(\w+)\n(.*?)```", PAGE, re.DOTALL)
SERVICE = "A service for others"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("jobs")
    shutil.copytree(embedded_model(), folder / "runs/photos/iteration-4/judge")
    (folder / "runs/photos/summary.json").write_text('{"final_judge": "iteration-4/judge"}')
    rng = random.Random(0)
    Image.fromarray(draw(draw_scene(rng, held_out=True), rng)).save(folder / "photo.png")
    row = {"prompt": "what is there?", "image": "photo.png", "response_a": "red circle", "response_b": "blue square"}
    (folder / "pairs.jsonl").write_text(f"{json.dumps(row)}\n" * 2)
    (folder / "answers.jsonl").write_text(json.dumps({**row, "responses": ["red circle", "blue square", "green cross"]}) + "\n")
    return folder


def test_there_are_eight_jobs_of_at_most_ten_lines():
    assert len(JOBS) == 8 and all(job.count("\n") <= 10 for _, _, job in JOBS)


@pytest.mark.parametrize(("name", "language", "job"), JOBS, ids=[name for name, _, _ in JOBS])
def test_a_job_runs_as_it_is_written(folder: Path, name: str, language: str, job: str):
    if name == SERVICE:
        job = job.replace("\n", " --help\n")  # tests/serve starts one
    with serving(lambda asked: "[[A]]", models=("photos-4",)) as server:
        job = job.replace("http://localhost:8000/v1", server.url)
        command = f'set -e; selfjudge() {{ "{sys.executable}" -m selfjudge "$@"; }}\n{job}'
        call = [sys.executable, "-c", job] if language == "python" else ["bash", "-c", command]
        done = subprocess.run(call, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()

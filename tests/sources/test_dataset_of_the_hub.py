"""A data set of the hub is read at one commit, which a run records and uses again; from a server that answers as the hub does."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from hub_standin import serving
from selfjudge.run.disk import read_json

OLD, NEW = "a" * 40, "b" * 40
RECIPE = """model: shapes
execution: {engine: {kind: scripted, rules: [{when: ., replies: [x]}]}}
training: {kind: scripted}
loop: {iterations: 1}
prompts: [{kind: dataset, path: org/prompts, route: open%s}]
"""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[tuple[Callable[..., subprocess.CompletedProcess[str]], list[str]]]:
    """Run a recipe on a hub that moves from OLD to NEW once it was asked for its main branch; the paths that it is asked for."""
    folder = tmp_path / "hub/org/prompts"
    (folder / "data").mkdir(parents=True)
    picture = io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "PNG")
    rows = [{"prompt": f"what is {n}?", "image": {"bytes": picture.getvalue(), "path": None}} for n in range(4)]
    pq.write_table(pa.Table.from_pylist(rows), folder / "data/train-00000-of-00001.parquet")
    (folder / "README.md").write_text("---\nlicense: odbl\n---\n")
    asked: list[str] = []
    with serving(tmp_path / "hub", fault=asked.append, commits=[OLD, NEW]) as endpoint:
        own = {"HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "home"), "NO_PROXY": "*"}

        def running(more: str = "") -> subprocess.CompletedProcess[str]:
            (tmp_path / "recipe.yaml").write_text(RECIPE % more)
            command = [sys.executable, "-m", "selfjudge", "run", str(tmp_path / "recipe.yaml"), "--dir", str(tmp_path / "run")]
            return subprocess.run(command, check=False, capture_output=True, text=True, env={**os.environ, **own})

        yield running, asked


def read(path: Path) -> dict:
    return read_json(path)


@pytest.mark.slow
def test_the_commit_is_resolved_once_recorded_and_used_when_the_run_goes_on(tmp_path: Path, run: tuple):
    running, asked = run
    shown = running()
    prompts = tmp_path / "run/prompts"
    assert (prompts / "contents.json").exists(), shown.stderr
    assert read(prompts / "contents.json") == {"prompts.0": {"commit": OLD}}
    [source] = read(prompts / "sources.json")["sources"]
    assert (source["revision"], source["licence"], source["prompts"]) == (OLD, "odbl", 4)
    assert asked.count("/api/datasets/org/prompts") == 1 and not any(NEW in path for path in asked)
    for name in ("prompts.parquet", "prompts.manifest.json", "sources.json"):
        (prompts / name).unlink()
    asked.clear()
    running()
    assert read(prompts / "sources.json")["sources"] == [source] and read(prompts / "contents.json")["prompts.0"]["commit"] == OLD
    assert "/api/datasets/org/prompts" not in asked and not any(NEW in path for path in asked)


@pytest.mark.parametrize(
    ("more", "error", "hint"),
    [
        (", revision: v9", "the data set org/prompts at v9 does not exist", "/datasets/org/prompts/commits/main"),
        (", split: none", "an operation on the data set org/prompts at aaaaaaa", "shows its files, configurations and splits"),
    ],
)
def test_what_the_hub_does_not_have_is_one_sentence_with_a_way_out(run: tuple, more: str, error: str, hint: str):
    shown = run[0](more)
    assert shown.returncode == 2 and "Traceback" not in shown.stderr
    assert error in shown.stderr and hint in shown.stderr.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.parametrize("zipped", [False, True])
def test_images_that_the_hub_has_as_files_are_read_at_the_same_commit(tmp_path: Path, zipped: bool):
    folder = tmp_path / "hub/org/pictures"
    folder.mkdir(parents=True)
    picture = io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "PNG")
    files = {"1.png": picture.getvalue(), "metadata.jsonl": b'{"file_name": "1.png", "prompt": "what is it?"}\n'}
    if zipped:
        with zipfile.ZipFile(folder / "train.zip", "w") as archive:
            for name, data in files.items():
                archive.writestr(name, data)
    else:
        for name, data in files.items():
            (folder / name).write_bytes(data)
    with serving(tmp_path / "hub") as endpoint:
        own = {"HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "home"), "NO_PROXY": "*"}
        command = [sys.executable, "-m", "selfjudge", "check", "org/pictures"]
        done = subprocess.run(command, check=False, capture_output=True, text=True, env={**os.environ, **own})
    assert "1 of 1 rows can be used" in done.stdout, done.stdout + done.stderr

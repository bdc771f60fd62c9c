"""A pipe or a device never holds anything up, wherever a file is named; and JSON lines are read with their numbers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from selfjudge.cli import app
from selfjudge.errors import SelfjudgeError
from selfjudge.run.jsonl import json_lines

RECIPE = "model: shapes\nprompts:\n  - {{kind: files, path: {0}}}\ntraining: {{kind: scripted}}\n"
PAIRS = "model: shapes\nprompts: [{{kind: shapes}}]\nevaluation: {{benchmarks: [{{name: pairs, path: {0}}}]}}\n"


def test_each_line_has_its_number_and_its_value_or_what_is_wrong_with_it(tmp_path: Path):
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n\n{\n"\xff"\n' + b"[" * 100_000 + b"\n[2]")
    found = list(json_lines(path))
    assert [number for number, _ in found] == [1, 3, 4, 5, 6]
    assert [value for _, value in found if not isinstance(value, ValueError)] == [{"a": 1}, [2]]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pipe.jsonl", "pipe.parquet", "/dev/zero"])
@pytest.mark.parametrize(
    "command",
    [
        "run {recipe}",
        "run {pairs} --dir {run}",
        "run {0}",
        "evaluate --judge first --benchmark pairs={0} --dir {run}",
        "evaluate --judge first --benchmark shapes-bench --prompt-file {0} --dir {run}",
        "contamination --prompts {0} --benchmark shapes-bench",
        "score {0} --benchmark vl-rewardbench",
        "score {0} --benchmark mmrb2=x.json",
    ],
)
def test_a_pipe_or_a_device_is_an_error_at_once(tmp_path: Path, command: str, name: str):
    path = tmp_path / name
    if not path.exists():
        os.mkfifo(path)
    recipes = {"recipe": RECIPE, "pairs": PAIRS}
    for key, text in recipes.items():
        (tmp_path / f"{key}.yaml").write_text(text.format(path))
    named = {key: tmp_path / f"{key}.yaml" for key in recipes}
    words = [word.format(path, run=tmp_path / "run", **named) for word in command.split()]
    assert isinstance(CliRunner().invoke(app, words).exception, SelfjudgeError)

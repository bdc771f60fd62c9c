"""Hints are true: a setting that one names exists, and can be changed in the folder of the run, or the hint names another."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import selfjudge
from runs import run_recipe, scripted_recipe
from selfjudge.recipe.experiment import Recipe
from selfjudge.recipe.file import settings
from selfjudge.run.folder import RunFolder

SETTINGS = set(settings(Recipe))
SECTIONS = {name for name in SETTINGS if any(other.startswith(f"{name}.") for other in SETTINGS)}
NAMED = re.compile(rf"(?<![\w./-])(?:{'|'.join(sorted(SECTIONS, key=len, reverse=True))})(?:\.\d+)?(?:\.[a-z_]+)+")
SHORT = {leaf for name in SETTINGS if "_" in (leaf := name.rpartition(".")[2]) and not name.startswith("execution.")} - SETTINGS
NO_SETTINGS = re.compile(r"\.(json|log|parquet|yaml)$")
CHANGES: dict[str, Any] = {
    "execution.engine.kind": "execution.engine={kind: transformers}",
    "execution.engine.python": "execution.engine={kind: vllm, python: other/bin/python}",
    "execution.engine.servers": "execution.engine={kind: vllm, servers: 2}",
    "execution.engine.gpus_per_server": "execution.engine={kind: vllm, gpus_per_server: 2}",
    "execution.engine.start_seconds": "execution.engine={kind: vllm, start_seconds: 9000}",
    "execution.engine.batch_size": "execution.engine={kind: transformers, batch_size: 1}",
    "execution.engine.address": "execution.engine={kind: ray, address: auto}",
    "execution.engine.gpus_per_replica": "execution.engine={kind: ray, gpus_per_replica: 0}",
    "execution.training.launcher": "execution.training={launcher: accelerate, processes: 2}",
    "execution.training.device_batch_size": "execution.training.device_batch_size=1",
    "execution.training.accelerate_config": "execution.training={launcher: accelerate, accelerate_config: fsdp2.yaml}",
    "execution.training.processes": "execution.training={launcher: ray, processes: 2}",
    "execution.training.report_to": "execution.training.report_to=none",
    "execution.push": "execution.push=me/judge",
    "loop.iterations": "loop.iterations=3",
}


def sentences() -> Iterator[str]:
    """All texts in the source but docstrings: hints and what the doctor proposes are among them."""
    for path in Path(selfjudge.__file__).parent.rglob("*.py"):
        if path.name == "reasons.py":
            continue  # said under a line that names another folder
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.JoinedStr):
                    yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in child.values)
                elif isinstance(child, ast.Constant) and not isinstance(node, ast.Expr | ast.JoinedStr):
                    yield str(child.value)


def named(text: str) -> set[str]:
    """The settings that a text names."""
    dotted = {re.sub(r"\.\d+", "", name) for name in NAMED.findall(text) if not NO_SETTINGS.search(name)}
    return dotted | {name for name in SHORT if re.search(rf"(?<![\w.-]){name}\b", text)}


HINTS = sorted({text for text in sentences() if " " in text and text.rstrip("{}").endswith(".") and named(text)})


def test_there_are_hints():
    assert len(HINTS) > 10 and any("execution.engine.start_seconds" in hint for hint in HINTS)


@pytest.mark.parametrize("hint", HINTS)
def test_a_hint_names_settings_that_exist_and_says_where_they_can_be_changed(hint: str):
    assert named(hint) <= SETTINGS | SHORT
    may_change = {name for name in named(hint) if name.startswith("execution.") or name == "loop.iterations"}
    assert named(hint) == may_change or "--dir" in hint


def test_each_setting_that_a_hint_names_can_be_changed_in_the_folder_of_a_run(scripted_run: tuple[Path, dict[str, Any]]):
    for name in {name for hint in HINTS for name in named(hint)} & {n for n in SETTINGS if n.startswith(("execution.", "loop."))}:
        RunFolder(scripted_run[0]).check(scripted_recipe(CHANGES[name]).as_json())


def test_a_finished_run_is_read_by_another_engine_and_with_other_settings_of_training(tmp_path: Path):
    run_recipe(scripted_recipe("loop.iterations=1"), tmp_path)
    changed = (CHANGES[name] for name in ("execution.engine.batch_size", "execution.training.report_to"))
    assert run_recipe(scripted_recipe("loop.iterations=1", *changed), tmp_path)["stopped"] == "all iterations are done"

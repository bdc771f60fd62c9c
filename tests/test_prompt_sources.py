"""A run's prompts come from files and data sets whose rows never collide, whatever they are called, and which may not change."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from runs import run_recipe
from selfjudge.errors import RunError
from selfjudge.recipe.file import load_recipe
from selfjudge.run.store import Table
from selfjudge.run.tables import PROMPTS, REFUSED

ROWS, BAD = 6, {"prompt": "p", "image": 7}


class Killed(Exception):
    """As if the process had died."""


def rows(start: int, bad: bool) -> list[dict[str, Any]]:
    return [*({"prompt": "what?", "image": f"{start + n}.png"} for n in range(ROWS)), *([BAD] if bad else [])]


def two_folders(root: Path, bad: bool) -> list[str]:
    for number, name in enumerate("ab"):
        _write(root / name / "prompts.jsonl", rows(number * ROWS, bad))
    return [f"{{kind: files, path: {root / name / 'prompts.jsonl'}}}" for name in "ab"]


def two_folders_of_files(root: Path, bad: bool) -> list[str]:
    two_folders(root, bad)
    return [f"{{kind: files, path: {root / name}}}" for name in "ab"]


def two_configs(root: Path, bad: bool) -> list[str]:
    for number, name in enumerate(("first", "second")):
        _write(root / "set" / name / "train.jsonl", rows(number * ROWS, bad=False))
        if bad:
            with (root / "set" / name / "train.jsonl").open("a") as file:
                file.write(json.dumps({"prompt": "p", "image": "gone.png"}) + "\n")
    configs = [{"config_name": name, "data_files": f"{name}/train.jsonl"} for name in ("first", "second")]
    (root / "set" / "README.md").write_text(f"---\nconfigs: {json.dumps(configs)}\n---\n")
    return [f"{{kind: dataset, path: {root / 'set'}, config: {name}}}" for name in ("first", "second")]


def _write(path: Path, lines: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    for line in lines:
        if isinstance(name := line["image"], str):
            shade = int(name.removesuffix(".png")) * 20
            for folder in (path.parent, path.parent.parent):
                Image.new("RGB", (8, 8), (shade, 0, 0)).save(folder / name)


def recipe(root: Path, sources: list[str]):
    path = root / "recipe.yaml"
    scripted = "execution: {engine: {kind: scripted, rules: [{when: ., replies: [x]}]}}\n"
    scripted += "training: {kind: scripted}\nloop: {iterations: 1}\n"
    path.write_text("model: shapes\n" + scripted + "prompts:\n" + "".join(f"  - {source}\n" for source in sources))
    return load_recipe(path)


def kill_after(kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    append = Table.append

    def dying(self: Table, row: dict[str, Any]) -> None:
        nonlocal kept
        if self.kind is PROMPTS and kept == 0:
            raise Killed
        kept -= self.kind is PROMPTS
        append(self, row)

    monkeypatch.setattr(Table, "append", dying)


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Begin a run on these sources and kill it after three of its rows; its recipe."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))

    def begin(make: Callable[[Path, bool], list[str]], bad: bool = False) -> Any:
        made = recipe(tmp_path, make(tmp_path, bad))
        with monkeypatch.context() as patch:
            kill_after(3, patch)
            with pytest.raises(Killed):
                run_recipe(made, tmp_path / "run")
        return made

    return begin


KINDS = pytest.mark.parametrize("make", [two_folders, two_folders_of_files, two_configs])
DIES = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@DIES
@KINDS
@pytest.mark.parametrize("bad", [False, True])
def test_sources_of_one_name_lose_no_row_after_a_kill(tmp_path: Path, begun: Callable, make: Callable, bad: bool):
    state = run_recipe(begun(make, bad), tmp_path / "run")
    assert state["prompts"]["total"] == 2 * ROWS
    assert sum(state["prompts"]["refused"].values()) == 2 * bad
    sources = json.loads((tmp_path / "run/prompts/sources.json").read_text())["sources"]
    assert [source["prompts"] for source in sources] == [ROWS, ROWS]
    refused = Table(tmp_path / "run/prompts", REFUSED, {}).column("source")
    assert len({place.split("/")[0] for place in refused}) == len(refused)


@DIES
@KINDS
def test_an_input_that_changed_after_a_kill_is_an_error_that_says_so(tmp_path: Path, begun: Callable, make: Callable):
    made = begun(make)
    changed = next(path for path in tmp_path.rglob("*.jsonl") if path.parent.name in ("b", "second"))
    was = changed.read_text()
    changed.write_text(was.replace("what?", "who?", 1))
    with pytest.raises(RunError, match=r"have changed since .*`prompts\.[01]"):
        run_recipe(made, tmp_path / "run")
    changed.write_text(was)
    assert run_recipe(made, tmp_path / "run")["prompts"]["total"] == 2 * ROWS
    changed.write_text(was + "\n")
    with pytest.raises(RunError, match="have changed since"):
        run_recipe(made, tmp_path / "run")

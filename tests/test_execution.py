"""How a run is computed may change in its folder at any time: it goes on, loses nothing, and says which rows came from where."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from runs import ROOT, run_recipe
from selfjudge.chat import Completion, Request
from selfjudge.errors import RunError
from selfjudge.ports import Engine
from selfjudge.recipe.file import load_recipe
from selfjudge.report.page import write_report
from selfjudge.wiring import World

SMALL = (
    "prompts.0.limit=40",
    "loop.prompts_per_iteration=null",
    "evaluation.benchmarks.0.pairs=10",
    "loop.iterations=1",
    "training.epochs=1",
    "selection.evidence=false",
)
RULES = """[{when: "^judge", replies: ["red [[A]]", "blue [[B]]"]}, {when: ".", replies: [red, blue, two]}]"""
FIRST = ("batch_size: 32",)
SECOND = ("kind: transformers", "batch_size: 8", "dtype: float32", "device: cpu")
THIRD = ("kind: scripted", f"rules: {RULES}", "seconds_per_request: 0.0001")
TRAINING = ("device_batch_size: 4", "workers: 1", "cache_gib: 0", "checkpoint_minutes: 0", "precision: bf16", "report_to: none")
"""Engine, batch size, type, device, rules and pace, and six settings of training."""


class PowerCut(Exception):
    pass


class Mortal:
    """Notes what it answers and fails after so many answers."""

    def __init__(self, engine: Engine, answered: Counter[int], lifetime: int) -> None:
        self.block = engine.block
        self._engine, self._answered, self._lifetime = engine, answered, lifetime
        self.close = engine.close

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        seeds: dict[str, int] = {}

        def noted() -> Iterator[Request]:
            for request in requests:
                seeds[request.key] = request.seed
                yield request

        for completion in self._engine.generate(noted()):
            if self._lifetime == 0:
                raise PowerCut
            self._lifetime -= 1
            self._answered[seeds[completion.key]] += 1
            yield completion


def session(folder: Path, engine: tuple[str, ...], *others: str, answered: Counter[int], lifetime: int = -1) -> dict[str, Any]:
    def mortal(world: World) -> World:
        return replace(world, open_engine=lambda model: Mortal(world.open_engine(model), answered, lifetime))

    execution = f"execution={{engine: {{{', '.join(engine)}}}, training: {{{', '.join(others or ('workers: 2',))}}}}}"
    return run_recipe(load_recipe(ROOT / "src/selfjudge/shapes/demo.yaml", (*SMALL, execution)), folder, mortal)


@pytest.mark.slow
def test_a_run_killed_in_its_first_iteration_ends_in_the_same_folder_with_ten_other_settings(tmp_path: Path):
    answered: Counter[int] = Counter()
    with pytest.raises(PowerCut):
        session(tmp_path, FIRST, answered=answered, lifetime=100)
    with pytest.raises(PowerCut):
        session(tmp_path, SECOND, answered=answered, lifetime=60)
    state = session(tmp_path, THIRD, *TRAINING, answered=answered)
    assert state["stopped"] and state["iterations"][1]["training"]["steps"] > 0
    tables = [pq.read_table(path) for path in tmp_path.rglob("*.parquet") if path.stem in ("responses", "judgments")]
    assert sum(answered.values()) == sum(map(len, tables)) == sum(each["rows"] for each in state["executions"])
    assert [each["engine"] for each in state["executions"]] == ["scripted", "transformers", "transformers"]
    assert sorted(each["rows"] for each in state["executions"])[:2] == [60, 100]
    manifest = json.loads((tmp_path / "iteration-1/judge.manifest.json").read_text())
    assert manifest["execution"]["precision"] == "bf16" and manifest["execution"]["device_batch_size"] == 4
    said = (tmp_path / "iteration-1/judge/README.md").read_text(), write_report(tmp_path, state).read_text()
    assert all(
        "computed in several ways" in text and "60 rows by transformers (batch_size 8, device cpu, dtype float32" in text
        for text in said
    )


def test_another_experiment_in_the_same_folder_is_an_error_that_says_what_to_do(tmp_path: Path):
    with pytest.raises(PowerCut):
        session(tmp_path, THIRD, answered=Counter(), lifetime=20)
    recipe = load_recipe(
        ROOT / "src/selfjudge/shapes/demo.yaml", (*SMALL, "selection.both_orders=false", "training.learning_rate=0.5")
    )
    with pytest.raises(
        RunError, match=r"`selection.both_orders` is true there and false here, and 1 other field differs"
    ) as error:
        run_recipe(recipe, tmp_path)
    assert "Change `selection.both_orders` back" in str(error.value.hint) and "--dir" in str(error.value.hint)

"""The probe in a run: a served judge that is another one than it should be ends the run, before anything is measured with it."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runs import run_recipe, scripted_recipe
from selfjudge.chat import Completion, Request, Token
from selfjudge.errors import EngineError
from selfjudge.ports import Advance, Engine, Fit
from selfjudge.run.disk import read_json, write_json
from selfjudge.trainers.scripted import ScriptedTrainer
from selfjudge.types import Finish
from selfjudge.wiring import World

WEIGHT = "weight.json"
"""What these judges have learned: the probability that they say A."""
TENSOR = b'{"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}'

Served = Callable[[float], float]


class Learned:
    """An engine whose judge says A with the probability in its folder, or with what `served` makes of it."""

    block = 1

    def __init__(self, engine: Engine, model: Path, served: Served = float) -> None:
        self._engine = engine
        stored = model / WEIGHT
        self._chance = served(json.loads(stored.read_text()) if stored.exists() else 0.5)

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        for request in requests:
            [found] = self._engine.generate([request])
            chances = tuple((text, math.log(p)) for text, p in (("[[A]]", self._chance), ("[[B]]", 1 - self._chance)))
            probed = request.sampling.temperature == 0 and request.sampling.logprobs
            yield (
                replace(found, text="[[A]]", finish=Finish.STOP, tokens=(Token(text="[[A]]", logprobs=chances),))
                if probed
                else found
            )

    def close(self) -> None:
        self._engine.close()


class Learning(ScriptedTrainer):
    """Each judge is surer than the one before by a step."""

    def __init__(self, step: float) -> None:
        self._step = step

    def fit(self, examples: Any, *, start: Path, into: Path, work: Path, seed: int, advance: Advance) -> Fit:
        fit = super().fit(examples, start=start, into=into, work=work, seed=seed, advance=advance)
        before, stored = (into / "model.safetensors").read_bytes(), start / WEIGHT
        changed = struct.pack("<Q", len(TENSOR)) + TENSOR + bytes([before[-1] ^ 1])  # whatever it does, it is another model
        (into / "model.safetensors").write_bytes(changed)
        write_json(into / WEIGHT, (json.loads(stored.read_text()) if stored.exists() else 0.5) + self._step)
        return fit


def probed(folder: Path, *, step: float = 0.2, served: Served = float, training: str = "sft") -> dict[str, Any]:
    """A run whose judges are held against themselves in transformers; `served` is what servers make of them."""

    def change(world: World) -> World:
        engine = world.open_engine
        return replace(
            world,
            trainer=Learning(step),
            open_engine=lambda model: Learned(engine(model), model, served),
            open_reference=lambda model: Learned(engine(model), model),
        )

    recipe = scripted_recipe("loop.iterations=2", f"training.kind={training}")
    return run_recipe(recipe, folder, change)


def test_the_probe_of_each_iteration_stands_in_the_folder_and_in_the_summary(tmp_path: Path):
    entries = probed(tmp_path)["iterations"]
    assert entries[0]["probe"] is None
    for number in (1, 2):
        stored = read_json(tmp_path / f"iteration-{number}/probe.json")
        assert stored == entries[number]["probe"] and stored["requests"] == 16
        assert stored["judge"] == read_json(tmp_path / f"iteration-{number}/judge.manifest.json")["sha256"]
        assert stored["agreement"]["words"] == 0 and stored["change"]["words"] == pytest.approx(0.2)


def test_a_run_that_goes_on_asks_no_judge_again(tmp_path: Path):
    probed(tmp_path)
    again = probed(tmp_path, served=lambda chance: 0.01)
    assert again["iterations"][2]["probe"]["change"]["words"] == pytest.approx(0.2)


def test_a_server_that_still_has_the_judge_before_is_an_error(tmp_path: Path):
    with pytest.raises(EngineError, match="answers as the judge before this one.*transformers from the judge before it: 0.2"):
        probed(tmp_path, served=lambda chance: 0.5)
    assert not (tmp_path / "iteration-1/probe.json").exists() and not (tmp_path / "iteration-1/benchmarks").exists()


def test_a_server_that_has_another_model_is_an_error(tmp_path: Path):
    with pytest.raises(EngineError, match="does not answer as transformers does") as error:
        probed(tmp_path, served=lambda chance: 1 - chance)
    assert error.value.hint


def test_training_that_changes_nothing_is_an_error_unless_it_was_not_meant_to(tmp_path: Path):
    with pytest.raises(EngineError, match="exactly as the one before it") as error:
        probed(tmp_path / "meant", step=0.0)
    assert "bfloat16" in str(error.value.hint)
    state = probed(tmp_path / "not", step=0.0, training="scripted")
    assert state["iterations"][1]["probe"]["change"] is None

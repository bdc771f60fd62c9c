"""The gate in a run: a judge that is broken is not accepted, the previous one stands, and the same command tries again."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runs import digests, run_recipe, scripted_recipe
from selfjudge.chat import Completion, Request
from selfjudge.errors import EngineError, TrainerError
from selfjudge.hub.models import embedded_model
from selfjudge.ports import Advance, Engine, Fit
from selfjudge.run.disk import read_json
from selfjudge.run.weights import same_weights
from selfjudge.stages.gate import has_collapsed
from selfjudge.trainers.scripted import ScriptedTrainer
from selfjudge.types import Finish
from selfjudge.wiring import World

Say = Callable[[str], str]


class Speaks:
    """The engine of a new judge, whose replies are changed; nothing at all is an engine failure."""

    block = 8

    def __init__(self, engine: Engine, say: Say) -> None:
        self._engine = engine
        self._say = say

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        for completion in self._engine.generate(requests):
            text = self._say(completion.text)
            failed = {} if text else {"finish": Finish.ERROR, "error": "out of memory"}
            yield replace(completion, text=text, **failed)

    def close(self) -> None:
        self._engine.close()


class Trains(ScriptedTrainer):
    """Copies the model and, if asked to, changes one byte of its weights; reports the loss it is given."""

    def __init__(self, *, change: bool = True, loss: float = 0.5) -> None:
        self._change = change
        self._loss = loss
        self.trained = 0

    def fit(self, examples: Any, *, start: Path, into: Path, work: Path, seed: int, advance: Advance) -> Fit:
        self.trained += 1
        fit = super().fit(examples, start=start, into=into, work=work, seed=seed, advance=advance)
        assert not (work / "checkpoint").exists()  # what led to a refused judge does not come back
        (work / "checkpoint").write_text("")
        if self._change:
            change_last_byte(into / "model.safetensors")
        return replace(fit, loss=self._loss)


def change_last_byte(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([(data[-1] + 1) % 256]))


def gated(folder: Path, *, say: Say = str, trainer: Trains | None = None, iterations: int = 1) -> dict[str, Any]:
    """A run that trains, as far as its recipe goes, with what its new judges say."""

    def change(world: World) -> World:
        engine = world.open_engine
        return replace(world, trainer=trainer or Trains(), open_candidate=lambda model: Speaks(engine(model), say))

    return run_recipe(scripted_recipe(f"loop.iterations={iterations}", "training.kind=sft"), folder, change)


def report(folder: Path, number: int = 1) -> dict[str, Any]:
    found: dict[str, Any] = read_json(folder / f"iteration-{number}/gate.json")
    return found


def test_a_sound_judge_passes_and_the_summary_says_with_which_figures(tmp_path: Path):
    entries = gated(tmp_path, iterations=2)["iterations"]
    assert entries[0]["gate"] is None
    for number in (1, 2):
        assert entries[number]["gate"] == report(tmp_path, number)
        assert report(tmp_path, number)["accepted"] and report(tmp_path, number)["changed"]
        assert report(tmp_path, number)["asked"] == 64 and report(tmp_path, number)["read"] > 30


@pytest.mark.parametrize(
    ("say", "trainer", "fault"),
    [
        (lambda text: "I cannot tell", Trains(), r"0 of its 64 replies hold a verdict, and \d\d% of the previous judge's do"),
        (lambda text: "\n", Trains(), "it gave no answer to any of 64 comparisons"),
        (str, Trains(change=False), "its weights are those of the judge before it"),
        (str, Trains(loss=float("nan")), "its training ended with a loss of nan"),
        (str, Trains(loss=float("inf")), "its training ended with a loss of inf"),
    ],
    ids=["silent", "empty", "unchanged", "nan", "inf"],
)
def test_a_broken_judge_is_not_accepted_and_the_report_says_why(tmp_path: Path, say: Say, trainer: Trains, fault: str):
    with pytest.raises(TrainerError, match=fault) as error:
        gated(tmp_path, say=say, trainer=trainer)
    assert "gate.json" in str(error.value.hint) and "previous judge stands" in str(error.value.hint)
    assert not report(tmp_path)["accepted"] and len(report(tmp_path)["replies"]) == 4
    assert not (tmp_path / "iteration-1/judge").exists() and not (tmp_path / "iteration-1/judge.manifest.json").exists()
    assert json.loads((tmp_path / "summary.json").read_text())["final_judge"] is None


def without_memory(text: str) -> str:
    raise EngineError("out of memory")


def test_a_judge_that_cannot_be_asked_is_kept_and_the_same_command_asks_it_without_training_again(tmp_path: Path):
    gated(tmp_path / "sound", iterations=2)
    trainer = Trains()
    for say in (without_memory, lambda text: ""):  # it does not load, or every request fails
        with pytest.raises(EngineError, match="the new judge was trained and cannot be asked: .*out of memory") as error:
            gated(tmp_path / "run", say=say, trainer=trainer, iterations=2)
        assert not (tmp_path / "run/iteration-1/gate.json").exists() and "without training" in str(error.value.hint)
    gated(tmp_path / "run", trainer=trainer, iterations=2)
    assert trainer.trained == 2 and digests(tmp_path / "run") == digests(tmp_path / "sound")


def test_a_judge_that_cannot_be_asked_is_trained_again_where_one_does_as_the_hint_says(tmp_path: Path):
    trainer = Trains()
    with pytest.raises(EngineError) as error:
        gated(tmp_path, say=without_memory, trainer=trainer)
    [folder] = re.findall(r"delete (\S+),", str(error.value.hint))
    shutil.rmtree(folder)
    gated(tmp_path, trainer=trainer)
    assert trainer.trained == 2 and report(tmp_path)["accepted"]


def test_requests_that_fail_now_and_then_are_no_fault_of_the_judge(tmp_path: Path):
    replies = iter([""] * 24 + ["A is right. [[A]]"] * 40)
    gated(tmp_path, say=lambda text: next(replies))
    assert report(tmp_path)["accepted"] and report(tmp_path)["answered"] == report(tmp_path)["read"] == 40


def test_the_judge_before_a_refused_one_stands_and_the_same_command_tries_again(tmp_path: Path):
    gated(tmp_path / "sound", iterations=2)
    gated(tmp_path / "run", iterations=1)
    with pytest.raises(TrainerError):
        gated(tmp_path / "run", say=lambda text: "…", iterations=2)
    assert json.loads((tmp_path / "run/summary.json").read_text())["final_judge"] == "iteration-1/judge"
    assert gated(tmp_path / "run", iterations=2)["final_judge"] == "iteration-2/judge"
    assert digests(tmp_path / "run") == digests(tmp_path / "sound")


def test_a_judge_that_was_not_trained_for_want_of_traces_is_not_asked(tmp_path: Path):
    silent = '[{when: "Response A begins", replies: ["I cannot tell."]}, {when: ".", replies: ["red", "blue"]}]'
    recipe = scripted_recipe(f"execution.engine.rules={silent}", "loop.iterations=1", "training.kind=sft")
    state = run_recipe(recipe, tmp_path, lambda world: replace(world, trainer=Trains()))
    assert state["iterations"][1]["gate"]["accepted"] and state["iterations"][1]["gate"]["asked"] == 0


@pytest.mark.parametrize(
    ("read", "expected", "collapsed"),
    [
        (64, 64.0, False),
        (33, 64.0, False),
        (32, 64.0, False),
        (31, 64.0, True),
        (0, 9.0, False),
        (0, 10.0, True),
        (0, 0.0, False),
    ],
)
def test_a_collapse_is_less_than_half_and_no_accident_of_counting(read: int, expected: float, collapsed: bool):
    assert has_collapsed(read, expected) is collapsed


def test_the_same_tensors_are_the_same_weights_however_they_are_divided(tmp_path: Path):
    from safetensors.torch import load_file, save_file

    (tmp_path / "divided").mkdir()
    tensors = load_file(embedded_model() / "model.safetensors")
    names = sorted(tensors)
    for number in range(2):
        part = {name: tensors[name] for name in names[number::2]}
        save_file(part, tmp_path / f"divided/model-{number}.safetensors", metadata={"format": "pt"})
    assert same_weights(tmp_path / "divided", embedded_model())
    change_last_byte(tmp_path / "divided/model-1.safetensors")
    assert not same_weights(tmp_path / "divided", embedded_model())
    assert not same_weights(tmp_path, embedded_model())


@pytest.mark.parametrize("coarse", ["bfloat16", "float16"])
def test_the_same_values_are_the_same_weights_in_float32_as_a_judge_is_saved(tmp_path: Path, coarse: str):
    import torch
    from safetensors.torch import save_file

    weights = torch.randn(1000).to(getattr(torch, coarse))
    for name, value in (("base", weights), ("judge", weights.float()), ("moved", weights.float() + 1e-6)):
        (tmp_path / name).mkdir()
        save_file({"w": value}, tmp_path / name / "model.safetensors")
    assert same_weights(tmp_path / "judge", tmp_path / "base") and same_weights(tmp_path / "base", tmp_path / "judge")
    assert not same_weights(tmp_path / "moved", tmp_path / "base")

"""Stage III: what was not learned is kept with its reason, and a judge appears whole or not at all."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from runs import run_recipe, scripted_recipe
from selfjudge.errors import TrainerError
from selfjudge.ports import Advance, Example, Fit
from selfjudge.run.store import Table
from selfjudge.run.tables import DROPPED, JUDGMENTS, judgment_of
from selfjudge.trainers.scripted import ScriptedTrainer
from selfjudge.wiring import World


class Choosy(ScriptedTrainer):
    """Finds all examples but the first `taken` too long, and breaks down as often as it is told."""

    def __init__(self, taken: int, failures: int = 0) -> None:
        self._taken = taken
        self._failures = failures
        self.found: list[list[str]] = []

    def fit(self, examples: Sequence[Example], *, start: Path, into: Path, work: Path, seed: int, advance: Advance) -> Fit:
        self.found.append(sorted(path.name for path in work.iterdir()))
        (work / "checkpoint").write_text("")
        if self._failures:
            self._failures -= 1
            raise TrainerError("broken")
        dropped = {example.key: "too_long" for example in list(examples)[self._taken :]}
        if not self._taken:
            return Fit(steps=0, loss=None, dropped=dropped)
        fit = super().fit(list(examples)[: self._taken], start=start, into=into, work=work, seed=seed, advance=advance)
        return replace(fit, dropped=dropped)


def run(folder: Path, trainer: Choosy) -> dict:
    def change(world: World) -> World:
        return replace(world, trainer=trainer)

    return run_recipe(scripted_recipe("loop.iterations=1"), folder, change)["iterations"][1]


def test_traces_that_are_too_long_are_rows_with_a_reason_and_counted(tmp_path: Path):
    entry = run(tmp_path, Choosy(3))
    assert entry["training"]["examples"] == 3
    rows = list(Table(tmp_path / "iteration-1/training", DROPPED, {}).rows())
    assert len(rows) == entry["traces"] - 3 > 0
    assert {(row["stage"], row["reason"]) for row in rows} == {("training", "too_long")} and all(row["pair_id"] for row in rows)
    manifest = json.loads((tmp_path / "iteration-1/judge.manifest.json").read_text())
    assert manifest["dropped"] == {"too_long": len(rows)}


def test_where_nothing_can_be_learned_the_judge_before_is_handed_on(tmp_path: Path):
    entry = run(tmp_path, Choosy(0))
    assert (entry["training"]["examples"], entry["training"]["steps"], entry["training"]["loss"]) == (0, 0, None)
    assert (tmp_path / "iteration-1/judge/config.json").exists()
    files = list((tmp_path / "iteration-1/judge").iterdir())
    assert all(path.stat().st_nlink == 1 for path in files)  # none is the base's own: editing it would edit the base


def test_what_training_leaves_behind_outlives_a_failure_and_goes_when_the_judge_is_there(tmp_path: Path):
    trainer = Choosy(3, failures=1)
    with pytest.raises(TrainerError):
        run(tmp_path, trainer)
    assert not (tmp_path / "iteration-1/judge").exists()
    run(tmp_path, trainer)
    assert trainer.found == [["execution.json", "identity.json"], ["checkpoint", "execution.json", "identity.json"]]
    assert (tmp_path / "iteration-1/judge").exists() and not list((tmp_path / "iteration-1").glob(".judge*"))


def test_what_another_training_left_behind_is_not_used(tmp_path: Path):
    trainer = Choosy(3, failures=1)
    with pytest.raises(TrainerError):
        run(tmp_path, trainer)
    (tmp_path / "iteration-1/.judge.work/identity.json").write_text("{}")
    run(tmp_path, trainer)
    assert trainer.found == [["execution.json", "identity.json"]] * 2


class Recorder(ScriptedTrainer):
    """Keeps the examples of each training, and changes the weights a little, as the gate wants."""

    def __init__(self) -> None:
        self.trainings: list[list[Example]] = []

    def fit(self, examples: Collection[Example], *, start: Path, into: Path, work: Path, seed: int, advance: Advance) -> Fit:
        self.trainings.append(list(examples))
        fit = super().fit(examples, start=start, into=into, work=work, seed=seed, advance=advance)
        weights = load_file(into / "model.safetensors")
        save_file({name: value * 1.0001 for name, value in weights.items()}, into / "model.safetensors", {"format": "pt"})
        return fit


def compared(folder: Path, *changes: str) -> list[list[Example]]:
    """The examples of each training of two iterations whose replies stand against others."""
    recorder = Recorder()
    recipe = scripted_recipe("training.kind=dpo", "loop.iterations=2", "judging.samples=4", *changes)
    run_recipe(recipe, folder, lambda world: replace(world, trainer=recorder))
    return recorder.trainings


def wrong_replies(folder: Path, number: int) -> dict[str, set[str]]:
    """By request, what the judge said wrongly."""
    wrong = defaultdict(set)
    for row in Table(folder / f"iteration-{number}", JUDGMENTS, {}).rows():
        judgment = judgment_of(row)
        if judgment.verdict is not None and not judgment.right:
            wrong[row["key"].rpartition(".")[0]].add(judgment.trace)
    return wrong


@pytest.mark.parametrize("keep", ["one", "all"])
def test_a_trace_stands_against_a_wrong_reply_to_the_same_request_and_without_one_against_itself(tmp_path: Path, keep: str):
    trainings = compared(tmp_path, f"selection.keep={keep}")
    alone = 0
    for number, examples in enumerate(trainings, 1):
        wrong = wrong_replies(tmp_path, number)
        assert [example.key for example in examples] == sorted(example.key for example in examples)
        for example in examples:
            there = wrong.get(example.key.rpartition(".")[0])
            alone += not there
            assert example.rejected in (there or {example.reply})
    assert 0 < alone < sum(map(len, trainings))


def test_with_replay_the_traces_of_earlier_iterations_stand_against_what_was_wrong_then(tmp_path: Path):
    first, both = compared(tmp_path, "training.replay=1")
    assert {(one.key, one.rejected) for one in first} < {(one.key, one.rejected) for one in both}


def test_where_replies_are_only_learned_nothing_stands_against_them(tmp_path: Path):
    recorder = Recorder()
    run_recipe(scripted_recipe("loop.iterations=1"), tmp_path, lambda world: replace(world, trainer=recorder))
    assert {example.rejected for example in recorder.trainings[0]} == {None}

"""The model that is loaded is the one that was fingerprinted, and an image that is used is the one that was admitted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hostile.rows import png
from runs import run_recipe, scripted_recipe
from selfjudge.errors import InputError, RunError, SelfjudgeError, TrainerError
from selfjudge.hub.models import embedded_model
from selfjudge.judge import Judge
from selfjudge.measure.judges import find_contestant
from selfjudge.run.folder import ImageStore, JudgeFolder, RunFolder
from selfjudge.run.images import admit
from selfjudge.wiring import World


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return Path(shutil.copytree(embedded_model(), tmp_path / "model"))


def swapped(model: Path) -> None:
    """Another model in the place of this one."""
    config = json.loads((model / "generation_config.json").read_text())
    (model / "generation_config.json").write_text(json.dumps({**config, "max_length": 7}))


def swapping(model: Path, times: list[int]) -> Callable[[World], World]:
    """A world in which the model is exchanged once an engine was opened for the n-th time."""

    def change(world: World) -> World:
        def open_engine(path: Path) -> Any:
            engine = world.open_engine(path)
            times[0] -= 1
            if times[0] == 0:
                swapped(model)
            return engine

        return replace(world, open_engine=open_engine)

    return change


def test_a_model_that_is_exchanged_while_a_run_loads_it_ends_the_run_and_nothing_is_stored(tmp_path: Path, model: Path):
    recipe = scripted_recipe(f"model={model}", "loop.iterations=1")
    with pytest.raises(RunError, match="was changed while it was loaded") as error:
        run_recipe(recipe, tmp_path / "run", swapping(model, [1]))
    assert str(model) in str(error.value) and "another folder" in str(error.value.hint)
    assert not [*(tmp_path / "run").rglob("judgments.parquet"), *(tmp_path / "run").rglob("responses.parquet")]


def test_the_hint_works_a_model_that_was_put_back_goes_on(tmp_path: Path, model: Path):
    recipe = scripted_recipe(f"model={model}", "loop.iterations=1")
    before = (model / "generation_config.json").read_bytes()
    with pytest.raises(RunError):
        run_recipe(recipe, tmp_path / "run", swapping(model, [1]))
    (model / "generation_config.json").write_bytes(before)
    assert run_recipe(recipe, tmp_path / "run")["stopped"] == "all iterations are done"


def test_a_judge_that_is_measured_is_the_one_that_was_fingerprinted(tmp_path: Path, model: Path):
    contestant = find_contestant(str(model), RunFolder(tmp_path / "run"), {"device": "cpu"})
    contestant.open().close()
    swapped(model)
    with pytest.raises(RunError, match=f"{model} was changed"):
        contestant.open()


def test_labels_are_of_the_judge_that_was_loaded(model: Path):
    with Judge.load(model, device="cpu") as judge:
        before = judge.identity
        swapped(model)
        judge.__dict__.pop("identity")
        with pytest.raises(InputError, match="was changed since it was loaded") as error:
            _ = judge.identity
    assert "Load the model again" in str(error.value.hint)
    with Judge.load(model, device="cpu") as judge:
        assert judge.identity != before


def test_a_judge_is_trained_from_the_model_of_its_identity(tmp_path: Path, model: Path):
    digest = RunFolder(tmp_path).fingerprint(model)
    judge = JudgeFolder(tmp_path / "iteration-1", {"inputs": {"start": digest}})
    judge.check_start(model)
    work = judge.workplace()
    swapped(model)
    with pytest.raises(TrainerError, match="was changed while a judge was trained from it"):
        judge.check_start(model)
    assert not work.exists()


@pytest.mark.parametrize("use", [ImageStore.get, ImageStore.checked])
@pytest.mark.parametrize("data", [b"", b"other", png(9)])
def test_an_image_is_checked_whenever_it_is_used(tmp_path: Path, use: Callable[..., Any], data: bytes):
    store = ImageStore(tmp_path)
    ref, kept = admit(png(1), max_pixels=100)
    store.put(ref, kept)
    assert use(store, ref) in (kept, store.path(ref))
    store.path(ref).write_bytes(data)
    with pytest.raises(SelfjudgeError, match="damaged") as error:
        use(store, ref)
    assert str(store.path(ref)) in str(error.value) and error.value.hint

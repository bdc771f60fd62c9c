"""Fine-tuning with TRL, on the shipped model: it learns the replies, repeats itself exactly, and fails clearly."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest
from safetensors.torch import load_file

from selfjudge.chat import Message
from selfjudge.errors import TrainerError
from selfjudge.images import admit
from selfjudge.ports import Example, Fit
from selfjudge.recipe import Training
from selfjudge.shapes.drawing import draw
from selfjudge.shapes.prompts import png
from selfjudge.shapes.scenes import draw_scene
from selfjudge.trainers.sft import SftTrainer
from selfjudge.wiring import find_model

MODEL = find_model("shapes")
IMAGES: dict[str, bytes] = {}


def example(number: int) -> Example:
    rng = random.Random(number)
    ref, data = admit(png(draw(draw_scene(rng, held_out=False), rng)), max_pixels=10**6)
    IMAGES[ref.sha256] = data
    text = "judge: how many objects are there?\nA: one\nB: two"
    return Example(
        key=str(number),
        messages=(Message(role="user", content=(ref, text)),),
        reply="one (A) or two (B)? I see one (A). [[A]]",
    )


def fit(into: Path, *, count: int = 16, start: Path = MODEL, **changes: object) -> Fit:
    recipe = Training(**{"learning_rate": 1e-3, "epochs": 2, "batch_size": 8, "device_batch_size": 4, **changes})
    trainer = SftTrainer(recipe, read_image=lambda ref: IMAGES[ref.sha256])
    return trainer.fit([example(i) for i in range(count)], start=start, into=into, seed=7, advance=lambda n: None)


def digest(folder: Path) -> str:
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def test_the_loss_falls_and_the_folder_loads_with_the_auto_classes(tmp_path: Path):
    from transformers import AutoModelForImageTextToText, AutoProcessor

    short = fit(tmp_path / "short", epochs=1)
    long = fit(tmp_path / "long", epochs=6)
    assert long.steps == 12 and long.loss < short.loss / 2
    assert AutoModelForImageTextToText.from_pretrained(tmp_path / "long").config.model_type == "idefics3"
    assert AutoProcessor.from_pretrained(tmp_path / "long").chat_template


def test_the_same_seed_trains_the_same_weights(tmp_path: Path):
    for name in ("one", "other"):
        fit(tmp_path / name)
    assert digest(tmp_path / "one") == digest(tmp_path / "other") != digest(MODEL)


def test_a_frozen_vision_tower_stays_as_it_was(tmp_path: Path):
    fit(tmp_path, freeze_vision=True, epochs=1)
    before, after = load_file(MODEL / "model.safetensors"), load_file(tmp_path / "model.safetensors")
    changed = {name for name in before if not before[name].equal(after[name])}
    assert changed and not any("vision_model" in name for name in changed)


def test_one_example_is_enough_to_train(tmp_path: Path):
    assert fit(tmp_path, count=1, epochs=1).steps == 1


def test_a_loss_that_is_no_number_is_an_error(tmp_path: Path):
    with pytest.raises(TrainerError, match="finite"):
        fit(tmp_path, learning_rate=1e30, epochs=3, max_grad_norm=1e30)


def test_a_folder_that_is_no_model_is_an_error(tmp_path: Path):
    with pytest.raises(TrainerError) as error:
        fit(tmp_path / "into", start=tmp_path)
    assert error.value.hint

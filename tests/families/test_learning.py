"""What training promises holds in every family: how a step is cut changes nothing, and LoRA leaves a whole model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from families.tiny import IMAGES, OTHER, TALL, WIDE, families, folder
from runs import training
from selfjudge.chat import Message
from selfjudge.ports import Example, Fit
from selfjudge.trainers.local import LocalTrainer
from trainers.fitting import weights

SHOWN = ((WIDE,), (TALL,), (WIDE, TALL), (OTHER,), (TALL, WIDE))
EXAMPLES = [
    Example(
        key=str(number),
        messages=(Message(role="user", content=(*images, "which? " * (number + 1))),),
        reply="A cat. [[A]]" * (1 + number % 3),
    )
    for number, images in enumerate(SHOWN)
]


TEXTS = [replace(one, key=f"{one.key} text", messages=(Message(role="user", content=("which? ",)),)) for one in EXAMPLES[:3]]
COMPARED = [replace(example, rejected="A dog. [[B]]") for example in EXAMPLES]


def fit(model: Path, into: Path, examples: list[Example] = EXAMPLES, **changes: object) -> Fit:
    recipe, settings = training(**{"learning_rate": 1e-2, "epochs": 2, "batch_size": 4, "device_batch_size": 4, **changes})
    trainer = LocalTrainer(recipe, settings, read_image=lambda ref: IMAGES[ref.sha256])
    work = into.with_name(f"{into.name}.work")
    return trainer.fit(examples, start=model, into=into, work=work, seed=1, advance=lambda n: None)


@pytest.mark.parametrize("family", families())
def test_micro_batches_change_the_losses_by_rounding_alone(family: str, tmp_path: Path):
    model = folder(family, tmp_path)
    whole, cut = (fit(model, tmp_path / str(size), device_batch_size=size).losses for size in (4, 2))
    assert cut == pytest.approx(whole, abs=2e-3)


@pytest.mark.parametrize("family", families())
def test_so_it_is_where_prompts_without_an_image_are_among_them(family: str, tmp_path: Path):
    model, examples = folder(family, tmp_path), [*EXAMPLES, *TEXTS]
    whole, cut = (fit(model, tmp_path / str(size), examples, batch_size=8, device_batch_size=size).losses for size in (8, 1))
    assert cut == pytest.approx(whole, abs=2e-3)


@pytest.mark.parametrize("family", families())
def test_lora_changes_the_language_model_alone_and_leaves_the_weights_under_their_names(family: str, tmp_path: Path):
    model = folder(family, tmp_path)
    losses = fit(model, tmp_path / "judge", lora={"dropout": 0}, epochs=4).losses
    before, after = weights(model), weights(tmp_path / "judge")
    changed = {name for name in before if not before[name].equal(after[name])}
    assert losses[-1] < losses[0] and before.keys() == after.keys() and changed
    assert not any(part in name for name in changed for part in ("vision", "visual", "projector", "connector", "lm_head"))


@pytest.mark.parametrize("family", families())
def test_replies_are_told_from_others_from_where_the_model_stands(family: str, tmp_path: Path):
    """The first loss is log 2, for the model is its own reference there."""
    model = folder(family, tmp_path)
    losses = fit(model, tmp_path / "judge", COMPARED, kind="dpo", sft_weight=0, epochs=4).losses
    assert losses[0] == pytest.approx(0.693, abs=0.01) and losses[-1] < losses[0]

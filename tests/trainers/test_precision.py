"""Weights are kept and saved in float32, so that small updates are not lost; a pure bfloat16 training loses most of them."""

from __future__ import annotations

import gc
import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForImageTextToText, PreTrainedModel

from selfjudge.engines.local import TransformersEngine
from selfjudge.recipe.engines import TransformersSettings
from selfjudge.recipe.execution import TrainerSettings
from trainers.fitting import MODEL, fit, weights

PAPER = {"learning_rate": 1e-5, "epochs": 4}
"""Eight steps at the paper's rate."""


@pytest.fixture
def autocast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compute in bfloat16 on the CPU, too."""
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")


@pytest.fixture
def coarse(tmp_path: Path) -> Path:
    """The embedded model in bfloat16, as real ones are published."""
    shutil.copytree(MODEL, tmp_path / "base")
    AutoModelForImageTextToText.from_pretrained(MODEL, dtype=torch.bfloat16).save_pretrained(tmp_path / "base")
    return tmp_path / "base"


def moved(start: Path, judge: Path) -> float:
    """The share of the layers' weights that are others than before. Rows of the vocabulary that no text has never move."""
    before, after = weights(start), weights(judge)
    layers = [name for name in before if ".layers." in name]
    changed = sum((after[name] != before[name].to(after[name].dtype)).sum() for name in layers)
    return float(changed / sum(before[name].numel() for name in layers))


def test_nearly_all_weights_move_at_the_papers_rate_under_bfloat16_autocast(tmp_path: Path, coarse: Path, autocast: None):
    fit(tmp_path / "judge", start=coarse, **PAPER)
    assert moved(coarse, tmp_path / "judge") > 0.99


def test_in_pure_bfloat16_most_weights_do_not_move(tmp_path: Path, coarse: Path):
    fit(tmp_path / "judge", start=coarse, precision="bf16", **PAPER)
    assert moved(coarse, tmp_path / "judge") < 0.5


@pytest.mark.parametrize(("precision", "kept"), [("mixed", torch.float32), ("bf16", torch.bfloat16)])
def test_weights_and_optimiser_states_have_the_same_type(tmp_path: Path, autocast: None, precision: str, kept: torch.dtype):
    fit(tmp_path / "judge", precision=precision, checkpoint_minutes=0)
    [states] = (tmp_path / "judge.work").glob("checkpoint-*/optimizer.pt")
    moments = [v for state in torch.load(states)["state"].values() for name, v in state.items() if name != "step"]
    assert {moment.dtype for moment in moments} == {tensor.dtype for tensor in weights(tmp_path / "judge").values()} == {kept}


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, {"lora": {}}], ids=["all weights", "LoRA"])
@pytest.mark.parametrize("declared", ["in the configuration", "in its text part", "nowhere"])
def test_a_judge_is_saved_in_float32_and_loaded_to_generate_in_the_type_of_its_base(
    tmp_path: Path, coarse: Path, changes: dict[str, object], declared: str
):
    config = json.loads((coarse / "config.json").read_text())
    for part in [] if declared == "in the configuration" else [config, config["vision_config"], config["text_config"]]:
        del part["dtype"]
    if declared == "in its text part":
        config["text_config"]["dtype"] = "bfloat16"
    (coarse / "config.json").write_text(json.dumps(config))
    fit(tmp_path / "one", start=coarse, epochs=1, **changes)
    fit(tmp_path / "two", start=tmp_path / "one", epochs=1, **changes)
    assert {tensor.dtype for tensor in weights(tmp_path / "two").values()} == {torch.float32}
    engine = TransformersEngine(
        str(tmp_path / "two"), TransformersSettings(batch_size=1, device="cpu"), read_image=lambda ref: b""
    )
    assert engine._model.dtype is torch.bfloat16


def test_what_lora_learned_is_not_rounded_between_iterations(tmp_path: Path, coarse: Path):
    fit(tmp_path / "one", start=coarse, lora={}, learning_rate=1e-5, epochs=1)
    fit(tmp_path / "two", start=tmp_path / "one", lora={}, learning_rate=1e-30, epochs=1)
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert all(one[name].equal(two[name]) for name in one) and moved(coarse, tmp_path / "two") > 0.2


def models_in_memory() -> int:
    return sum(issubclass(type(thing), PreTrainedModel) for thing in gc.get_objects())


def test_nothing_of_the_model_stays_in_memory_when_training_has_ended(tmp_path: Path):
    gc.collect()
    before = models_in_memory()
    gc.disable()  # so that only training itself can have collected
    try:
        fit(tmp_path / "judge", epochs=1)
        assert models_in_memory() <= before
    finally:
        gc.enable()


def test_pure_bfloat16_cannot_be_asked_of_a_launcher_that_would_not_give_it():
    with pytest.raises(ValueError, match="precision must be `mixed` with accelerate_config"):
        TrainerSettings(precision="bf16", launcher="accelerate", accelerate_config=Path("fsdp2.yaml"))

"""Which weights are trained, and what is saved: all, all but the vision tower, or LoRA matrices that are merged at the end."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForImageTextToText

from ..disk import read_json, write_json
from ..recipe import Lora, Training

ADAPTER = "adapter"
"""What LoRA learned, as peft loads it over the model that training started from: a folder in the judge's."""


def load(start: Path, recipe: Training, *, gpu: bool) -> torch.nn.Module:
    """The model to train, its frozen parts frozen: in bfloat16 on a GPU, in float32 on the CPU."""
    model = AutoModelForImageTextToText.from_pretrained(start, dtype=torch.bfloat16 if gpu else torch.float32)
    if recipe.freeze_vision:
        for parameter in _vision(model).parameters():
            parameter.requires_grad = False
    return model


def adapter(model: torch.nn.Module, recipe: Lora) -> Any:
    """Where LoRA's matrices go: beside each linear layer of the language model, and of all but the head if vision learns too."""
    from peft import LoraConfig

    learned = {id(module) for module in model.get_decoder().modules()}
    head = model.get_output_embeddings()
    targets = [
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and module is not head and (recipe.vision or id(module) in learned)
    ]
    return LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules=targets,
        task_type="CAUSAL_LM",
    )


def merge(start: Path, matrices: Path, into: Path, *, gpu: bool) -> None:
    """Save the model `start` with LoRA's matrices added to its weights, and the matrices themselves in a folder of their own.

    The sums are made on the CPU, in float32.
    """
    from peft import PeftModel

    model = AutoModelForImageTextToText.from_pretrained(start, dtype=torch.float32)
    merged = PeftModel.from_pretrained(model, matrices).merge_and_unload()
    merged.to(torch.bfloat16 if gpu else torch.float32).save_pretrained(into)
    config = read_json(matrices / "adapter_config.json")
    # A set, whose order is another one in each process, and a path of this machine.
    same = {"target_modules": sorted(config["target_modules"]), "base_model_name_or_path": None}
    write_json(into / ADAPTER / "adapter_config.json", {**config, **same})
    shutil.copy(matrices / "adapter_model.safetensors", into / ADAPTER)


def longest(start: Path) -> int | None:
    """How many tokens the model's configuration allows; None where it does not say."""
    limit = getattr(AutoConfig.from_pretrained(start).get_text_config(), "max_position_embeddings", None)
    return None if limit is None else int(limit)


def _vision(model: torch.nn.Module) -> torch.nn.Module:
    tower = model.get_encoder(modality="image")
    if tower is model or tower is model.base_model:
        raise ValueError("this model has no vision tower that could be frozen: set training.freeze_vision to false")
    return tower

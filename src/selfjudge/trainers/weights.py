"""Which weights are trained, and what is saved: all, all but the vision tower, or LoRA matrices that are merged at the end.

Judges are saved in the type that training keeps weights in, float32 by default, so that no iteration rounds what an earlier one
learned. Their config.json names the type of the model that training started from, in which engines load them (`dtype: auto`).
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from transformers import AutoConfig, AutoModelForImageTextToText

from ..recipe.execution import TrainerSettings
from ..recipe.training import Lora, Training
from ..run.disk import read_json, write_json

ADAPTER = "adapter"
"""What LoRA learned, as peft loads it over the model that training started from: a folder in the judge's."""


def load(start: Path, recipe: Training, settings: TrainerSettings, *, gpu: bool) -> torch.nn.Module:
    """The model to train, its frozen parts frozen.

    In float32, unless the recipe says bfloat16. Weights beside LoRA's matrices are bfloat16 on a GPU, too, where autocast would
    round them in any case: they do not move.
    """
    coarse = settings.precision == "bf16" or (gpu and recipe.lora is not None)
    model = _read(start, torch.bfloat16 if coarse else torch.float32)
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


def merge(start: Path, matrices: Path, into: Path) -> None:
    """Save the model `start` with LoRA's matrices added to its weights, and the matrices themselves in a folder of their own.

    The sums are made on the CPU, and saved, in float32.
    """
    from peft import PeftModel

    PeftModel.from_pretrained(_read(start, torch.float32), matrices).merge_and_unload().save_pretrained(into)
    config = read_json(matrices / "adapter_config.json")
    # A set, whose order is another one in each process, and a path of this machine.
    same = {"target_modules": sorted(config["target_modules"]), "base_model_name_or_path": None}
    write_json(into / ADAPTER / "adapter_config.json", {**config, **same})
    shutil.copy(matrices / "adapter_model.safetensors", into / ADAPTER)


def keep_dtype(start: Path, into: Path) -> None:
    """Write the type that engines load the model `start` in, as `auto`, into the configuration of the judge made from it."""
    name = _dtype(start)
    config = read_json(into / "config.json")
    parts = [config, *(part for part in config.values() if isinstance(part, dict) and "dtype" in part)]
    if name is not None and any(part.get("dtype") != name for part in parts):
        for part in parts:
            part["dtype"] = name
        write_json(into / "config.json", config)


def _dtype(folder: Path) -> str | None:
    """The type of a model folder by its configuration, else by its first weights; None where neither can be read."""
    config = _configuration(folder)
    named = config.dtype or config.get_text_config().dtype
    files = sorted(folder.glob("*.safetensors"))
    if named is None and files:
        with safe_open(files[0], framework="pt") as file:
            named = file.get_tensor(next(iter(file.keys()))).dtype
    return None if named is None else str(named).removeprefix("torch.")


def longest(start: Path) -> int | None:
    """How many tokens the model's configuration allows; None where it does not say."""
    limit = getattr(_configuration(start).get_text_config(), "max_position_embeddings", None)
    return None if limit is None else int(limit)


def _configuration(folder: Path) -> Any:
    return AutoConfig.from_pretrained(folder, trust_remote_code=False)


def _read(folder: Path, dtype: torch.dtype) -> Any:
    return AutoModelForImageTextToText.from_pretrained(folder, dtype=dtype, trust_remote_code=False)


def _vision(model: torch.nn.Module) -> torch.nn.Module:
    tower = model.get_encoder(modality="image")
    if tower is model or tower is model.base_model:
        raise ValueError("this model has no vision tower that could be frozen: set training.freeze_vision to false")
    return tower

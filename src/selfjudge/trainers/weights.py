"""Loads the model to train, and saves judges: all weights, all but the vision tower, or LoRA matrices, merged at the end.

Judges are saved in the type in which they are trained, float32 by default, so that no iteration rounds what an earlier one
learned. Their config.json names the type of the model that training started from; engines load them in it (`dtype: auto`).
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from accelerate.utils.dataclasses import get_module_class_from_name
from safetensors import safe_open
from transformers import AutoConfig, AutoModelForImageTextToText

from ..recipe.execution import TrainerSettings
from ..recipe.training import Lora, Training
from ..run.disk import read_json, write_json

ADAPTER = "adapter"  # folder of the LoRA matrices in a judge's folder; peft loads it over the model that training started from


def load(start: Path, recipe: Training, settings: TrainerSettings, *, gpu: bool) -> torch.nn.Module:
    """The model to train, its frozen parts frozen.

    In float32, unless `precision` is bf16. With LoRA on a GPU the frozen weights are bfloat16: autocast rounds them anyway.
    """
    coarse = settings.precision == "bf16" or (gpu and recipe.lora is not None)
    model = _read(start, torch.bfloat16 if coarse else torch.float32)
    if recipe.freeze_vision:
        for parameter in _vision(model).parameters():
            parameter.requires_grad = False
    whole = model._no_split_modules or ()  # some classes name layers that this model lacks, which FSDP refuses
    model._no_split_modules = {name for name in whole if get_module_class_from_name(model, name) is not None}
    return model


def adapter(model: torch.nn.Module, recipe: Lora) -> Any:
    """LoRA on each linear layer of the language model, and with `vision` on all linear layers but the head."""
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
    """Save the model `start` with LoRA's matrices added, in float32 and on the CPU, and the matrices in a folder of their own."""
    from peft import PeftModel

    PeftModel.from_pretrained(_read(start, torch.float32), matrices).merge_and_unload().save_pretrained(into)
    config = read_json(matrices / "adapter_config.json")
    # A set whose order differs between processes, and a path of this machine.
    same = {"target_modules": sorted(config["target_modules"]), "base_model_name_or_path": None}
    write_json(into / ADAPTER / "adapter_config.json", {**config, **same})
    shutil.copy(matrices / "adapter_model.safetensors", into / ADAPTER)


def keep_settings(start: Path, into: Path) -> None:
    """Write what is not trained into the configuration of the judge: the type of the model `start`, in which engines load it with
    `auto`, and whether it caches keys and values, which the trainer turns off.
    """
    name = _dtype(start)
    was, config = (read_json(folder / "config.json") for folder in (start, into))
    parts = [config, *(part for part in config.values() if isinstance(part, dict) and "dtype" in part)]
    for part in parts if name is not None else ():
        part["dtype"] = name
    config.pop("use_cache", None)
    if "use_cache" in was:
        config["use_cache"] = was["use_cache"]
    write_json(into / "config.json", config)


def _dtype(folder: Path) -> str | None:
    """The type of a model folder from its configuration, else from its first tensor; None if neither names one."""
    config = configuration(folder)
    named = config.dtype or config.get_text_config().dtype
    files = sorted(folder.glob("*.safetensors"))
    if named is None and files:
        with safe_open(files[0], framework="pt") as file:
            named = file.get_tensor(next(iter(file.keys()))).dtype
    return None if named is None else str(named).removeprefix("torch.")


def longest(start: Path) -> int | None:
    """The most tokens in the model's configuration; None if it names no limit."""
    limit = getattr(configuration(start).get_text_config(), "max_position_embeddings", None)
    return None if limit is None else int(limit)


def configuration(folder: Path) -> Any:
    return AutoConfig.from_pretrained(folder, trust_remote_code=False)


def _read(folder: Path, dtype: torch.dtype) -> Any:
    return AutoModelForImageTextToText.from_pretrained(folder, dtype=dtype, trust_remote_code=False)


def _vision(model: torch.nn.Module) -> torch.nn.Module:
    tower = model.get_encoder(modality="image")
    if tower is model or tower is model.base_model:
        raise ValueError("this model has no vision tower to freeze: leave training.freeze_vision out, in another folder (--dir)")
    return tower

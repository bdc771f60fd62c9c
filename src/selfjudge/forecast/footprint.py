"""How much memory a model takes, by rules rough enough to be counted without loading it. Sizes are in bytes.

- Weights: what the headers of the safetensors files list, in the type they will be loaded in.
- Keys and values: per token 2 x layers x key-value heads x head width, for every request of a batch with 2,048 tokens of prompt
  (an image is a few hundred to two thousand) and the longest reply that the recipe allows. Engines with paged memory (vLLM) take
  what is left, and need room for one such request. What config.json leaves out is the default of its class in transformers.
- Activations and the rest: a fifth of the weights and 1 GiB.
- Training: weights, gradients and two moments, each in float32: 16 bytes a parameter, and 8 with `precision: bf16`; without
  activations, which gradient checkpointing keeps small, and autocast's copies of weights in use. With LoRA the weights alone, in
  bfloat16 on a GPU, and a quarter more; with a file for accelerate (FSDP, DeepSpeed) each process holds its share. Without
  LoRA `kind: dpo` holds the weights once more, as the judge before.
- On disk: a judge is as wide as its weights in training; a checkpoint holds the moments, too, with a file for accelerate the
  weights twice (as a model, and as FSDP and DeepSpeed continue from), and the one before goes after it.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..recipe.execution import TrainerSettings
from ..recipe.training import Training
from ..run.jsonl import regular
from ..run.weights import stored_tensors

PROMPT_TOKENS = 2_048
TRAINING_BYTES = {"mixed": 16, "bf16": 8}
"""A parameter: weight, gradient and two moments."""
_LOADED = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """A model as far as memory goes. `stored` is the size of its weights files."""

    parameters: int
    stored: int
    kv_bytes_per_token: int
    """In two-byte numbers; 0 where the configuration does not tell."""
    kind: str

    def weights(self, dtype: str) -> int:
        """Loaded in this type; `auto` is the checkpoint's own."""
        return self.parameters * _LOADED[dtype] if dtype in _LOADED else self.stored

    def cache(self, requests: int, reply_tokens: int, dtype: str) -> int:
        """Keys and values of so many requests at once."""
        wide = 2 if dtype == "float32" else 1
        return wide * self.kv_bytes_per_token * requests * (PROMPT_TOKENS + reply_tokens)

    def rest(self, dtype: str) -> int:
        """Activations, buffers and the runtime's own."""
        return self.weights(dtype) // 5 + 2**30

    def training(self, recipe: Training, settings: TrainerSettings, *, gpu: bool) -> int:
        """In each process that trains."""
        states = 5 if recipe.kind == "dpo" else 4  # each as wide as the weights: these, gradient, two moments, the judge before
        whole = self.parameters * TRAINING_BYTES[settings.precision] // 4 * states
        if recipe.lora is not None:
            whole = self.weights("bfloat16" if gpu or settings.precision == "bf16" else "float32") * 5 // 4
        return whole // (settings.processes if settings.accelerate_config is not None else 1)

    def judge(self, recipe: Training, settings: TrainerSettings) -> int:
        """A judge on disk."""
        if recipe.kind == "scripted":
            return self.stored
        return self.weights("bfloat16" if settings.precision == "bf16" and recipe.lora is None else "float32")

    def checkpoints(self, recipe: Training, settings: TrainerSettings) -> int:
        """What training writes besides the judge, at most: two checkpoints for a moment. LoRA's hold its matrices alone."""
        if recipe.kind == "scripted" or recipe.lora is not None:
            return 0
        states = 3 if settings.accelerate_config is None else 4  # weights and two moments, and FSDP's own copy of the weights
        return 2 * states * self.judge(recipe, settings)


def footprint(model: Path) -> Footprint:
    """The footprint of a model folder. Raises InputError if its weights or its configuration are missing or damaged."""
    try:
        config = json.loads(regular(model / "config.json").read_text(encoding="utf-8"))
        kind, per_token = str(config.get("model_type", "")), _per_token(config, model)
    except (OSError, ValueError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        hint = "It needs config.json, weights and a processor."
        raise InputError(f"{model} is not a model folder: cannot use its config.json: {error}", hint=hint) from error
    tensors = stored_tensors(model).values()
    if not tensors:
        raise InputError(f"{model} holds no safetensors weights", hint="Check that the checkpoint was copied completely.")
    parameters = sum(math.prod(tensor.shape) for tensor in tensors)
    stored = sum(path.stat().st_size for path in {tensor.path for tensor in tensors})
    return Footprint(parameters=parameters, stored=stored, kv_bytes_per_token=per_token, kind=kind)


_SHAPE = ("num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim")


def _per_token(config: dict[str, Any], model: Path) -> int:
    """Of the language model: a vision tower keeps no keys and values from token to token."""
    text = config.get("text_config") or config
    layers, heads, shared, width = map(text.get, _SHAPE)
    hidden = text.get("hidden_size", 0)
    if not (layers and heads and shared and width) and (known := _with_defaults(model)) is not None:
        layers, heads, shared, width = (getattr(known, name, None) for name in _SHAPE)
        hidden = getattr(known, "hidden_size", 0)
    if not layers or not heads:
        return 0
    return int(2 * layers * (shared or heads) * (width or hidden // heads) * 2)


def _with_defaults(model: Path) -> Any:
    """The language model's configuration with what its class has by itself; None where transformers is missing or does not know
    the model."""
    try:
        from transformers import AutoConfig

        return AutoConfig.from_pretrained(model, trust_remote_code=False).get_text_config()
    except Exception:  # of each class of configurations its own
        return None

"""The training section of a recipe: the mathematics of Stage III. How it is computed is in `execution.training`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from .section import Section


class Lora(Section):
    """LoRA: small matrices beside the linear layers are trained, and added to the weights when training ends."""

    rank: int = Field(16, ge=1)
    """CHOSEN: the rank of the matrices."""
    alpha: int = Field(32, ge=1)
    """CHOSEN: the matrices count alpha / rank times."""
    dropout: float = Field(0.05, ge=0, lt=1)
    """CHOSEN: dropout before the matrices."""
    vision: bool = False
    """CHOSEN: the language model alone. True adds the vision tower and what connects it."""


class Training(Section):
    """Stage III: fine-tuning on the kept traces (STATED), loss on the reply only (CHOSEN)."""

    kind: Literal["sft", "dpo", "scripted"] = "sft"
    """STATED: `sft`. `dpo`, ours, also teaches to tell each trace from a wrong reply of the same judge to the same pair in that
    order; a trace without one is learned as in `sft`. `scripted` trains nothing: for trying out a run."""
    beta: float = Field(0.1, gt=0)
    """CHOSEN, of `kind: dpo`: how closely the judge stays with the one before; the larger, the closer."""
    sft_weight: float = Field(1.0, ge=0)
    """CHOSEN, of `kind: dpo`: the weight of learning the traces, beside that of telling them from wrong replies, which is 1."""
    start: Literal["continue", "restart"] = "continue"
    """STATED: from the previous judge. `restart` trains the base again each time."""
    replay: int = Field(0, ge=0, strict=True)
    """CHOSEN: none, the traces of this iteration only. So many iterations before it are learned again."""
    learning_rate: float = Field(1e-5, gt=0)
    """REPORTED: the rate of AdamW in the first epoch, after warm-up."""
    epochs: int = Field(5, ge=1)
    """REPORTED: passes over the kept traces."""
    schedule: Literal["epochs", "cosine", "linear"] = "epochs"
    """CHOSEN: the rate falls after each epoch, by `epoch_decay`. The others fall to 0 with each step."""
    epoch_decay: float = Field(0.85, gt=0, le=1)
    """CHOSEN: the rate is multiplied by this after each epoch, where the schedule is `epochs`."""
    warmup: float = Field(0.0, ge=0, lt=1)
    """CHOSEN: none. Share of all steps during which the rate rises."""
    batch_size: int = Field(16, ge=1)
    """CHOSEN: examples in a step, over all devices."""
    group_by_length: bool = False
    """CHOSEN: examples are sorted by length within a step alone, which changes nothing that is learned. True makes whole steps
    of similar lengths."""
    max_length: int | None = Field(None, ge=1)
    """CHOSEN: what the model's configuration allows. Examples with more tokens, those of images included, are dropped."""
    weight_decay: float = Field(0.0, ge=0)
    """CHOSEN: weight decay of AdamW."""
    max_grad_norm: float = Field(1.0, gt=0)
    """CHOSEN: gradients are scaled down to this norm."""
    freeze_vision: bool = False
    """CHOSEN: nothing is frozen."""
    lora: Lora | None = None
    """CHOSEN: none, all weights are trained. `{}` takes LoRA with its defaults."""

    @model_validator(mode="after")
    def _reads_what_is_set(self) -> Training:
        for name in ("beta", "sft_weight"):
            if self.kind != "dpo" and getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f"{name} belongs to kind: dpo, and this is kind: {self.kind}")
        return self

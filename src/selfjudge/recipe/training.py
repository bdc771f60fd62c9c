"""The training section of a recipe: Stage III. `recipe` shows these names too."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from .section import Section

_FIRST = (
    *("kind", "start", "replay", "learning_rate", "epochs", "epoch_decay", "warmup", "batch_size", "device_batch_size"),
    *("weight_decay", "max_grad_norm", "freeze_vision"),
)
"""Fields in every run's recipe.json. Later ones stand there only where they say something, so that older runs go on."""


class Lora(Section):
    """LoRA: small matrices beside the linear layers are trained, and added to the weights when training ends."""

    rank: int = Field(16, ge=1)
    """CHOSEN."""
    alpha: int = Field(32, ge=1)
    """CHOSEN: the matrices count alpha / rank times."""
    dropout: float = Field(0.05, ge=0, lt=1)
    """CHOSEN."""
    vision: bool = False
    """CHOSEN: the language model alone. True adds the vision tower and what connects it."""


class Training(Section):
    """Stage III: supervised fine-tuning on the kept traces (STATED), loss on the reply only (CHOSEN)."""

    kind: Literal["sft", "scripted"] = "sft"
    """`scripted` trains nothing: for trying out a run."""
    start: Literal["continue", "restart"] = "continue"
    """STATED: from the previous judge. `restart` trains the base again each time."""
    replay: bool = False
    """CHOSEN: the traces of this iteration only. True adds those of all earlier ones."""
    learning_rate: float = Field(1e-5, gt=0)
    """REPORTED."""
    epochs: int = Field(5, ge=1)
    """REPORTED."""
    schedule: Literal["epochs", "cosine", "linear"] = "epochs"
    """CHOSEN: the rate falls after each epoch, by `epoch_decay`. The others fall to 0 with each step."""
    epoch_decay: float = Field(0.85, gt=0, le=1)
    """CHOSEN: the rate is multiplied by this after each epoch, where the schedule is `epochs`."""
    warmup: float = Field(0.0, ge=0, lt=1)
    """CHOSEN: none. Share of all steps during which the rate rises."""
    batch_size: int = Field(16, ge=1)
    """CHOSEN: examples in a step, over all devices."""
    device_batch_size: int = Field(2, ge=1)
    """CHOSEN: examples on a device at once; gradients are accumulated up to `batch_size`."""
    group_by_length: bool = False
    """CHOSEN: examples are sorted by length within a step alone, which changes nothing that is learned. True makes whole steps
    of similar lengths."""
    max_length: int | None = Field(None, ge=1)
    """CHOSEN: what the model's configuration allows. Examples with more tokens, those of images included, are dropped."""
    weight_decay: float = Field(0.0, ge=0)
    """CHOSEN."""
    max_grad_norm: float = Field(1.0, gt=0)
    """CHOSEN."""
    precision: Literal["mixed", "bf16"] = "mixed"
    """CHOSEN: weights, gradients and optimiser states in float32; a GPU computes in bfloat16. `bf16` keeps them all in
    bfloat16: half the memory, but most weights do not move at rates near 1e-5. LoRA's matrices are float32 with either."""
    freeze_vision: bool = False
    """CHOSEN: nothing is frozen."""
    lora: Lora | None = None
    """CHOSEN: none, all weights are trained. `{}` takes LoRA with its defaults."""
    cache_gib: float = Field(1.0, ge=0)
    """Memory for examples that are processed already, so that later epochs need not process them again."""
    workers: int = Field(2, ge=0)
    """Threads that process examples ahead of training."""
    checkpoint_minutes: float = Field(10.0, ge=0)
    """Time between checkpoints, and so the most that is lost when training is killed."""
    report_to: Literal["none", "trackio", "wandb", "tensorboard", "mlflow"] | None = None
    """Where losses and rates are shown while it trains; each needs its package. CHOSEN: trackio, if installed; it is local."""
    launcher: Literal["process", "accelerate", "ray"] = "process"
    """Train in this process, in processes that `accelerate launch` starts on this machine, or in workers of a Ray cluster."""
    processes: int = Field(1, ge=1)
    """Of `accelerate` and `ray`: one for each GPU."""
    accelerate_config: Path | None = None
    """A file for `accelerate launch --config_file`, as those in recipes/accelerate; without one the processes share the batch."""

    @model_validator(mode="after")
    def _whole_steps(self) -> Training:
        if self.processes > 1 and self.launcher == "process":
            raise ValueError("several processes need a launcher: `accelerate` or `ray`")
        if self.precision == "bf16" and self.accelerate_config is not None:
            raise ValueError("precision must be `mixed` with accelerate_config: FSDP and DeepSpeed keep weights in float32")
        if self.batch_size % (max(1, self.on_device) * self.processes):
            several = " times processes" if self.processes > 1 else ""
            raise ValueError(f"batch_size must be a multiple of device_batch_size{several}")
        return self

    @property
    def on_device(self) -> int:
        """Examples on a device at once."""
        return min(self.device_batch_size, self.batch_size // self.processes)

    @model_serializer(mode="wrap")
    def _as_before(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields = type(self).model_fields
        written = write(self)
        return {name: value for name, value in written.items() if name in _FIRST or getattr(self, name) != fields[name].default}

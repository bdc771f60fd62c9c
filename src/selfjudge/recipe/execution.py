"""The execution section of a recipe: how a run is computed. It decides no result, and may change in a run folder at any time."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from .engines import EngineSettings, TransformersSettings
from .section import HUB_NAME, PathName, Section


class TrainerSettings(Section):
    """How training is computed."""

    launcher: Literal["process", "accelerate", "ray"] = "process"
    """Train in this process, on one GPU, in processes that `accelerate launch` starts here, or in workers of a Ray cluster."""
    processes: int = Field(1, ge=1)
    """Of `accelerate` and `ray`: one for each GPU."""
    accelerate_config: PathName | None = None
    """A file for `accelerate launch --config_file`, as those in recipes/accelerate; without one the processes share the batch."""
    device_batch_size: int = Field(2, ge=1)
    """CHOSEN: examples on a device at once; gradients are accumulated up to `batch_size`."""
    precision: Literal["mixed", "bf16"] = "mixed"
    """CHOSEN: weights, gradients and optimiser states in float32; a GPU computes in bfloat16. `bf16` keeps them all in
    bfloat16: half the memory, but most weights do not move at rates near 1e-5. LoRA's matrices are float32 with either."""
    workers: int = Field(2, ge=0)
    """Threads that process examples ahead of training."""
    cache_gib: float = Field(1.0, ge=0)
    """Memory for examples that are processed already, so that later epochs need not process them again."""
    checkpoint_minutes: float = Field(10.0, ge=0)
    """Time between checkpoints, and so the most that is lost when training is killed."""
    report_to: Literal["none", "trackio", "wandb", "tensorboard", "mlflow"] | None = None
    """Where losses and rates are shown while it trains; each needs its package. CHOSEN: trackio, if installed; it is local."""

    @model_validator(mode="after")
    def _fits_the_launcher(self) -> TrainerSettings:
        if self.processes > 1 and self.launcher == "process":
            raise ValueError("several processes need a launcher: `accelerate` or `ray`")
        if self.accelerate_config is not None and self.launcher != "accelerate":
            raise ValueError("accelerate_config needs `launcher: accelerate`; others do not read it")
        if self.precision == "bf16" and self.accelerate_config is not None:
            raise ValueError("precision must be `mixed` with accelerate_config: FSDP and DeepSpeed keep weights in float32")
        return self

    def lack(self) -> tuple[str, str] | None:
        """What this machine lacks for it, and what to do."""
        if self.accelerate_config is not None and not self.accelerate_config.is_file():
            return f"there is no file {self.accelerate_config}", "Correct execution.training.accelerate_config."
        if self.report_to not in (None, "none") and find_spec(self.report_to) is None:
            return f"{self.report_to} is not installed", "Install it, or set execution.training.report_to to none."
        return None

    def on_device(self, batch_size: int) -> int:
        """Examples on a device at once, of `batch_size` in a step over all devices."""
        return min(self.device_batch_size, batch_size // self.processes)


class Push(Section):
    """Where on the Hugging Face hub judges and their pairs are published. `push: user/name` means `push: {to: user/name}`."""

    to: str = Field(pattern=rf"^{HUB_NAME}$")
    """The repository of the judges, one tag for each iteration; that of the pairs has `-pairs` at the end of its name."""
    private: bool = True
    """CHOSEN: nobody else sees what is pushed. Only a new repository is made so; an old one stays as it is."""
    images: bool = True
    """CHOSEN: the pairs are pushed with their images, whose licences are those of their sources."""


def _with_repository(value: Any) -> Any:
    return {"to": value} if isinstance(value, str) else value


class Execution(Section):
    """How a run is computed: any field may differ each time that a run goes on in its folder."""

    engine: EngineSettings = TransformersSettings()
    """Who generates text; without it, transformers in this process."""
    training: TrainerSettings = TrainerSettings()
    push: Annotated[Push | None, BeforeValidator(_with_repository)] = None
    """CHOSEN: nothing is published."""

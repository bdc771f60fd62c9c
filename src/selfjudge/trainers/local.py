"""Fine-tuning with TRL: its `SFTTrainer` (loss on the reply only), or its `DPOTrainer` where replies stand against others.

TRL 1.16 neither packs rows with images nor caches them, and shards the last batch of an epoch unevenly. So `examples` and `plan`
provide the data; the loss, the optimiser and distribution over devices are TRL's.
"""

from __future__ import annotations

import gc
import math
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from safetensors import SafetensorError
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Trainer, TrainerCallback
from transformers.utils.logging import disable_progress_bar
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from ..errors import OUT_OF_MEMORY, SelfjudgeError, TrainerError, failed_import
from ..ports import Advance, Example, Fit, ReadImage
from ..recipe.execution import TrainerSettings
from ..recipe.training import Training
from . import checkpoints, rates, weights
from .examples import IGNORED, Examples, Tensors
from .plan import BatchPlan, Shape

_CHECKPOINTING = next(
    name for name in ("activation_checkpointing", "gradient_checkpointing") if name in SFTConfig.__dataclass_fields__
)  # the field's name since transformers 5.23, and before
_SMALLER = (
    "Set a smaller execution.training.device_batch_size, or spread the weights over GPUs with execution.training.launcher: "
    "accelerate and an accelerate_config, or train adapters in another folder (--dir): training.lora."
)
_FOREIGN = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, OSError, SafetensorError)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingTask:
    """A training, the same in every process: from the model `start`, with checkpoints in `work`, saved to `into`."""

    recipe: Training
    settings: TrainerSettings
    start: Path
    into: Path
    work: Path
    seed: int


class LocalTrainer:
    """Trains in this process."""

    def __init__(self, recipe: Training, settings: TrainerSettings, *, read_image: ReadImage) -> None:
        """Raises TrainerError where something is missing."""
        check(settings)
        self._recipe = recipe
        self._settings = settings
        self._read_image = read_image

    def fit(self, examples: Collection[Example], *, start: Path, into: Path, work: Path, seed: int, advance: Advance) -> Fit:
        """Train `start` on the replies and save model and processor to `into`. Raises TrainerError."""
        task = TrainingTask(recipe=self._recipe, settings=self._settings, start=start, into=into, work=work, seed=seed)
        try:
            with translated(), prepared(examples, task, self._read_image) as material:
                dropped = measure(material, task, advance)
                return learn(task, material, advance, dropped) if len(material) else Fit(steps=0, loss=None, dropped=dropped)
        finally:
            _free_memory()


def check(settings: TrainerSettings) -> None:
    """Raises TrainerError for what this machine lacks, before a run begins: it trains last."""
    if (lack := settings.lack()) is not None:
        raise TrainerError(lack[0], hint=lack[1])


def _free_memory() -> None:
    """Free the model and the optimiser's states, which are in reference cycles: a judge is loaded next."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


@contextmanager
def translated() -> Iterator[None]:
    """Raise errors of other libraries as TrainerError."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated")  # peft 0.21 reads it
            yield
    except SelfjudgeError:
        raise
    except ImportError as error:
        message, hint = failed_import(error, "training")
        raise TrainerError(message, hint=hint) from error
    except _FOREIGN as error:
        hint = _SMALLER if OUT_OF_MEMORY.search(str(error)) else "Until the cause is gone the same command fails again."
        raise TrainerError(f"training failed: {error}", hint=f"The previous judge is unchanged. {hint}") from error


@contextmanager
def prepared(examples: Collection[Example], task: TrainingTask, read_image: ReadImage) -> Iterator[Examples]:
    """The examples, not measured yet; their threads end with the context."""
    disable_progress_bar()
    room = int(task.settings.cache_gib * 2**30)
    material = Examples(examples, model=task.start, read_image=read_image, room=room, workers=task.settings.workers)
    try:
        yield material
    finally:
        material.close()


def measure(material: Examples, task: TrainingTask, advance: Advance) -> dict[str, str]:
    """Measure all examples and drop those that are too long; reasons by key."""
    material.measure(lambda *_: None)
    longest = task.recipe.max_length or weights.longest(task.start)
    dropped = [] if longest is None else material.keep(longest)
    advance(task.recipe.epochs * len(dropped))
    return {example.key: "too_long" for example in dropped}


def learn(task: TrainingTask, material: Examples, advance: Advance, dropped: dict[str, str]) -> Fit:
    """Train on measured examples, from the last valid checkpoint if there is one, and save the model. Raises TrainerError."""
    gpu = torch.cuda.is_available()
    if material.alone:
        task = replace(task, settings=task.settings.model_copy(update={"device_batch_size": 1}))
    args = _arguments(task, gpu)  # before the model: they start the process group, by which each process loads its share
    model = weights.load(task.start, task.recipe, task.settings, gpu=gpu)
    lora = None if task.recipe.lora is None else weights.adapter(model, task.recipe.lora)
    trainer = (_Dpo if task.recipe.kind == "dpo" else _Sft)(task, material, args=args, model=model, gpu=gpu, peft_config=lora)
    trainer.add_callback(_Report(trainer.plan, advance))
    last = checkpoints.latest(task.work)
    try:
        trainer.train(resume_from_checkpoint=None if last is None else str(last))
    except FloatingPointError as error:
        if trainer.is_world_process_zero():
            checkpoints.remove(task.work)  # they may hold the cause
        trainer.accelerator.wait_for_everyone()  # a launcher ends all processes once one has failed
        raise TrainerError(str(error), hint="Try a lower training.learning_rate, in another folder (--dir).") from error
    _save(trainer, task)
    losses = tuple(entry["loss"] for entry in trainer.state.log_history if "loss" in entry)
    epoch = losses[-trainer.plan.steps_per_epoch :]
    return Fit(steps=trainer.state.global_step, loss=sum(epoch) / len(epoch), losses=losses, dropped=dropped)


def _save(trainer: _Planned, task: TrainingTask) -> None:
    """Save model and processor. All processes take part; the first one writes."""
    matrices = task.work / weights.ADAPTER
    trainer.save_model(str(task.into if task.recipe.lora is None else matrices))
    if trainer.is_world_process_zero():
        if task.recipe.lora is not None:
            weights.merge(task.start, matrices, task.into)
        weights.keep_settings(task.start, task.into)
        (task.into / "training_args.bin").unlink(missing_ok=True)  # a pickle with paths of this machine
        trainer.processing_class.save_pretrained(task.into)
    trainer.accelerator.wait_for_everyone()


def _arguments(task: TrainingTask, gpu: bool) -> SFTConfig | DPOConfig:
    """TRL's configuration. A process trains on one GPU, of those that it sees the first."""
    if task.recipe.kind == "dpo":
        weights_of = {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, task.recipe.sft_weight]}
        args = DPOConfig(**_shared(task, gpu), **weights_of, beta=task.recipe.beta)
    else:
        args = SFTConfig(**_shared(task, gpu), completion_only_loss=True)
    if args.n_gpu > 1:
        args._n_gpu = 1  # transformers would take all that are not distributed over, in a way that TRL refuses
    return args


def _shared(task: TrainingTask, gpu: bool) -> dict[str, Any]:
    """What both of TRL's configurations are given."""
    recipe, settings = task.recipe, task.settings
    on_device = settings.on_device(recipe.batch_size)
    return dict(
        output_dir=str(task.work),
        seed=task.seed % 2**32,
        num_train_epochs=recipe.epochs,
        per_device_train_batch_size=on_device,
        gradient_accumulation_steps=recipe.batch_size // (on_device * settings.processes),
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.max_grad_norm,
        max_length=None,  # 1024 by default, which would cut image tokens
        bf16=gpu or settings.precision == "bf16",  # autocast
        **{_CHECKPOINTING: gpu},
        use_cpu=not gpu,
        ddp_backend="gloo" if settings.processes > 1 and not gpu else None,
        logging_strategy="steps",
        logging_steps=1,
        logging_nan_inf_filter=False,  # a NaN or infinite loss must be visible
        save_strategy="no",  # see `checkpoints.Clock`
        report_to=tracker(settings),
        project="selfjudge",
        run_name=f"{task.into.parent.parent.name}-{task.into.parent.name}",
        disable_tqdm=True,
    )


def tracker(settings: TrainerSettings) -> str:
    """The tracker that transformers reports to."""
    if settings.report_to is None:
        return "trackio" if find_spec("trackio") else "none"
    return "none" if settings.report_to == "tensorboard" else settings.report_to  # `_Planned` adds its callback


class _Planned(Trainer):  # type: ignore[misc]
    """A trainer of TRL with the data of `examples` and `plan`, the recipe's schedule, and marked checkpoints."""

    def __init__(self, task: TrainingTask, material: Examples, *, model: torch.nn.Module, gpu: bool, **options: Any) -> None:
        recipe, settings = task.recipe, task.settings
        self._recipe = recipe
        self._material = material
        self._gpu = gpu
        row: dict[str, list[Any]] = {name: [""] for name in ("prompt", "completion", "chosen", "rejected")} | {"images": [[]]}
        super().__init__(
            model=model,
            processing_class=material.processor,
            train_dataset=Dataset.from_dict(row),  # names the columns for TRL and is never read
            callbacks=[_StopAtNan(), checkpoints.Clock(settings.checkpoint_minutes)],
            **options,
        )
        self.remove_callback(PrinterCallback)
        shape = Shape(
            step=recipe.batch_size,
            micro=settings.on_device(recipe.batch_size),
            processes=self.accelerator.num_processes,
            rank=self.accelerator.process_index,
            similar_steps=recipe.group_by_length,
            even=recipe.kind == "dpo" and self.accelerator.num_processes > 1,  # TRL gathers its figures as tensors of one shape
        )
        self.plan = BatchPlan(material.lengths, shape, task.seed % 2**32)
        self.add_callback(_NextEpoch(self.plan, material))
        if settings.report_to == "tensorboard":  # its own callback writes into `work`, which is deleted
            self.add_callback(_tensorboard(task.into.parent / "training" / "tensorboard"))

    def get_train_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self._material, batch_sampler=self.plan, collate_fn=self.data_collator, pin_memory=self._gpu)

    def create_scheduler(self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None) -> LambdaLR:
        self.lr_scheduler = LambdaLR(optimizer or self.optimizer, rates.factor(self._recipe, num_training_steps))
        return self.lr_scheduler

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """Write none: selfjudge writes the card of a judge."""

    def _send_telemetry(self) -> None:
        """Send none, as TRL would to the hub."""

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        super()._save_checkpoint(model, trial)
        self.accelerator.wait_for_everyone()
        if self.is_world_process_zero():
            checkpoints.mark(Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}")
        self.accelerator.wait_for_everyone()


class _Sft(_Planned, SFTTrainer):  # type: ignore[misc]
    """Learns the replies."""

    def __init__(self, task: TrainingTask, material: Examples, *, gpu: bool, **options: Any) -> None:
        super().__init__(task, material, gpu=gpu, data_collator=material.collate, **options)
        # Qwen models set this to False, which averages per micro-batch; TRL computes the loss itself, so token-weighted is right.
        self.model_accepts_loss_kwargs = True


class _Dpo(_Planned, DPOTrainer):  # type: ignore[misc]
    """Learns the replies, and to tell them from the rejected ones; the reference is the model that training starts from."""

    def __init__(self, task: TrainingTask, material: Examples, *, gpu: bool, **options: Any) -> None:
        super().__init__(task, material, gpu=gpu, data_collator=self._halves, **options)
        self._sft_weight = task.recipe.sft_weight

    def get_batch_samples(self, *args: Any, **options: Any) -> tuple[list[Tensors], Any]:
        """The micro-batches of a step, whose pairs and tokens to learn are counted over all processes."""
        batches, items = super().get_batch_samples(*args, **options)
        counts = torch.stack([_to_learn(batch) for batch in batches]).sum(0).to(self.accelerator.device)
        self._part = self.accelerator.num_processes * len(batches) / self.accelerator.reduce(counts, "sum")
        return batches, items

    def compute_loss(self, model: torch.nn.Module, inputs: Tensors, *args: Any, **options: Any) -> Any:
        """TRL's losses are means of a micro-batch, and the mean of these is taken: each is weighted by its part of the step."""
        pairs, tokens = _to_learn(inputs) * self._part
        self.loss_weights = [pairs, self._sft_weight * tokens]
        return super().compute_loss(model, inputs, *args, **options)

    def _halves(self, items: Sequence[Tensors]) -> Tensors:
        """A batch as DPOTrainer has it: replies and rejected ones by a mask, not by labels."""
        batch = self._material.collate(items)
        batch["completion_mask"] = (batch.pop("labels") != IGNORED).long()
        return batch


def _to_learn(batch: Tensors) -> torch.Tensor:
    """How many pairs a batch of DPOTrainer has, and tokens of replies to learn."""
    learned = batch["completion_mask"].chunk(2)[0]
    return torch.stack([learned.new_tensor(len(learned)), learned.sum()])


def _tensorboard(folder: Path) -> TrainerCallback:
    from torch.utils.tensorboard import SummaryWriter
    from transformers.integrations import TensorBoardCallback

    return TensorBoardCallback(SummaryWriter(str(folder)))


class _NextEpoch(TrainerCallback):  # type: ignore[misc]
    """Sets the epoch of the plan, also after a checkpoint."""

    def __init__(self, plan: BatchPlan, material: Examples) -> None:
        self._plan = plan
        self._material = material

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._plan.epoch = state.global_step // self._plan.steps_per_epoch
        self._material.follow(self._plan)


class _StopAtNan(TrainerCallback):  # type: ignore[misc]
    """Ends training at the first NaN or infinite loss, before anything is saved."""

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        if not math.isfinite((logs or {}).get("loss", 0.0)):
            raise FloatingPointError(f"the training loss is NaN or infinite at step {state.global_step}")


class _Report(TrainerCallback):  # type: ignore[misc]
    """Reports how many examples have been learned, including those before a checkpoint."""

    def __init__(self, plan: BatchPlan, advance: Advance) -> None:
        self._plan = plan
        self._advance = advance
        self._reported = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._report(state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._report(state.global_step)

    def _report(self, step: int) -> None:
        seen = self._plan.seen(step)
        self._advance(seen - self._reported)
        self._reported = seen

"""Fine-tuning with TRL's `SFTTrainer`: prompt-completion rows with images, loss on the reply only.

TRL 1.16 processes the images in its collator, so rows hold the stored bytes and nothing is written to a cache.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, Features, Image, List, Value
from torch.optim.lr_scheduler import LambdaLR
from transformers import AutoModelForImageTextToText, AutoProcessor, PrinterCallback, TrainerCallback
from transformers.utils.logging import disable_progress_bar
from trl import SFTConfig, SFTTrainer

from ..chat import Message
from ..errors import TrainerError
from ..ports import Advance, Example, Fit, ReadImage
from ..processors import control_tokens, plain
from ..recipe import Training
from .cross_attention import collator_for

_TURNS = List({"role": Value("string"), "content": List({"type": Value("string"), "text": Value("string")})})
_FEATURES = Features({"prompt": _TURNS, "completion": _TURNS, "images": List(Image())})

_CHECKPOINTING = next(
    name for name in ("activation_checkpointing", "gradient_checkpointing") if name in SFTConfig.__dataclass_fields__
)
"""The field's name since transformers 5.23, and before."""


class SftTrainer:
    """Trains all weights in this process: in bfloat16 on a GPU, in float32 on the CPU."""

    def __init__(self, recipe: Training, *, read_image: ReadImage) -> None:
        self._recipe = recipe
        self._read_image = read_image

    def fit(self, examples: Sequence[Example], *, start: Path, into: Path, seed: int, advance: Advance) -> Fit:
        """Train `start` on the replies and save model and processor to `into`. Raises TrainerError."""
        gpu = torch.cuda.is_available()
        disable_progress_bar()
        try:
            processor = AutoProcessor.from_pretrained(start)
            marks = control_tokens(processor)
            model = AutoModelForImageTextToText.from_pretrained(start, dtype=torch.bfloat16 if gpu else torch.float32)
            if self._recipe.freeze_vision:
                _freeze_vision(model)
            trainer = _Trainer(
                recipe=self._recipe,
                model=model,
                processing_class=processor,
                args=self._arguments(into, seed, gpu),
                data_collator=collator_for(processor),
                train_dataset=Dataset.from_list([self._row(e, marks) for e in examples], features=_FEATURES),
                callbacks=[_Report(advance, self._recipe.batch_size, self._recipe.epochs * len(examples))],
            )
            trainer.remove_callback(PrinterCallback)
            trainer.train()
        except (RuntimeError, ValueError, TypeError, KeyError, IndexError, OSError) as error:
            raise TrainerError(
                f"training failed: {error}",
                hint="The previous judge stands; run the same command again once the cause is gone.",
            ) from error
        losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
        if not losses or not all(map(math.isfinite, losses)):
            raise TrainerError("training ended without a finite loss", hint="Try a lower training.learning_rate.")
        trainer.save_model(str(into))
        (into / "training_args.bin").unlink(missing_ok=True)  # a pickle that names this machine's paths
        processor.save_pretrained(into)
        return Fit(steps=trainer.state.global_step, loss=losses[-1])

    def _row(self, example: Example, marks: tuple[str, ...]) -> dict[str, Any]:
        """A row of prompt, completion and images; no text in it can pass for one of the control tokens, as when it is asked."""
        images = [{"bytes": self._read_image(ref), "path": None} for m in example.messages for ref in m.images]
        reply = Message(role="assistant", content=(example.reply,))
        prompt, completion = ([_turn(plain(m, marks)) for m in turns] for turns in (example.messages, (reply,)))
        return {"prompt": prompt, "completion": completion, "images": images}

    def _arguments(self, into: Path, seed: int, gpu: bool) -> SFTConfig:
        recipe = self._recipe
        on_device = min(recipe.device_batch_size, recipe.batch_size)
        return SFTConfig(
            output_dir=str(into),
            seed=seed % 2**32,
            data_seed=seed % 2**32,
            num_train_epochs=recipe.epochs,
            per_device_train_batch_size=on_device,
            gradient_accumulation_steps=recipe.batch_size // on_device,
            learning_rate=recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            max_grad_norm=recipe.max_grad_norm,
            completion_only_loss=True,
            max_length=None,  # 1024 by default, which would cut image tokens
            bf16=gpu,
            **{_CHECKPOINTING: gpu},
            use_cpu=not gpu,
            dataloader_pin_memory=gpu,
            logging_strategy="epoch",
            logging_nan_inf_filter=False,  # a loss that is no number shall be seen
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )


class _Trainer(SFTTrainer):  # type: ignore[misc]
    """SFTTrainer with the recipe's schedule: warm up, then multiply the rate by `epoch_decay` after each epoch."""

    def __init__(self, *, recipe: Training, **kwargs: Any) -> None:
        self._schedule = recipe
        super().__init__(**kwargs)

    def create_scheduler(self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None) -> LambdaLR:
        recipe = self._schedule
        warm = recipe.warmup * num_training_steps
        an_epoch = max(1, math.ceil(num_training_steps / recipe.epochs))

        def factor(step: int) -> float:
            return min(1.0, (step + 1) / (warm + 1)) * recipe.epoch_decay ** (step // an_epoch)

        self.lr_scheduler = LambdaLR(optimizer or self.optimizer, factor)
        return self.lr_scheduler


class _Report(TrainerCallback):  # type: ignore[misc]
    """Tells the stage how many examples have been seen; the last batch of an epoch may be a smaller one."""

    def __init__(self, advance: Advance, batch_size: int, total: int) -> None:
        self._advance = advance
        self._batch_size = batch_size
        self._left = total

    def on_step_end(self, *_: Any, **__: Any) -> None:
        seen = min(self._batch_size, self._left)
        self._left -= seen
        self._advance(seen)


def _turn(message: Message) -> dict[str, Any]:
    """A turn with the same fields in every block, as a table of blocks needs them."""
    blocks = [{"type": block["type"], "text": block.get("text")} for block in message.as_blocks()["content"]]
    return {"role": message.role, "content": blocks}


def _freeze_vision(model: torch.nn.Module) -> None:
    for name, parameter in model.named_parameters():
        if "vision" in name or "visual" in name:
            parameter.requires_grad = False

"""Checkpoints of a training that is under way. One counts once its mark is written, after everything else; others are removed."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from accelerate.utils import broadcast
from transformers import TrainerCallback, TrainerControl, TrainerState

from ..run.disk import write_whole

_MARK = "complete"
_NAMES = "checkpoint-*"


def latest(work: Path) -> Path | None:
    """The last whole checkpoint, None if there is none."""
    whole = [mark.parent for mark in work.glob(f"{_NAMES}/{_MARK}")]
    return max(whole, key=_step, default=None)


def mark(checkpoint: Path) -> None:
    """Say that a checkpoint is whole, and remove the others. It survives a loss of power, too."""
    for path in filter(Path.is_file, checkpoint.rglob("*")):  # DeepSpeed's hold folders
        with path.open("rb") as file:
            os.fsync(file.fileno())
    write_whole(checkpoint / _MARK, b"")
    remove(checkpoint.parent, but=checkpoint)


def remove(work: Path, *, but: Path | None = None) -> None:
    """Remove all checkpoints but one."""
    for checkpoint in work.glob(_NAMES):
        if checkpoint != but:
            shutil.rmtree(checkpoint)


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


class Clock(TrainerCallback):  # type: ignore[misc]
    """Asks for a checkpoint when so many minutes have passed since the last one; the first process's clock counts."""

    def __init__(self, minutes: float) -> None:
        self._seconds = minutes * 60
        self._since = time.monotonic()

    def on_step_end(self, args: Any, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        due = torch.tensor(time.monotonic() - self._since >= self._seconds, device=PartialState().device)
        if bool(broadcast(due)) and state.global_step < state.max_steps:
            control.should_save = True

    def on_save(self, *_: Any, **__: Any) -> None:
        self._since = time.monotonic()

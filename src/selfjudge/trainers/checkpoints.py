"""Checkpoints of a running training. One is valid once its marker file exists, which is written last; older ones are deleted."""

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
    """The last valid checkpoint, or None."""
    valid = [mark.parent for mark in work.glob(f"{_NAMES}/{_MARK}")]
    return max(valid, key=_step, default=None)


def mark(checkpoint: Path) -> None:
    """Write the marker of a checkpoint, after its files are on disk, and delete the other checkpoints."""
    for path in filter(Path.is_file, checkpoint.rglob("*")):  # DeepSpeed writes folders
        with path.open("rb") as file:
            os.fsync(file.fileno())
    write_whole(checkpoint / _MARK, b"")
    remove(checkpoint.parent, but=checkpoint)


def remove(work: Path, *, but: Path | None = None) -> None:
    """Delete all checkpoints except `but`, their markers first."""
    for checkpoint in work.glob(_NAMES):
        if checkpoint != but:
            (checkpoint / _MARK).unlink(missing_ok=True)
            shutil.rmtree(checkpoint)


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


class Clock(TrainerCallback):  # type: ignore[misc]
    """Requests a checkpoint every `minutes` minutes, by the clock of the first process."""

    def __init__(self, minutes: float) -> None:
        self._seconds = minutes * 60
        self._since = time.monotonic()

    def on_step_end(self, args: Any, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        due = torch.tensor(time.monotonic() - self._since >= self._seconds, device=PartialState().device)
        if bool(broadcast(due)) and state.global_step < state.max_steps:
            control.should_save = True

    def on_save(self, *_: Any, **__: Any) -> None:
        self._since = time.monotonic()

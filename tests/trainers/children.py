"""Trainings that tests start in a process of its own, to be killed or to run out of room there.

Such a process is a fresh one: a copy of this one would inherit locks that threads of torch hold.
"""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.context import SpawnProcess
from pathlib import Path

import pytest

from runs import training
from selfjudge.errors import TrainerError
from selfjudge.ports import Example, Fit
from selfjudge.run.disk import is_disk_full
from selfjudge.run.folder import ImageStore
from selfjudge.trainers.launched import AccelerateTrainer
from selfjudge.trainers.local import LocalTrainer
from trainers.fitting import IMAGES, MODEL, REFS, example

EVERY_STEP = {"learning_rate": 1e-3, "epochs": 2, "batch_size": 8, "device_batch_size": 4, "checkpoint_minutes": 0}
"""Three steps an epoch: 20 examples."""


def train(into: Path, *, die_at: int | None = None, fail_at: int | None = None, examples: int = 20, **changes: object) -> Fit:
    """Train with a checkpoint after each step; killed, or ended by an error, once so many examples are reported as learned."""
    seen = 0

    def advance(count: int) -> None:
        nonlocal seen
        seen += count
        if die_at is not None and seen >= die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if fail_at is not None and seen >= fail_at:
            raise TrainerError("power cut")

    made: list[Example] = [example(i) for i in range(examples)]
    trainer = LocalTrainer(*training(**{**EVERY_STEP, **changes}), read_image=lambda ref: IMAGES[ref.sha256])
    return trainer.fit(made, start=MODEL, into=into, work=into.with_name("work"), seed=7, advance=advance)


SMALL = {"learning_rate": 1e-3, "epochs": 2, "batch_size": 8, "device_batch_size": 2, "launcher": "accelerate"}
"""Eleven examples: the last step of an epoch has three, which is one micro-batch and a half."""


def train_launched(folder: Path, *, told: list[int] | None = None, **changes: object) -> Fit:
    recipe, settings = training(**{**SMALL, **changes})
    examples = [example(i, "one " * 60) if i < 3 else example(i) for i in range(11)]
    images = ImageStore(folder / "images")
    for sha256, data in IMAGES.items():
        images.put(REFS[sha256], data)
    (folder / "work").mkdir(parents=True, exist_ok=True)
    trainer = AccelerateTrainer(recipe, settings, images=images)
    if settings.launcher == "process":
        trainer = LocalTrainer(recipe, settings, read_image=images.get)
    advance = (told if told is not None else []).append
    return trainer.fit(examples, start=MODEL, into=folder / "judge", work=folder / "work", seed=7, advance=advance)


def train_without_room(folder: Path, room: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
    with pytest.raises(TrainerError) as error:
        train(folder / "judge")
    assert is_disk_full(error.value), error.value


def started(target: Callable[..., object], *args: object, **kwargs: object) -> SpawnProcess:
    process = get_context("spawn").Process(target=target, args=args, kwargs=kwargs)
    process.start()
    return process

"""Training in processes of its own, as `accelerate launch` starts them. They end with this one, whatever ends it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from ..errors import TrainerError
from ..ports import Advance, Example, Fit
from ..recipe.execution import TrainerSettings
from ..recipe.training import Training
from ..run.folder import ImageStore
from .job import Job, Outcome
from .sft import Task, measure, prepared, translated

_GUARD = Path(__file__).parents[1] / "guard.py"
_GRACE_SECONDS = 5.0
_LOOK_SECONDS = 0.2
_LAST_LINES = 5


class Launched(ABC):
    """Measures examples in this process; `_train` trains in others."""

    def __init__(self, recipe: Training, settings: TrainerSettings, *, images: ImageStore) -> None:
        self._recipe = recipe
        self._settings = settings
        self._images = images

    def fit(self, examples: Sequence[Example], *, start: Path, into: Path, work: Path, seed: int, advance: Advance) -> Fit:
        """Train `start` on the replies and save model and processor to `into`. Raises TrainerError, EngineError without Ray."""
        places = {"start": start.resolve(), "into": into.resolve(), "work": work.resolve()}
        task = Task(recipe=self._recipe, settings=self._settings, seed=seed, **places)
        job, dropped = _measured(examples, task, self._images, advance)
        fit = self._train(job, advance) if job.examples else Fit(steps=0, loss=None)
        return replace(fit, dropped=dropped)

    @abstractmethod
    def _train(self, job: Job, advance: Advance) -> Fit:
        """Write the job down, have it done, and report. Raises TrainerError."""


class AccelerateTrainer(Launched):
    """Trains in processes that `accelerate launch` starts on this machine."""

    def _train(self, job: Job, advance: Advance) -> Fit:
        path = job.write()
        outcome = Outcome(path.parent)
        log = path.with_name("training.log")
        code = _run(_command(self._settings, path), log, lambda: outcome.tell_progress(advance))
        fit = outcome.fit()
        if fit is None or code:
            raise TrainerError(
                f"the training processes ended with exit code {code}: {_last_lines(log)}",
                hint=f"{log} has their whole log. Run the same command again once the cause is gone.",
            )
        return fit


def _measured(examples: Sequence[Example], task: Task, images: ImageStore, advance: Advance) -> tuple[Job, dict[str, str]]:
    """The job of training on all examples that are not too long, and why the others are left out. Raises TrainerError."""
    with translated(), prepared(examples, task, images.get) as material:
        dropped = measure(material, task, advance)
        kept, lengths = material.examples, material.lengths
    return Job(task=task, images=images.folder.resolve(), examples=kept, lengths=lengths), dropped


def _command(settings: TrainerSettings, job: Path) -> list[str]:
    config = settings.accelerate_config
    how = ["--config_file", str(config)] if config else ["--mixed_precision", "no", "--dynamo_backend", "no"]
    if not config and settings.processes > 1:
        how.append("--multi_gpu")  # also where there is no GPU: it stands for one process each
    counts = ["--num_processes", str(settings.processes), "--num_machines", "1", "--main_process_port", "0"]
    launch = [sys.executable, "-m", "accelerate.commands.launch", *how, *counts]
    return [*launch, "--module", "selfjudge.trainers.worker", str(job)]


def _run(command: Sequence[str], log: Path, look: Callable[[], None]) -> int:
    """Run a command under a guard and look after it; its exit code."""
    guard = [sys.executable, "-I", "-S", str(_GUARD), str(os.getpid()), str(_GRACE_SECONDS)]
    with log.open("wb") as out:
        process = subprocess.Popen(  # noqa: S603
            [*guard, *command],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for us, and we end it
        )
        try:
            while process.poll() is None:
                time.sleep(_LOOK_SECONDS)
                look()
        finally:
            process.terminate()
            process.wait()
    look()
    return process.returncode


def _last_lines(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines()]
    return " | ".join([line for line in lines if line][-_LAST_LINES:])

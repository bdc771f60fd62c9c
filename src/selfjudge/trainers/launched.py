"""Training in processes that `accelerate launch` starts. They end with this one, even if it is killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

from ..errors import TrainerError
from ..ports import Advance, Example, Fit
from ..recipe.execution import TrainerSettings
from ..recipe.training import Training
from ..run.folder import ImageStore
from .job import Job, Outcome
from .local import TrainingTask, check, measure, prepared, translated

_GUARD = Path(__file__).parents[1] / "guard.py"
_GRACE_SECONDS = 5.0
_POLL_SECONDS = 0.2
_LAST_LINES = 5


class Launched(ABC):
    """Measures examples in this process; `_train` trains in others."""

    def __init__(self, recipe: Training, settings: TrainerSettings, *, images: ImageStore) -> None:
        """Raises TrainerError where something is missing."""
        check(settings)
        self._recipe = recipe
        self._settings = settings
        self._images = images

    def fit(self, examples: Collection[Example], *, start: Path, into: Path, work: Path, seed: int, advance: Advance) -> Fit:
        """Train `start` on the replies and save model and processor to `into`. Raises TrainerError, EngineError without Ray."""
        places = {"start": start.resolve(), "into": into.resolve(), "work": work.resolve()}
        task = TrainingTask(recipe=self._recipe, settings=self._settings, seed=seed, **places)
        with translated(), prepared(examples, task, self._images.get) as material:
            dropped = measure(material, task, advance)
            kept, lengths = material.examples, material.lengths
        job = Job(task=task, images=self._images.folder.resolve(), examples=kept, lengths=lengths)
        fit = self._train(job, advance) if job.examples else Fit(steps=0, loss=None)
        return replace(fit, dropped=dropped)

    @abstractmethod
    def _train(self, job: Job, advance: Advance) -> Fit:
        """Write the job, run it, and report its progress. Raises TrainerError."""


class AccelerateTrainer(Launched):
    """Trains in processes that `accelerate launch` starts on this machine."""

    def _train(self, job: Job, advance: Advance) -> Fit:
        path = job.write()
        outcome = Outcome(path.parent)
        log = path.with_name("training.log")
        code = _run(_command(self._settings, path), log, lambda: outcome.report(advance))
        fit = outcome.fit()
        if fit is None or code:
            raise TrainerError(
                f"the training processes ended with exit code {code}: {_last_lines(log)}",
                hint=f"Their log: {log}. Run the same command again once the cause is gone.",
            )
        return fit


def _command(settings: TrainerSettings, job: Path) -> list[str]:
    config = settings.accelerate_config
    options = ["--config_file", str(config)] if config else ["--mixed_precision", "no", "--dynamo_backend", "no"]
    if not config and settings.processes > 1:
        options.append("--multi_gpu")  # one process each, also without GPUs
    counts = ["--num_processes", str(settings.processes), "--num_machines", "1", "--main_process_port", "0"]
    launch = [sys.executable, "-m", "accelerate.commands.launch", *options, *counts]
    return [*launch, "--module", "selfjudge.trainers.worker", str(job)]


def _run(command: Sequence[str], log: Path, poll: Callable[[], None]) -> int:
    """Run a command under a guard and call `poll` meanwhile; the exit code."""
    guard = [sys.executable, "-I", "-S", str(_GUARD), str(os.getpid()), str(_GRACE_SECONDS)]
    with log.open("wb") as out:
        process = subprocess.Popen(  # noqa: S603
            [*guard, *command],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C must not reach it: it is terminated below
        )
        try:
            while process.poll() is None:
                time.sleep(_POLL_SECONDS)
                poll()
        finally:
            process.terminate()
            process.wait()
    poll()
    return process.returncode


def _last_lines(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines()]
    return " | ".join([line for line in lines if line][-_LAST_LINES:])

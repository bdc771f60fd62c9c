"""Training in workers of a Ray cluster, with Ray Train. All nodes must see the run folder and the model under the same path.

A lost worker or node ends the try; the next one resumes from the last complete checkpoint, which is in the run folder.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from ..errors import TrainerError
from ..ports import Advance, Fit
from ..ray_cluster import Cluster, quietly
from ..recipe.execution import TrainerSettings
from ..recipe.training import Training
from ..run.folder import ImageStore
from .job import Job, Outcome
from .launched import Launched

_POLL_SECONDS = 0.5
_TRIES_AGAIN = 2


class RayTrainer(Launched):
    """Trains on the cluster."""

    def __init__(self, recipe: Training, settings: TrainerSettings, *, images: ImageStore, address: str | None = None) -> None:
        super().__init__(recipe, settings, images=images)
        self._address = address

    def _train(self, job: Job, advance: Advance) -> Fit:
        path = job.write()
        outcome = Outcome(path.parent)
        with closing(Cluster(self._address)) as cluster, _watched(outcome, advance):
            gpu = cluster.room(0, 1) > 0
            if cluster.room(1, int(gpu)) < self._settings.processes:  # Ray would wait without end
                raise TrainerError(
                    f"the Ray cluster has no room for {self._settings.processes} processes: {cluster.describe()}",
                    hint="Each process needs a CPU, and a GPU if the cluster has any. Lower execution.training.processes.",
                )
            trouble = _run(path, self._settings.processes, gpu=gpu)
        fit = outcome.fit()
        if fit is None:
            raise TrainerError(
                f"training on the Ray cluster failed: {trouble}",
                hint="`ray status` shows the cluster. Run the same command again once the cause is gone.",
            )
        return fit


def _run(path: Path, workers: int, *, gpu: bool) -> str | None:
    """Run a job in `workers` workers; the first line of Ray's error, None without one."""
    with quietly():
        from ray.train import FailureConfig, RunConfig, ScalingConfig
        from ray.train.torch import TorchTrainer
    run_config = RunConfig(storage_path=str(path.with_name("ray")), failure_config=FailureConfig(max_failures=_TRIES_AGAIN))
    trainer = TorchTrainer(
        _take_part,
        train_loop_config={"job": str(path)},
        scaling_config=ScalingConfig(num_workers=workers, use_gpu=gpu),
        run_config=run_config,
    )
    try:
        trainer.fit()
    except Exception as error:  # Ray raises many kinds
        return str(error).partition("\n")[0]
    return None


def _take_part(config: dict[str, Any]) -> None:
    from selfjudge.trainers.worker import take_part

    take_part(Path(config["job"]))


@contextmanager
def _watched(outcome: Outcome, advance: Advance) -> Iterator[None]:
    """Report progress from a thread of its own: Ray blocks this one."""
    over = threading.Event()

    def poll() -> None:
        while not over.wait(_POLL_SECONDS):
            outcome.report(advance)

    thread = threading.Thread(target=poll, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        outcome.report(advance)

"""One process of a training, as launchers start it: `python -m selfjudge.trainers.worker JOB`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ..errors import SelfjudgeError
from ..run.folder import ImageStore
from .job import Job, Outcome
from .local import learn, prepared, translated


def take_part(path: Path) -> None:
    """Train as one of the processes of a job; the first one reports. Raises SelfjudgeError, which is also written to a file."""
    job = Job.read(path)
    outcome = Outcome(job.task.work)
    first = os.environ.get("RANK", "0") == "0"
    try:
        with translated(), prepared(job.examples, job.task, ImageStore(job.images).get) as material:
            material.lengths = job.lengths
            fit = learn(job.task, material, outcome.write_progress if first else lambda *_: None, {})
    except SelfjudgeError as error:
        outcome.write_error(str(error), error.hint)
        raise
    if first:
        outcome.write_fit(fit)


if __name__ == "__main__":
    take_part(Path(sys.argv[1]))

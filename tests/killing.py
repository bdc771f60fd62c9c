"""Killing a process at random moments, and starting it again each time."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path


def kill_at_random(command: Sequence[str], folder: Path, *, kills: int, within: float) -> None:
    """Start a run in `folder` again and again and `kill -9` it each time, up to `within` seconds after its first new result.

    Fails if the run is done before it was killed that often.
    """
    rng = random.Random(0)
    for _ in range(kills):
        before = _newest(folder)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while _newest(folder) == before and process.poll() is None:
            time.sleep(0.02)
        time.sleep(rng.uniform(0, within))
        assert process.poll() is None, "the run was done before it was killed often enough"
        os.kill(process.pid, signal.SIGKILL)
        process.wait()


def _newest(folder: Path) -> float:
    """When a result was last written."""
    return max((path.stat().st_mtime for path in folder.glob("iteration-*/**/*") if path.exists()), default=0.0)

"""A guard runs one command and outlives nobody: when it is told to stop, or whoever started it is gone, the command goes too.

    python guard.py PARENT GRACE COMMAND...

PARENT is the process id of whoever starts it, GRACE how many seconds the command has between SIGTERM and SIGKILL. The command is
the head of a process group of its own, and all of that group ends with it. The guard exits with the command's exit code, or 128
and the signal's number. It is started as a file, and with the standard library alone, so that it costs next to nothing.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from types import FrameType

_LOOK_SECONDS = 0.2
_GONE_SECONDS = 10.0
"""How long killed processes may take to be gone: the kernel frees their memory first, a GPU's too."""
_PR_SET_CHILD_SUBREAPER = 36


class Guard:
    """The command, and the reasons to end it."""

    def __init__(self, parent: int, grace: float, command: list[str]) -> None:
        self._parent = parent
        self._grace = grace
        self._told = False
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._stop)
        _adopt_orphans()
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603

    def watch(self) -> int:
        """Wait until the command has ended or must; then end its group. The exit code."""
        while self._process.poll() is None and not self._told and os.getppid() == self._parent:
            time.sleep(_LOOK_SECONDS)
        if self._process.poll() is None:
            self._process.terminate()  # the head alone, so that it can end the others in order
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(self._grace)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        code = self._process.wait()
        _bury()
        return code if code >= 0 else 128 - code

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._told = True


def _adopt_orphans() -> None:
    """Become the parent of the command's orphans (Linux), so that `_bury` can wait for them."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _bury() -> None:
    """Wait until all that was killed is gone, for a while."""
    until = time.monotonic() + _GONE_SECONDS
    with suppress(ChildProcessError):
        while time.monotonic() < until:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.02)


if __name__ == "__main__":
    _, _parent, _grace, *_command = sys.argv
    sys.exit(Guard(int(_parent), float(_grace), _command).watch())

"""The tries of a request at a server."""

from __future__ import annotations

import math
import random
import time

from .endpoint import Again, Trouble

_LONGEST_PAUSE = 30.0
_BUSY_TRIES = 12
"""Tries of a request at a server that is busy, beside its retries: being told to wait is no fault."""
_SILENT_TRIES = 2
_FIRST_TRIES = 3
"""Tries to connect to a server that has never answered: its address may be wrong."""


class Trials:
    """The tries of one request: how many there were, whether to go on, and how long to pause."""

    def __init__(self, retries: int, first_pause: float) -> None:
        self.made = 0
        self.over = False
        self.unreachable = False
        """Nothing has answered at the address since this request first failed to connect."""
        self.pause = 0.0
        """Seconds until the next try."""
        self._left = {
            Again.NO: 0,
            Again.SUSPECT: 0,
            Again.LATER: retries,
            Again.SILENT: min(retries, _SILENT_TRIES - 1),
            Again.UNREACHABLE: retries,
            Again.BUSY: retries and _BUSY_TRIES,
        }
        self._first_pause = first_pause
        self._since: float | None = None

    def failed(self, trouble: Trouble, *, heard: float) -> None:
        """Take note of a failure; `heard` is when the server last answered anything, in seconds of the monotonic clock."""
        self.made += 1
        lost = trouble.again is Again.UNREACHABLE
        self._since = (self._since or time.monotonic()) if lost else None
        self.unreachable = self._since is not None and heard < self._since
        if lost and heard == -math.inf and self.made >= _FIRST_TRIES:
            self._left[Again.UNREACHABLE] = 0
        self.over = self._left[trouble.again] <= 0
        self._left[trouble.again] -= 1
        self.pause = self._pause(trouble.wait)

    def _pause(self, wait: float | None) -> float:
        if wait:
            return wait * random.uniform(1.0, 1.1)
        return min(_LONGEST_PAUSE, self._first_pause * 2.0 ** min(self.made - 1, 10)) * random.uniform(0.5, 1.0)

"""How many requests are with a server at once: more while that raises its throughput, fewer when it says that it is busy.

The limit starts at a quarter of its cap and doubles until the answers per second fall. A server that is busy (429, 503, silence)
halves it, at most once per round trip, and from then on it grows by quarters. A few refusals among many answers change nothing:
they come at any load, and a limit that heeded each would end at one. Where growing did harm, the limit goes back and
tries again much later, because the server's other users come and go. A request too many waits in the server's queue and costs
next to nothing; one too few leaves a server that answers in batches half empty: so it is harm that must show, and not help.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

Job = TypeVar("Job")

_SMALLEST_START = 8
_HARM = 0.1
"""The share by which throughput must fall to show that a larger limit did harm: less is noise."""
_SUSPICIONS = 3
"""Measurements in a row that must show it: fewer may have met something that passes."""
_FEWEST_ANSWERS = 32
"""Answers over which throughput is measured, at least: fewer say more about their lengths than about the server."""
_GROWING_SECONDS, _STANDING_SECONDS = 0.1, 0.3
"""Over which throughput is measured, at least: at its cap a limit has time, and less takes a short stop for a slower server."""
_TOLERATED = 0.2
"""The share of refusals, of late, that does not mean that there are too many requests."""
_OF_LATE = 32
"""Answers and refusals after which the share of refusals is forgotten, all but a third."""
_PATIENCE = 20
"""Measurements for which a limit stands where a larger one did harm."""


class Limit:
    """The limit itself, by what is told of the server. Pure but for its clock (seconds).

    One that starts at its cap stays there until the server says that it is busy: for a server that serves nobody else.
    """

    def __init__(self, cap: int, clock: Callable[[], float] = time.monotonic, *, start: int | None = None) -> None:
        self.value = min(cap, max(_SMALLEST_START, cap // 4) if start is None else start)
        self.epoch = 0
        """Counts the changes of the limit: what was sent in an earlier epoch says nothing about this one."""
        self._cap = cap
        self._clock = clock
        self._step = 2.0
        self._refusals = _TOLERATED  # the first one counts
        self._before: tuple[int, float] | None = None
        self._resting = self._suspicions = 0
        self._measure()

    def answered(self, *, full: bool) -> None:
        """An answer came; `full` says whether as many requests as allowed are under way."""
        self._refusals -= self._refusals / _OF_LATE
        self._answers += 1
        self._full += full
        seconds = self._clock() - self._since
        shortest = _GROWING_SECONDS if self.value < self._cap else _STANDING_SECONDS
        whole = self._answers % self.value == 0  # over part of a round, a burst passes for a faster server
        if whole and self._answers >= _FEWEST_ANSWERS and seconds >= shortest:
            if self._full > self._answers / 2:  # otherwise it is we who are slow
                self._measured(self._answers / seconds)
            self._measure()

    def busy(self, epoch: int) -> None:
        """The server refused a request, sent in this epoch, because of its load."""
        if epoch != self.epoch:
            return
        self._refusals += (1 - self._refusals) / _OF_LATE
        if self._refusals > _TOLERATED:
            self._step = 1.25
            self._before = None
            self._change(max(1, self.value // 2))

    def _measured(self, rate: float) -> None:
        """Throughput at this limit, in answers per second: go on, go back, or stay."""
        if self._resting:
            self._resting -= 1
            return
        if self._before is not None:
            value, slower = self._before
            if rate < slower * (1 - _HARM):
                self._suspicions += 1
                if self._suspicions == _SUSPICIONS:
                    self._before, self._resting = None, _PATIENCE
                    self._change(value)
                return
        if self.value < self._cap:
            self._before = (self.value, rate)
            self._change(min(self._cap, max(self.value + 1, int(self.value * self._step))))

    def _change(self, value: int) -> None:
        self.value = value
        self._suspicions = 0
        self.epoch += 1
        self._measure()

    def _measure(self) -> None:
        self._answers = self._full = 0
        self._since = self._clock()


class Gate(Generic[Job]):
    """Where jobs wait for their turn: as many are out at once as the limit says, those that come again first."""

    def __init__(self, limit: Limit, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self._clock = clock
        self._out = 0
        self._fresh: deque[Job] = deque()
        self._again: deque[Job] = deque()
        self._open_at = -math.inf

    def join(self, job: Job, *, again: bool = False) -> None:
        (self._again if again else self._fresh).append(job)

    def next(self) -> Job | None:
        """A job that goes out now; None where none waits, or none may. Each must come `back`."""
        if self._out >= self.limit.value or not (waiting := self._again or self._fresh) or self._clock() < self._open_at:
            return None
        self._out += 1
        return waiting.popleft()

    def back(self, epoch: int, *, answered: bool, busy: bool = False) -> None:
        """A job that went out in this epoch is back: tell what came of it."""
        if busy:
            self.limit.busy(epoch)
        elif answered:
            self.limit.answered(full=self._out >= self.limit.value)
        self._out -= 1

    def pause(self, seconds: float) -> None:
        """Let nobody out for so long, as the server asked."""
        self._open_at = max(self._open_at, self._clock() + seconds)

    def opens_in(self) -> float:
        """Seconds until a pause is over for those that wait; infinity where it is not a pause that they wait for."""
        paused = self._open_at - self._clock()
        return paused if paused > 0 and (self._again or self._fresh) else math.inf

"""The tries of a request at a server, and what failures in a row say about the server."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

from ..chat import Completion
from ..errors import EngineError
from .endpoint import Again, Trouble

_LONGEST_PAUSE = 30.0
_BUSY_TRIES = 12
"""Tries of a request at a server that is busy, beside its retries: being told to wait is no fault."""
_SILENT_TRIES = 2
_FIRST_TRIES = 3
"""Tries to connect to a server that has never answered: its address may be wrong."""
_HOPELESS = 8
"""Requests in a row that failed for want of a server."""
_REFUSED = 64
"""Requests refused from the start, with not one success: something about all of them is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A request that was given up. `suspect` says that the server may be at fault rather than the request."""

    completion: Completion
    suspect: bool


Outcome = Completion | Failure | EngineError


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


class Tally:
    """Failures since the last success: held back while they may be the server's fault, and at last an EngineError."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._succeeded = False
        self._held: list[Failure] = []

    def passed(self, outcome: Outcome) -> Iterator[Completion]:
        """The completions that can be handed over now. Raises EngineError."""
        if isinstance(outcome, EngineError):
            raise outcome
        if isinstance(outcome, Completion):
            self._succeeded = True
            yield from self.rest()
            yield outcome
        elif self._succeeded and not outcome.suspect:
            yield outcome.completion
        else:
            self._held.append(outcome)
            self._check(outcome)

    def rest(self) -> Iterator[Completion]:
        """What is held back."""
        held, self._held = self._held, []
        yield from (failure.completion for failure in held)

    def _check(self, last: Failure) -> None:
        suspects = sum(failure.suspect for failure in self._held)
        if suspects >= _HOPELESS or len(self._held) >= _REFUSED:
            count = suspects if suspects >= _HOPELESS else len(self._held)
            raise EngineError(
                f"{self._url} answers nothing: {count} requests failed and none succeeded, the last one with: "
                f"{last.completion.error}",
                hint="See the server's log, and check model and recipe; then run the same command again.",
            )

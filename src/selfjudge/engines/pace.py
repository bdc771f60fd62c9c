"""How many requests are with a server at once: a cap, halved when the server is busy, growing again as it answers."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

_TOLERATED = 0.2
"""The share of refusals that is borne: some servers refuse a few at any load, and a limit that heeded each would end at one."""
_OF_LATE = 32
"""Answers and refusals after which the share is forgotten, all but a third."""


class Pace:
    """Requests `enter`, as many at once as `limit` says and in the order in which they came, and `leave`."""

    def __init__(self, cap: int) -> None:
        self.limit = self._cap = cap
        self.inside: set[asyncio.Task[Any] | None] = set()
        self._epoch = self._answers = 0
        self._share = _TOLERATED  # the first refusal counts
        self._paused = False
        self._waiting: deque[tuple[asyncio.Future[None], asyncio.Task[Any] | None]] = deque()

    async def enter(self) -> int:
        """Wait for a place; the epoch in which it was given, for `busy`."""
        place, task = asyncio.get_running_loop().create_future(), asyncio.current_task()
        self._waiting.append((place, task))
        self._admit()
        try:
            await place
        except asyncio.CancelledError:
            self.leave()
            raise
        return self._epoch

    def leave(self) -> None:
        self.inside.discard(asyncio.current_task())
        self._admit()

    def answered(self) -> None:
        """The server answered a request. After a round of answers the limit grows by a quarter."""
        self._share -= self._share / _OF_LATE
        self._answers += 1
        if self._answers >= self.limit:
            self.limit, self._answers = min(self._cap, self.limit + max(1, self.limit // 4)), 0

    def busy(self, epoch: int) -> None:
        """The server refused a request for its load. One that entered before the last halving changes nothing."""
        if epoch == self._epoch:
            self._share += (1 - self._share) / _OF_LATE
            if self._share > _TOLERATED:
                self.limit, self._answers, self._epoch = max(1, self.limit // 2), 0, self._epoch + 1

    def pause(self, seconds: float) -> None:
        """Let nobody in for so long."""
        if not self._paused:
            self._paused = True
            asyncio.get_running_loop().call_later(seconds, self._open)

    def _open(self) -> None:
        self._paused = False
        self._admit()

    def _admit(self) -> None:
        while self._waiting and len(self.inside) < self.limit and not self._paused:
            place, task = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                self.inside.add(task)

"""How many requests a server has at once: a cap, halved when the server is busy, growing again as it answers."""

from __future__ import annotations

import asyncio
from typing import Literal

_TOLERATED = 0.2  # share of refusals that does not lower the limit: some servers refuse a few at any load
_WINDOW = 32  # answers and refusals over which the share is averaged, exponentially


class Pace(asyncio.Semaphore):
    """The limit on requests in flight: each is sent inside `async with pace`. `epoch` counts how often it was halved."""

    def __init__(self, cap: int) -> None:
        super().__init__(cap)
        self.limit = self._cap = cap
        self.epoch = self._answers = self._excess = 0  # turns above the limit, which end unused
        self._share = _TOLERATED  # the first refusal halves the limit

    async def acquire(self) -> Literal[True]:
        while await super().acquire() and self._excess:
            self._excess -= 1
        return True

    def release(self) -> None:
        if self._excess:
            self._excess -= 1
        else:
            super().release()

    def answered(self) -> None:
        """Count an answer. After as many answers as the limit, the limit grows by a quarter."""
        self._share -= self._share / _WINDOW
        self._answers += 1
        if self._answers >= self.limit:
            self._answers, before = 0, self.limit
            self.limit = min(self._cap, before + max(1, before // 4))
            for _ in range(self.limit - before):
                self.release()

    def busy(self, epoch: int) -> None:
        """Count a refusal of a request that was sent in `epoch`; it is ignored if the limit was halved since."""
        if epoch == self.epoch:
            self._share += (1 - self._share) / _WINDOW
            if self._share > _TOLERATED:
                self._excess += self.limit - max(1, self.limit // 2)
                self.limit, self._answers, self.epoch = max(1, self.limit // 2), 0, self.epoch + 1

"""How many requests a server has at once: a cap, halved when the server is busy, growing again as it answers."""

from __future__ import annotations

import asyncio
from collections import deque

_TOLERATED = 0.2  # share of refusals that does not lower the limit: some servers refuse a few at any load
_WINDOW = 32  # answers and refusals over which the share is averaged, exponentially


class Pace:
    """The limit on requests in flight: each is sent inside `async with pace`. `epoch` counts how often it was halved."""

    def __init__(self, cap: int) -> None:
        self.limit = self._cap = cap
        self.epoch = self._answers = self._sent = 0
        self._share = _TOLERATED  # the first refusal halves the limit
        self._turns: deque[asyncio.Future[None]] = deque()

    async def __aenter__(self) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._turns.append(turn)
        self._grant()
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                await self.__aexit__()
            raise

    async def __aexit__(self, *error: object) -> None:
        self._sent -= 1
        self._grant()

    def _grant(self) -> None:
        while self._turns and self._sent < self.limit:
            if not (turn := self._turns.popleft()).done():
                self._sent += 1
                turn.set_result(None)

    def answered(self) -> None:
        """Count an answer. After as many answers as the limit, the limit grows by a quarter."""
        self._share -= self._share / _WINDOW
        self._answers += 1
        if self._answers >= self.limit:
            self.limit, self._answers = min(self._cap, self.limit + max(1, self.limit // 4)), 0

    def busy(self, epoch: int) -> None:
        """Count a refusal of a request that was sent in `epoch`; it is ignored if the limit was halved since."""
        if epoch == self.epoch:
            self._share += (1 - self._share) / _WINDOW
            if self._share > _TOLERATED:
                self.limit, self._answers, self.epoch = max(1, self.limit // 2), 0, self.epoch + 1

"""Threads that judge what all clients wait for, as many cases at a time as have come in meanwhile.

An engine that answers in batches has one thread: the next batch is what came in during the last. One that answers each request by
itself, such as a server, has several, so that what comes in is asked at once and waits for nobody's long trace.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path

from ..errors import SelfjudgeError
from ..judge import Case, Judge, Preference

log = logging.getLogger(__name__)

_THREADS = 8
"""Of an engine whose answers do not depend on their neighbours."""
_BROKEN_SECONDS = 60.0
"""How long a failure is believed: a service that is sent no more requests because of it cannot show that it is over."""

Answer = Future[Preference]


class Full(Exception):
    """As many cases, or bytes of images, are waiting as may."""


def _size(cases: Sequence[Case]) -> int:
    """Bytes of images that cases hold in memory while they wait; they may show the same ones."""
    shown = [case.images if isinstance(case.images, list | tuple) else [case.images] for case in cases]
    return sum(map(len, {picture for pictures in shown for picture in pictures if isinstance(picture, bytes)}))


class Batches:
    """Cases that wait, and the threads that judge them. No more are taken while `limit` wait, or images of `bytes_limit`.

    While fewer wait, any number is: one request with more than the limit would never fit.
    """

    def __init__(
        self,
        judge: Judge,
        *,
        limit: int,
        bytes_limit: int,
        size: int,
        folder: Path,
        watch: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._judge = judge
        self._limit = limit
        self._bytes_limit = bytes_limit
        self._bytes = 0
        self._size = size
        self._folder = folder
        self._watch = watch
        self._waiting: deque[tuple[Case, Answer, int]] = deque()
        self._changed = threading.Condition()
        self._open = False
        self._failed = ("", -_BROKEN_SECONDS)

    @property
    def broken(self) -> str | None:
        """What the engine said when it failed for a whole batch; None since it has answered again, and after a minute."""
        said, since = self._failed
        return said if said and time.monotonic() - since < _BROKEN_SECONDS else None

    def start(self) -> None:
        """Start the threads."""
        self._open = True
        count = _THREADS if self._judge.block == 1 else 1
        self._threads = [threading.Thread(target=self._work, name=f"judge-{n}", daemon=True) for n in range(count)]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def submit(self, cases: Sequence[Case]) -> list[Answer]:
        """Let cases wait for their turn. Raises Full where too many wait, RuntimeError where the threads do not run."""
        with self._changed:
            if not self._open:
                raise RuntimeError("the service is stopping")
            if len(self._waiting) >= self._limit or self._bytes >= self._bytes_limit:
                raise Full
            sizes = [0] * (len(cases) - 1) + [_size(cases)]  # all are held until the last case is taken
            self._bytes += sizes[-1]
            answers: list[Answer] = [Future() for _ in cases]
            self._waiting.extend(zip(cases, answers, sizes, strict=True))
            self._changed.notify()  # one thread, which takes all that waits
        return answers

    def close(self) -> None:
        """Judge what is waiting, and end the threads."""
        with self._changed:
            self._open = False
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while batch := self._next():
            self._watch(len(batch))
            try:
                said = self._judge.compare_all([case for case, _ in batch], folder=self._folder, answered=True)
                problems = []
                for (_, answer), one in zip(batch, said, strict=True):
                    answer.set_result(one)
                    problems.append(one.problem or "")
                lost = all(problem.startswith("failed: ") for problem in problems)
                self._failed = (problems[-1] if lost else "", time.monotonic())
            except Exception as error:  # whatever it is, the service goes on and the clients are told
                self._fail(batch, error)

    def _next(self) -> list[tuple[Case, Answer]]:
        """What is waiting, up to a batch, without those whose client has gone; nothing once the service stops."""
        batch: list[tuple[Case, Answer]] = []
        while not batch:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or not self._open)
                if not self._waiting:
                    return []
                taken = [self._waiting.popleft() for _ in range(min(self._size, len(self._waiting)))]
                self._bytes -= sum(size for _, _, size in taken)
            batch = [(case, answer) for case, answer, _ in taken if answer.set_running_or_notify_cancel()]
        return batch

    def _fail(self, batch: Sequence[tuple[Case, Answer]], error: Exception) -> None:
        self._failed = (f"{type(error).__name__}: {error}", time.monotonic())
        if not isinstance(error, SelfjudgeError):
            log.exception("the judge failed unexpectedly")
        for _, answer in batch:
            if not answer.done():
                answer.set_exception(error)

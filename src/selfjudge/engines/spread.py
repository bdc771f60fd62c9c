"""One stream of requests over several ways to answer, each in a thread of its own; who is done first takes the next ones."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from queue import Full, Queue

from ..chat import Completion, Request
from ..ports import blocks

Way = Callable[[Iterator[Request]], Iterator[Completion]]
"""One completion for each request that it takes, which it does as soon as it can."""
_LONGEST_RUN = 64
_WAITING = 4_096
"""Completions that wait for the caller, at most."""


class Spread:
    """One call of `generate`. Neighbours that show the same images go the same way, where they share a prefix."""

    def __init__(self, ways: Sequence[Way]) -> None:
        self._ways = ways
        self._over = False
        self._taking = threading.Lock()
        self._outcomes: Queue[Completion | BaseException | None] = Queue(_WAITING)

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """The completions as they come. What goes wrong in a thread, or with `requests`, is raised here."""
        runs = (run for _, alike in groupby(requests, _images) for run in blocks(alike, _LONGEST_RUN))
        for way in self._ways:
            threading.Thread(target=self._work, args=(way, runs), name="selfjudge-spread", daemon=True).start()
        working = len(self._ways)
        try:
            while working:
                outcome = self._outcomes.get()
                if isinstance(outcome, BaseException):
                    raise outcome
                if outcome is None:
                    working -= 1
                else:
                    yield outcome
        finally:
            self._over = True

    def _work(self, way: Way, runs: Iterator[list[Request]]) -> None:
        try:
            for completion in way(self._taken(runs)):
                self._hand(completion)
                if self._over:
                    return
            self._hand(None)
        except BaseException as error:  # the caller's thread raises it
            self._hand(error)

    def _taken(self, runs: Iterator[list[Request]]) -> Iterator[Request]:
        while True:
            with self._taking:
                run = [] if self._over else next(runs, [])
            if not run:
                return
            yield from run

    def _hand(self, outcome: Completion | BaseException | None) -> None:
        while not self._over:
            with suppress(Full):
                self._outcomes.put(outcome, timeout=1.0)
                return


def _images(request: Request) -> list[object]:
    return [image for message in request.messages for image in message.images]

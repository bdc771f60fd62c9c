"""Generation by a server that speaks OpenAI's chat completions: OpenAI itself, vLLM, SGLang, and the many that are compatible.

An event loop sends and receives in a thread of its own, but only while the caller waits for the next completion: two threads at
work would wait for the interpreter's lock in turns, and a server that gets requests one by one works in small batches. The place
of a reply is given to the next request at once; completions are handed over when there is nothing more to read. Requests are
pulled in the caller's thread, never more than twice as many as the server is given at once.

A request that the server refuses, or that failed too often, is a completion with an error. Where no request can succeed (a wrong
key, an unknown model, nothing at the address, busy without end) the engine is broken.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ..chat import Completion, Request
from ..errors import EngineError
from ..ports import ReadImage
from ..types import Finish
from .chat_completions import Dialect, ImagePath, Writer
from .client import Again, Client, Trouble
from .endpoint import Endpoint, UnknownModelError
from .pace import Pace
from .replies import UnknownEnd

log = logging.getLogger(__name__)

_PULLING_SECONDS = 0.05
"""How long requests are pulled before those at hand are sent: servers batch what arrives together, but they may come slowly."""
_QUIET_SECONDS, _READING_SECONDS = 0.001, 0.01
"""How long nothing must come before completions are handed over, and how long they are kept while ever more come."""
_LONGEST_PAUSE = 30.0
_BUSY_SECONDS = 600.0
"""How long a request is asked again that a server is too busy for; if it answers no other either, the engine is broken."""
_SAID_SECONDS = 30.0
"""How often it is said that a server is busy."""
_FIRST_TRIES = 3
"""Tries to connect to a server that has never answered: its address may be wrong."""
_LIST_SECONDS = 10.0
_UNKNOWN_ENDS = 8
"""Replies that all ended in an unknown way, after which no more are waited for."""
_NO_REPLY: Mapping[str, Any] = {"text": "", "finish": Finish.ERROR, "prompt_tokens": 0, "completion_tokens": 0}


@dataclass(slots=True, eq=False)
class _Call:
    """One call of `generate`: tasks at work, tasks that are done, and failed completions whose end is of no known kind."""

    tasks: set[asyncio.Task[Completion | None]] = field(default_factory=set)
    done: deque[asyncio.Task[Completion | None]] = field(default_factory=deque)
    odd: list[Completion] = field(default_factory=list)


class OpenAIEngine:
    """A served model. `concurrency` is the most requests at once, `timeout_seconds` the longest wait for one whole reply.

    `image_path` gives the path of an image for servers that may read our files; otherwise images travel in the request. `key` is
    that of a server of our own, in place of the environment's.
    """

    block = 1

    def __init__(
        self,
        model: str,
        *,
        read_image: ReadImage,
        base_url: str,
        concurrency: int,
        timeout_seconds: float,
        retries: int,
        image_path: ImagePath | None = None,
        first_pause: float = 1.0,
        key: str | None = None,
    ) -> None:
        self._dialect = Dialect()
        self._endpoint = Endpoint(base_url, model, key=key)
        self._client = Client(self._endpoint.url, self._endpoint.headers, seconds=timeout_seconds)
        self._writer = Writer(model, read_image, image_path)
        self._pace = Pace(concurrency)
        self._retries, self._first_pause = retries, first_pause
        self._calls: set[_Call] = set()
        self._delivered = self._refusals = 0
        self._ends_known, self._retrying, self._closed = False, True, False
        self._models: str | None = None
        self._news = asyncio.Event()
        self._submitting = threading.Lock()
        self._loop = _PausedLoop()
        self._call_soon = self._loop.call_soon_threadsafe
        self._thread = ThreadPoolExecutor(1, "selfjudge-http")
        self._submit(self._open).result()

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """See `ports.Engine`. While the caller does other things, nothing is sent or received."""
        waiting, more, call = iter(requests), True, _Call()
        self._retrying = self._retrying or not self._calls  # one call may be made in the midst of another
        self._calls.add(call)
        try:
            while more or call.tasks:
                pulled: list[Request] = []
                until = time.monotonic() + _PULLING_SECONDS
                while (room := more and len(call.tasks) + len(pulled) < 2 * self._pace.limit) and time.monotonic() < until:
                    more = (request := next(waiting, None)) is not None
                    pulled += [request] if request is not None else []
                if pulled or call.tasks:
                    self._submit(self._work, call, pulled, not room).result()
                yield from self._completions(call)
            yield from self._odd_ones(call, enough=1)
            self._check_open()
        finally:
            self._calls.discard(call)
            with suppress(EngineError, RuntimeError):  # closed
                self._call_soon(self._drop, call.tasks)
                self._submit(self._work, call, [], False)

    @property
    def refused_parameters(self) -> str:
        """How the server is asked otherwise than requests say, because it refused parameters; empty where it did not."""
        return "" if self._dialect == Dialect() else str(self._dialect)

    def stop_retrying(self) -> None:
        """Until all calls are over, wait only for what is with the server; the rest is dropped. A signal handler may call it."""
        self._retrying = False
        with suppress(RuntimeError):  # closed
            self._call_soon(self._drop_waiting)

    def close(self) -> None:
        """See `ports.Engine`. A thread that waits for a completion gets an EngineError."""
        with self._submitting:
            if not self._closed:
                self._closed = True
                self._call_soon(self._news.set)
                self._thread.submit(self._loop.run_until_complete, self._close()).result()
                self._thread.shutdown()
                self._loop.close()

    def _submit(self, work: Callable[..., Any], *arguments: Any) -> Future[None]:
        """Let the loop work until `work` is done. Raises EngineError when closed."""
        with self._submitting:
            self._check_open()
            return self._thread.submit(lambda: self._loop.run_until_complete(work(*arguments)))

    def _check_open(self) -> None:
        if self._closed:
            raise EngineError("the engine was closed while it was asked", hint="Open another one.")

    def _completions(self, call: _Call) -> Iterator[Completion]:
        while call.done:
            try:
                done = call.done.popleft().result()
            except UnknownModelError as error:
                self._submit(self._name_models, call, error).result()
                raise
            if done is not None:
                yield done
        yield from self._odd_ones(call, enough=_UNKNOWN_ENDS)

    def _odd_ones(self, call: _Call, *, enough: int) -> Iterator[Completion]:
        """Replies of no known end: failed ones where another was known, an error where none is."""
        if self._ends_known:
            yield from call.odd
            call.odd.clear()
        elif len(call.odd) >= enough:
            url = self._endpoint.url
            hint = "Ask whoever runs the server for `stop` and `length`, as OpenAI has them, or report the reason to us."
            raise EngineError(f"no reply of {url} ended in a known way; the last: {call.odd[-1].error}", hint=hint)

    # From here on in the loop's thread

    async def _open(self) -> None:
        await self._client.open()
        self._saying = self._loop.create_task(self._say_busy())

    async def _close(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        self._drop(tasks)
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.close()
        await self._loop.shutdown_default_executor()

    async def _work(self, call: _Call, pulled: list[Request], wait: bool) -> None:
        """Send what may go out and read what has come; with `wait`, until there is news."""
        for request in pulled:
            task = self._loop.create_task(self._answer(call, request))
            call.tasks.add(task)
            task.add_done_callback(partial(self._done, call))
        if wait and call.tasks and not call.done and not self._closed:
            self._news.clear()
            await self._news.wait()
        before, until = -1, time.monotonic() + _READING_SECONDS
        while self._delivered > before and time.monotonic() < until:
            before = self._delivered
            await asyncio.sleep(_QUIET_SECONDS)

    def _done(self, call: _Call, task: asyncio.Task[Completion | None]) -> None:
        call.tasks.discard(task)
        if not task.cancelled():
            task.exception()  # it is raised where the completion is taken, if it still is
            call.done.append(task)
        self._delivered += 1
        self._news.set()

    def _drop(self, tasks: Iterable[asyncio.Task[Any]]) -> None:
        for task in tuple(tasks):
            task.cancel()

    def _drop_waiting(self) -> None:
        self._drop([task for call in self._calls for task in call.tasks if task not in self._pace.inside])

    async def _answer(self, call: _Call, request: Request) -> Completion | None:
        """Ask until there is an answer, or no more tries; None where how it ended is unclear. Raises EngineError."""
        tries, waits, since = 0, 0, math.inf
        while True:
            epoch = await self._pace.enter()
            try:
                return await self._ask(request)
            except UnknownEnd as odd:
                call.odd.append(odd.completion)
                return None
            except Trouble as failure:
                trouble = failure
            finally:
                self._pace.leave()
            tries, waits = tries + 1, waits + (trouble.again is Again.BUSY)
            since = min(since, time.monotonic())
            if trouble.again in (Again.BUSY, Again.SILENT):
                self._pace.busy(epoch)
            if not self._goes_on(trouble, tries - waits, since):
                said, refused = self._endpoint.shown(str(trouble)), trouble.again is Again.REFUSED
                return Completion(key=request.key, error=said, refused=refused, **_NO_REPLY)
            if not self._retrying:
                raise asyncio.CancelledError
            await asyncio.sleep(self._pause(trouble, tries))

    async def _ask(self, request: Request) -> Completion:
        """One try; a parameter that the server refuses is left out at once. Raises Trouble, UnknownEnd, EngineError."""
        found = Dialect()
        while True:
            dialect = self._dialect.joined(found)
            try:
                answer = await self._endpoint.completion(self._client, request, self._writer.body(request, dialect))
            except Trouble as trouble:
                if (other := dialect.after(trouble.details, request)) is None:
                    raise
                found = other
            else:
                self._took(found)
                return answer

    def _took(self, found: Dialect) -> None:
        """The server answered: keep what it was found to refuse on the way."""
        self._ends_known, self._refusals = True, 0
        self._pace.answered()
        if (joined := self._dialect.joined(found)) != self._dialect:
            self._dialect = joined
            log.warning("%s does not take all parameters: it is asked %s", self._endpoint.url, joined)

    def _goes_on(self, trouble: Trouble, failures: int, since: float) -> bool:
        """Whether a request that first failed at `since` is tried again. Raises EngineError where no other would fare better."""
        server, retries, again = self._endpoint, self._retries, trouble.again
        most = {Again.LATER: retries, Again.UNREACHABLE: retries, Again.SILENT: min(1, retries)}.get(again, 0)
        if again is Again.UNREACHABLE and server.heard == -math.inf:
            most = min(retries, _FIRST_TRIES - 1)
        if again is Again.BUSY and retries and time.monotonic() - since < _BUSY_SECONDS:
            return True
        if again is not Again.BUSY and failures <= most:
            return True
        said = server.shown(str(trouble))
        if again is Again.UNREACHABLE and server.heard < since:
            hint = "Check base_url and whether the server runs; then run the same command again: it goes on where it stopped."
            raise EngineError(f"{server.url} cannot be reached: {said}", hint=hint)
        if again is Again.BUSY and retries and server.answered < since:
            hint = "Run the same command again when the server has time; it goes on where it stopped."
            raise EngineError(f"{server.url} has been busy for {_BUSY_SECONDS / 60:.2g} minutes: {said}", hint=hint)
        return False

    def _pause(self, trouble: Trouble, tries: int) -> float:
        """Seconds until the next try: as the server says, or ever longer. One that is busy with one request gets no other."""
        self._refusals += trouble.again is Again.BUSY
        pause = min(_LONGEST_PAUSE, self._first_pause * 2.0 ** min(tries - 1, 10)) * random.uniform(0.5, 1.0)
        if trouble.again is Again.BUSY and (trouble.wait or self._pace.limit == 1):
            self._pace.pause(trouble.wait or pause)
        return trouble.wait * random.uniform(1.0, 1.1) if trouble.wait else pause

    async def _name_models(self, call: _Call, error: UnknownModelError) -> None:
        """Complete the hint of an error with the models that the server has, if it says so. It is asked once."""
        self._drop(call.tasks)
        if not self._models:
            self._models = error.hint
            with suppress(Trouble, TimeoutError):
                self._models = await asyncio.wait_for(self._endpoint.models(self._client), _LIST_SECONDS)
        error.hint = self._models

    async def _say_busy(self) -> None:
        while True:
            await asyncio.sleep(_SAID_SECONDS)
            if self._refusals:
                said = "%s is busy: it has refused %d requests since its last answer; %d wait for it"
                log.warning(said, self._endpoint.url, self._refusals, sum(len(call.tasks) for call in self._calls))


class _PausedLoop(asyncio.SelectorEventLoop):
    """A loop whose clock stands while it does not run: a caller that was away for long loses no reply by that."""

    _stopped = _away = 0.0

    def time(self) -> float:
        return time.monotonic() - self._away

    def run_until_complete(self, future: Any) -> Any:
        self._away += time.monotonic() - self._stopped if self._stopped else 0.0
        try:
            return super().run_until_complete(future)
        finally:
            self._stopped = time.monotonic()

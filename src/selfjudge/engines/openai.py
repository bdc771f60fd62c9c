"""Generation by servers with OpenAI's chat completions API: OpenAI itself, vLLM, SGLang, and compatible ones.

Requests are pulled in the caller's thread, at most twice as many as may be in flight, and handed over in bursts: servers batch
what arrives together. An event loop in a thread of its own sends them as the pace allows and returns completions in bursts, as
two busy threads compete for the interpreter's lock. A request that is refused, or failed too often, is a completion with an
error; if none can succeed (nothing at the address, a rejected key), the engine raises EngineError.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from functools import cached_property, partial
from queue import SimpleQueue

from ..chat import Completion, Request
from ..errors import EngineError
from ..ports import ReadImage
from ..recipe.engines import OpenAISettings
from .chat_completions import Again, ImagePath, Trouble, Writer, described, refused_parameter
from .endpoint import UNKNOWN_MODEL, Endpoint

log = logging.getLogger(__name__)

_PULL_SECONDS = 0.05  # longest time to pull requests before sending them: an iterator may be slow
_BURST_SECONDS = 0.005  # time between a completion and its hand-over, in which others join it
_CONTINUING = {"vllm", "sglang"}  # servers that can continue a reply, as they call the owner of their models
_LONGEST_PAUSE = 30.0
_BUSY_SECONDS = 600.0  # how long a request is sent again to a busy server, and the engine waits for any answer
_WARN_SECONDS = 30.0  # between two warnings that a server does not answer
_SILENT = "%s has not answered for %.0f seconds (%s); %d requests are waiting"
_FIRST_TRIES = 3  # to connect to a server that never answered: its address may be wrong
_RESUME = "run the same command again: it resumes where it stopped."
Outcome = Completion | BaseException | None  # of a request: None if it was dropped
Call = SimpleQueue[Outcome]  # of `generate`: what the loop's thread has for the caller's
Servers = Sequence[tuple[str, str | None]]  # addresses and keys
_CLOSED = partial(EngineError, "the engine was closed while it had requests", hint="Open another engine.")


@dataclass(slots=True, eq=False)
class _Job:
    """A request: whether the server has it, its tries, those of them that met a busy server, and when it first failed."""

    call: Call
    request: Request
    server: Endpoint
    sent: bool = False
    tries: int = 0
    busy: int = 0
    since: float = math.inf


class OpenAIEngine:
    """A served model. With `image_path`, servers read images from local files. `servers` were started here; they replace the
    address of the settings and the environment's key."""

    block = 1
    first_pause = 1.0  # longest pause before the second try (s); it doubles with each further try

    def __init__(
        self, model: str, settings: OpenAISettings, *, read_image: ReadImage, image_path: ImagePath = None, servers: Servers = ()
    ) -> None:
        seconds, most = settings.timeout_seconds, settings.concurrency
        addresses = servers or [(settings.address, None)]
        self._servers = [Endpoint(url, model, seconds=seconds, key=key, concurrency=most) for url, key in addresses]
        self._writer, self._retries = Writer(model, read_image, image_path), settings.retries
        self.refused = frozenset[str]()  # parameters that are not sent
        self._refuse(settings.ignored)
        self._lock, self._retrying = threading.Lock(), True
        self._calls, self._jobs = set[Call](), dict[_Job, asyncio.Task[Completion | None]]()
        self._last: _Job | None = None
        opened: SimpleQueue[None] = SimpleQueue()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main(opened)), name="selfjudge-http", daemon=True)
        self._thread.start()
        opened.get()

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """See `ports.Engine`."""
        waiting, more, unanswered, call = iter(requests), True, 0, Call()
        try:
            while more or unanswered:
                pulled: list[Request] = []
                until = time.monotonic() + _PULL_SECONDS
                most = 2 * sum(server.pace.limit for server in self._servers)
                while (room := more and unanswered + len(pulled) < most) and time.monotonic() < until:
                    more = (request := next(waiting, None)) is not None
                    pulled += [request] if request is not None else []
                if pulled:
                    self._in_loop(self._enqueue, call, pulled)
                unanswered += len(pulled)
                burst = [call.get()] if unanswered and not room else []
                time.sleep(_BURST_SECONDS * len(burst))
                for outcome in [*burst, *(call.get() for _ in range(call.qsize()))]:
                    unanswered -= 1
                    if isinstance(outcome, EngineError) and outcome.hint == UNKNOWN_MODEL:
                        with suppress(Trouble, CancelledError):
                            names = self._servers[0].shown(", ".join(self._listed("id")))
                            outcome.hint = f"The server has {names or 'no models'}"
                    if isinstance(outcome, BaseException):
                        raise outcome
                    if outcome is not None:
                        yield outcome
        finally:
            with suppress(EngineError):  # closed
                self._in_loop(self._drop, {call})

    @property
    def refused_parameters(self) -> str:
        """How requests are changed because the server refuses or ignores parameters; empty if they are not."""
        return described(self.refused)

    @cached_property
    def continues(self) -> bool:
        """See `ports.continues`. Asks the server what it is. Raises EngineError if it does not say."""
        server = self._servers[0]
        try:
            owners = set(self._listed("owned_by"))
        except Trouble as trouble:
            message = f"{server.url} does not say whether it can continue a reply: {server.shown(str(trouble))}"
            raise EngineError(message, hint=f"Check base_url and whether the server is running; then {_RESUME}") from None
        return bool(owners) and owners <= _CONTINUING

    def stop_retrying(self) -> None:
        """Until all calls are over, wait only for replies of the server; drop the other requests. Safe in a signal handler."""
        self._retrying = False
        with suppress(RuntimeError):  # closed
            self._loop.call_soon_threadsafe(partial(self._drop, self._calls, waiting=True))

    def close(self) -> None:
        """See `ports.Engine`. A thread that waits for a completion gets an EngineError."""
        with self._lock, suppress(RuntimeError):  # closed
            self._loop.call_soon_threadsafe(self._closing.set)
            self._thread.join()

    def _listed(self, field: str) -> list[str]:
        return asyncio.run_coroutine_threadsafe(self._servers[0].models(field), self._loop).result()

    def _in_loop(self, work: Callable[..., None], *arguments: object) -> None:
        with self._lock:
            if not self._thread.is_alive():
                raise _CLOSED()
            self._loop.call_soon_threadsafe(work, *arguments)

    def _refuse(self, names: frozenset[str]) -> None:
        if not names <= self.refused:
            self.refused |= names
            log.warning("%s does not support all parameters; requests are sent %s", self._servers[0].url, described(self.refused))

    # Everything below runs in the loop's thread.

    async def _main(self, opened: SimpleQueue[None]) -> None:
        self._loop, self._closing = asyncio.get_running_loop(), asyncio.Event()
        async with AsyncExitStack() as stack:
            for server in self._servers:
                await stack.enter_async_context(server.open())
            opened.put(None)
            while not self._closing.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._closing.wait(), _WARN_SECONDS)
                for server in self._servers:
                    seconds = time.monotonic() - max(server.answered, server.asked)
                    if server.waiting and seconds >= _WARN_SECONDS:
                        log.warning(_SILENT, server.url, seconds, server.trouble, server.waiting)
            for call in self._calls:
                call.put(_CLOSED())
            self._drop(self._calls)

    def _enqueue(self, call: Call, requests: list[Request]) -> None:
        self._retrying = self._retrying or not self._calls
        self._calls.add(call)
        for request in requests:
            server = self._server_for(request)
            server.asked = server.asked if server.waiting else time.monotonic()
            server.waiting += 1
            job = self._last = _Job(call, request, server)
            self._jobs[job] = self._loop.create_task(self._run(job))
            self._jobs[job].add_done_callback(partial(self._done, job))

    def _server_for(self, request: Request) -> Endpoint:
        """The server of the last request if the images are the same: their prefix is computed once. Else the least busy one."""
        last, images = self._last, request.images
        if last and images and images == last.request.images and last.server.waiting < 3 * last.server.pace.limit:
            return last.server
        return min(self._servers, key=lambda server: server.waiting)

    def _drop(self, calls: set[Call], *, waiting: bool = False) -> None:
        """End the requests of calls for which nobody waits any more; with `waiting`, only those that no server has."""
        for job, task in self._jobs.items():
            if job.call in calls and not (waiting and job.sent):
                task.cancel()
        self._calls -= set() if waiting else calls

    def _done(self, job: _Job, task: asyncio.Task[Completion | None]) -> None:
        del self._jobs[job]
        job.server.waiting -= 1
        job.call.put(None if task.cancelled() else task.exception() or task.result())

    async def _run(self, job: _Job) -> Completion | None:
        """The completion of a request, after as many tries as it may have; None if it is dropped. Raises EngineError."""
        server = job.server
        while True:
            async with server.pace:
                while (seconds := server.send_from - self._loop.time()) > 0:
                    await asyncio.sleep(seconds)
                job.sent, epoch = True, server.pace.epoch
                try:
                    return await self._answer(server, job.request)
                except Trouble as error:
                    trouble = error
                finally:
                    job.sent = False
            if trouble.again in (Again.BUSY, Again.SILENT):
                server.pace.busy(epoch)
            server.trouble = server.shown(str(trouble))
            if (failed := self._given_up(job, trouble)) is not None or not self._retrying:
                return failed
            await asyncio.sleep(self._pause(job, trouble))

    async def _answer(self, server: Endpoint, request: Request) -> Completion:
        """One try; a parameter that the server refuses is removed at once. Raises Trouble, EngineError."""
        learned = frozenset[str]()
        while True:
            refused = self.refused | learned
            try:
                completion = await server.completion(request, self._writer.body(request, refused))
            except Trouble as trouble:
                if (name := refused_parameter(trouble.details, request, refused)) is None:
                    raise
                learned |= {name}
            else:
                server.pace.answered()
                self._refuse(learned)
                return completion

    def _given_up(self, job: _Job, trouble: Trouble) -> Completion | None:
        """The failed completion of a request that is not sent again. Raises EngineError if no other would fare better."""
        server, again, now = job.server, trouble.again, time.monotonic()
        job.since, job.tries, job.busy = min(job.since, now), job.tries + 1, job.busy + (again is Again.BUSY)
        connects = self._retries if server.heard > -math.inf else min(self._retries, _FIRST_TRIES - 1)
        most = {Again.LATER: self._retries, Again.UNREACHABLE: connects, Again.SILENT: min(1, self._retries)}
        patient = self._retries > 0 and now - job.since < _BUSY_SECONDS
        if patient if again is Again.BUSY else job.tries - job.busy <= most.get(again, 0):
            return None
        if again is Again.UNREACHABLE and server.heard < job.since:
            hint = f"Check base_url and whether the server is running; then {_RESUME}"
            raise EngineError(f"{server.url} cannot be reached: {server.trouble}", hint=hint)
        if again is Again.BUSY and self._retries and server.answered < job.since:
            hint = f"When the server has capacity, {_RESUME}"
            raise EngineError(f"{server.url} has been busy for {_BUSY_SECONDS / 60:.2g} minutes: {server.trouble}", hint=hint)
        return Completion.failed(job.request.key, server.trouble, refused=again is Again.REFUSED)

    def _pause(self, job: _Job, trouble: Trouble) -> float:
        """Seconds before the next try: the server's Retry-After, which holds for all requests, or a growing pause."""
        pause = min(_LONGEST_PAUSE, self.first_pause * 2.0 ** min(job.tries - 1, 10)) * random.uniform(0.5, 1.0)
        if trouble.again is Again.BUSY and (trouble.wait or job.server.pace.limit == 1):
            job.server.send_from = max(job.server.send_from, self._loop.time() + (trouble.wait or pause))
        return trouble.wait * random.uniform(1.0, 1.1) if trouble.wait else pause

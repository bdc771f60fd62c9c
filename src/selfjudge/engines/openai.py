"""Generation by a server that speaks OpenAI's chat completions: OpenAI itself, vLLM, SGLang, and the many that are compatible.

The event loop runs in the caller's thread, while that asks for the next completion: in a thread of its own it would wait for the
interpreter's lock whenever it sends or receives, and a server that gets requests one by one works in small batches. Requests are
pulled one by one between turns of the loop, never more than twice as many as the server is given at once.

What is a row and what is an error: a request that the server refuses is a completion with an error. One that failed for want of a
server (no connection, no sense in the reply, 5xx) is held back until another request has succeeded; if eight fail so in a row, or
nothing answers at the address at all, the engine is broken, and none of them becomes a row: a resumed run asks them again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ..chat import Completion, Message, Request
from ..errors import EngineError
from ..ports import ReadImage
from ..types import Finish
from .chat_completions import BadReply, Dialect, ImageBlocks, ImagePath, as_json, completion, message_parts
from .endpoint import Again, Endpoint, Trouble
from .pace import Gate, Limit
from .trials import Failure, Outcome, Tally, Trials

log = logging.getLogger(__name__)

_LONGEST_PAUSE = 30.0
_PULLING_SECONDS = 0.05
"""How long requests are pulled before those at hand are sent: servers batch what arrives together, but they may come slowly."""
_COMPANY_SECONDS = 0.005
"""How long an outcome waits for others, while the loop answers each with the next request: rows are for later."""


@dataclass(slots=True, kw_only=True)
class _Asking:
    """One call of `generate`: its outcomes so far, and the tasks that are under way for it."""

    outcomes: deque[Outcome] = field(default_factory=deque)
    tasks: set[asyncio.Task[Outcome]] = field(default_factory=set)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    request: Request
    messages: tuple[bytes, ...]


class OpenAIEngine:
    """A served model. `concurrency` is the most requests at once, `timeout_seconds` the longest wait for one whole reply.

    `image_path` gives the path of an image for servers that may read our files; otherwise images travel in the request. `key` and
    `start` are for a server of our own: its key in place of the environment's, and the requests at once to begin with.
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
        start: int | None = None,
    ) -> None:
        self._endpoint = Endpoint(base_url, model, connections=concurrency, key=key)
        self._images = ImageBlocks(read_image, image_path)
        self._gate = Gate(Limit(concurrency, start=start))
        self._seconds = timeout_seconds
        self._retries = retries
        self._first_pause = first_pause
        self._dialect = Dialect()
        self._refused = 0
        """How often it was busy since it last answered a request."""
        self._written: tuple[tuple[Message, ...], tuple[bytes, ...]] = (), ()
        """The last messages, and their JSON: samples of one prompt follow each other."""
        self._closed = False
        self._loop = asyncio.new_event_loop()
        self._at_work = threading.Lock()
        """Held by the thread that runs the loop, for one turn or until there is an outcome."""

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """See `ports.Engine`. While the caller does other things, nothing is sent or received."""
        waiting, more, under_way = iter(requests), True, 0
        asking, tally = _Asking(), Tally(self._endpoint.url)
        try:
            while more or under_way:
                until = time.monotonic() + _PULLING_SECONDS
                while (room := more and under_way < 2 * self._gate.limit.value) and time.monotonic() < until:
                    request = next(waiting, None)
                    if request is None:
                        more = False
                    else:
                        self._submit(request, asking)
                        under_way += 1
                if under_way:
                    self._turn(asking, wait=not room)
                while asking.outcomes:
                    under_way -= 1
                    yield from tally.passed(asking.outcomes.popleft())
            yield from tally.rest()
        finally:
            with contextlib.suppress(RuntimeError):  # the loop is closed, and with it all tasks
                self._loop.call_soon_threadsafe(_cancel, asking)

    def close(self) -> None:
        self._closed = True
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._loop.stop)  # another thread may be at work
        with self._at_work:
            if self._loop.is_closed():
                return
            shut = self._loop.create_task(self._shut())
            shut.add_done_callback(lambda _: self._loop.stop())
            while not shut.done():
                _outside(self._loop.run_forever)
            self._loop.close()

    def _submit(self, request: Request, asking: _Asking) -> None:
        messages, parts = self._written
        if request.messages != messages:
            parts = message_parts(request.messages, self._images)
            self._written = request.messages, parts
        job = _Job(request=request, messages=parts)
        with self._open():
            task = self._loop.create_task(self._outcome(job))
            asking.tasks.add(task)
            task.add_done_callback(self._delivery(asking))

    def _turn(self, asking: _Asking, *, wait: bool) -> None:
        """Let the loop go on for a moment; with `wait`, until soon after an outcome."""
        with self._open():
            if asking.outcomes or not wait:  # another thread's turn may have brought some
                self._loop.call_later(_COMPANY_SECONDS, self._loop.stop)
            _outside(self._loop.run_forever)

    @contextlib.contextmanager
    def _open(self) -> Iterator[None]:
        """The loop, for this thread alone. Raises EngineError where the engine is closed."""
        with self._at_work:
            if self._closed:
                raise EngineError("the engine was closed while it was asked", hint="Open another one.")
            yield

    def _delivery(self, asking: _Asking) -> Callable[[asyncio.Task[Outcome]], None]:
        """What hands the outcome of a task over, whatever happened to it: exactly one for each."""

        def deliver(task: asyncio.Task[Outcome]) -> None:
            asking.tasks.discard(task)
            if not asking.outcomes:
                self._loop.call_later(_COMPANY_SECONDS, self._loop.stop)
            if task.cancelled():
                asking.outcomes.append(EngineError("the request was cancelled: the engine was closed", hint="Open another one."))
            elif (error := task.exception()) is not None:
                asking.outcomes.append(
                    EngineError(f"asking failed: {self._endpoint.describe(error)}", hint="Please report this.")
                )
            else:
                asking.outcomes.append(task.result())

        return deliver

    async def _shut(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._endpoint.aclose()
        await asyncio.sleep(0.01)  # closed connections end in later turns of the loop
        await self._loop.shutdown_asyncgens()

    async def _outcome(self, job: _Job) -> Outcome:
        """What comes of a request, after all its tries. Raises nothing: an EngineError is an outcome too."""
        trials = Trials(self._retries, self._first_pause)
        again = False
        try:
            while True:
                try:
                    return await self._attempt(job, again=again)
                except Trouble as trouble:
                    trials.failed(trouble, heard=self._endpoint.heard)
                    if trials.over:
                        return self._given_up(job, trouble, trials)
                    again = True
                    await asyncio.sleep(trials.pause)
        except EngineError as error:
            return error

    async def _attempt(self, job: _Job, *, again: bool) -> Completion:
        """One try, in its turn. Raises Trouble, EngineError."""
        epoch = await self._gate.enter(again=again)
        answered = busy = False
        try:
            answer = await self._understood(job)
            answered, self._refused = True, 0
            return answer
        except Trouble as trouble:
            busy = trouble.again in (Again.BUSY, Again.SILENT)
            self._note(trouble)
            raise
        finally:
            self._gate.leave(epoch, answered=answered, busy=busy)

    async def _understood(self, job: _Job) -> Completion:
        """The reply to a request, which is sent again at once without each parameter that the server refuses."""
        own = Dialect()
        while True:
            dialect = self._dialect.joined(own)
            try:
                answer = await self._exchange(job, dialect)
            except Trouble as trouble:
                if (remedy := dialect.after(trouble.details, _sent(job, dialect))) is None:
                    raise
                own = remedy
            else:
                self._learn(dialect)
                return answer

    def _note(self, trouble: Trouble) -> None:
        """Slow down for all: as long as the server says, or ever longer where a single request at once is too many for it."""
        if trouble.again is Again.BUSY:
            if trouble.wait or self._gate.limit.value == 1:
                self._gate.pause(trouble.wait or min(_LONGEST_PAUSE, self._first_pause * 2.0 ** min(self._refused, 10)))
            self._refused += 1

    async def _exchange(self, job: _Job, dialect: Dialect) -> Completion:
        try:
            async with asyncio.timeout(self._seconds):
                body = await self._endpoint.post(self._body(job, dialect))
        except TimeoutError:
            raise Trouble(f"no reply within {self._seconds:g} seconds", Again.SILENT) from None
        try:
            return completion(job.request, body)
        except BadReply as bad:
            if bad.status is None or bad.status < 400:
                raise Trouble(str(bad), Again.LATER) from None
            status = bad.status
        raise await self._endpoint.trouble(status, body)

    def _body(self, job: _Job, dialect: Dialect) -> tuple[bytes, ...]:
        head = as_json({"model": self._endpoint.model, **_sent(job, dialect)})
        return (head[:-1], b',"messages":', *job.messages, b"}")

    def _learn(self, dialect: Dialect) -> None:
        """Keep what a server was found to refuse, now that it took a request without it."""
        joined = self._dialect.joined(dialect)
        if joined != self._dialect:
            self._dialect = joined
            log.warning("%s does not take all parameters: it is asked %s", self._endpoint.url, joined)

    def _given_up(self, job: _Job, trouble: Trouble, trials: Trials) -> Failure:
        if trials.unreachable:
            raise EngineError(
                f"{self._endpoint.url} cannot be reached: {trouble}",
                hint="Check base_url and whether the server runs; then run the same command again: it goes on where it stopped.",
            )
        failed = Completion(
            key=job.request.key, text="", finish=Finish.ERROR, prompt_tokens=0, completion_tokens=0, error=str(trouble)
        )
        return Failure(completion=failed, suspect=trouble.again is not Again.NO)


def _sent(job: _Job, dialect: Dialect) -> dict[str, Any]:
    return dialect.parameters(job.request.sampling, job.request.seed)


def _cancel(asking: _Asking) -> None:
    for task in asking.tasks:
        task.cancel()


def _outside(run: Callable[[], Any]) -> None:
    """Run a loop, in a thread beside where this one has a loop at work already, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        run()
        return
    with ThreadPoolExecutor(1) as beside:
        beside.submit(run).result()

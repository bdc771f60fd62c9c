"""Generation by a server that speaks OpenAI's chat completions: OpenAI itself, vLLM, SGLang, and the many that are compatible.

Everything happens in the caller's thread, while that asks for the next completion: in a thread of its own the engine would wait
for the interpreter's lock whenever it sends or receives, and a server that gets requests one by one works in small batches. The
place of a reply is given to the next request at once; completions are handed over when there is nothing more to read. Requests
are pulled one by one in between, never more than twice as many as the server is given at once.

What is a row and what is an error: a request that the server refuses is a `refused` completion. One that failed for want of a
server (no connection, no sense in the reply, 5xx) counts against the engine (`strikes`); where nothing answers at the address at
all, the engine is broken.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import math
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ..chat import Completion, Message, Request
from ..errors import EngineError
from ..ports import ReadImage
from ..types import Finish
from .chat_completions import BadReply, Dialect, ImageBlocks, ImagePath, completion, message_parts, request_parts
from .connections import Lost, Post, Reply
from .endpoint import Again, Endpoint, Trouble
from .pace import Gate, Limit
from .trials import Trials

log = logging.getLogger(__name__)

Outcome = Completion | EngineError

_LONGEST_PAUSE = 30.0
_PULLING_SECONDS = 0.05
"""How long requests are pulled before those at hand are sent: servers batch what arrives together, but they may come slowly."""
_READING_SECONDS = 0.005
"""How long replies are read, while ever more come, before completions are handed over."""


@dataclass(slots=True, eq=False)
class _Asking:
    """One call of `generate`: its outcomes so far, and the jobs that have none yet."""

    outcomes: deque[Outcome] = field(default_factory=deque)
    jobs: set[_Job] = field(default_factory=set)


@dataclass(slots=True, eq=False, kw_only=True)
class _Job:
    """A request on its way to an outcome."""

    asking: _Asking
    request: Request
    messages: tuple[bytes, ...]
    trials: Trials | None = None
    """From the first failure on."""
    own: Dialect | None = None
    """What the server was found not to take of this request."""
    epoch: int | None = None
    """Of the limit, when it went out; None while it is not out."""
    post: Post | None = None


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
        self._endpoint = Endpoint(base_url, model, most=concurrency, seconds=timeout_seconds, key=key)
        self._connections = self._endpoint.connections
        self._images = ImageBlocks(read_image, image_path)
        self._gate: Gate[_Job] = Gate(Limit(concurrency, start=start))
        self._retries = retries
        self._first_pause = first_pause
        self._dialect = Dialect()
        self._refused = 0
        """How often it was busy since it last answered a request."""
        self._written: tuple[tuple[Message, ...], tuple[bytes, ...]] = (), ()
        """The last messages, and their JSON: samples of one prompt follow each other."""
        self._later: list[tuple[float, int, _Job]] = []
        """A heap of those to be asked again, by when (seconds of the monotonic clock)."""
        self._numbers = itertools.count()
        self._delivered = 0
        self._left: deque[_Asking] = deque()
        """Calls of `generate` that were left, whose jobs are to be dropped."""
        self._closed = False
        self._at_work = threading.Lock()
        """Held by the thread that sends and receives, for one turn."""

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """See `ports.Engine`. While the caller does other things, nothing is sent or received."""
        waiting, more, under_way = iter(requests), True, 0
        asking = _Asking()
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
                    outcome = asking.outcomes.popleft()
                    if isinstance(outcome, EngineError):
                        raise outcome
                    yield outcome
        finally:
            self._leave(asking)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._connections.wake()  # another thread may be at work
        with self._at_work:
            self._endpoint.close()

    def _submit(self, request: Request, asking: _Asking) -> None:
        messages, parts = self._written
        if request.messages != messages:
            parts = message_parts(request.messages, self._images)
            self._written = request.messages, parts
        job = _Job(asking=asking, request=request, messages=parts)
        asking.jobs.add(job)
        self._gate.join(job)

    def _turn(self, asking: _Asking, *, wait: bool) -> None:
        """Send what may go out and read what has come; with `wait`, until there is an outcome. Raises EngineError when closed."""
        with self._at_work:
            until, before = time.monotonic() + _READING_SECONDS, self._delivered
            while True:
                self._drop_left()
                if self._closed:
                    raise EngineError("the engine was closed while it was asked", hint="Open another one.")
                self._send()
                done = not wait or bool(asking.outcomes) or self._delivered > before  # outcomes of other threads count too
                more = False
                for job, reply in self._connections.wait(0 if done else self._patience()):
                    self._replied(job, reply)
                    self._send()
                    more = True
                if done and (not more or time.monotonic() > until):
                    return

    def _send(self) -> None:
        """Those whose pause is over get in line, and as many as may go out do."""
        while self._later and self._later[0][0] <= time.monotonic():
            self._gate.join(heapq.heappop(self._later)[2], again=True)
        while (job := self._gate.next()) is not None:
            job.epoch = self._gate.limit.epoch
            if job in job.asking.jobs:
                self._post(job)
            else:
                self._back(job)

    def _patience(self) -> float:
        """Seconds until something is to be sent, if nothing comes before."""
        again = self._later[0][0] - time.monotonic() if self._later else math.inf
        return min(again, self._gate.opens_in())

    def _leave(self, asking: _Asking) -> None:
        """Drop the jobs of a call that is over: here, or in the thread that is at work."""
        self._left.append(asking)
        if self._at_work.acquire(blocking=False):
            try:
                self._drop_left()
            finally:
                self._at_work.release()
        elif asking.jobs:
            self._connections.wake()

    def _drop_left(self) -> None:
        while self._left and not self._closed:
            jobs = self._left.popleft().jobs
            for job in jobs:
                if job.post is not None:
                    self._connections.drop(job.post)
                if job.epoch is not None:
                    self._back(job)
            jobs.clear()

    def _back(self, job: _Job, *, answered: bool = False, busy: bool = False) -> None:
        if job.epoch is not None:
            self._gate.back(job.epoch, answered=answered, busy=busy)
        job.epoch = None

    def _deliver(self, job: _Job, outcome: Outcome) -> None:
        """Exactly one for each job, unless its call was left."""
        job.asking.jobs.discard(job)
        job.asking.outcomes.append(outcome)
        self._delivered += 1

    def _post(self, job: _Job) -> None:
        body = request_parts(self._endpoint.model, self._dialect_of(job), job.request, job.messages)
        job.post = self._connections.post(job, body)

    def _dialect_of(self, job: _Job) -> Dialect:
        return self._dialect if job.own is None else self._dialect.joined(job.own)

    def _replied(self, job: _Job, reply: Reply | Lost) -> None:
        """Take what came of one try: an outcome, or another try, now or later."""
        job.post = None
        try:
            answer = self._understood(job, reply)
        except Trouble as trouble:
            if not self._asked_without(job, trouble):
                self._failed(job, trouble)
        except EngineError as error:
            self._back(job)
            self._deliver(job, error)
        except Exception as error:
            self._back(job)
            reason = f"asking failed: {self._endpoint.describe(error)}"
            self._deliver(job, EngineError(reason, hint="Please report this."))
        else:
            self._refused = 0
            if job.own is not None:
                self._learn(job)
            self._back(job, answered=True)
            self._deliver(job, answer)

    def _understood(self, job: _Job, reply: Reply | Lost) -> Completion:
        """Raises Trouble, EngineError."""
        body = self._endpoint.body(reply)
        try:
            return completion(job.request, body)
        except BadReply as bad:
            if bad.status is None or bad.status < 400:
                raise Trouble(str(bad), Again.LATER) from None
            raise self._endpoint.trouble(bad.status, body, {}) from None

    def _asked_without(self, job: _Job, trouble: Trouble) -> bool:
        """Ask again at once without the parameter that the server refuses, if it is one."""
        dialect = self._dialect_of(job)
        remedy = dialect.after(trouble.details, dialect.parameters(job.request.sampling, job.request.seed))
        if remedy is None:
            return False
        job.own = remedy
        self._post(job)
        return True

    def _failed(self, job: _Job, trouble: Trouble) -> None:
        """A try failed: there will be another, or this was the last."""
        self._note(trouble)
        self._back(job, busy=trouble.again in (Again.BUSY, Again.SILENT))
        trials = job.trials = job.trials or Trials(self._retries, self._first_pause)
        trials.failed(trouble, heard=self._endpoint.heard)
        if trials.over:
            self._deliver(job, self._given_up(job, trouble, unreachable=trials.unreachable))
        else:
            heapq.heappush(self._later, (time.monotonic() + trials.pause, next(self._numbers), job))

    def _note(self, trouble: Trouble) -> None:
        """Slow down for all: as long as the server says, or ever longer where a single request at once is too many for it."""
        if trouble.again is Again.BUSY:
            if trouble.wait or self._gate.limit.value == 1:
                self._gate.pause(trouble.wait or min(_LONGEST_PAUSE, self._first_pause * 2.0 ** min(self._refused, 10)))
            self._refused += 1

    def _learn(self, job: _Job) -> None:
        """Keep what the server was found to refuse, now that it took a request without it."""
        dialect = self._dialect_of(job)
        if dialect != self._dialect:
            self._dialect = dialect
            log.warning("%s does not take all parameters: it is asked %s", self._endpoint.url, dialect)

    def _given_up(self, job: _Job, trouble: Trouble, *, unreachable: bool) -> Outcome:
        if unreachable:
            return EngineError(
                f"{self._endpoint.url} cannot be reached: {trouble}",
                hint="Check base_url and whether the server runs; then run the same command again: it goes on where it stopped.",
            )
        return Completion(
            key=job.request.key,
            text="",
            finish=Finish.ERROR,
            prompt_tokens=0,
            completion_tokens=0,
            error=str(trouble),
            refused=trouble.again is Again.NO,
        )

"""Generation on a Ray cluster: replicas of another engine on its nodes, fed and supervised by Ray Data.

Requests are pulled in the caller's thread, at most three blocks ahead for each replica, and a block's completions are handed over
as soon as it is done. The blocks of a lost actor are asked again when Ray restarts it, those of a lost node by other replicas. A
block that kills every replica that tries it becomes failed completions.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from ..chat import Completion, Request
from ..errors import EngineError
from ..ports import ReadImage, blocks
from ..ray_cluster import Cluster, quietly
from ..recipe.engines import OpenAISettings, RaySettings
from ..types import ImageRef

if TYPE_CHECKING:
    from .ray_replicas import Answers, OpenReplica, Sizes

log = logging.getLogger(__name__)

_AHEAD = 3  # blocks for each replica: one being answered, one waiting there, one on its way
_STORED_BYTES = 128 * 2**20
_PATIENCE_SECONDS = 60.0  # wait for the first answer before a warning
_HINT = (
    "See Ray's logs (/tmp/ray/session_latest/logs on each node); then run the same command again: it resumes where it stopped."
)


@dataclass(slots=True, kw_only=True)
class _Asking:
    """One call of `generate`: its blocks by number, their answers, and completions held until a block is answered."""

    blocks: dict[int, list[Request]] = field(default_factory=dict)
    arrived: SimpleQueue[tuple[int, Answers]] = field(default_factory=SimpleQueue)
    held: list[Completion] = field(default_factory=list)


class RayEngine:
    """A pool of replicas, each opened by `open_replica` in an actor.

    `block` requests are answered together; `share`, a multiple of it, travel together.
    """

    def __init__(
        self,
        open_replica: OpenReplica,
        settings: RaySettings,
        *,
        read_image: ReadImage,
        block: int,
        share: int,
    ) -> None:
        self.block, self._share = block, share
        self.continues = not isinstance(settings.replica, OpenAISettings)  # servers are asked by `openai` itself
        self._askings: dict[int, _Asking] = {}
        self._count = 0
        self._broken: EngineError | None = None
        self._closed = False
        self._closing = threading.Lock()
        self._answered = False
        self._started = time.monotonic()
        self._cluster = Cluster(settings.address)
        from .ray_replicas import Pool  # Ray reads its settings when it is first imported, and the cluster has set them

        try:
            sizes = _sizes(self._cluster, settings)
            self._ahead = _AHEAD * sizes.most
            self._images = ImageCache(read_image)
            with quietly():
                self._pool = Pool(open_replica, sizes, node=self._cluster.here, deliver=self._deliver, fail=self._fail)
        except BaseException:
            self._cluster.close()
            raise

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        waiting, more = blocks(requests, self._share), True
        asking = _Asking()
        try:
            while more or asking.blocks:
                if more and len(asking.blocks) < self._ahead:
                    block = next(waiting, None)
                    if block is None:
                        more = False
                        continue
                    self._submit(block, asking)
                    if asking.arrived.empty():
                        continue
                yield from self._next(asking)
        finally:
            self._forget(asking)

    def close(self) -> None:
        with self._closing:  # a second call returns when the first is done: whoever made it may end Ray
            if not self._closed:
                self._closed = True
                self._broken = EngineError("the engine was closed", hint="Open another engine.")
                self._pool.close()
                self._cluster.close()

    def _submit(self, block: list[Request], asking: _Asking) -> None:
        self._check()
        number, self._count = self._count, self._count + 1
        asking.blocks[number] = block
        self._askings[number] = asking
        self._pool.submit(number, block, self._images.of(block))

    def _next(self, asking: _Asking) -> list[Completion]:
        """The completions of the next answered block. Raises EngineError.

        A block that kills every replica may fail before any other is answered; it is then held until one is: the block is at
        fault, or until none is left: the engine is.
        """
        while True:
            self._check()
            try:
                number, answers = asking.arrived.get(timeout=1.0)
            except Empty:
                continue
            if (block := asking.blocks.pop(number, None)) is not None:  # a block may be answered twice after a loss
                del self._askings[number]
                self._pool.done((number,))
                asking.held += self._completions(block, answers, last=not asking.blocks)
                if self._answered:
                    done, asking.held = asking.held, []
                    return done

    def _completions(self, block: list[Request], answers: Answers, *, last: bool) -> list[Completion]:
        if not isinstance(answers, list):
            if answers.died and (self._answered or not last):
                return [Completion.failed(request.key, answers.reason, refused=True) for request in block]
            raise EngineError(f"a replica on the Ray cluster cannot answer: {answers.reason}", hint=answers.hint or _HINT)
        if sorted(answer.key for answer in answers) != sorted(request.key for request in block):
            raise EngineError("a replica answered other requests than it was asked", hint="Please report this.")
        self._answered = True
        return answers

    def _forget(self, asking: _Asking) -> None:
        """Drop the blocks that nobody waits for any more."""
        for number in asking.blocks:
            self._askings.pop(number, None)
        if asking.blocks and self._broken is None:
            self._pool.done(asking.blocks)

    def _check(self) -> None:
        """Notice lost nodes. Raises EngineError if the pipeline failed or was closed."""
        if self._broken is not None:
            raise self._broken
        if gone := self._cluster.newly_dead():
            log.warning("%d nodes of the Ray cluster are gone; their blocks are asked again", len(gone))
            self._pool.lost(gone)
        if not self._answered and time.monotonic() - self._started > _PATIENCE_SECONDS:
            self._started = float("inf")
            log.warning("no replica has answered yet; the Ray cluster has %s", self._cluster.describe())

    # Called from the pool's thread.

    def _deliver(self, number: int, answers: Answers) -> None:
        if (asking := self._askings.get(number)) is not None:
            asking.arrived.put((number, answers))

    def _fail(self, error: Exception) -> None:
        reason = " ".join(str(error).split())[-500:]
        self._broken = self._broken or EngineError(f"Ray gave up: {type(error).__name__}: {reason}", hint=_HINT)


class ImageCache:
    """Images in the object store, each put there once for all requests that show it; the last ones stay."""

    def __init__(self, read_image: ReadImage) -> None:
        self._read = read_image
        self._kept: OrderedDict[str, tuple[Any, int]] = OrderedDict()
        self._size = 0

    def of(self, block: Iterable[Request]) -> dict[str, tuple[Any, ...]]:
        """References to all images of a block, by SHA-256; an image stays in the store as long as a reference does."""
        refs = {ref.sha256: ref for request in block for ref in request.images}
        return {sha256: (self._stored(ref),) for sha256, ref in refs.items()}

    def _stored(self, ref: ImageRef) -> Any:
        import ray

        if (kept := self._kept.get(ref.sha256)) is not None:
            self._kept.move_to_end(ref.sha256)
            return kept[0]
        data = self._read(ref)
        stored = ray.put(data)
        self._kept[ref.sha256] = (stored, len(data))
        self._size += len(data)
        while self._size > _STORED_BYTES:
            self._size -= self._kept.popitem(last=False)[1][1]
        return stored


def _sizes(cluster: Cluster, settings: RaySettings) -> Sizes:
    """The number of replicas. Raises EngineError if the cluster has no room for one."""
    from .ray_replicas import Sizes

    replicas, cpus, gpus = settings.replicas, settings.cpus_per_replica, settings.gpus_per_replica
    room = cluster.room(cpus, gpus)
    if replicas is None and not room:
        raise EngineError(
            f"no node has room for a replica with {cpus:g} CPUs and {gpus:g} GPUs: there are {cluster.describe()}",
            hint="Lower execution.engine.gpus_per_replica (0 on CPUs), cpus_per_replica or replicas, or add nodes.",
        )
    least, most = (room, room) if replicas is None else (replicas, replicas) if isinstance(replicas, int) else replicas
    return Sizes(least=least, first=max(least, min(room, most)), most=most, cpus=cpus, gpus=gpus)

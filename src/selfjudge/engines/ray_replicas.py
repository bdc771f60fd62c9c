"""Replicas of an engine as a streaming actor pool of Ray Data, which places, restarts and feeds them.

One pipeline runs as long as the engine, so that each replica loads its model once: a source yields block numbers until the ledger
ends, and a pool of actors maps each number to its answers.
"""

from __future__ import annotations

import logging
import pickle
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any

import pyarrow as pa
import ray
import ray.data
from ray.data.block import BlockMetadata

from ..chat import Completion, Request
from ..errors import SelfjudgeError
from ..ports import Engine, ReadImage
from ..types import ImageRef
from .ray_ledger import Block, BlockLedger, Holder, StoredImages

OpenReplica = Callable[[ReadImage], Engine]

_TASKS_PER_REPLICA = 2  # one being answered, one waiting
_CLOSING_SECONDS = 2.0
_ENDING_SECONDS = 20.0
_FETCH_SECONDS = 30.0
_SCHEMA = pa.schema([("number", pa.int64()), ("answers", pa.binary())])


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A failure in place of answers; `died` if the block killed each replica that tried it."""

    reason: str
    hint: str | None = None
    died: bool = False


Answers = list[Completion] | Broken


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Replicas of the pool: least, first and most, and CPUs and GPUs of each."""

    least: int
    first: int
    most: int
    cpus: float
    gpus: float


class Pool:
    """A running pipeline. It calls `deliver` with each block's answers, and `fail` when Ray gives up, in a thread of its own."""

    def __init__(
        self,
        open_replica: OpenReplica,
        sizes: Sizes,
        *,
        node: str,
        deliver: Callable[[int, Answers], None],
        fail: Callable[[Exception], None],
    ) -> None:
        here = {"ray.io/node-id": node}  # ledger and source run beside the caller, where they cannot be lost
        self._ledger = ray.remote(num_cpus=0, label_selector=here, max_concurrency=1_000)(BlockLedger).remote()
        self._deliver = deliver
        self._fail = fail
        dataset = _pipeline(self._ledger, open_replica, sizes, here)
        self._thread = threading.Thread(target=self._run, args=(dataset,), name="selfjudge-ray", daemon=True)
        self._thread.start()

    def submit(self, number: int, requests: list[Request], images: StoredImages) -> None:
        """Enter a block; `images` are references into the object store."""
        self._ledger.submit.remote(number, pickle.dumps(requests), images)

    def done(self, numbers: Iterable[int]) -> None:
        """Remove blocks that are answered or dropped."""
        self._ledger.done.remote(list(numbers))

    def lost(self, nodes: Iterable[str]) -> None:
        """Give the blocks of lost nodes to other replicas."""
        self._ledger.lost.remote(list(nodes))

    def close(self) -> None:
        """End the pipeline. A replica ends after its current batch, or when this process leaves the cluster."""
        self._fail = lambda _: None  # closing may make Ray fail
        self._ledger.end.remote()
        self._thread.join(_CLOSING_SECONDS)
        ray.kill(self._ledger)  # the pipeline ends without it, whatever it waits for
        self._thread.join(_ENDING_SECONDS)

    def _run(self, dataset: Any) -> None:
        try:
            for bundle in dataset.iter_internal_ref_bundles():
                for entry in bundle.blocks:
                    self._fetch(entry.ref)
            self._fail(RuntimeError("the pipeline ended"))
        except Exception as error:  # any error of Ray ends the engine
            self._fail(error)

    def _fetch(self, ref: Any, seconds: float | None = _FETCH_SECONDS) -> None:
        """Deliver the answers behind a reference. A lost node must not delay the answers of others."""
        try:
            table = ray.get(ref, timeout=seconds)
        except ray.exceptions.GetTimeoutError:
            threading.Thread(target=self._fetch_later, args=(ref,), daemon=True).start()
            return
        for number, answers in zip(*(table[name].to_pylist() for name in _SCHEMA.names), strict=True):
            self._deliver(number, pickle.loads(answers))  # noqa: S301 - pickled by our own replica

    def _fetch_later(self, ref: Any) -> None:
        try:
            self._fetch(ref, None)
        except Exception as error:  # the blocks of a lost node are asked again
            logging.getLogger(__name__).debug("answers were lost: %s", error)


class Replica:
    """One engine in an actor. It never raises: a failure is returned in place of the answers."""

    def __init__(self, ledger: Any, open_replica: OpenReplica) -> None:
        context = ray.get_runtime_context()
        self._self = Holder(actor=context.get_actor_id(), node=context.get_node_id())
        self._ledger = ledger
        self._images: StoredImages = {}
        self._engine: Engine | Broken
        try:
            self._engine = open_replica(self._read_image)
        except Exception as error:  # Ray would retry a constructor that raises without end
            self._engine = _broken(error)

    def __call__(self, table: pa.Table) -> pa.Table:
        numbers = table["number"].to_pylist()
        answers = [(number, pickle.dumps(made)) for number in numbers if (made := self._answers(number)) is not None]
        return pa.table({name: [row[i] for row in answers] for i, name in enumerate(_SCHEMA.names)}, schema=_SCHEMA)

    def _answers(self, number: int) -> Answers | None:
        block = self._claimed(number)
        if block is None:
            return None
        if block.given_up:
            return Broken(reason="the process of the replica died each time it got this block", died=True)
        if isinstance(self._engine, Broken):
            return self._engine
        self._images = block.images
        try:
            return list(self._engine.generate(pickle.loads(block.payload)))  # noqa: S301 - pickled by our own pool
        except Exception as error:
            return _broken(error)

    def _claimed(self, number: int) -> Block | None:
        try:
            block: Block | None = ray.get(self._ledger.claim.remote(number, self._self))
        except ray.exceptions.ActorDiedError:  # the engine was closed
            return None
        return block

    def _read_image(self, ref: ImageRef) -> bytes:
        """The bytes of an image of the current block, from the object store."""
        data: bytes = ray.get(self._images[ref.sha256][0])
        return data

    def __del__(self) -> None:
        engine = getattr(self, "_engine", None)
        if engine is not None and not isinstance(engine, Broken):
            engine.close()


def _broken(error: Exception) -> Broken:
    if isinstance(error, SelfjudgeError):
        return Broken(reason=str(error), hint=error.hint)
    return Broken(reason=f"{type(error).__name__}: {error}")


class BlockNumbers(ray.data.Datasource):  # type: ignore[misc]
    """The block numbers of the ledger, in one read task that lasts until the ledger ends."""

    def __init__(self, ledger: Any) -> None:
        super().__init__()
        self._ledger = ledger

    def estimate_inmemory_data_size(self) -> None:
        return None

    def get_read_tasks(self, parallelism: int, per_task_row_limit: int | None = None, data_context: Any = None) -> list[Any]:
        nothing = BlockMetadata(num_rows=None, size_bytes=None, input_files=None, exec_stats=None)
        return [ray.data.ReadTask(partial(_numbers, self._ledger), nothing)]


def _numbers(ledger: Any) -> Iterator[pa.Table]:
    """All block numbers from the start: Ray reads them again after a loss, and must then see the same."""
    for index in count():
        if (number := ray.get(ledger.next.remote(index))) is None:
            return
        yield pa.table({"number": [number]})


def _pipeline(ledger: Any, open_replica: OpenReplica, sizes: Sizes, here: dict[str, str]) -> Any:
    context = _context()
    pool = ray.data.ActorPoolStrategy(
        min_size=sizes.least, initial_size=sizes.first, max_size=sizes.most, max_tasks_in_flight_per_actor=_TASKS_PER_REPLICA
    )
    with ray.data.DataContext.current(context):
        return ray.data.read_datasource(BlockNumbers(ledger), override_num_blocks=1, num_cpus=0, label_selector=here).map_batches(
            Replica,
            batch_size=None,
            batch_format="pyarrow",
            fn_constructor_args=(ledger, open_replica),
            num_cpus=sizes.cpus,
            num_gpus=sizes.gpus,
            compute=pool,
        )


def _context() -> Any:
    """Settings of the pipeline: a Ray block for every number, no timeout while waiting, no output."""
    context = ray.data.DataContext.get_current().copy()
    context.target_max_block_size = 1
    context.execution_no_progress_timeout_s = -1
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    for handler in logging.getLogger("ray.data").handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setLevel(logging.CRITICAL)  # Ray's log file in its session folder has everything
    return context

"""Replicas of an engine as a streaming actor pool of Ray Data, which places, restarts and feeds them.

One pipeline runs as long as the engine does, so that each replica loads its model once: a source that never ends, as long as the
ledger has not, yields numbers of blocks, and a pool of actors maps each number to its answers.
"""

from __future__ import annotations

import logging
import pickle
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
import ray
import ray.data
from ray.data.block import BlockMetadata

from ..chat import Completion, Request
from ..errors import SelfjudgeError
from ..ports import Engine, ReadImage
from ..types import ImageRef
from .ray_ledger import Ledger, Pictures, Who, Work

OpenReplica = Callable[[ReadImage], Engine]

_TASKS_PER_REPLICA = 2
"""One that is answered and one that waits beside it."""
_CLOSING_SECONDS = 2.0
_ENDING_SECONDS = 20.0
_FETCH_SECONDS = 30.0
_SCHEMA = pa.schema([("number", pa.int64()), ("answers", pa.binary())])


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """In place of answers: the replica cannot give any, or `died` as often as it tried to give these."""

    reason: str
    hint: str | None = None
    died: bool = False


Answers = list[Completion] | Broken


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Of the pool: replicas to start with and the range in which Ray may change their number; what each one takes."""

    least: int
    first: int
    most: int
    cpus: float
    gpus: float


class Pool:
    """A running pipeline. `deliver` is called for each block's answers, `fail` when Ray gives up; both in a thread of its own."""

    def __init__(
        self,
        open_replica: OpenReplica,
        sizes: Sizes,
        *,
        node: str,
        deliver: Callable[[int, Answers], None],
        fail: Callable[[Exception], None],
    ) -> None:
        here = {"ray.io/node-id": node}  # what must not be lost stays beside the caller
        self._ledger = ray.remote(num_cpus=0, label_selector=here, max_concurrency=1_000)(Ledger).remote()
        self._deliver = deliver
        self._fail = fail
        dataset = _pipeline(self._ledger, open_replica, sizes, here)
        self._thread = threading.Thread(target=self._run, args=(dataset,), name="selfjudge-ray", daemon=True)
        self._thread.start()

    def submit(self, number: int, requests: list[Request], pictures: Pictures) -> None:
        """A block to be answered. `pictures` are references into the object store."""
        self._ledger.submit.remote(number, pickle.dumps(requests), pictures)

    def done(self, numbers: Iterable[int]) -> None:
        """Blocks that need no answer any more."""
        self._ledger.done.remote(list(numbers))

    def lost(self, nodes: Iterable[str]) -> None:
        """Nodes that are gone: their blocks are given to others."""
        self._ledger.lost.remote(list(nodes))

    def close(self) -> None:
        """End the pipeline. A replica that is in the middle of a batch ends after it, or when this process leaves the cluster."""
        self._fail = _ignore
        self._ledger.end.remote()
        self._thread.join(_CLOSING_SECONDS)
        ray.kill(self._ledger)  # without it the pipeline cannot go on, whatever it still waits for
        self._thread.join(_ENDING_SECONDS)

    def _run(self, dataset: Any) -> None:
        try:
            for bundle in dataset.iter_internal_ref_bundles():
                for entry in bundle.blocks:
                    self._fetch(entry.ref)
            self._fail(RuntimeError("the pipeline ended"))
        except Exception as error:  # whatever Ray raises, it ends the engine
            self._fail(error)

    def _fetch(self, ref: Any, seconds: float | None = _FETCH_SECONDS) -> None:
        """Hand over the answers behind a reference. Those that a lost node had must not hold up the others."""
        try:
            table = ray.get(ref, timeout=seconds)
        except ray.exceptions.GetTimeoutError:
            threading.Thread(target=self._fetch_later, args=(ref,), daemon=True).start()
            return
        for number, answers in zip(*(table[name].to_pylist() for name in _SCHEMA.names), strict=True):
            self._deliver(number, pickle.loads(answers))  # noqa: S301 - what our own replica has pickled

    def _fetch_later(self, ref: Any) -> None:
        try:
            self._fetch(ref, None)
        except Exception as error:  # asked again where its node is gone, so nothing is lost
            logging.getLogger(__name__).debug("an answer was lost: %s", error)


class Replica:
    """One engine in an actor. It never raises: what goes wrong is told in place of the answers."""

    def __init__(self, ledger: Any, open_replica: OpenReplica) -> None:
        context = ray.get_runtime_context()
        self._who = Who(actor=context.get_actor_id(), node=context.get_node_id())
        self._ledger = ledger
        self._pictures: Pictures = {}
        self._engine: Engine | Broken
        try:
            self._engine = open_replica(self._read_image)
        except Exception as error:  # a constructor that raises would be tried again and again
            self._engine = _broken(error)

    def __call__(self, table: pa.Table) -> pa.Table:
        numbers = table["number"].to_pylist()
        answers = [(number, pickle.dumps(found)) for number in numbers if (found := self._answers(number)) is not None]
        return pa.table({name: [row[i] for row in answers] for i, name in enumerate(_SCHEMA.names)}, schema=_SCHEMA)

    def _answers(self, number: int) -> Answers | None:
        work = self._claimed(number)
        if work is None:
            return None
        if work.hopeless:
            return Broken(reason="the process of the replica died each time this was asked", died=True)
        if isinstance(self._engine, Broken):
            return self._engine
        self._pictures = work.pictures
        try:
            return list(self._engine.generate(pickle.loads(work.payload)))  # noqa: S301 - what our own pool has pickled
        except Exception as error:
            return _broken(error)

    def _claimed(self, number: int) -> Work | None:
        try:
            work: Work | None = ray.get(self._ledger.claim.remote(number, self._who))
        except ray.exceptions.ActorDiedError:  # the engine was closed, so nobody wants an answer
            return None
        return work

    def _read_image(self, ref: ImageRef) -> bytes:
        """The bytes of an image of the block in hand, from the object store of this node or of the caller's."""
        data: bytes = ray.get(self._pictures[ref.sha256][0])
        return data

    def __del__(self) -> None:
        engine = getattr(self, "_engine", None)
        if engine is not None and not isinstance(engine, Broken):
            engine.close()


def _ignore(error: Exception) -> None:
    """What ends a pipeline that is being closed is of no interest."""


def _broken(error: Exception) -> Broken:
    if isinstance(error, SelfjudgeError):
        return Broken(reason=str(error), hint=error.hint)
    return Broken(reason=f"{type(error).__name__}: {error}")


class Line(ray.data.Datasource):  # type: ignore[misc]
    """The numbers of the ledger, one a block, in one read that goes on until the ledger ends."""

    def __init__(self, ledger: Any) -> None:
        super().__init__()
        self._ledger = ledger

    def estimate_inmemory_data_size(self) -> None:
        return None

    def get_read_tasks(self, parallelism: int, per_task_row_limit: int | None = None, data_context: Any = None) -> list[Any]:
        nothing = BlockMetadata(num_rows=None, size_bytes=None, input_files=None, exec_stats=None)
        return [ray.data.ReadTask(partial(_numbers, self._ledger), nothing)]


def _numbers(ledger: Any) -> Iterator[pa.Table]:
    """The line from its start: Ray reads it again where it lost something, and must then see the same."""
    place = 0
    while (number := ray.get(ledger.next.remote(place))) is not None:
        yield pa.table({"number": [number]})
        place += 1


def _pipeline(ledger: Any, open_replica: OpenReplica, sizes: Sizes, here: dict[str, str]) -> Any:
    context = _context()
    pool = ray.data.ActorPoolStrategy(
        min_size=sizes.least, initial_size=sizes.first, max_size=sizes.most, max_tasks_in_flight_per_actor=_TASKS_PER_REPLICA
    )
    with ray.data.DataContext.current(context):
        return ray.data.read_datasource(Line(ledger), override_num_blocks=1, num_cpus=0, label_selector=here).map_batches(
            Replica,
            batch_size=None,
            batch_format="pyarrow",
            fn_constructor_args=(ledger, open_replica),
            num_cpus=sizes.cpus,
            num_gpus=sizes.gpus,
            compute=pool,
        )


def _context() -> Any:
    """Settings of the pipeline: every number is a block of its own, waiting is no fault, and nothing is printed."""
    context = ray.data.DataContext.get_current().copy()
    context.target_max_block_size = 1
    context.execution_no_progress_timeout_s = -1
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    for handler in logging.getLogger("ray.data").handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setLevel(logging.CRITICAL)  # its file in Ray's session folder has everything
    return context

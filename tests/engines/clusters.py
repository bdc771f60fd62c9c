"""A Ray cluster of nodes on this machine for tests, an engine on it, and an engine that dies."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psutil

from selfjudge.chat import Completion, Request
from selfjudge.engines.ray import RayEngine
from selfjudge.ports import Engine, ReadImage
from selfjudge.ray_cluster import quietly
from selfjudge.recipe.engines import RaySettings
from selfjudge.types import Finish

STORE_BYTES = 100_000_000
_TIMES = {
    "health_check_initial_delay_ms": 5_000,
    "health_check_period_ms": 1_000,
    "health_check_failure_threshold": 8,
    "agent_register_timeout_ms": 120_000,
}
"""A node is given up after ten seconds, not half a minute, and a busy machine may take its time to start one."""


class Nodes:
    """A head, on which the test itself runs, and as many other nodes with one CPU as a test adds."""

    def __init__(self, cpus: int) -> None:
        with quietly():
            from ray.cluster_utils import Cluster
        head = {**_SMALL, "num_cpus": cpus, "include_dashboard": False, "_system_config": _TIMES}
        with _PATH:
            self._cluster = Cluster(initialize_head=True, head_node_args=head)
        self.address: str = self._cluster.address

    def add(self) -> Any:
        with _PATH:
            node = self._cluster.add_node(**_SMALL)
        self._cluster.wait_for_nodes()
        return node

    def pull_the_plug(self, node: Any) -> None:
        self._cluster.remove_node(node, allow_graceful=False)

    def stop(self) -> None:
        self._cluster.shutdown()


_SMALL = {"num_cpus": 1, "object_store_memory": STORE_BYTES}


_PATH = patch.dict(
    os.environ, {"PYTHONPATH": os.pathsep.join((str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")))}
)
"""Workers import the tests' own engines."""


@contextmanager
def nodes(cpus: int = 1) -> Iterator[Nodes]:
    started = Nodes(cpus)
    try:
        yield started
    finally:
        started.stop()


@contextmanager
def on(
    nodes: Nodes, open_replica: Callable[[ReadImage], Engine], *, read_image: ReadImage = lambda ref: b"", **options: Any
) -> Iterator[RayEngine]:
    """An engine with one replica a CPU."""
    sizes = {name: options.pop(name, least) for name, least in (("block", 1), ("share", 4))}
    settings = RaySettings.model_validate({"kind": "ray", "address": nodes.address, "gpus_per_replica": 0, **options})
    engine = RayEngine(open_replica, settings, read_image=read_image, **sizes)
    try:
        yield engine
    finally:
        engine.close()


def replica_processes() -> list[psutil.Process]:
    """The processes of replicas on all nodes of this machine that this process may see."""
    return [p for p in psutil.process_iter(["name", "cmdline"]) if "MapWorker" in " ".join(p.info["cmdline"] or ())]


class Mortal:
    """Says who it is, a word at a time; a request that says `die` kills its process."""

    block = 1

    def __init__(self, read_image: ReadImage) -> None:
        self.read_image = read_image

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        for request in requests:
            if "die" in request.messages[-1].content:
                os.kill(os.getpid(), signal.SIGKILL)
            yield Completion(key=request.key, text=str(os.getpid()), finish=Finish.STOP, prompt_tokens=1, completion_tokens=1)

    def close(self) -> None: ...

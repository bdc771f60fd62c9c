"""A Ray cluster as an engine needs it: connected quietly, with room for so many replicas, and watched for nodes that go."""

from __future__ import annotations

import logging
import os
import socket
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .errors import EngineError

_WATCH_SECONDS = 2.0
_CONNECT_SECONDS = 10.0
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent to Ray's makers
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # what workers and nodes say goes to Ray's log files, not into our output
    "RAY_ENABLE_AUTO_CONNECT": "0",  # a thread of Ray's that outlives the connection must not make another one
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
_BACKEND_LOG = "RAY_BACKEND_LOG_LEVEL"


class Cluster:
    """A connection. What this process was connected to before stays connected after `close`."""

    def __init__(self, address: str | None) -> None:
        with quietly():
            import ray

            self._ours = not ray.is_initialized()
            if self._ours:
                _connect(address)
        warnings.filterwarnings("ignore", module=r"ray\b")  # its threads go on to warn of its own settings
        self._ray = ray
        self.here: str = ray.get_runtime_context().get_node_id()
        self._alive = {node["NodeID"] for node in self._nodes()}
        self._looked = time.monotonic()

    def room(self, cpus: float, gpus: float) -> int:
        """How many replicas with so many CPUs and GPUs each fit on the nodes, were they empty."""
        return sum(_fitting(node["Resources"], cpus, gpus) for node in self._nodes())

    def describe(self) -> str:
        """Nodes, CPUs and GPUs in words."""
        nodes = self._nodes()
        cpus, gpus = (sum(node["Resources"].get(name, 0) for node in nodes) for name in ("CPU", "GPU"))
        return f"{len(nodes)} nodes with {cpus:g} CPUs and {gpus:g} GPUs"

    def newly_dead(self) -> set[str]:
        """Nodes that have gone since the last call; looks at most every two seconds."""
        now = time.monotonic()
        if now - self._looked < _WATCH_SECONDS:
            return set()
        self._looked = now
        alive = {node["NodeID"] for node in self._nodes()}
        gone, self._alive = self._alive - alive, alive
        return gone

    def close(self) -> None:
        """Leave the cluster, which ends all that we run there; one that was started for us ends too."""
        if self._ours:
            self._ray.shutdown()
        self._ours = False

    def _nodes(self) -> list[dict[str, Any]]:
        return [node for node in self._ray.nodes() if node["Alive"]]


def _connect(address: str | None) -> None:
    import ray

    try:
        _knock(address)
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # OSError, ConnectionError, ValueError, RuntimeError, and Ray's own
        reason = str(error).partition("\n")[0]
        raise EngineError(
            f"there is no Ray cluster at {address}: {reason}" if address else f"Ray cannot be started here: {reason}",
            hint="Start one with `ray start --head`, and set execution.engine.address to it. If it said that token authentication"
            " is enabled, run `export RAY_AUTH_MODE=token` first, here too.",
        ) from error


def _knock(address: str | None) -> None:
    """Raise OSError where nothing listens: Ray would go on trying for minutes."""
    host, _, port = (address or "").rpartition(":")
    if port.isdigit():
        socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS).close()


def _fitting(resources: dict[str, float], cpus: float, gpus: float) -> int:
    shares = [(resources.get("CPU", 0.0), cpus), (resources.get("GPU", 0.0), gpus)]
    return min(int(there / each + 1e-9) for there, each in shares if each)


@contextmanager
def quietly() -> Iterator[None]:
    """Ray's import and start without its chatter: it reads its settings from the environment, once."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    before = os.environ.get(_BACKEND_LOG)
    os.environ.setdefault(_BACKEND_LOG, "fatal")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if before is None:
            del os.environ[_BACKEND_LOG]

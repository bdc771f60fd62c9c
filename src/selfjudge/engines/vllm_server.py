"""One vLLM server as a process: started with a log of its own, watched, and stopped with everything that it started."""

from __future__ import annotations

import http.client
import json
import logging
import os
import secrets
import socket
import subprocess
import sys
import time
from pathlib import Path

from ..errors import EngineError
from .vllm_command import Launch, command, environment, find_vllm, reason

log = logging.getLogger(__name__)

_GUARD = Path(__file__).parents[1] / "guard.py"
_LOOK_SECONDS = 0.25
_ASK_SECONDS = 10.0
_GRACE_SECONDS = 20.0
"""What a server has to end in order, before it is killed."""
_TOLD = 64 * 1024
"""Bytes at the end of a log in which the reason is looked for."""


class VLLMServer:
    """A server for one model on a port of this machine. Only who has `key` may ask it.

    It ends with `stop`, and no later than this process, however that ends.
    """

    def __init__(self, launch: Launch, *, log_file: Path, start_seconds: float) -> None:
        self.launch = launch
        self.key = secrets.token_hex(16)
        self.port = 0
        self._vllm = find_vllm(launch.python)
        self._log = log_file
        self._start_seconds = start_seconds
        self._guard: subprocess.Popen[bytes] | None = None
        self._began = 0
        self._started = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def alive(self) -> bool:
        return self._guard is not None and self._guard.poll() is None

    def start(self) -> None:
        """Start it, without waiting for it. Its log is appended to."""
        self.stop()
        self.port = free_port()
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self.launch.images.mkdir(parents=True, exist_ok=True)  # vLLM wants it to exist
        words = command(self.launch, self._vllm, self.port)
        with self._log.open("ab") as out:
            out.write(f"$ {' '.join(words)}\n".encode())
            out.flush()
            self._began = out.tell()
            self._started = time.monotonic()
            self._guard = subprocess.Popen(  # noqa: S603
                [sys.executable, "-I", "-S", str(_GUARD), str(os.getpid()), str(_GRACE_SECONDS), *words],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=environment(self.launch, self.key, os.environ),
                start_new_session=True,  # Ctrl-C is for us, and we stop it
            )

    def wait_ready(self) -> None:
        """Wait until it answers for its model. Raises EngineError when it dies, or takes longer than it may."""
        while not self._answers():
            if not self.alive:
                raise self.death("while it was starting")
            if time.monotonic() - self._started > self._start_seconds:
                self.stop()
                raise EngineError(
                    f"the vLLM server of {self.launch.name} did not answer within {self._start_seconds:g} seconds; "
                    f"the last it said: {reason(self._said())}",
                    hint=f"{self._log} has its whole log. If it only needs longer, raise execution.engine.start_seconds.",
                )
            time.sleep(_LOOK_SECONDS)
        log.info("the vLLM server of %s answers after %.0f seconds", self.launch.name, time.monotonic() - self._started)

    def wait_dead(self, seconds: float | None) -> bool:
        """Wait for it to end, for so long; whether it has."""
        if self._guard is None:
            return True
        try:
            self._guard.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def death(self, when: str) -> EngineError:
        """What to say of a server that is dead."""
        code = None if self._guard is None else self._guard.poll()
        return EngineError(
            f"the vLLM server of {self.launch.name} ended {when} (exit code {code}): {reason(self._said())}",
            hint=f"{self._log} has its whole log. The same command again goes on where this one stopped.",
        )

    def end(self) -> None:
        """Tell it to end, without waiting for that."""
        if self._guard is not None:
            self._guard.terminate()

    def stop(self) -> None:
        """End it and everything that it started, and wait until that is gone."""
        self.end()
        self.wait_dead(None)
        self._guard = None

    def _said(self) -> str:
        with self._log.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(self._began, end - _TOLD))
            return file.read().decode("utf-8", "replace")

    def _answers(self) -> bool:
        """Whether our own server answers at the port, by the name of its model."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_ASK_SECONDS)
        try:
            connection.request("GET", "/v1/models", headers={"Authorization": f"Bearer {self.key}"})
            models = json.loads(connection.getresponse().read())["data"]
            return any(model["id"] == self.launch.name for model in models)
        except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
            return False
        finally:
            connection.close()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

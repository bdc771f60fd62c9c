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
_POLL_SECONDS = 0.25
_ASK_SECONDS = 10.0
_GRACE_SECONDS = 20.0  # between SIGTERM and SIGKILL
_LOG_TAIL = 64 * 1024  # bytes at the end of a log that are searched for the reason


class VLLMServer:
    """A server for one model on a port of this machine, which requires `key`.

    It ends with `stop`, and no later than this process, even if that is killed.
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
        """Start the process, without waiting until it answers. Its output is appended to the log."""
        self.stop()
        self.port = free_port()
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self.launch.images.mkdir(parents=True, exist_ok=True)  # vLLM requires it
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
                start_new_session=True,  # Ctrl-C must not reach it: `stop` ends it
            )

    def wait_ready(self) -> None:
        """Wait until it answers for its model. Raises EngineError if it dies, or needs longer than `start_seconds`."""
        while not self._answers():
            if not self.alive:
                raise self.death("while it was starting")
            if time.monotonic() - self._started > self._start_seconds:
                self.stop()
                raise EngineError(
                    f"the vLLM server of {self.launch.name} did not answer within {self._start_seconds:g} seconds; "
                    f"the last line of its log: {reason(self._tail())}",
                    hint=f"Its log: {self._log}. If it only needs longer, raise execution.engine.start_seconds.",
                )
            time.sleep(_POLL_SECONDS)
        log.info("the vLLM server of %s answers after %.0f seconds", self.launch.name, time.monotonic() - self._started)

    def wait_dead(self, seconds: float | None) -> bool:
        """Wait at most `seconds` until the process ends; whether it has."""
        if self._guard is None:
            return True
        try:
            self._guard.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def death(self, when: str) -> EngineError:
        """The error for a dead server, with the reason from its log."""
        code = None if self._guard is None else self._guard.poll()
        return EngineError(
            f"the vLLM server of {self.launch.name} ended {when} (exit code {code}): {reason(self._tail())}",
            hint=f"Its log: {self._log}. Run the same command again: it resumes where it stopped.",
        )

    def end(self) -> None:
        """Terminate it, without waiting."""
        if self._guard is not None:
            self._guard.terminate()

    def stop(self) -> None:
        """Terminate it with all processes that it started, and wait until they are gone."""
        self.end()
        self.wait_dead(None)
        self._guard = None

    def _tail(self) -> str:
        with self._log.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(self._began, end - _LOG_TAIL))
            return file.read().decode("utf-8", "replace")

    def _answers(self) -> bool:
        """Whether this server answers at the port: it lists its model."""
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
    """A port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

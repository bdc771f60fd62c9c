"""Our HTTP engine beside its peers, on one mock server: `python benchmarks/http_peers.py --python distilabel=ENV/bin/python ...`.

Each client (`benchmarks/peers/ask_*.py`) asks the same requests, written as the project's own documentation tells, in an
environment of its own: `pip install 'distilabel[openai]' requests`, `bespokelabs-curator`, `'ray[data]' aiohttp pydantic`. The
server answers after a fixed time. Told for each: requests per second from the first request to the last answer, as the server
sees them; the whole time with start-up; CPU time per request and peak memory (PSS) of all its processes; and, after a `kill -9`
of all of them when half is answered, how long the same command takes to finish and how much it asks again. -1 rows: it did not
end within two minutes. Prints a table and JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from http_overhead import Connection, a_reply

PEERS = Path(__file__).parent / "peers"
PATIENCE_SECONDS = 120.0
"""A client that has not ended by then is stopped, and has no rows."""


class Seen(Connection):
    """The mock server, which counts what it answers."""

    def __init__(self, seconds: float, reply: bytes, log: Any) -> None:
        super().__init__(seconds, reply)
        self._log = log

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        write = transport.write

        def counted(data: bytes) -> None:
            self._log[0] += 1
            self._log[2] = time.time()
            write(data)

        self._transport = type("Transport", (), {"write": staticmethod(counted)})

    def data_received(self, data: bytes) -> None:
        if not self._log[1]:
            self._log[1] = time.time()
        super().data_received(data)


def serve(port: int, seconds: float, log: Any) -> None:
    async def main() -> None:
        reply = a_reply(logprobs=False)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Seen(seconds, reply, log), "127.0.0.1", port, backlog=2048)
        await server.serve_forever()

    asyncio.run(main())


class Client:
    """A client's processes, watched."""

    def __init__(self, python: str, name: str, url: str, count: int, folder: Path, log: Path) -> None:
        command = [python, str(PEERS / f"ask_{name}.py"), url, str(count), str(folder)]
        self._log = log
        with log.open("wb") as said:
            self._root = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT, cwd=folder)
        self._tree = psutil.Process(self._root.pid)
        self._cpu: dict[int, float] = {}
        self.peak_mb = 0.0

    @property
    def cpu_seconds(self) -> float:
        return sum(self._cpu.values())

    def processes(self) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            return [self._tree, *self._tree.children(recursive=True)]
        return []

    def look(self) -> None:
        memory = 0.0
        for process in self.processes():
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied, FileNotFoundError, ProcessLookupError):
                times = process.cpu_times()
                self._cpu[process.pid] = times.user + times.system
                memory += process.memory_full_info().pss / 2**20
        self.peak_mb = max(self.peak_mb, memory)

    def wait(self, until: Any = lambda: False) -> bool:
        """True when it has ended, False as soon as `until` holds."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._root.poll() is None:
            self.look()
            if time.monotonic() > deadline:
                self.kill()
            if until():
                return False
            time.sleep(0.1)
        return True

    def kill(self) -> None:
        for process in reversed(self.processes()):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._root.wait()

    def rows(self) -> int:
        """How many rows it says it has in the end."""
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return int(lines[-1]) if self._root.returncode == 0 and lines and lines[-1].isdigit() else -1


def measured(name: str, python: str, count: int, seconds: float) -> dict[str, Any]:
    log = multiprocessing.Array("d", 3)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = multiprocessing.Process(target=serve, args=(port, seconds, log), daemon=True)
    server.start()
    url, said = f"http://127.0.0.1:{port}/v1", Path(tempfile.gettempdir()) / f"http_peers_{name}.log"
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            started = time.perf_counter()
            client = Client(python, name, url, count, Path(folder), said)
            client.wait()
            whole, rows = time.perf_counter() - started, client.rows()
            found = {"rate": log[0] / (log[2] - log[1] or 1), "whole_seconds": whole, "rows": rows, "asked": int(log[0])}
        found |= {"cpu_ms": client.cpu_seconds / count * 1e3, "peak_mb": client.peak_mb}
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            log[0] = log[1] = 0
            client = Client(python, name, url, count, Path(folder), said)
            client.wait(lambda: log[0] >= count / 2)
            client.kill()
            time.sleep(1.0)
            started = time.perf_counter()
            client = Client(python, name, url, count, Path(folder), said)
            client.wait()
            resumed = {"resume_seconds": time.perf_counter() - started, "resume_rows": client.rows()}
            found |= resumed | {"asked_again": int(log[0] - count)}
    finally:
        server.terminate()
        server.join()
    return {"client": name, "requests": count, "reply_seconds": seconds, **found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", action="append", default=[], metavar="CLIENT=PYTHON")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--reply-seconds", type=float, default=0.05)
    options = parser.parse_args()
    os.environ.pop("PYTHONSTARTUP", None)
    results = []
    print(f"{'client':<12}{'req/s':>8}{'whole':>9}{'CPU/req':>10}{'peak':>9}{'rows':>8}{'resumed':>10}{'again':>8}")
    for name, _, python in [("selfjudge", "=", sys.executable), *(each.partition("=") for each in options.python)]:
        results.append(measured(name, python, options.requests, options.reply_seconds))
        print(
            "{client:<12}{rate:>8.0f}{whole_seconds:>7.1f} s{cpu_ms:>7.2f} ms{peak_mb:>6.0f} MB{rows:>8}"
            "{resume_seconds:>8.1f} s{asked_again:>8}".format(**results[-1]),
            flush=True,
        )
    print(json.dumps(results))


if __name__ == "__main__":
    main()

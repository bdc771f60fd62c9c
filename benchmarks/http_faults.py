"""Every key answered once, whatever the server does: `python benchmarks/http_faults.py [--requests 10000] [--kills 5]`.

A server of the tests fails a fifth of the time, in ten ways. A process asks it through `asking.ask` into a table. Again and
again, the server is killed (`kill -9`) and started anew after a second, while it is asked, and so is the process that asks. In
the end the table must hold each key once; every answer must belong to its key; and what had been stored before a kill must not
have been asked for again. Prints a table and JSON; ends with 1 if one of these fails.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from engines.serving import Asked, closed, endless, half, raw, refusal, reply, serving, silent

WAYS: dict[str, Any] = {
    "closed connection": closed,
    "half a reply": half,
    "60 s of silence": silent,
    "endless reply": endless,
    "429": refusal(429, "slow down", retry_after="0"),
    "500": refusal(500, "out of memory"),
    "503": refusal(503, "overloaded"),
    "200 with an error": raw(b'{"error": {"message": "upstream is gone", "code": 502}}'),
    "no choices": raw(b'{"choices": null}'),
    "no JSON": raw(b"<html>"),
}
SHARE = 0.2

CLIENT = """
import sys
from pathlib import Path
from selfjudge.chat import Message, Request, Sampling
from selfjudge.ports import NamedEngine
from selfjudge.recipe import OpenAIEngine
from selfjudge.stages.asking import ask
from selfjudge.run.store import Table
from selfjudge.run.tables import REFUSED
from selfjudge.types import Finish
from selfjudge.wiring import open_server

url, folder, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
sampling = Sampling(temperature=0, max_tokens=8)
requests = (
    Request(key=f"{n:06d}", messages=(Message(role="user", content=(f"{n:06d}",)),), sampling=sampling, seed=n)
    for n in range(count)
)
recipe = OpenAIEngine(kind="openai", base_url=url, timeout_seconds=1.0)
engine = open_server("m", recipe, lambda ref: b"")
table = Table(folder, REFUSED, {})

def to_row(request, completion, model):
    failed = completion.finish is Finish.ERROR
    return {"key": request.key, "source": "failed" if failed else completion.text, "reason": "test", "detail": completion.error}

ask(table, requests, NamedEngine(name="m", engine=engine), to_row, lambda *_: None)
table.seal()
engine.close()
"""
"""The process that asks. Its engine waits for a server that is gone as long as it does by default."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=5, help="of the server, and as many of the process that asks")
    parser.add_argument("--serve", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        port, seed, log = options.serve
        serve(int(port), int(seed), Path(log))
        return 0
    with tempfile.TemporaryDirectory() as place:
        started = time.perf_counter()
        bench = Bench(Path(place), options.requests)
        try:
            repeated = bench.run(options.kills)
        finally:
            bench.end()
        seconds = time.perf_counter() - started
        found = checked(bench.folder, options.requests)
        asked = bench.asked()
    result = {
        "requests": options.requests,
        "kills of the server": options.kills,
        "kills of the asker": options.kills,
        "starts of the asker": bench.starts,
        "seconds": round(seconds, 1),
        "asked": len(asked),
        "faults": dict(Counter(way for _, way in asked if way)),
        **found,
        "stored and asked again": repeated,
    }
    for name, value in result.items():
        print(f"{name:<24} {value}")
    print(json.dumps(result))
    return int(found["answered once"] != options.requests or found["wrong answers"] > 0 or repeated > 0)


def serve(port: int, seed: int, log: Path) -> None:
    """The server, until it is killed. It writes down each key that it is asked for, and how it fails it."""
    logging.getLogger("aiohttp.server").disabled = True  # clients that are killed, and replies that never end
    rng = random.Random(seed)
    with log.open("a") as asked_for:

        def rule(asked: Asked) -> Any:
            way = rng.choice(list(WAYS)) if rng.random() < SHARE else ""
            asked_for.write(json.dumps([asked.text, way]) + "\n")
            asked_for.flush()
            return WAYS[way] if way else reply(f"answer to {asked.text}")

        with serving(rule, port=port):
            signal.pause()


class Bench:
    """A server and a process that asks it, both of which may be killed and started anew."""

    def __init__(self, place: Path, count: int) -> None:
        self.folder, self.log, self.count, self.starts = place / "table", place / "asked.jsonl", count, 0
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.log.touch()
        self.server: subprocess.Popen[bytes]
        self.asker: subprocess.Popen[bytes]
        self.start_server()

    def start_server(self) -> None:
        seed = len(self.asked())
        self.server = subprocess.Popen([sys.executable, __file__, "--serve", *map(str, (self.port, seed, self.log))])

    def start_asker(self) -> None:
        self.starts += 1
        url = f"http://127.0.0.1:{self.port}/v1"
        self.asker = subprocess.Popen([sys.executable, "-c", CLIENT, url, str(self.folder), str(self.count)])

    def run(self, kills: int) -> int:
        """All kills, and then until the end; how many requests were asked for although their answer was stored."""
        repeated, turns = 0, 2 * kills
        for number in range(turns + 1):
            stored, before = keys(self.folder), len(self.asked())
            if number % 2 == 0:
                self.start_asker()
            goal = self.count * (number + 1) / (turns + 2)
            while (number == turns or len(keys(self.folder)) < goal) and not (self.folder / "refused.manifest.json").exists():
                if self.asker.poll() is not None:  # the server was gone for too long: the same command again
                    self.start_asker()
                time.sleep(0.2)
            if number == turns:
                self.asker.wait()
            else:
                self.kill(self.asker if number % 2 else self.server)
                print(f"killed {'the asker' if number % 2 else 'the server'} at {len(keys(self.folder))} answers", flush=True)
            if number % 2 == 0 and number < turns:
                time.sleep(1)
                self.start_server()
            repeated += sum(key in stored for key, _ in self.asked()[before:])
        return repeated

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        process.send_signal(signal.SIGKILL)
        process.wait()

    def end(self) -> None:
        for process in (self.server, self.asker):
            self.kill(process)

    def asked(self) -> list[tuple[str, str]]:
        """The keys that the server was asked for, and the ways in which it failed them."""
        return [(key, way) for key, way in map(json.loads, self.log.read_text().splitlines())]


def keys(folder: Path) -> set[str]:
    """What a table in the making holds, read from beside it."""
    import pyarrow.parquet as pq

    parts = folder / ".refused.parts"
    found = {key for part in parts.glob("[0-9]*.parquet") for key in pq.read_table(part, columns=["key"])["key"].to_pylist()}
    for journal in parts.glob("*.jsonl"):
        found |= {json.loads(line)["key"] for line in journal.read_bytes().split(b"\n")[:-1]}
    return found


def checked(folder: Path, count: int) -> dict[str, int]:
    """What the sealed table holds."""
    import pyarrow.parquet as pq

    rows = pq.read_table(folder / "refused.parquet").to_pylist()
    wanted = {f"{n:06d}" for n in range(count)}
    return {
        "answered once": len(wanted & {row["key"] for row in rows}) if len(rows) == count else -1,
        "failed": sum(row["source"] == "failed" for row in rows),
        "wrong answers": sum(row["source"] not in ("failed", f"answer to {row['key']}") for row in rows),
    }


if __name__ == "__main__":
    sys.exit(main())

"""Every key answered once, whatever the server does: `python benchmarks/http_faults.py [--requests 10000] [--kills 5]`.

A server of the tests fails a fifth of the time, in ten ways. A process asks it through `asking.ask` into a table; it is killed
(`kill -9`) again and again, and started again. In the end the table must hold each key once; every answer must belong to its key;
and what had been stored before a kill must not have been asked for again. Prints a table and JSON; ends with 1 if one of these
fails.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import signal
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
    "no choices": raw(b'{"choices": []}'),
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
from selfjudge.store import Table
from selfjudge.tables import REFUSED
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

ask(table, requests, NamedEngine(name="m", engine=engine), to_row, lambda n: None)
table.seal()
engine.close()
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=5)
    options = parser.parse_args()
    logging.getLogger("aiohttp.server").disabled = True  # clients that are killed, and replies that never end
    rng, faults = random.Random(0), Counter[str]()

    def rule(asked: Asked) -> Any:
        if rng.random() >= SHARE:
            return reply(f"answer to {asked.text}")
        way = rng.choice(list(WAYS))
        faults[way] += 1
        return WAYS[way]

    with serving(rule) as server, tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        repeated = run(server, Path(folder), options.requests, options.kills)
        seconds = time.perf_counter() - started
        found = checked(Path(folder), options.requests)
    result = {
        "requests": options.requests,
        "kills": options.kills,
        "seconds": round(seconds, 1),
        "asked": len(server.asked),
        "faults": dict(faults),
        **found,
        "stored and asked again": repeated,
    }
    for name, value in result.items():
        print(f"{name:<24} {value}")
    print(json.dumps(result))
    return int(found["answered once"] != options.requests or found["wrong answers"] > 0 or repeated > 0)


def run(server: Any, folder: Path, count: int, kills: int) -> int:
    """The client, killed so often and then left alone; how many requests were asked for although their answer was stored."""
    command = [sys.executable, "-c", CLIENT, server.url, str(folder), str(count)]
    repeated = 0
    for number in range(kills + 1):
        stored = keys(folder)
        before = len(server.asked)
        process = subprocess.Popen(command)
        if number < kills:
            while len(keys(folder)) < count * (number + 1) / (kills + 2) and process.poll() is None:
                time.sleep(0.05)
            process.send_signal(signal.SIGKILL)
        process.wait()
        print(f"client {number + 1} of {kills + 1} ended with {len(keys(folder))} answers stored", flush=True)
        repeated += sum(asked.text in stored for asked in server.asked[before:])
    return repeated


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

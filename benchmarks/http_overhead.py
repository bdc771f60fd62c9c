"""What the HTTP engine costs beside the server: `python benchmarks/http_overhead.py [--requests 10000 50000] [--full]`.

A mock server in a process of its own answers every request after a fixed time: the ideal rate is concurrency / time. For each
setting, a process of its own asks through `asking.ask` into a table, as a stage does. It reports its rate against the ideal,
over all of it and over its middle (without the first fifth, in which it connects, and the last tenth), its own CPU time per
request, and its peak memory. An engine and a table of their own are asked 500 requests before, for what is loaded once in a
process. Then a bare loop of as many workers posts as many requests over aiohttp and reads the JSON of the replies, nothing
more. `--logprobs` makes replies carry 100 tokens with 5 rivals each, as judging asks for. "stolen" is the share of this
machine's processor time that its host gave to others meanwhile.
Prints a table and JSON; `--full` goes to 200,000 requests.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp

TEXT = "The first answer names the colour that the image shows, and the second one does not. " * 8
SETTINGS = ((256, 0.05), (256, 0.5), (64, 0.25), (16, 0.05))
"""Requests at once, and seconds per reply. The first asks for 5,120 requests a second, more than one core of Python can make."""


def a_reply(logprobs: bool) -> bytes:
    """A whole HTTP response."""
    choice: dict[str, Any] = {
        "index": 0,
        "message": {"role": "assistant", "content": "I see red. [[A]]"},
        "finish_reason": "stop",
    }
    if logprobs:
        rivals = [{"token": f"t{i}", "logprob": -1.2345678 - i, "bytes": [116, 48]} for i in range(5)]
        choice["logprobs"] = {"content": [{**rivals[0], "top_logprobs": rivals} for _ in range(100)]}
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1_700_000_000, "model": "m"}
    usage = {"prompt_tokens": 300, "completion_tokens": 100, "total_tokens": 400}
    body = json.dumps({**head, "choices": [choice], "usage": usage}).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


class Connection(asyncio.Protocol):
    """As little of an HTTP server as will do: it must not be what is measured."""

    def __init__(self, seconds: float, reply: bytes) -> None:
        self._seconds, self._reply, self._seen = seconds, reply, b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._seen += data
        head, mark, body = self._seen.partition(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length:")[2].partition(b"\r")[0] or 0)
        if mark and len(body) >= size:
            self._seen = body[size:]
            asyncio.get_running_loop().call_later(self._seconds, self._transport.write, self._reply)


def serve(port: int, seconds: float, logprobs: bool) -> None:
    async def main() -> None:
        reply = a_reply(logprobs)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(seconds, reply), "127.0.0.1", port, backlog=2048)
        await server.serve_forever()

    asyncio.run(main())


def bare(port: int, count: int, concurrency: int) -> dict[str, float]:
    """Requests a second and CPU time per request of a minimal loop."""
    numbers = iter(range(count))

    async def worker(session: aiohttp.ClientSession) -> None:
        for number in numbers:
            body = {
                "model": "m",
                "messages": [{"role": "user", "content": f"{number} {TEXT}"}],
                "max_tokens": 1024,
                "seed": number,
            }
            async with session.post(f"http://127.0.0.1:{port}/v1/chat/completions", json=body) as response:
                json.loads(await response.read())

    async def main() -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=concurrency)) as session:
            await asyncio.gather(*(worker(session) for _ in range(concurrency)))

    wall, cpu = time.perf_counter(), time.process_time()
    asyncio.run(main())
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"bare_rate": count / wall, "bare_cpu_ms": cpu / count * 1e3}


def stage(port: int, count: int, concurrency: int, logprobs: bool) -> dict[str, float]:
    """Ask as a stage does, with an engine and a table of its own."""
    from selfjudge.chat import Completion, Message, Request, Sampling
    from selfjudge.ports import NamedEngine
    from selfjudge.recipe.engines import OpenAISettings
    from selfjudge.run.store import Table
    from selfjudge.run.tables import JUDGMENTS, Row
    from selfjudge.stages.asking import ask
    from selfjudge.types import Order, seed_of
    from selfjudge.wiring import open_server

    sampling = Sampling(temperature=0.6, top_p=0.9, max_tokens=1024, logprobs=5 * logprobs)

    def requests() -> Iterator[Request]:
        for number in range(count):
            message = Message(role="user", content=(f"{number} {TEXT}",))
            yield Request(key=f"{number}", messages=(message,), sampling=sampling, seed=seed_of(number))

    def to_row(request: Request, completion: Completion, model: str) -> Row:
        row: Row = dict.fromkeys(JUDGMENTS.schema.names)
        tokens = {"prompt_tokens": completion.prompt_tokens, "completion_tokens": completion.completion_tokens}
        known = {"key": request.key, "pair_id": "p", "order": Order.CHOSEN_FIRST, "sample": 0, "judge": model}
        return {**row, **known, **tokens, "trace": completion.text, "verdict": "first"}

    recipe = OpenAISettings(kind="openai", base_url=f"http://127.0.0.1:{port}/v1", concurrency=concurrency)
    engine = open_server("m", recipe, lambda _: b"")
    with tempfile.TemporaryDirectory() as folder:
        table = Table(Path(folder), JUDGMENTS, {})
        done = array("d")
        wall, cpu = time.perf_counter(), time.process_time()
        ask(table, requests(), NamedEngine(name="m", engine=engine), to_row, lambda *_: done.append(time.perf_counter()))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        assert len(table.keys()) == count
    engine.close()
    first, last = count // 5, count * 9 // 10
    middle = (last - first) / (done[last] - done[first])
    return {"seconds": wall, "rate": count / wall, "middle_rate": middle, "cpu_ms": cpu / count * 1e3, "peak_mb": peak}


def probe(port: int, count: int, concurrency: int, logprobs: bool) -> dict[str, float]:
    """Ask, and report on this process."""
    stage(port, 500, concurrency, logprobs)
    before = stolen()
    found = stage(port, count, concurrency, logprobs)
    share = (stolen() - before) / found["seconds"] / os.cpu_count()
    return {**found, "stolen": share, **bare(port, count, concurrency)}


def stolen() -> float:
    """Seconds of all processors that the host gave to others so far."""
    return int(Path("/proc/stat").read_text().split(maxsplit=9)[8]) / os.sysconf("SC_CLK_TCK")


def measured(count: int, concurrency: int, seconds: float, logprobs: bool) -> dict[str, float]:
    """One setting, server and asker each in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = multiprocessing.Process(target=serve, args=(port, seconds, logprobs), daemon=True)
    server.start()
    time.sleep(0.5)
    command = [sys.executable, __file__, "--probe", *map(str, (port, count, concurrency, int(logprobs)))]
    found = json.loads(subprocess.check_output(command, text=True))
    server.terminate()
    server.join()
    ideal = concurrency / seconds
    shares = {
        "share": found["rate"] / ideal,
        "middle_share": found["middle_rate"] / ideal,
        "bare_share": found["bare_rate"] / ideal,
    }
    return {"requests": count, "concurrency": concurrency, "reply_seconds": seconds, **shares, **found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, nargs="+", default=[10_000, 50_000])
    parser.add_argument("--full", action="store_true", help="200,000 requests too")
    parser.add_argument("--logprobs", action="store_true")
    parser.add_argument("--settings", type=int, default=len(SETTINGS), help="how many of the settings to measure")
    parser.add_argument("--probe", type=int, nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.probe:
        port, count, concurrency, logprobs = options.probe
        print(json.dumps(probe(port, count, concurrency, bool(logprobs))))
        return
    few, *many = [*options.requests, *[200_000] * options.full]
    runs = [(few, *setting) for setting in SETTINGS[: options.settings]] + [(count, *SETTINGS[0]) for count in many]
    results = []
    for run in runs:
        results.append(measured(*run, options.logprobs))
        print(
            "{requests:>7} requests, {concurrency:>3} at once, {reply_seconds:.2f} s each: {rate:6.0f}/s, {share:4.0%} of "
            "the ideal (middle {middle_share:4.0%}; bare loop {bare_share:4.0%}), "
            "{cpu_ms:.2f} ms CPU each (bare loop {bare_cpu_ms:.2f}), "
            "{peak_mb:.0f} MB at most, {stolen:.0%} stolen".format(**results[-1]),
            flush=True,
        )
    print(json.dumps(results))


if __name__ == "__main__":
    main()

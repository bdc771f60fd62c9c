"""How a served judge behaves under load: `python benchmarks/serve.py [--seconds 60] [--clients 64]`.

Starts `selfjudge serve` with the embedded judge, and asks it: one client that waits for each answer, then many clients at once,
then more than may wait. Prints comparisons a second of one and of many, their ratio, p50 and p99, failures below and refusals
above the limit of waiting comparisons, and the server's memory at the start and at the end, as JSON. The bar is three times one
client's rate.
"""

from __future__ import annotations

import argparse
import base64
import json
import random
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from selfjudge.shapes.drawing import draw
from selfjudge.shapes.prompts import png
from selfjudge.shapes.scenes import draw_scene

WORDS = ("red circle", "blue square", "green triangle", "large cross")


def body(number: int) -> dict[str, Any]:
    rng = random.Random(number)
    picture = png(draw(draw_scene(rng, held_out=True), rng))
    first, second = rng.sample(WORDS, 2)
    image = "data:image/png;base64," + base64.b64encode(picture).decode()
    return {"prompt": "what is there?", "response_a": first, "response_b": second, "images": [image]}


@contextmanager
def served(judge: str, port: int, waiting: int) -> Iterator[psutil.Process]:
    command = [sys.executable, "-m", "selfjudge", "serve", "--judge", judge, "--port", str(port), "--waiting", str(waiting)]
    process = subprocess.Popen([*command, "--max-tokens", "48", "--batch", "32"])
    try:
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/health").raise_for_status()
                break
            except httpx.HTTPError:
                time.sleep(0.2)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(60)


def ask(url: str, clients: int, seconds: float) -> tuple[Counter[int], list[float]]:
    """Status codes and seconds of what `clients` got, each asking again as soon as it was answered."""
    statuses: Counter[int] = Counter()
    took: list[float] = []
    ends = time.monotonic() + seconds

    def one(number: int) -> None:
        with httpx.Client(timeout=120) as client:
            while time.monotonic() < ends:
                started = time.perf_counter()
                status = client.post(url, json=bodies[(number := number + clients) % len(bodies)]).status_code
                took.append(time.perf_counter() - started)
                statuses[status] += 1

    threads = [threading.Thread(target=one, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses, took


bodies = [body(number) for number in range(200)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--judge", default="shapes")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--port", type=int, default=8399)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    url, figures = f"http://127.0.0.1:{options.port}/v1/compare", {}
    with served(options.judge, options.port, 2 * options.clients) as process:
        ask(url, options.clients, min(3.0, options.seconds))
        before = process.memory_info().rss
        alone, _ = ask(url, 1, options.seconds / 4)
        together, took = ask(url, options.clients, options.seconds)
        after = process.memory_info().rss
        figures = {
            "clients": options.clients,
            "seconds": options.seconds,
            "one_client_per_second": alone[200] / (options.seconds / 4),
            "per_second": together[200] / options.seconds,
            "ratio": together[200] / (4 * alone[200]),
            "p50_ms": 1000 * statistics.median(took),
            "p99_ms": 1000 * statistics.quantiles(took, n=100)[98],
            "failures_below_the_limit": sum(together.values()) - together[200],
            "mib": [before / 2**20, after / 2**20],
        }
    with served(options.judge, options.port, 4):
        above, _ = ask(url, options.clients, min(10.0, options.seconds))
        figures["above_the_limit"] = {str(status): count for status, count in above.items()}
    text = json.dumps(figures, indent=2)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()

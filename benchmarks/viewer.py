"""How fast the viewer of a large run is, and how much memory it takes: `python benchmarks/viewer.py [PAIRS]`.

The run is that of `report_scale.py`: 100,000 pairs with two judgments each. A viewer is started in a process of its own. Measured
are the time until its first page is there, 200 random pages, filters and searches, and its memory. Beside the time of each stands
the processor's, which other work on the machine does not lengthen much.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles
from urllib.parse import urlencode
from urllib.request import urlopen

import psutil
from report_scale import ROOT, photographs, write_run

ASKED = 200
PORT = 8455


def seconds(path: str) -> float:
    """How long one page takes."""
    started = time.perf_counter()
    with urlopen(f"http://127.0.0.1:{PORT}/key{path}") as reply:
        reply.read()
    return time.perf_counter() - started


def opened(run: Path) -> tuple[subprocess.Popen[bytes], float]:
    """A viewer, and the seconds from its start to its first page."""
    started = time.perf_counter()
    viewer = subprocess.Popen([sys.executable, "-m", "selfjudge", "view", str(run), "--port", str(PORT), "--key", "key"])
    while True:
        try:
            seconds("/pairs")
            return viewer, time.perf_counter() - started
        except OSError:
            time.sleep(0.01)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    run = Path(tempfile.mkdtemp())
    try:
        state = json.loads((ROOT / "docs/runs/demo-0.json").read_text())
        (run / "summary.json").write_text(json.dumps(state))
        write_run(run / f"iteration-{state['iterations'][-1]['iteration']}", photographs(run), count)
        viewer, first = opened(run)
        measure(viewer, first, count)
    finally:
        shutil.rmtree(run)


def busy(process: psutil.Process) -> float:
    """Seconds that the processor worked for a process."""
    times = process.cpu_times()
    return float(times.user + times.system)


def measure(viewer: subprocess.Popen[bytes], first: float, count: int) -> None:
    """Print how fast a viewer answers, and end it."""
    try:
        process = psutil.Process(viewer.pid)
        used = busy(process)
        print(f"{count:,} pairs, {2 * count:,} judgments: the first page is there after {first:.2f} s (processor {used:.2f} s)")
        rng = random.Random(0)
        asked: dict[str, Callable[[], str]] = {
            "a page of the list": lambda: f"/pairs?page={rng.randrange(1, count // 50)}",
            "a filter, sorted": lambda: "/pairs?" + urlencode(
                {"fate": rng.choice(["kept", "wrong_in_one_order"]), "sort": rng.choice(["smallest margin", "largest margin"])}
            ),
            "a search": lambda: "/pairs?" + urlencode({"q": f"{rng.randrange(997)} boats"}),
            "a search in traces too": lambda: "/pairs?" + urlencode({"q": f"{rng.randrange(997)} boats", "traces": "true"}),
            "a pair": lambda: f"/prompt/0/{rng.randrange(count):016x}?n={rng.randrange(count)}",
        }  # fmt: skip
        for name, path in asked.items():
            taken = [seconds(path()) for _ in range(ASKED)]
            used, before = busy(process), used
            each = f"processor {(used - before) / ASKED * 1e3:.0f} ms each"
            print(
                f"{name}: median {median(taken) * 1e3:.0f} ms, p95 {quantiles(taken, n=20)[-1] * 1e3:.0f} ms of {ASKED}; {each}"
            )
        print(f"memory of the viewer: {process.memory_info().rss / 1e6:.0f} MB")
    finally:
        viewer.terminate()
        viewer.wait()


if __name__ == "__main__":
    main()

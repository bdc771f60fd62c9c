"""What a large cluster asks of the machine that drives it: `python benchmarks/cluster_scale.py [--replicas 4 16] [--seconds 4]`.

Sleeping replicas stand for GPUs: actors that need almost no CPU, scheduled by Ray as in a run, each answering blocks of as many
requests as a recipe's `batch_size`, every block with a picture of its own. Each number of replicas is a process of its own.
Printed are how busy the replicas were, blocks a second, and the CPU of this process and of all that Ray started, a block;
then what `--extrapolate` replicas would ask of the driving process if a block cost the same.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from ray_idle import sleeping

from selfjudge.chat import Message, Request, Sampling
from selfjudge.engines.ray import RayEngine
from selfjudge.recipe.engines import RaySettings
from selfjudge.types import ImageRef

IMAGE = 300_000
"""Bytes of a picture, as `plan` assumes; each block shows one of its own."""
_TICK = 100
"""Jiffies a second, of Linux's process accounts."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicas", type=int, nargs="+", default=[4, 16])
    parser.add_argument("--seconds", type=float, default=4.0, help="that a block takes")
    parser.add_argument("--requests", type=int, default=16, help="in a block")
    parser.add_argument("--blocks", type=int, default=10, help="for each replica")
    parser.add_argument("--extrapolate", type=int, default=1_000)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measured(options.one, options.seconds, options.requests, options.blocks)))
        return
    results = []
    for replicas in options.replicas:
        command = [sys.executable, __file__, "--one", str(replicas), "--seconds", str(options.seconds)]
        command += ["--requests", str(options.requests), "--blocks", str(options.blocks)]
        results.append(json.loads(subprocess.check_output(command, text=True).splitlines()[-1]))
        print(
            "{replicas:>5} replicas  {blocks_s:7.1f} blocks/s  busy {busy:5.1%}  {driver_ms:6.2f} ms of this process "
            "and {ray_ms:6.2f} ms of Ray a block  {peak_mb:5.0f} MB  {first:5.1f} s to the first answer".format(**results[-1]),
            flush=True,
        )
    last = results[-1]
    share = options.extrapolate / options.seconds * last["driver_ms"] / 1e3
    print(
        f"{options.extrapolate} replicas at {options.seconds:g} s a block: {share:.2f} cores of the driving process; "
        f"one core is enough for {last['driver_ms'] / 1e3 * options.extrapolate:.2f} s a block and more"
    )
    print(json.dumps(results))


def measured(replicas: int, seconds: float, requests: int, blocks: int) -> dict[str, Any]:
    started = time.monotonic()
    engine = RayEngine(
        partial(sleeping, seconds / requests),
        RaySettings(kind="ray", address="local", replicas=replicas, gpus_per_replica=0, cpus_per_replica=0.01),
        read_image=lambda ref: ref.sha256.encode().ljust(IMAGE, b"."),
        block=1,
        share=requests,
    )
    try:
        for _ in engine.generate(_asked(3 * replicas, requests, "first")):
            pass
        first = time.monotonic() - started
        began, own, others = time.monotonic(), time.process_time(), _cpu_of_ray()
        times = [time.monotonic() for _ in engine.generate(_asked(blocks * replicas, requests, "then"))]
        own, others = time.process_time() - own, _cpu_of_ray() - others
    finally:
        engine.close()
    took, count = times[-1] - began, blocks * replicas
    return {
        "replicas": replicas,
        "block_seconds": seconds,
        "requests_a_block": requests,
        "blocks_s": count / took,
        "busy": count * seconds / replicas / took,
        "driver_ms": 1e3 * own / count,
        "ray_ms": 1e3 * others / count,
        "peak_mb": int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024,
        "first": first,
    }


def _asked(blocks: int, requests: int, label: str) -> Any:
    sampling = Sampling(temperature=0, max_tokens=1)
    for number in range(blocks):
        ref = ImageRef(sha256=f"{label}{number:08d}".ljust(64, "0"), media_type="image/png", width=1, height=1)
        message = (Message(role="user", content=(ref, "?")),)
        for sample in range(requests):
            yield Request(key=f"{label}.{number}.{sample}", messages=message, sampling=sampling, seed=sample)


def _cpu_of_ray() -> float:
    """Seconds of the processes that Ray started here, replicas included."""
    found = 0.0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")
            name = (stat.parent / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if "ray" in name and _descends(int(stat.parent.name)):
            found += sum(map(int, fields[2].split()[11:13])) / _TICK
    return found


def _descends(pid: int) -> bool:
    """Whether a process was started by this one."""
    while pid > 1:
        if pid == os.getpid():
            return True
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return False
    return False


if __name__ == "__main__":
    main()

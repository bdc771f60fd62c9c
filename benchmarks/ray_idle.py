"""How idle replicas on a Ray cluster are: python benchmarks/ray_idle.py [--replicas 2] [--blocks 60]

Replicas that sleep for a fixed time stand for models, so that the ideal time is blocks x seconds / replicas. For each time that a
block takes, an engine answers a few blocks while its replicas start, and then all blocks, measured from the first answer to the
last. Prints a table and JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from functools import partial

from selfjudge.chat import Message, Request, Sampling
from selfjudge.engines.ray import RayEngine
from selfjudge.engines.scripted import ScriptedEngine
from selfjudge.ports import Engine, ReadImage
from selfjudge.recipe.engines import RaySettings, ScriptedSettings, ScriptRule
from selfjudge.types import ImageRef

SECONDS = (0.05, 0.2, 1.0)
REQUESTS_PER_BLOCK = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--blocks", type=int, default=60)
    options = parser.parse_args()
    print(f"{'s a block':>10} {'ideal s':>8} {'took s':>8} {'busy':>6} {'ms lost a block':>16} {'first answer s':>15}")
    found = [measured(seconds, options.replicas, options.blocks) for seconds in SECONDS]
    for row in found:
        print("{block_seconds:10.2f} {ideal:8.2f} {took:8.2f} {busy:6.1%} {lost_ms:16.1f} {first:15.1f}".format(**row))
    print(json.dumps(found))


def measured(seconds: float, replicas: int, blocks: int) -> dict[str, float]:
    started = time.monotonic()
    engine = RayEngine(
        partial(sleeping, seconds / REQUESTS_PER_BLOCK),
        RaySettings(kind="ray", address="local", replicas=replicas, gpus_per_replica=0, cpus_per_replica=0.5),
        read_image=no_images,
        block=1,
        share=REQUESTS_PER_BLOCK,
    )
    try:
        next(arrivals(engine, 4 * replicas))
        first = time.monotonic() - started
        times = list(arrivals(engine, blocks))
    finally:
        engine.close()
    took, after = times[-1] - times[0], blocks - replicas  # as many blocks as replicas are done when the first answer is
    ideal = after * seconds / replicas
    lost = 1_000 * (took - ideal) * replicas / after
    return {"block_seconds": seconds, "ideal": ideal, "took": took, "busy": ideal / took, "lost_ms": lost, "first": first}


def no_images(ref: ImageRef) -> bytes:
    raise KeyError(ref)


def sleeping(seconds: float, _: ReadImage) -> Engine:
    rules = (ScriptRule(when=".", replies=("yes",)),)
    return ScriptedEngine(ScriptedSettings(kind="scripted", rules=rules, seconds_per_request=seconds))


def arrivals(engine: Engine, blocks: int) -> Iterator[float]:
    """When the first answer of each block came."""
    sampling = Sampling(temperature=0, max_tokens=1)
    words = (Message(role="user", content=("?",)),)
    asked = (Request(key=str(i), messages=words, sampling=sampling, seed=i) for i in range(blocks * REQUESTS_PER_BLOCK))
    for number, _ in enumerate(engine.generate(asked)):
        if number % REQUESTS_PER_BLOCK == 0:
            yield time.monotonic()


if __name__ == "__main__":
    main()

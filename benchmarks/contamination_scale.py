"""Seconds and memory for finding contamination: `python benchmarks/contamination_scale.py [--prompts 100000] [--images 5000]`.

Two parts, each in a process of its own: looking up synthetic looks (a tenth, a half and all of the prompts; one in a hundred
shows a benchmark image), and the whole command on JPEG files of 640 x 480 pixels. Flat memory means that the peak does not grow
with the prompts. Prints a table and JSON; needs the extra `local`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

COMMON = """
import json, resource, sys, time
def done(started, **values):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": time.perf_counter() - started, "peak_mb": peak, **values}))
"""
LOOKUP = """
import numpy as np
from selfjudge.method.contamination import IndexedItem, Index, Appearance, Query
from selfjudge.ports import blocks
prompts, images = map(int, sys.argv[1:3])
rng = np.random.default_rng(0)
def look(name):
    return Appearance(sha256=name, pixels=name, phash=int(rng.integers(2**64, dtype=np.uint64)), thumbnail=rng.bytes(768))
indexed = [IndexedItem(benchmark="b", item=str(n), text=f"what is number {n}?", looks=(look(f"b{n}"),)) for n in range(images)]
index = Index(indexed)
def queries():
    for n in range(prompts):
        known = indexed[n % images].looks[0]
        copy = Appearance(sha256=f"c{n}", pixels=f"c{n}", phash=known.phash ^ 0b10010, thumbnail=known.thumbnail)
        yield Query(text=f"what is on the picture {n}?", looks=(copy if n % 100 == 0 else look(f"p{n}"),))
spent, hits = 0.0, 0
for block in blocks(queries(), 256):
    began = time.perf_counter()
    hits += sum(bool(found) for found in index.search(block))
    spent += time.perf_counter() - began
done(time.perf_counter() - spent, prompts=prompts, hits=hits)
"""
WHOLE = """
from contextlib import nullcontext
from pathlib import Path
from selfjudge.measure.contamination import check
from selfjudge.wiring import find_prompts, make_benchmark, named_benchmark
started = time.perf_counter()
sources, limit = find_prompts(sys.argv[1])
found = check(sources, [make_benchmark(named_benchmark(sys.argv[2]))], max_pixels=limit, out=None,
              progress=lambda label, total: nullcontext(lambda count: None))
done(started, prompts=found["prompts"], hits=found["contaminated"]["prompts"])
"""
FILES = 500
"""Different JPEG files that the prompts share."""
SHOWN = 200
"""Images of the benchmark that stands in for one; a tenth of the files."""


def photograph(seed: int) -> Image.Image:
    """Smooth colours with detail, 640 x 480 pixels: about as long to decode as a photograph."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize((640, 480), Image.Resampling.BICUBIC)
    noisy = np.asarray(coarse, dtype=np.int16) + rng.integers(-12, 13, (480, 640, 1))
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


def write(folder: Path) -> Path:
    """Files and a benchmark; the first tenth of the files are the first images of the benchmark."""
    for seed in range(FILES):
        photograph(seed).save(folder / f"{seed}.jpg", quality=90)
    for seed in range(FILES, FILES + SHOWN - FILES // 10):
        photograph(seed).save(folder / f"{seed}.jpg", quality=90)
    shown = [*range(FILES // 10), *range(FILES, FILES + SHOWN - FILES // 10)]
    pairs = [{"prompt": "what is it?", "image": f"{seed}.jpg", "chosen": "a", "rejected": "b"} for seed in shown]
    (folder / "bench").mkdir()
    path = folder / "bench" / "pairs.jsonl"
    path.write_text("".join(json.dumps({**pair, "image": f"../{pair['image']}"}) + "\n" for pair in pairs))
    return path


def measure(query: str, *arguments: object) -> dict[str, float]:
    command = [sys.executable, "-c", COMMON + query, *map(str, arguments)]
    found: dict[str, float] = json.loads(subprocess.check_output(command, text=True))
    return found


def show(what: str, found: dict[str, float]) -> None:
    each = found["seconds"] / found["prompts"] * 1e6
    line = f"{what:<26}{found['prompts']:>8} prompts {found['seconds']:7.1f} s {each:8.1f} us a prompt {found['peak_mb']:6.0f} MB"
    print(f"{line} {found['hits']:>7} hits", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=100_000)
    parser.add_argument("--images", type=int, default=5_000)
    parser.add_argument("--decoded", type=int, default=4_000, help="prompts whose images are decoded")
    options = parser.parse_args()
    results = []
    for count in (options.prompts // 10, options.prompts // 2, options.prompts):
        results.append({"part": f"looked up in {options.images}", **measure(LOOKUP, count, options.images)})
        show(str(results[-1]["part"]), results[-1])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bench = write(folder)
        for count in (options.decoded // 4, options.decoded):
            path = folder / "prompts.jsonl"
            rows = ({"prompt": f"What is on picture {n}?", "image": f"{n % FILES}.jpg"} for n in range(count))
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
            results.append({"part": "decoded and looked up", **measure(WHOLE, path, bench)})
            show(str(results[-1]["part"]), results[-1])
    print(json.dumps(results))


if __name__ == "__main__":
    main()

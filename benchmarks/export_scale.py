"""Memory and time of `selfjudge export`: `python benchmarks/export_scale.py [--pairs 10000 100000]`.

Writes a run folder with so many pairs about 200 pictures, through the tables of a run, and exports it in each format, each export
a process of its own. Prints seconds and peak memory. Memory must not grow with the pairs, beyond the ids of those kept.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from selfjudge.export.formats import FORMATS
from selfjudge.ports import blocks
from selfjudge.run.folder import ImageStore
from selfjudge.run.images import admit
from selfjudge.run.tables import PAIRS, SELECTED
from selfjudge.shapes.drawing import draw
from selfjudge.shapes.prompts import png
from selfjudge.shapes.scenes import draw_scene
from selfjudge.types import content_id

PICTURES = 200


def write_run(run: Path, count: int) -> None:
    store, images = ImageStore(run / "images"), []
    for number in range(PICTURES):
        rng = random.Random(number)
        ref, data = admit(png(draw(draw_scene(rng, held_out=False), rng)), max_pixels=10**6)
        store.put(ref, data)
        images.append({name: getattr(ref, name) for name in ref.__dataclass_fields__})
    folder = run / "iteration-1"
    folder.mkdir(parents=True)
    (run / "recipe.json").write_text(json.dumps({"judging": {"template": "{images}{question}\nA: {first}\nB: {second}"}}))
    _write(folder / "pairs.parquet", PAIRS.schema, (_pair(number, images[number % PICTURES]) for number in range(count)))
    _write(folder / "selected.parquet", SELECTED.schema, (_trace(number, images[number % PICTURES]) for number in range(count)))
    (folder / "selected.manifest.json").write_text("{}")


def _write(path: Path, schema: pa.Schema, rows: Iterator[dict[str, Any]]) -> None:
    with pq.ParquetWriter(path, schema) as file:
        for block in blocks(rows, 4096):
            file.write_table(pa.Table.from_pylist(block, schema=schema))


def _pair(number: int, image: dict[str, Any]) -> dict[str, Any]:
    name, words = content_id(number), "a large red circle beside a small blue square, " * 8
    return {
        "id": name,
        "prompt_id": name,
        "prompt": f"describe image {number}",
        "images": [image],
        "kind": "open",
        "kind_rule": "row",
        "source": f"prompts.0/x:{number}",
        "source_id": None,
        "chosen": words,
        "rejected": words[1:],
        "alteration": None,
        "vote": None,
    }


def _trace(number: int, image: dict[str, Any]) -> dict[str, Any]:
    pair = _pair(number, image)
    return {
        "key": f"{pair['id']}.0",
        "pair_id": pair["id"],
        "order": "chosen_first",
        "sample": 0,
        "prompt_id": pair["id"],
        "prompt": pair["prompt"],
        "images": [image],
        "first": pair["chosen"],
        "second": pair["rejected"],
        "trace": "[[A]]",
    }


def one(run: Path, name: str, to: Path) -> dict[str, float]:
    from selfjudge.export.writing import export

    started = time.perf_counter()
    made = export(run, name, to, everything=False, iterations=(), advance=lambda _: None)
    status = Path("/proc/self/status").read_text()  # `ru_maxrss` of a child begins with its parent's
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    return {"records": made.records, "seconds": time.perf_counter() - started, "peak_mib": peak}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--one", nargs=3, metavar=("RUN", "FORMAT", "TO"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(Path(options.one[0]), options.one[1], Path(options.one[2]))))
        return
    for count in options.pairs:
        with tempfile.TemporaryDirectory() as folder:
            write_run(Path(folder) / "run", count)
            for name in FORMATS:
                command = [sys.executable, __file__, "--one", f"{folder}/run", name, f"{folder}/{name}"]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                figures = json.loads(done.stdout)
                print(f"{count:8,} pairs  {name:16} {figures['seconds']:6.1f} s  {figures['peak_mib']:6.0f} MiB", flush=True)


if __name__ == "__main__":
    main()

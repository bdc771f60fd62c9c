"""Variants of the demo's recipe over several seeds, on a benchmark seed that nothing was chosen on.

    python experiments/arms.py                   every arm, seeds 1 to 3, two runs side by side (about 90 minutes on two cores)
    python experiments/arms.py --arms demo       some of them
    python experiments/arms.py --arms demo --seeds 1 --set prompts.0.limit=40 --set loop.iterations=1 --keep runs/try
    python experiments/report.py                 then, the tables of the docs

A run lives in runs/arms/ARM-SEED, so that an interrupted experiment goes on where it stopped; its summary is kept in docs/runs.
With --keep, for runs that are only tried, both lie in that folder.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "docs" / "runs"

BENCHMARK_SEED = 2026
"""Every choice in the recipe was made on benchmark seed 0 and run seed 0."""

CONSTANT = ["training.epochs=2", "training.epoch_decay=0.85"]
"""The demo's recipe with a rate that hardly falls, over two epochs instead of three: what the ablations were measured with."""

ARMS = {
    "demo": [],
    "constant rate": CONSTANT,
    "paper's filter": [*CONSTANT, "selection.evidence=false", "selection.keep=one", "judging.samples=1"],
    "restart": [*CONSTANT, "training.start=restart"],
    "coin labels": [*CONSTANT, "synthesis.labels=coin"],
}


def stem(arm: str) -> str:
    """An arm's name in those of its folders and summaries."""
    return arm.replace(" ", "-").replace("'", "")


def run(arm: str, seed: int, jobs: int, keep: Path | None, tried: Sequence[str]) -> None:
    """One run, in a process of its own with its share of the cores."""
    folder = (keep or ROOT / "runs" / "arms") / f"{stem(arm)}-{seed}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    changes = [f"seed={seed}", f"prompts.0.seed={seed}", f"evaluation.benchmarks.0.seed={BENCHMARK_SEED}", *ARMS[arm], *tried]
    command = [sys.executable, "-m", "selfjudge", "run", str(ROOT / "src/selfjudge/shapes/demo.yaml"), "--dir", str(folder)]
    command += [word for change in changes for word in ("--set", change)]
    threads = str(max(1, (os.cpu_count() or 1) // jobs))
    with (folder.parent / f"{folder.name}.log").open("a") as log:
        subprocess.run(command, check=True, stdout=log, stderr=log, env={**os.environ, "OMP_NUM_THREADS": threads})
    ((keep or KEPT) / f"{folder.name}.json").write_text((folder / "summary.json").read_text())
    print(f"{folder.name} is done", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--jobs", type=int, default=2, help="runs side by side")
    parser.add_argument("--set", dest="changes", action="append", default=[], metavar="A.B=C")
    parser.add_argument("--keep", type=Path, help="folder of runs that are only tried: nothing goes to docs/runs")
    options = parser.parse_args()
    with ThreadPoolExecutor(options.jobs) as pool:
        runs = [
            pool.submit(run, arm, seed, options.jobs, options.keep, options.changes)
            for arm in options.arms
            for seed in options.seeds
        ]
        for started in runs:
            started.result()


if __name__ == "__main__":
    main()

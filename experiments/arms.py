"""Variants of the demo's recipe over several seeds, on a benchmark seed that nothing was chosen on.

    python experiments/arms.py                   every arm, seeds 1 to 3, two runs side by side (about 90 minutes on two cores)
    python experiments/arms.py --arms demo coin  some of them
    python experiments/arms.py --table           no run: the tables of docs/results.md from docs/runs/*.json

A run lives in runs/arms/ARM-SEED, so that an interrupted experiment goes on where it stopped; its summary is kept in docs/runs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

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

MEASURES = ("accuracy", "pair_accuracy", "first_position_rate")


def summary_path(arm: str, seed: int) -> Path:
    """Where the summary of a run is kept."""
    return KEPT / f"{arm.replace(' ', '-').replace(chr(39), '')}-{seed}.json"


def run(arm: str, seed: int, jobs: int) -> None:
    """One run, in a process of its own with its share of the cores."""
    kept = summary_path(arm, seed)
    folder = ROOT / "runs" / "arms" / kept.stem
    folder.parent.mkdir(parents=True, exist_ok=True)
    changes = [f"seed={seed}", f"prompts.0.seed={seed}", f"evaluation.benchmarks.0.seed={BENCHMARK_SEED}", *ARMS[arm]]
    command = [sys.executable, "-m", "selfjudge", "run", str(ROOT / "src/selfjudge/shapes/demo.yaml"), "--dir", str(folder)]
    command += [word for change in changes for word in ("--set", change)]
    threads = str(max(1, (os.cpu_count() or 1) // jobs))
    with (folder.parent / f"{kept.stem}.log").open("a") as log:
        subprocess.run(command, check=True, stdout=log, stderr=log, env={**os.environ, "OMP_NUM_THREADS": threads})
    kept.write_text((folder / "summary.json").read_text())
    print(f"{arm}, seed {seed}: {scores(arm, [seed], 'accuracy')}", flush=True)


def load(arm: str, seed: int) -> list[dict[str, Any]]:
    """The figures of a run on shapes-bench, by iteration."""
    state = json.loads(summary_path(arm, seed).read_text())
    return [entry["benchmarks"]["shapes-bench"] for entry in state["iterations"]]


def scores(arm: str, seeds: Sequence[int], measure: str) -> list[str]:
    """A measure of an arm by iteration: mean over the seeds, and standard deviation."""
    by_iteration = zip(*(load(arm, seed) for seed in seeds), strict=True)
    return [spread([figures[measure] for figures in entries]) for entries in by_iteration]


def spread(values: Sequence[float]) -> str:
    """Mean and standard deviation, as the tables print them."""
    return f"{fmean(values):.3f}" + (f" ± {stdev(values):.3f}" if len(values) > 1 else "")


def tables(seeds: Sequence[int]) -> str:
    """Markdown tables of all arms that have been run: one for each measure, then the demo's dimensions."""
    arms = [arm for arm in ARMS if all(summary_path(arm, seed).exists() for seed in seeds)]
    parts = []
    for measure in MEASURES:
        rows = [(arm, *scores(arm, seeds, measure)) for arm in arms]
        parts.append(f"**{measure}**\n\n" + markdown(("arm", *(f"iteration {i}" for i in range(len(rows[0]) - 1))), rows))
    parts.append("**the demo against the supervised ceiling**\n\n" + ceiling_table(seeds))
    first, *_, last = zip(*(load("demo", seed) for seed in seeds), strict=True)
    dimensions = [
        (name, *(spread([figures["dimensions"][name]["accuracy"] for figures in entries]) for entries in (first, last)))
        for name in first[0]["dimensions"]
    ]
    parts.append("**accuracy of the demo by dimension**\n\n" + markdown(("dimension", "base", "last iteration"), dimensions))
    return "\n\n".join(parts)


def ceiling_table(seeds: Sequence[int]) -> str:
    """The demo's last iteration beside what `experiments/ceiling.py` reached with true labels."""
    paths = [path for seed in seeds if (path := KEPT / f"ceiling-{seed}.json").exists()]
    ceilings = [json.loads(path.read_text())["benchmark"] for path in paths]
    rows = []
    for measure in MEASURES[:2] if ceilings else ():
        demo, ceiling = [load("demo", seed)[-1][measure] for seed in seeds], [figures[measure] for figures in ceilings]
        rows.append((measure, spread(demo), spread(ceiling), f"{fmean(demo) / fmean(ceiling):.3f}"))
    return markdown(("measure", "demo", f"ceiling ({len(ceilings)} seeds)", "share"), rows)


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--jobs", type=int, default=2, help="runs side by side")
    parser.add_argument("--table", action="store_true", help="only print the tables of the runs that are kept")
    options = parser.parse_args()
    if not options.table:
        KEPT.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(options.jobs) as pool:
            list(pool.map(lambda job: run(*job, options.jobs), [(a, s) for a in options.arms for s in options.seeds]))
    print(tables(options.seeds))


if __name__ == "__main__":
    main()

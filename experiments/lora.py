"""Full fine-tuning against LoRA on the embedded world: the demo's recipe with either, on seeds that nothing was chosen on.

    python experiments/lora.py                    all arms, seeds 1 to 3, one run after the other, on an idle machine
    python experiments/lora.py --arms lora-16 --seeds 1 --set prompts.0.limit=160 --set loop.iterations=1 --keep runs/try
    python experiments/report.py                  then, the table of docs/training.md from docs/runs/training-*.json

A run lives in KEEP/ARM-SEED if --keep says where, else in runs/lora, and goes on where it stopped. What it took and how its
judges did is kept in docs/runs, unless --keep is given. Seconds are those of the training stage, loading and saving included;
memory is the peak of the whole process, which generates, too.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from arms import FIRST

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "docs" / "runs"
BENCHMARK_SEED = 2026

ARMS = {
    "full": [],
    "full-frozen-vision": ["training.freeze_vision=true"],
    "lora-16": ["training.lora.rank=16", "training.learning_rate=3.0e-3"],
    "lora-64": ["training.lora.rank=64", "training.lora.alpha=128", "training.learning_rate=3.0e-3"],
}
"""LoRA wants a higher rate than all weights do: ten times the demo's, the usual factor, not tuned."""

_PEAK = re.compile(r"peak (\d+)")
_RUN = (
    "import resource, sys; from selfjudge.cli import main\n"
    "try: main()\n"
    "finally: print('peak', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, file=sys.stderr)"
)


def run(arm: str, seed: int, folder: Path, changes: Sequence[str]) -> dict[str, Any]:
    """One run in a process of its own; its figures by iteration, seconds of training and peak memory in MiB."""
    place = folder / f"{arm}-{seed}"
    settings = [
        f"seed={seed}",
        f"prompts.0.seed={seed}",
        f"evaluation.benchmarks.0.seed={BENCHMARK_SEED}",
        *FIRST,
        *ARMS[arm],
        *changes,
    ]
    command = [sys.executable, "-c", _RUN, "run", str(ROOT / "src/selfjudge/shapes/demo.yaml"), "--dir", str(place)]
    command += [word for setting in settings for word in ("--set", setting)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={"OMP_NUM_THREADS": "2", **os.environ})
    manifests = sorted(place.glob("iteration-*/judge.manifest.json"))
    seconds = [json.loads(path.read_text())["seconds"] for path in manifests]
    state = json.loads((place / "summary.json").read_text())
    figures = [entry["benchmarks"]["shapes-bench"] for entry in state["iterations"]]
    peak = int(_PEAK.findall(done.stderr)[-1])
    examples = [entry["training"]["examples"] for entry in state["iterations"][1:]]
    return {"arm": arm, "seed": seed, "figures": figures, "seconds": seconds, "examples": examples, "peak_mib": peak}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--set", dest="changes", action="append", default=[], metavar="A.B=C")
    parser.add_argument("--keep", type=Path, help="folder of runs that are only tried: nothing goes to docs/runs")
    options = parser.parse_args()
    kept = options.keep or KEPT
    kept.mkdir(parents=True, exist_ok=True)
    for arm in options.arms:
        for seed in options.seeds:
            result = run(arm, seed, options.keep or ROOT / "runs" / "lora", options.changes)
            (kept / f"training-{arm}-{seed}.json").write_text(json.dumps(result, indent=2) + "\n")
            print(f"{arm}, seed {seed}: {result['seconds']} s, {result['peak_mib']} MiB", flush=True)


if __name__ == "__main__":
    main()

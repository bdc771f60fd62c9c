"""Variants of the demo's recipe over several seeds, on a benchmark seed that nothing was chosen on.

    python experiments/arms.py                   every arm, seeds 1 to 5, one run after the other (12 minutes each on one thread)
    python experiments/arms.py --arms demo       some of them; an arm that starts from the demo's judge needs that run first
    python experiments/arms.py --arms demo --seeds 1 --set prompts.0.limit=40 --set loop.iterations=1 --keep runs/try
    python experiments/report.py                 then, the tables of the docs

A run lives in runs/arms/ARM-SEED, so that an interrupted experiment goes on where it stopped; its summary is kept in docs/runs,
with the commit that made it and how many of its labels are right. With --keep, for runs that are only tried, both lie in that
folder. What each arm is for, and what counts as a result, was written down first, in docs/experiments.md.
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
from string import Template

from baselines import labels

from selfjudge.shapes.wording import replace_templates

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "docs" / "runs"

BENCHMARK_SEED = 2026
"""Every choice in the recipe was made on benchmark seed 0 and run seed 0."""

CONSTANT = ["training.epochs=2", "training.epoch_decay=0.85"]
"""The first recipe with a rate that hardly falls, over two epochs instead of three: what the ablations were measured with."""

PAPER = ["selection.evidence=false", "selection.keep=one", "judging.samples=1"]
COIN, FLIPPED = "synthesis.labels=coin", "synthesis.labels=flipped"
REPLACE = ["synthesis.open.mode=replace", f"synthesis.open.templates={json.dumps(replace_templates())}"]
STRICT_VOTE, TYPED = "synthesis.closed.threshold=12", "synthesis.closed.alternative=typed"
ANY_SAMPLE, POOLED = "synthesis.closed.alternative=any_sample", "synthesis.closed.alternative=pooled"
ALL_SAMPLES = "synthesis.closed.early_exit=false"
FIRST = [
    *("selection.keep=all", "judging.early_exit=false", ALL_SAMPLES, "training.replay=0"),
    *(ANY_SAMPLE, "prompts.0.limit=1000", "loop.prompts_per_iteration=null"),
]
"""The first recipe, the demo's until 2026-11-27, which many arms change."""
SECOND = ["training.replay=3"]
"""The second one, the demo's until 2026-11-28, which the others change: it replays all earlier iterations."""
FRESH = ["prompts.0.limit=4000", "loop.prompts_per_iteration=1000"]

FURTHER = "model=$runs/further"
"""The base after a second phase of training that taught it to name a phrase, as `replace` needs: `make further-base`."""
HARD = "model=$runs/hard"
"""A base that was never asked to choose between two answers, nor told as a judge what it sees: `make hard-base`."""
JUDGE = "model=$runs/first-recipe-$seed/iteration-4/judge"
"""An arm that starts where the first recipe of the same seed ended. Its iteration 0 is that judge unchanged."""
JUDGE_SECOND = "model=$runs/second-recipe-grouped-$seed/iteration-4/judge"
"""The same of the second recipe, with steps of similar lengths, which judge equally well (docs/experiments.md)."""


def on(domain: str, *measured: str) -> list[str]:
    """Other prompts than the first recipe's, in a domain, measured on plain scenes and there, or in domains of a list."""
    others = [f"{{name: shapes-bench, seed: {BENCHMARK_SEED}, domain: {name}}}" for name in measured or (domain,)]
    plain = f"{{name: shapes-bench, seed: {BENCHMARK_SEED}}}"
    return ["prompts.0.seed=10$seed", f"prompts.0.domain={domain}", f"evaluation.benchmarks=[{', '.join([plain, *others])}]"]


LOOP_ARMS = {
    "first recipe": [],
    "constant rate": CONSTANT,
    "paper's filter": [*CONSTANT, *PAPER],
    "restart": [*CONSTANT, "training.start=restart"],
    "coin labels": [*CONSTANT, COIN],
    "flipped labels": [*CONSTANT, FLIPPED],
    "paper, three times the prompts": [*PAPER, "prompts.0.limit=3000"],
    "paper with evidence": [*PAPER, "selection.evidence=true", "prompts.0.limit=3000"],
    "first recipe without evidence": ["selection.evidence=false"],
    "fresh": FRESH,
    "fresh with replay": [*FRESH, "training.replay=3"],
    "threshold 12": [STRICT_VOTE],
    "threshold 12, typed": [STRICT_VOTE, TYPED],
}
PHOTO_ARMS = {
    "base to photo": on("photo"),
    "judge to photo": [JUDGE, *on("photo")],
    "judge to more plain": [JUDGE, *on("plain", "photo")],
    "judge to photo, coin labels": [JUDGE, *on("photo"), COIN],
    "judge to photo, flipped labels": [JUDGE, *on("photo"), FLIPPED],
    "judge to photo, threshold 12": [JUDGE, *on("photo"), STRICT_VOTE],
    "judge to photo, threshold 12, typed": [JUDGE, *on("photo"), STRICT_VOTE, TYPED],
    "judge to pastel": [JUDGE, *on("pastel")],
    "judge to photo, correct": [JUDGE, *on("photo"), "choose=correct"],
    "judge to photo, as many": [JUDGE, *on("photo"), "choose=equal"],
    "judge to photo, right majority": [JUDGE, *on("photo"), "choose=right majority"],
    "judge to photo, right minority": [JUDGE, *on("photo"), "choose=right minority"],
    "judge to photo, 12 votes, as many": [JUDGE, *on("photo"), "choose=threshold 12"],
}
CHEAPER_ARMS = {
    "pooled": [POOLED],
    "one trace": ["selection.keep=one"],
    "early exit": ["selection.keep=one", "judging.early_exit=true"],
    "early exit, fresh": ["selection.keep=one", "judging.early_exit=true", *FRESH],
    "early exit, fresh with replay": ["selection.keep=one", "judging.early_exit=true", *FRESH, "training.replay=3"],
    "one trace, dpo": ["selection.keep=one", "training.kind=dpo"],
    "labels as verdicts": ["selection.keep=one", "selection.verdicts=labels", "judging.samples=1"],
}
PAIR_ARMS = {
    "further rewrite": [FURTHER],
    "further replace": [FURTHER, *REPLACE],
    "further replace typed": [FURTHER, *REPLACE, TYPED],
    "further replace threshold 12": [FURTHER, *REPLACE, STRICT_VOTE],
}
HARD_ARMS = {
    "hard base": [HARD],
    "hard base, fresh with replay": [HARD, *CHEAPER_ARMS["early exit, fresh with replay"]],
    "hard base, coin labels": [HARD, COIN],
}
OF_FIRST = LOOP_ARMS | CHEAPER_ARMS | PHOTO_ARMS | PAIR_ARMS | HARD_ARMS
"""What an arm changes in the first recipe."""
OF_DEMO = {
    "demo": [],
    "demo, coin labels": [COIN],
    "demo, true labels": ["choose=true labels"],
    "demo, without evidence": ["selection.evidence=false"],
    "demo, flipped labels": [FLIPPED],
}
"""What an arm changes in the demo's recipe."""
FASTER = ["training.replay=1", "training.group_by_length=true", "prompts.0.limit=2800", "loop.prompts_per_iteration=700"]
OF_SECOND = {
    "second recipe": [],
    "second recipe, any sample": [ANY_SAMPLE],
    "second recipe, grouped": ["training.group_by_length=true"],
    "second recipe, closed first": ["loop.open_share=[0, 0.3334]"],
    "second recipe, closed first, then captions": ["loop.open_share=[0, 0.6]", "prompts.0.limit=6000"],
    "second recipe, faster": FASTER,
    "second recipe, dpo": ["training.kind=dpo"],
    **{f"second recipe, {percent} percent of the pairs": [f"choose={percent}"] for percent in (10, 25, 50)},
    "second recipe, coin labels": [COIN],
    "second recipe from the hard base": [HARD],
    "second recipe from the hard base, coin labels": [HARD, COIN],
}
"""What an arm changes in the second recipe; and so do those below."""
SECOND_PHOTO = [JUDGE_SECOND, *on("photo"), ALL_SAMPLES]
SECOND_PASTEL = [JUDGE_SECOND, *on("pastel"), ALL_SAMPLES]
FOURFOLD = ["prompts.0.limit=9600", "loop.prompts_per_iteration=2400"]
WITH_PLAIN = [
    "prompts=[{kind: shapes, domain: pastel, limit: 2400, seed: 10$seed}, {kind: shapes, limit: 800, seed: 20$seed}]",
    "loop.prompts_per_iteration=800",
]
DOMAIN_ARMS = {
    "second recipe to photo": SECOND_PHOTO,
    "second recipe to photo, threshold 12": [*SECOND_PHOTO, STRICT_VOTE],
    "second recipe to photo, threshold 12, four times the prompts": [*SECOND_PHOTO, STRICT_VOTE, *FOURFOLD],
    "second recipe to photo, sure": [*SECOND_PHOTO, "selection.min_probability=0.9"],
    "second recipe to photo, any sample": [*SECOND_PHOTO, ANY_SAMPLE],
    "second recipe to photo, correct": [*SECOND_PHOTO, ANY_SAMPLE, "choose=correct"],
    "second recipe to photo, as many": [*SECOND_PHOTO, ANY_SAMPLE, "choose=equal"],
    "second recipe to photo, right majority": [*SECOND_PHOTO, ANY_SAMPLE, "choose=right majority"],
    "second recipe to photo, right minority": [*SECOND_PHOTO, ANY_SAMPLE, "choose=right minority"],
    "second recipe to photo, 12 votes, as many": [*SECOND_PHOTO, ANY_SAMPLE, "choose=threshold 12"],
    "second recipe to photo, coin labels": [*SECOND_PHOTO, COIN],
    "second recipe to photo, flipped labels": [*SECOND_PHOTO, FLIPPED],
    "second recipe from the base to photo": [*on("photo"), ALL_SAMPLES],
    "second recipe to more plain": [JUDGE_SECOND, *on("plain", "pastel", "photo"), ALL_SAMPLES],
    "second recipe to pastel": SECOND_PASTEL,
    "second recipe to pastel and plain": [*SECOND_PASTEL, *WITH_PLAIN],
    "second recipe to pastel, coin labels": [*SECOND_PASTEL, COIN],
    "second recipe to pastel, both ways": [*SECOND_PASTEL, "choose=both ways"],
}
ARMS = (
    OF_DEMO
    | {name: [*SECOND, *row] for name, row in (OF_SECOND | DOMAIN_ARMS).items()}
    | {name: [*FIRST, *row] for name, row in OF_FIRST.items()}
)
"""Each arm by what it changes in the demo's recipe; `$seed` stands for the run's, `$runs` for the folder of the runs. `choose` is
no setting of a recipe, but what `chosen.py` does.
"""


def stem(arm: str) -> str:
    """An arm's name in those of its folders and summaries."""
    return arm.replace(" ", "-").replace("'", "").replace(",", "")


def run(arm: str, seed: int, jobs: int, keep: Path | None, tried: Sequence[str]) -> None:
    """One run, in a process of its own with its share of the cores."""
    folder = (keep or ROOT / "runs" / "arms") / f"{stem(arm)}-{seed}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    row = [Template(change).substitute(seed=seed, runs=folder.parent) for change in ARMS[arm]]
    changes = [f"seed={seed}", f"prompts.0.seed={seed}", f"evaluation.benchmarks.0.seed={BENCHMARK_SEED}", *row, *tried]
    choice = [change.partition("=")[2] for change in changes if change.startswith("choose=")]
    program = [str(ROOT / "experiments/chosen.py"), "--choose", *choice] if choice else ["-m", "selfjudge", "run"]
    command = [sys.executable, *program, str(ROOT / "src/selfjudge/shapes/demo.yaml"), "--dir", str(folder)]
    command += [word for change in changes if not change.startswith("choose=") for word in ("--set", change)]
    threads = os.environ.get("OMP_NUM_THREADS") or str(max(1, (os.cpu_count() or 1) // jobs))
    with (folder.parent / f"{folder.name}.log").open("a") as log:
        subprocess.run(command, check=True, stdout=log, stderr=log, env={**os.environ, "OMP_NUM_THREADS": threads})
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    summary = {**json.loads((folder / "summary.json").read_text()), "commit": commit, "labels": labels(folder)["iterations"]}
    ((keep or KEPT) / f"{folder.name}.json").write_text(json.dumps(summary, indent=2) + "\n")
    print(f"{folder.name} is done", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3, 4, 5])
    parser.add_argument("--jobs", type=int, default=1, help="runs side by side")
    parser.add_argument("--set", dest="changes", action="append", default=[], metavar="A.B=C")
    parser.add_argument("--keep", type=Path, help="folder of runs that are only tried: nothing goes to docs/runs")
    options = parser.parse_args()
    with ThreadPoolExecutor(options.jobs) as pool:
        runs = [
            pool.submit(run, arm, seed, options.jobs, options.keep, options.changes)
            for seed in options.seeds
            for arm in options.arms
        ]
        for started in runs:
            started.result()


if __name__ == "__main__":
    main()

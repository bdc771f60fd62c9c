"""Verdicts in one token: `python experiments/letters.py --judge RUN [--pairs 1000]`.

The judge of a run is measured on pairs about held-out scenes: by one greedy trace, by the mean over four sampled traces, without
a trace (`Judge.score(..., trace=False)`), and by traces that are cut off after eight or ten tokens, with forced verdicts
(`judging.force_verdict`). Says accuracy by probability (P over both orders, undecided is wrong) and in both orders with 95 %
intervals, seconds and tokens of a pair. Writes letters.json to docs/runs.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from contextlib import closing, nullcontext
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from baselines import held_out

from selfjudge.hub.models import find_model
from selfjudge.method.protocols import STRICT, Protocol
from selfjudge.ports import BenchmarkData, NamedEngine
from selfjudge.recipe.engines import TransformersSettings
from selfjudge.run.cards import judge_of, judging_of
from selfjudge.run.store import Table
from selfjudge.run.tables import JUDGMENTS
from selfjudge.stages.evaluate import ask, figures
from selfjudge.wiring import open_engine

KEPT = Path(__file__).parents[1] / "docs/runs"
CUTS = (8, 10)
"""Tokens. The shortest traces have come to "I see" after eight, and to what they see after ten; others are not so far."""


def ways(template: str) -> Mapping[str, Protocol]:
    greedy = replace(STRICT, template=template).changed(max_tokens=64)
    cut = {f"cut off after {most}, forced": replace(greedy.changed(max_tokens=most), verdict="forced") for most in CUTS}
    return {
        "one trace": greedy,
        "four traces": greedy.changed(samples=4),
        "no trace": replace(greedy, verdict="alone"),
        **cut,
    }


def measured(data: BenchmarkData, model: NamedEngine, protocol: Protocol) -> dict[str, Any]:
    with TemporaryDirectory() as folder:
        table = Table(Path(folder), JUDGMENTS, {"stage": "letters"})
        before = time.perf_counter()
        ask(data.items, table, model=model, protocol=protocol, seed=0, progress=lambda *_: nullcontext(lambda *_: None))
        seconds = time.perf_counter() - before
        rows = list(table.rows())
    found = figures(data.items, rows, protocol)
    each = {name: sum(row[f"{name}_tokens"] for row in rows) / len(data.items) for name in ("prompt", "completion")}
    chance = found["logprob"] or {}
    return {
        "by probability": chance.get("accuracy"),
        "by probability, ci95": chance.get("ci95"),
        **{name: found[name] for name in ("accuracy", "ci95", "pair_accuracy", "pair_ci95", "parse_rate", "first_position_rate")},
        "forced": found.get("forced", 0),
        "seconds of a pair": seconds / len(data.items),
        "tokens of a pair": each,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--judge", required=True, type=Path, help="run folder, as runs/demo; or `shapes`")
    parser.add_argument("--pairs", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--keep", type=Path, default=KEPT, help="folder of the figures; another one for a try")
    options = parser.parse_args()
    data, read_image = held_out(options.pairs, options.seed)
    folder = find_model(str(judge_of(options.judge))).path
    judging = judging_of(folder)
    assert judging is not None
    found: dict[str, Any] = {"judge": options.judge.name, "seed": options.seed, "n": options.pairs}
    with closing(open_engine(TransformersSettings(), folder, read_image)) as engine:
        for name, protocol in ways(judging.template).items():
            found[name] = measured(data, NamedEngine(name="judge", engine=engine), protocol)
            print(name, json.dumps(found[name]), flush=True)
    (options.keep / "letters.json").write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""Deciding by probability: `python experiments/probability.py RUN [RUN ...] [--pairs 1000]`, for runs of the demo's recipe.

Each judge of a run, the base first, judges pairs about held-out scenes greedily in both orders. Said are verdicts per order and
in both, and how often the mean P(better response) over both orders is above 0.5, with its Brier score (0 is perfect, a coin
has 0.25): P as it is read at the verdict, which mostly copies a letter, and where that letter was committed
(`method/verdicts.py`). Writes probability-RUN.json to docs/runs.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

from baselines import held_out

from selfjudge.chat import Completion, Request
from selfjudge.hub.models import embedded_model, find_model
from selfjudge.method.protocols import STRICT, Protocol
from selfjudge.method.verdicts import LETTER, Anchor, probability
from selfjudge.recipe.engines import TransformersSettings
from selfjudge.run.cards import judging_of
from selfjudge.stages.judge import comparison_request
from selfjudge.types import BenchmarkItem, Order
from selfjudge.wiring import open_engine

KEPT = Path(__file__).parents[1] / "docs/runs"
READINGS = {"at the verdict": replace(LETTER, named=None), "where it was committed": LETTER}


def asked(items: Sequence[BenchmarkItem], protocol: Protocol) -> list[Request]:
    return [
        comparison_request(f"{item.pair.id}.{order}", item.pair.comparison(order), protocol, seed=0)
        for item in items
        for order in Order
    ]


def figures(items: Sequence[BenchmarkItem], replies: Mapping[str, Completion], protocol: Protocol) -> dict[str, Any]:
    """What the replies decide; a pair without a probability in both orders counts as 0.5, which is wrong."""
    read = [[(order, replies[f"{item.pair.id}.{order}"]) for order in Order] for item in items]
    right = [[protocol.read(reply.text, reply.finish) is order.chosen for order, reply in pair] for pair in read]

    def chance(pair: Sequence[tuple[Order, Completion]], anchor: Anchor) -> float:
        found = [order.of_chosen(probability(reply, anchor)) for order, reply in pair]
        known = [one for one in found if one is not None]
        return fmean(known) if len(known) == len(found) else 0.5

    by = {name: [chance(pair, anchor) for pair in read] for name, anchor in READINGS.items()}
    return {
        "accuracy": fmean(fmean(pair) for pair in right),
        "pair_accuracy": fmean(all(pair) for pair in right),
        **{name: {"accuracy": fmean(p > 0.5 for p in ps), "brier": fmean((1 - p) ** 2 for p in ps)} for name, ps in by.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, help="run folders, as runs/demo; `shapes`: the base alone")
    parser.add_argument("--pairs", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--keep", type=Path, default=KEPT, help="folder of the figures; another one for a try")
    options = parser.parse_args()
    data, read_image = held_out(options.pairs, options.seed)
    judging = judging_of(embedded_model())
    assert judging is not None
    protocol = replace(STRICT, template=judging.template).changed(max_tokens=48)
    for run in options.runs:
        if run.name != "shapes" and not (run / "recipe.json").exists():
            parser.error(f"{run} is no run folder: it has no recipe.json")
        base = "shapes" if run.name == "shapes" else json.loads((run / "recipe.json").read_text())["model"]
        found = []
        for folder in (find_model(base).path, *sorted(run.glob("iteration-*/judge"))):
            with closing(open_engine(TransformersSettings(), folder, read_image)) as engine:
                replies = {reply.key: reply for reply in engine.generate(asked(data.items, protocol))}
            found.append(figures(data.items, replies, protocol))
            print(run.name, len(found) - 1, json.dumps(found[-1]), flush=True)
        kept = {"run": run.name, "seed": options.seed, "n": options.pairs, "iterations": found}
        (options.keep / f"probability-{run.name}.json").write_text(json.dumps(kept, indent=2) + "\n")


if __name__ == "__main__":
    main()

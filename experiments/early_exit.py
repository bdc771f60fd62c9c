"""What an early exit in judging would have saved in runs without one: `python experiments/early_exit.py RUN [RUN …]`.

Replays the stored judgments of each iteration under `judging.early_exit`, without its tenth of watched pairs, and checks that the
same pairs are kept. Prints a table: kept pairs, and tokens of judging for each, with all replies and with the decisive ones.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from selfjudge.method.selection import Reply, Rule, decisive, is_watched, select
from selfjudge.run.tables import judgment_of, pair_of
from selfjudge.stages.select import judged
from selfjudge.types import Judgment, PreferencePair


def replayed(run: Path, number: int) -> dict[str, Any]:
    """Figures of one iteration."""
    recipe = json.loads((run / "recipe.json").read_text())
    rule = Rule(**recipe["selection"])
    folder, figures = run / f"iteration-{number}", {"kept": 0, "all": 0, "decisive": 0}
    pairs, judgments = (pq.read_table(folder / f"{name}.parquet").to_pylist() for name in ("pairs", "judgments"))
    for pair, replies in judged(map(pair_of, pairs), map(judgment_of, judgments)):
        known = {(reply.order, reply.sample): reply for reply in replies}
        asked = until_decided(pair, known, rule, samples=recipe["judging"]["samples"], seed=recipe["seed"])
        kept = [not isinstance(select(pair, some, replace(rule, keep="one")), str) for some in (replies, asked)]
        assert kept[0] == kept[1], f"{pair.id} is kept in one of two ways only"
        figures["kept"] += kept[0]
        for name, some in (("all", replies), ("decisive", asked)):
            figures[name] += sum(reply.tokens for reply in some)
    return {"run": run.name, "iteration": number, "pairs": len(pairs), **figures}


def until_decided(
    pair: PreferencePair, known: Mapping[Reply, Judgment], rule: Rule, *, samples: int, seed: int
) -> list[Judgment]:
    """The replies that decide about a pair, as if it were not watched."""
    number = next(number for number in range(1000) if not is_watched(f"{pair.id}{'-' * number}"))
    stand_in = replace(pair, id=f"{pair.id}{'-' * number}")
    return [known[reply] for reply in decisive(stand_in, known, rule, samples=samples, seed=seed)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    print("| run | iteration | pairs | kept | tokens a kept pair, all replies | decisive replies |\n|---|---|---|---|---|---|")
    for run in parser.parse_args().runs:
        for number in range(1, 1 + len(list(run.glob("iteration-[1-9]*/judgments.parquet")))):
            row = replayed(run, number)
            a_pair = [f"{row[name] / max(1, row['kept']):.0f}" for name in ("all", "decisive")]
            print(f"| {row['run']} | {number} | {row['pairs']} | {row['kept']} | {a_pair[0]} | {a_pair[1]} |")

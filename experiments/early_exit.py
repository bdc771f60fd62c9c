"""What early exits would have saved in runs without them: `python experiments/early_exit.py RUN [RUN …]`.

Replays the stored judgments of each iteration under `judging.early_exit`, without its tenth of watched pairs, and checks that the
same pairs are kept: tokens of judging for each of these, with all replies and with the decisive ones. Then the stored votes under
`synthesis.closed.early_exit`: samples of a prompt, pairs of whole votes and of those that end early, and how many of these have
another majority. Prints two tables.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import pyarrow.parquet as pq

from selfjudge.method.selection import Reply, Rule, decisive, is_watched, select
from selfjudge.method.voting import Elected, elect, is_decided
from selfjudge.recipe.experiment import ClosedRecipe
from selfjudge.run.tables import judgment_of, pair_of
from selfjudge.stages.select import judged
from selfjudge.stages.synthesize import readable
from selfjudge.types import Judgment, PreferencePair


def judging(run: Path, number: int) -> list[object]:
    """Pairs and kept pairs of one iteration, and tokens of judging a kept pair."""
    recipe = json.loads((run / "recipe.json").read_text())
    rule = Rule(**recipe["selection"])
    kept, tokens = 0, {"all": 0, "decisive": 0}
    pairs, judgments = (pq.read_table(run / f"iteration-{number}/{name}.parquet").to_pylist() for name in ("pairs", "judgments"))
    for pair, replies in judged(map(pair_of, pairs), map(judgment_of, judgments)):
        known = {(reply.order, reply.sample): reply for reply in replies}
        asked = until_decided(pair, known, rule, samples=recipe["judging"]["samples"], seed=recipe["seed"])
        is_kept = [not isinstance(select(pair, some, replace(rule, keep="one")), str) for some in (replies, asked)]
        assert is_kept[0] == is_kept[1], f"{pair.id} is kept in one of two ways only"
        kept += is_kept[0]
        for name, some in (("all", replies), ("decisive", asked)):
            tokens[name] += sum(reply.tokens for reply in some)
    return [len(pairs), kept, *(f"{count / max(1, kept):.0f}" for count in tokens.values())]


def until_decided(
    pair: PreferencePair, known: Mapping[Reply, Judgment], rule: Rule, *, samples: int, seed: int
) -> list[Judgment]:
    """The replies that decide about a pair, as if it were not watched."""
    number = next(number for number in range(1000) if not is_watched(f"{pair.id}{'-' * number}"))
    stand_in = replace(pair, id=f"{pair.id}{'-' * number}")
    return [known[reply] for reply in decisive(stand_in, known, rule, samples=samples, seed=seed)]


def voting(run: Path, number: int) -> list[object]:
    """Votes of one iteration, samples of a prompt, and what came of them."""
    recipe = ClosedRecipe(**json.loads((run / "recipe.json").read_text())["synthesis"]["closed"])
    ends = [turn.stop for turn in recipe.model_copy(update={"early_exit": True}).turns()]
    texts = {row["id"]: row["text"] for row in pq.read_table(run / "prompts/prompts.parquet").to_pylist()}
    rows = pq.read_table(run / f"iteration-{number}/responses.parquet", filters=[("role", "=", "sample")]).to_pylist()
    figures: Counter[str] = Counter()
    for prompt, found in groupby(rows, itemgetter("prompt_id")):
        samples, text, rules = sorted(found, key=itemgetter("sample")), texts[prompt], recipe.election()
        asked = next((end for end in ends if is_decided(readable(samples[:end]), instruction=text, rules=rules)), ends[-1])
        votes = [elect(readable(samples[:end]), instruction=text, rules=rules, rng=random.Random(0)) for end in (ends[-1], asked)]
        whole, early = (vote.vote.majority if isinstance(vote, Elected) else None for vote in votes)
        other = None not in (whole, early) and whole != early
        figures.update(votes=1, samples=asked, whole=whole is not None, early=early is not None, other=other)
    each = f"{figures['samples'] / max(1, figures['votes']):.1f}"
    return [figures["votes"], each, *(figures[name] for name in ("whole", "early", "other"))]


def show(heads: Iterable[str], rows: Iterable[list[object]]) -> None:
    for row in (columns := list(heads), ["---"] * len(columns), *rows):
        print(f"| {' | '.join(map(str, row))} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    folders = [
        (path.parents[1], path.parent.name)
        for run in parser.parse_args().runs
        for path in sorted(run.glob("*/judgments.parquet"))
    ]
    turns = [(run, int(name.rpartition("-")[2])) for run, name in folders if name != "iteration-0"]
    common = ("run", "iteration")
    heads = (*common, "pairs", "kept", "tokens a kept pair, all replies", "decisive replies")
    show(heads, ([run.name, number, *judging(run, number)] for run, number in turns))
    print()
    heads = (*common, "votes", "samples of a prompt", "pairs of whole votes", "of votes that end early", "another majority")
    show(heads, ([run.name, number, *voting(run, number)] for run, number in turns))

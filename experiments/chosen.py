"""A run whose pairs are chosen or labelled with the truth, or fewer of them, or each of them with both labels. The package itself
has no way to do so.

    python experiments/chosen.py RECIPE --dir DIR --choose correct --set A.B=C    as `selfjudge run`; `arms.py` starts it

Captions are the same in every choice of figure 4; only short answers are chosen, among the samples that Stage I drew.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from baselines import check, truths

from selfjudge.loop import run
from selfjudge.method.alteration import flaw
from selfjudge.method.answers import normalise
from selfjudge.recipe.file import load_recipe
from selfjudge.run.folder import RunFolder
from selfjudge.types import Finish, Kind, PreferencePair, Prompt, Vote, content_id, seed_of
from selfjudge.wiring import make_world

BOTH, TRUE = "both ways", "true labels"
Pairs = list[PreferencePair]
Known = dict[str, str]
"""True answers by the id of their prompt."""


def agreed(pair: PreferencePair) -> int:
    """Votes for the majority of a pair that Stage I made."""
    return pair.evidence.counts[0][1] if isinstance(pair.evidence, Vote) else 0


def right(pair: PreferencePair, known: Known) -> bool:
    """Whether the majority was right."""
    return isinstance(pair.evidence, Vote) and pair.evidence.majority == normalise(known[pair.prompt.id], pair.prompt.text)


def some(pairs: Pairs, number: int) -> Pairs:
    """So many pairs, drawn by their ids, in the order in which they were."""
    drawn = set(sorted(content_id("some", pair.id) for pair in pairs)[:number])
    return [pair for pair in pairs if content_id("some", pair.id) in drawn]


def turned(pair: PreferencePair) -> PreferencePair:
    """The same two responses, the other one called the better."""
    return replace(pair, id=content_id("turned", pair.id), chosen=pair.rejected, rejected=pair.chosen)


def corrected(pair: PreferencePair, known: Known) -> Pairs:
    """A pair with the label that is right; none where neither response is."""
    row = {"kind": pair.prompt.kind, "chosen": pair.chosen, "rejected": pair.rejected}
    return {"right": [pair], "reversed": [turned(pair)], "neither": []}[check(row, known[pair.prompt.id])]


def decide(name: str, votes: Pairs, correct: Pairs, known: Known) -> Pairs:
    """What becomes of the pairs that votes made and of those with a right and a wrong sample, which need no majority."""
    rightly = [pair for pair in votes if right(pair, known)]
    told = {pair.prompt.id for pair in rightly}
    return {
        "correct": correct,
        "equal": some(votes, len(correct)),
        "right majority": some(rightly, len(correct)),
        "right minority": [pair for pair in correct if pair.prompt.id not in told],
        "threshold 12": some([pair for pair in votes if agreed(pair) >= 12], len(correct)),
    }[name]


def choose(name: str, known: Known, prompts: Sequence[Prompt], responses: Sequence[dict[str, Any]], pairs: Pairs) -> Pairs:
    """The pairs of an iteration. A name that is a number stands for that percentage of all; with `both ways` no label says
    anything, for each pair is there with either, and only the judge's verdicts decide which is kept.
    With `true labels` each pair has its right label, which is the ceiling at an equal budget.
    """
    if name.isdigit():
        return some(pairs, round(len(pairs) * int(name) / 100))
    if name == BOTH:
        return [*pairs, *map(turned, pairs)]
    if name == TRUE:
        return [one for pair in pairs for one in corrected(pair, known)]
    answers: dict[str, list[str]] = defaultdict(list)
    for row in responses:
        if row["role"] == "sample" and flaw(row["text"], Finish(row["finish"])) is None:
            answers[row["prompt_id"]].append(row["text"])
    made = [correct_pair(prompt, answers[prompt.id], known[prompt.id]) for prompt in prompts if prompt.kind is Kind.CLOSED]
    correct = [pair for pair in made if pair is not None]
    votes = [pair for pair in pairs if pair.prompt.kind is Kind.CLOSED]
    return [pair for pair in pairs if pair.prompt.kind is Kind.OPEN] + decide(name, votes, correct, known)


def correct_pair(prompt: Prompt, answers: Sequence[str], true: str) -> PreferencePair | None:
    """A random right sample against a random wrong one; None where there is no such two."""
    wanted = normalise(true, prompt.text)
    ballots = [(ballot, answer) for answer in answers if (ballot := normalise(answer, prompt.text)) is not None]
    sides = [[one for one in ballots if (one[0] == wanted) is side] for side in (True, False)]
    if wanted is None or not all(sides):
        return None
    rng = random.Random(seed_of("correct", prompt.id, sorted(answers)))
    (_, better), (other, worse) = map(rng.choice, sides)
    counts = tuple(Counter(ballot for ballot, _ in ballots).most_common())
    vote = Vote(counts=counts, majority=wanted, alternative=other)
    identity = PreferencePair.identify(prompt, better, worse)
    return PreferencePair(id=identity, prompt=prompt, chosen=better, rejected=worse, evidence=vote)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument(
        "--choose", required=True, help=f"a percentage of all pairs, {BOTH!r}, {TRUE!r}, or a name that `decide` knows"
    )
    parser.add_argument("--set", dest="changes", action="append", default=[], metavar="A.B=C")
    options = parser.parse_args()
    recipe, folder = load_recipe(options.recipe, options.changes), RunFolder(options.dir)
    known = {} if options.choose.isdigit() or options.choose == BOTH else dict(truths(recipe.prompts[0]))
    world = replace(make_world(recipe, folder), choose=partial(choose, options.choose, known))
    run(recipe, folder, world, progress=lambda *_: nullcontext(lambda *_: None), on_iteration=lambda _: None)


if __name__ == "__main__":
    main()

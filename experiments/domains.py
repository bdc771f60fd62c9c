"""Tables of the arms in other domains, photographs and pastel: a part of `report.py`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean

from arms import DOMAIN_ARMS, PHOTO_ARMS, stem
from claims import by_seed, value
from summaries import PHOTO, PLAIN, Figures, markdown, spread, summaries


def domains() -> str:
    """What the iterations of an arm in another domain change: right in both orders there and on plain scenes, and how right its
    labels are.
    """
    rows = []
    for arm in (*PHOTO_ARMS, *DOMAIN_ARMS):
        if states := summaries(stem(arm)):
            there = list(states[0]["iterations"][0]["benchmarks"])[-1]
            measured = [(there, 0), (there, -1), ("made:open", -1), ("made:closed", -1), ("made", -1), ("kept", -1)]
            before, after, *shares = (spread([value(state, *what) for state in states]) for what in measured)
            gains = [
                spread([value(state, what, -1) - value(state, what, 0) for state in states], "+.3f") for what in (there, PLAIN)
            ]
            kept = spread([fmean(entry["kept"] for entry in state["iterations"][1:]) for state in states], ".0f")
            rows.append((arm, str(len(states)), before, after, *gains, kept, *shares))
    labels = (f"right labels: {which}" for which in ("captions", "short answers", "all", "all that were kept"))
    return markdown(("arm", "seeds", "before", "after", "gain", "gain on plain", "kept pairs", *labels), rows)


def photo_ceiling() -> str:
    """What true traces about photographs teach the base and a judge of the second recipe: right in both orders there."""
    rows = []
    judges = [("a judge of the second recipe", f"judge-ceiling-{traces}-photo") for traces in (500, 2000)]
    for title, name in [("the base", "ceiling-photo"), *judges]:
        if not (runs := summaries(name)):
            continue
        drawn = [sum(round_["traces"] for round_ in run["rounds"]) for run in runs]
        before = [run["before"]["pair_accuracy"] for run in runs if "before" in run]
        after = [run["benchmark"]["pair_accuracy"] for run in runs]
        gained = [end - start for start, end in zip(before, after, strict=bool(before))]
        figures = (spread(values) if values else "–" for values in (before, after, gained))
        learned = [_learned(run["rounds"]) for run in runs]
        rows.append((title, str(len(runs)), _range(drawn), _range(learned), *figures))
    return markdown(("from", "seeds", "true traces drawn", "learned", "before", "after", "gain"), rows)


def _range(values: Sequence[int]) -> str:
    return " to ".join(f"{value:,}" for value in sorted({min(values), max(values)}))


def _learned(rounds: Sequence[Figures]) -> int:
    """The traces of the rounds that `ceiling.py` kept. After one that it discarded the rate is halved."""
    kept = [one for one, later in pairwise(rounds) if later["rate"] == one["rate"]]
    if kept and rounds[-1]["pair_accuracy"] > kept[-1]["pair_accuracy"]:
        kept.append(rounds[-1])
    return sum(one["traces"] for one in kept)


def gap() -> str:
    """How much of what true labels bring on photographs the loop brings, on the seeds that have both."""
    best = {run["seed"]: run["benchmark"]["pair_accuracy"] for run in summaries("ceiling-photo")}
    rows = []
    for arm in ("second recipe to photo", "second recipe to photo, threshold 12"):
        before, after = (by_seed(arm, PHOTO, iteration) for iteration in (0, -1))
        seeds = sorted(best.keys() & after.keys())
        gained, open_ = ([side[seed] - before[seed] for seed in seeds] for side in (after, best))
        shares = [one / other for one, other in zip(gained, open_, strict=True)]
        rows.append((arm, ", ".join(map(str, seeds)), *map(spread, (gained, open_, shares))))
    return markdown(("arm", "seeds", "adapted, less unchanged", "supervised, less unchanged", "share"), rows)

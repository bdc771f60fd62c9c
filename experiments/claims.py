"""What the experiments claim, and whether the summaries in docs/runs show it: one of the tables of `report.py`."""

from __future__ import annotations

import math
from textwrap import fill

from arms import ARMS, stem
from summaries import PHOTO, PLAIN, Figures, markdown, summaries

from selfjudge.method.seeds import Gain, gain

EQUAL, EQUAL_SHARES = 0.02, 0.05
"""Within the first two arms count as equal in a figure, within the second in a share of right labels."""
NO_LOSS = 0.0
"""In place of what is gained at least: no more than EQUAL is lost."""

Side = tuple[str, str, int]
"""An arm, what is measured, and after which iteration."""


def value(state: Figures, what: str, iteration: int) -> float:
    """Right in both orders on a benchmark, or right labels of those `made` or `kept`; after a colon, of a dimension or a kind, or
    right `per order`.
    """
    whole, _, part = what.partition(":")
    if whole in ("made", "kept"):
        counts = [each[kind][whole] for each in state["labels"] for kind in each if part in ("", kind)]
        return sum(count.get("right", 0) for count in counts) / sum(sum(count.values()) for count in counts)
    figures = state["iterations"][iteration]["benchmarks"][whole]
    if part == "per order":
        return float(figures["accuracy"])
    return float((figures["dimensions"][part] if part else figures)["pair_accuracy"])


def over(ours: str, theirs: str, what: str = PLAIN, after: int = -1) -> tuple[Side, Side]:
    """One arm against another, after the same iteration."""
    return (ours, what, after), (theirs, what, after)


def since(arm: str, what: str) -> tuple[Side, Side]:
    """After an arm's last iteration, against the judge that it started from."""
    return (arm, what, -1), (arm, what, 0)


def purer(arm: str, kind: str = "") -> tuple[Side, Side]:
    """Right labels of the pairs that were kept, against those of all pairs, or of a kind."""
    which = f":{kind}" if kind else ""
    return (arm, f"kept{which}", -1), (arm, f"made{which}", -1)


CAPTIONS = "second recipe, closed first, then captions"
AS_MANY = "second recipe to photo, as many"
PASTEL = "shapes-bench-pastel"
CLAIMS: tuple[tuple[str, float, Side, Side], ...] = (
    ("adapts to photo: after, less before", 0.10, *since("judge to photo", PHOTO)),
    ("photo does it: less more plain", 0.05, *over("judge to photo", "judge to more plain", PHOTO)),
    ("keeps plain", NO_LOSS, *since("judge to photo", PLAIN)),
    ("coin labels", 0.10, *since("judge to photo, coin labels", PHOTO)),
    ("flipped labels", -0.10, *since("judge to photo, flipped labels", PHOTO)),
    ("threshold 12 on photo, less 5", 0.02, *over("judge to photo, threshold 12", "judge to photo", PHOTO)),
    ("typed, beside threshold 12", 0.02, *over("judge to photo, threshold 12, typed", "judge to photo, threshold 12", PHOTO)),
    ("Stage II purifies: right labels kept, less made", 0.03, *purer("judge to photo")),
    ("… of short answers", 0.03, *purer("judge to photo", "closed")),
    ("… of captions", 0.03, *purer("judge to photo", "open")),
    ("pastel: attributes", 0.05, *since("judge to pastel", f"{PASTEL}:attribute")),
    ("figure 4: majority, less correct", 0.03, *over("judge to photo, as many", "judge to photo, correct", PHOTO)),
    ("figure 4: right majority, less majority", 0.03, *over("judge to photo, right majority", "judge to photo, as many", PHOTO)),
    ("figure 4: right minority, less majority", 0.03, *over("judge to photo, right minority", "judge to photo, as many", PHOTO)),
    ("figure 4: 12 votes, less majority", 0.03, *over("judge to photo, 12 votes, as many", "judge to photo, as many", PHOTO)),
    ("evidence, three samples", 0.03, *over("first recipe", "first recipe without evidence")),
    ("evidence, one sample", 0.03, *over("paper with evidence", "paper, three times the prompts")),
    ("fresh prompts", 0.02, *over("fresh", "first recipe")),
    ("fresh prompts with replay", 0.02, *over("fresh with replay", "first recipe")),
    ("early exit, fresh, less the first recipe", 0.02, *over("early exit, fresh", "first recipe")),
    ("early exit, fresh with replay, less the first recipe", 0.02, *over("early exit, fresh with replay", "first recipe")),
    ("the judge's own verdicts, less labels in their place", 0.02, *over("one trace", "labels as verdicts")),
    ("the second recipe, less the first", 0.02, *over("second recipe", "first recipe")),
    ("the second recipe, less the same with any sample", 0.02, *over("second recipe", "second recipe, any sample")),
    ("steps of similar lengths, less the second recipe", 0.02, *over("second recipe, grouped", "second recipe")),
    ("pooled rivals, less the first recipe", 0.02, *over("pooled", "first recipe")),
    ("continuing, less restarting, iteration 2", 0.02, *over("constant rate", "restart", after=2)),
    ("continuing, less restarting, iteration 3", 0.02, *over("constant rate", "restart", after=3)),
    ("continuing, less restarting, iteration 4", 0.02, *over("constant rate", "restart", after=4)),
    ("dpo, less learning alone", 0.02, *over("one trace, dpo", "one trace")),
    ("dpo, less learning alone, iteration 1", 0.02, *over("one trace, dpo", "one trace", after=1)),
    (
        "the second recipe from the hard base, less coin labels",
        0.10,
        *over("second recipe from the hard base", "second recipe from the hard base, coin labels"),
    ),
    (
        "… per order",
        0.10,
        *over("second recipe from the hard base", "second recipe from the hard base, coin labels", f"{PLAIN}:per order"),
    ),
    ("the second recipe with dpo, less learning alone", 0.02, *over("second recipe, dpo", "second recipe")),
    ("… after iteration 1", 0.02, *over("second recipe, dpo", "second recipe", after=1)),
    ("faster, less the second recipe", 0.02, *over("second recipe, faster", "second recipe")),
    ("the demo, less true labels", 0.02, *over("demo", "demo, true labels")),
    ("the demo, less the same without evidence", 0.02, *over("demo", "demo, without evidence")),
    ("the demo with flipped labels, per order, less before", -0.30, *since("demo, flipped labels", f"{PLAIN}:per order")),
    ("the demo's recipe, less the first", 0.02, *over("demo", "first recipe")),
    ("the demo's (replay 1), less the second recipe", 0.02, *over("demo", "second recipe")),
    ("closed prompts first, less the second recipe", 0.02, *over("second recipe, closed first", "second recipe")),
    ("… after iteration 1", 0.02, *over("second recipe, closed first", "second recipe", after=1)),
    (
        "… iteration 3, less the second recipe's iteration 4",
        0.02,
        ("second recipe, closed first", PLAIN, 3),
        ("second recipe", PLAIN, 4),
    ),
    (
        "closed first, then captions, less the second recipe",
        0.02,
        *over(CAPTIONS, "second recipe"),
    ),
    (
        "… iteration 3, less the second recipe's iteration 4",
        0.02,
        (CAPTIONS, PLAIN, 3),
        ("second recipe", PLAIN, 4),
    ),
    ("the second recipe adapts to photo: after, less before", 0.10, *since("second recipe to photo", PHOTO)),
    ("… photo does it: less more plain", 0.05, *over("second recipe to photo", "second recipe to more plain", PHOTO)),
    ("… keeps plain", NO_LOSS, *since("second recipe to photo", PLAIN)),
    ("… with right labels, after, less before", 0.10, *since("second recipe to photo, correct", PHOTO)),
    ("… threshold 12, after, less before", 0.10, *since("second recipe to photo, threshold 12", PHOTO)),
    ("… threshold 12, less 5", 0.02, *over("second recipe to photo, threshold 12", "second recipe to photo", PHOTO)),
    ("… pooled rivals, less any sample", 0.02, *over("second recipe to photo", "second recipe to photo, any sample", PHOTO)),
    ("… less from the base", 0.05, *over("second recipe to photo", "second recipe from the base to photo", PHOTO)),
    ("… coin labels", 0.10, *since("second recipe to photo, coin labels", PHOTO)),
    ("… flipped labels", -0.10, *since("second recipe to photo, flipped labels", PHOTO)),
    ("… Stage II purifies: right labels kept, less made", 0.03, *purer("second recipe to photo")),
    ("… of short answers", 0.03, *purer("second recipe to photo", "closed")),
    ("… of captions", 0.03, *purer("second recipe to photo", "open")),
    ("… on plain scenes, the demo", 0.03, *purer("demo")),
    ("… sure of its verdicts, less any", 0.02, *over("second recipe to photo, sure", "second recipe to photo", PHOTO)),
    ("… sure: right labels kept, less made", 0.03, *purer("second recipe to photo, sure")),
    (
        "… threshold 12, four times the prompts, after, less before",
        0.10,
        *since("second recipe to photo, threshold 12, four times the prompts", PHOTO),
    ),
    ("the second recipe adapts to pastel: after, less before", 0.10, *since("second recipe to pastel", PASTEL)),
    ("… pastel does it: less more plain", 0.05, *over("second recipe to pastel", "second recipe to more plain", PASTEL)),
    ("… more plain, after, less before", 0.05, *since("second recipe to more plain", PASTEL)),
    ("… by half of that", 0.05, *since("second recipe to pastel", PASTEL)),
    ("… captions", 0.05, *since("second recipe to pastel", f"{PASTEL}:caption")),
    ("… attributes", 0.05, *since("second recipe to pastel", f"{PASTEL}:attribute")),
    ("… keeps plain", NO_LOSS, *since("second recipe to pastel", PLAIN)),
    ("… Stage II purifies: right labels kept, less made", 0.03, *purer("second recipe to pastel")),
    ("… with plain prompts, less without", 0.02, *over("second recipe to pastel and plain", "second recipe to pastel", PASTEL)),
    ("… with plain prompts, after, less before", 0.10, *since("second recipe to pastel and plain", PASTEL)),
    ("… with plain prompts, less without, on plain", 0.02, *over("second recipe to pastel and plain", "second recipe to pastel")),
    ("… with plain prompts, keeps plain", NO_LOSS, *since("second recipe to pastel and plain", PLAIN)),
    ("… less coin labels", 0.05, *over("second recipe to pastel", "second recipe to pastel, coin labels", PASTEL)),
    ("… coin labels", 0.05, *since("second recipe to pastel, coin labels", PASTEL)),
    ("… less both ways", 0.02, *over("second recipe to pastel", "second recipe to pastel, both ways", PASTEL)),
    ("… both ways", 0.05, *since("second recipe to pastel, both ways", PASTEL)),
    ("… both ways, keeps plain", NO_LOSS, *since("second recipe to pastel, both ways", PLAIN)),
    ("figure 4, the second recipe: majority, less correct", 0.03, *over(AS_MANY, "second recipe to photo, correct", PHOTO)),
    ("… right majority, less majority", 0.03, *over("second recipe to photo, right majority", AS_MANY, PHOTO)),
    ("… right minority, less majority", 0.03, *over("second recipe to photo, right minority", AS_MANY, PHOTO)),
    ("… 12 votes, less majority", 0.03, *over("second recipe to photo, 12 votes, as many", AS_MANY, PHOTO)),
    ("hard base, less coin labels", 0.10, *over("hard base", "hard base, coin labels")),
    ("hard base: fresh with replay", 0.02, *over("hard base, fresh with replay", "hard base")),
    ("threshold 12", 0.02, *over("threshold 12", "first recipe")),
    ("replace, less rewrite", 0.02, *over("further replace", "further rewrite")),
    ("replace: typed, less any sample", 0.02, *over("further replace typed", "further replace")),
    ("replace: threshold 12, less 5", 0.02, *over("further replace threshold 12", "further replace")),
    ("typed, beside threshold 12, on plain", 0.02, *over("threshold 12, typed", "threshold 12")),
)
"""What is claimed, by how much at least, of what and against what (docs/experiments.md); negative where a loss is meant."""


def by_seed(arm: str, what: str, after: int) -> dict[int, float]:
    """The value of an arm in each of its runs."""
    return {state["seed"]: value(state, what, after) for state in summaries(stem(arm))}


def claims() -> str:
    """Each claim by its gain, paired by seed, and the arms that did not run."""
    rows = []
    for claim, least, *sides in CLAIMS:
        ours, theirs = (by_seed(*side) for side in sides)
        seeds = sorted(ours.keys() & theirs.keys())
        if not seeds:
            continue
        found = gain([theirs[seed] for seed in seeds], [ours[seed] for seed in seeds])
        half = "" if found.margin is None else f" ± {found.margin:.3f}"
        equal = EQUAL_SHARES if sides[0][1].startswith(("made", "kept")) else EQUAL
        figures = (f"{found.mean:+.3f}{half}", _number(found.p), _number(found.equal_within), _shown(found, least, equal))
        rows.append((claim, f"{least:+.2f}" if least else f"{-EQUAL:+.2f}", str(found.n), *figures))
    head = ("claim", "at least", "seeds", "gain", "p", "equal within", "")
    absent = "; ".join(f"*{arm}*" for arm in ARMS if not summaries(stem(arm)))
    return markdown(head, rows) + "\n\n" + fill(f"Arms that did not run: {absent}.", 120, break_on_hyphens=False)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _shown(found: Gain, least: float, equal: float = EQUAL) -> str:
    """Shown where the interval lies off 0 and the mean is at least the margin; with NO_LOSS, where the 90 % interval lies above
    -EQUAL. Equal by two one-sided tests.
    """
    if found.margin is None or found.equal_within is None:
        return "too few seeds"
    if least == NO_LOSS:
        half = found.equal_within - abs(found.mean)
        return "shown" if found.mean - half > -EQUAL else "not shown"
    toward = math.copysign(1, least) * found.mean
    if toward >= abs(least) and toward > found.margin:
        return "shown"
    return "equal" if found.equal_within < equal else "not shown"

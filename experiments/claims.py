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


UNCHANGED, ADAPTED, AS_MANY = ("judge to photo", PHOTO, 0), ("judge to photo", PHOTO, -1), ("judge to photo, as many", PHOTO, -1)
CORRECT_TODAY = ("second recipe to photo, correct", PHOTO, -1)
THRESHOLD_TODAY = ("second recipe to photo, threshold 12", PHOTO, -1)
SURE = ("second recipe to photo, sure", PHOTO, -1)
CAPTIONS = "second recipe, closed first, then captions"
FOURFOLD = "second recipe to photo, threshold 12, four times the prompts"
TO_PASTEL, MIXED, PASTEL_COIN = (
    "second recipe to pastel",
    "second recipe to pastel and plain",
    "second recipe to pastel, coin labels",
)
PASTEL = "shapes-bench-pastel"
PASTEL_ATTRIBUTES = f"{PASTEL}:attribute"
CLAIMS: tuple[tuple[str, float, Side, Side], ...] = (
    ("adapts to photo: after, less before", 0.10, ADAPTED, UNCHANGED),
    ("photo does it: less more plain", 0.05, ADAPTED, ("judge to more plain", PHOTO, -1)),
    ("keeps plain", NO_LOSS, ("judge to photo", PLAIN, -1), ("judge to photo", PLAIN, 0)),
    ("coin labels", 0.10, ("judge to photo, coin labels", PHOTO, -1), ("judge to photo, coin labels", PHOTO, 0)),
    ("flipped labels", -0.10, ("judge to photo, flipped labels", PHOTO, -1), ("judge to photo, flipped labels", PHOTO, 0)),
    ("threshold 12 on photo, less 5", 0.02, ("judge to photo, threshold 12", PHOTO, -1), ADAPTED),
    (
        "typed, beside threshold 12",
        0.02,
        ("judge to photo, threshold 12, typed", PHOTO, -1),
        ("judge to photo, threshold 12", PHOTO, -1),
    ),
    ("Stage II purifies: right labels kept, less made", 0.03, ("judge to photo", "kept", -1), ("judge to photo", "made", -1)),
    ("… of short answers", 0.03, ("judge to photo", "kept:closed", -1), ("judge to photo", "made:closed", -1)),
    ("… of captions", 0.03, ("judge to photo", "kept:open", -1), ("judge to photo", "made:open", -1)),
    ("pastel: attributes", 0.05, ("judge to pastel", PASTEL_ATTRIBUTES, -1), ("judge to pastel", PASTEL_ATTRIBUTES, 0)),
    ("figure 4: majority, less correct", 0.03, AS_MANY, ("judge to photo, correct", PHOTO, -1)),
    ("figure 4: right majority, less majority", 0.03, ("judge to photo, right majority", PHOTO, -1), AS_MANY),
    ("figure 4: right minority, less majority", 0.03, ("judge to photo, right minority", PHOTO, -1), AS_MANY),
    ("figure 4: 12 votes, less majority", 0.03, ("judge to photo, 12 votes, as many", PHOTO, -1), AS_MANY),
    ("evidence, three samples", 0.03, ("first recipe", PLAIN, -1), ("demo without evidence", PLAIN, -1)),
    ("evidence, one sample", 0.03, ("paper with evidence", PLAIN, -1), ("paper, three times the prompts", PLAIN, -1)),
    ("fresh prompts", 0.02, ("fresh", PLAIN, -1), ("first recipe", PLAIN, -1)),
    ("fresh prompts with replay", 0.02, ("fresh with replay", PLAIN, -1), ("first recipe", PLAIN, -1)),
    ("early exit, fresh, less the first recipe", 0.02, ("early exit, fresh", PLAIN, -1), ("first recipe", PLAIN, -1)),
    (
        "early exit, fresh with replay, less the first recipe",
        0.02,
        ("early exit, fresh with replay", PLAIN, -1),
        ("first recipe", PLAIN, -1),
    ),
    ("the judge's own verdicts, less labels in their place", 0.02, ("one trace", PLAIN, -1), ("labels as verdicts", PLAIN, -1)),
    ("the second recipe, less the first", 0.02, ("second recipe", PLAIN, -1), ("first recipe", PLAIN, -1)),
    (
        "the second recipe, less the same with any sample",
        0.02,
        ("second recipe", PLAIN, -1),
        ("second recipe, any sample", PLAIN, -1),
    ),
    (
        "steps of similar lengths, less the second recipe",
        0.02,
        ("second recipe, grouped", PLAIN, -1),
        ("second recipe", PLAIN, -1),
    ),
    ("pooled rivals, less the first recipe", 0.02, ("pooled", PLAIN, -1), ("first recipe", PLAIN, -1)),
    *(
        (f"continuing, less restarting, iteration {after}", 0.02, ("constant rate", PLAIN, after), ("restart", PLAIN, after))
        for after in (2, 3, 4)
    ),
    ("dpo, less learning alone", 0.02, ("one trace, dpo", PLAIN, -1), ("one trace", PLAIN, -1)),
    ("dpo, less learning alone, iteration 1", 0.02, ("one trace, dpo", PLAIN, 1), ("one trace", PLAIN, 1)),
    (
        "the second recipe from the hard base, less coin labels",
        0.10,
        ("second recipe from the hard base", PLAIN, -1),
        ("second recipe from the hard base, coin labels", PLAIN, -1),
    ),
    (
        "… per order",
        0.10,
        ("second recipe from the hard base", f"{PLAIN}:per order", -1),
        ("second recipe from the hard base, coin labels", f"{PLAIN}:per order", -1),
    ),
    ("the second recipe with dpo, less learning alone", 0.02, ("second recipe, dpo", PLAIN, -1), ("second recipe", PLAIN, -1)),
    ("… after iteration 1", 0.02, ("second recipe, dpo", PLAIN, 1), ("second recipe", PLAIN, 1)),
    ("faster, less the second recipe", 0.02, ("second recipe, faster", PLAIN, -1), ("second recipe", PLAIN, -1)),
    ("the demo's recipe, less the first", 0.02, ("demo", PLAIN, -1), ("first recipe", PLAIN, -1)),
    ("the demo's (replay 1), less the second recipe", 0.02, ("demo", PLAIN, -1), ("second recipe", PLAIN, -1)),
    (
        "closed prompts first, less the second recipe",
        0.02,
        ("second recipe, closed first", PLAIN, -1),
        ("second recipe", PLAIN, -1),
    ),
    ("… after iteration 1", 0.02, ("second recipe, closed first", PLAIN, 1), ("second recipe", PLAIN, 1)),
    (
        "… iteration 3, less the second recipe's iteration 4",
        0.02,
        ("second recipe, closed first", PLAIN, 3),
        ("second recipe", PLAIN, 4),
    ),
    ("closed first, then captions, less the second recipe", 0.02, (CAPTIONS, PLAIN, -1), ("second recipe", PLAIN, -1)),
    ("… iteration 3, less the second recipe's iteration 4", 0.02, (CAPTIONS, PLAIN, 3), ("second recipe", PLAIN, 4)),
    (
        "the second recipe adapts to photo: after, less before",
        0.10,
        ("second recipe to photo", PHOTO, -1),
        ("second recipe to photo", PHOTO, 0),
    ),
    ("… photo does it: less more plain", 0.05, ("second recipe to photo", PHOTO, -1), ("second recipe to more plain", PHOTO, -1)),
    ("… keeps plain", NO_LOSS, ("second recipe to photo", PLAIN, -1), ("second recipe to photo", PLAIN, 0)),
    ("… with right labels, after, less before", 0.10, CORRECT_TODAY, ("second recipe to photo, correct", PHOTO, 0)),
    ("… threshold 12, after, less before", 0.10, THRESHOLD_TODAY, ("second recipe to photo, threshold 12", PHOTO, 0)),
    ("… threshold 12, less 5", 0.02, THRESHOLD_TODAY, ("second recipe to photo", PHOTO, -1)),
    (
        "… pooled rivals, less any sample",
        0.02,
        ("second recipe to photo", PHOTO, -1),
        ("second recipe to photo, any sample", PHOTO, -1),
    ),
    (
        "… Stage II purifies: right labels kept, less made",
        0.03,
        ("second recipe to photo", "kept", -1),
        ("second recipe to photo", "made", -1),
    ),
    ("… of short answers", 0.03, ("second recipe to photo", "kept:closed", -1), ("second recipe to photo", "made:closed", -1)),
    ("… of captions", 0.03, ("second recipe to photo", "kept:open", -1), ("second recipe to photo", "made:open", -1)),
    ("… on plain scenes, the demo", 0.03, ("demo", "kept", -1), ("demo", "made", -1)),
    ("… sure of its verdicts, less any", 0.02, SURE, ("second recipe to photo", PHOTO, -1)),
    (
        "… sure: right labels kept, less made",
        0.03,
        ("second recipe to photo, sure", "kept", -1),
        ("second recipe to photo, sure", "made", -1),
    ),
    ("… threshold 12, four times the prompts, after, less before", 0.10, (FOURFOLD, PHOTO, -1), (FOURFOLD, PHOTO, 0)),
    ("the second recipe adapts to pastel: after, less before", 0.10, (TO_PASTEL, PASTEL, -1), (TO_PASTEL, PASTEL, 0)),
    ("… pastel does it: less more plain", 0.05, (TO_PASTEL, PASTEL, -1), ("second recipe to more plain", PASTEL, -1)),
    ("… by half of that", 0.05, (TO_PASTEL, PASTEL, -1), (TO_PASTEL, PASTEL, 0)),
    ("… captions", 0.05, (TO_PASTEL, f"{PASTEL}:caption", -1), (TO_PASTEL, f"{PASTEL}:caption", 0)),
    ("… attributes", 0.05, (TO_PASTEL, PASTEL_ATTRIBUTES, -1), (TO_PASTEL, PASTEL_ATTRIBUTES, 0)),
    ("… keeps plain", NO_LOSS, (TO_PASTEL, PLAIN, -1), (TO_PASTEL, PLAIN, 0)),
    ("… Stage II purifies: right labels kept, less made", 0.03, (TO_PASTEL, "kept", -1), (TO_PASTEL, "made", -1)),
    ("… with plain prompts, less without", 0.02, (MIXED, PASTEL, -1), (TO_PASTEL, PASTEL, -1)),
    ("… with plain prompts, after, less before", 0.10, (MIXED, PASTEL, -1), (MIXED, PASTEL, 0)),
    ("… with plain prompts, less without, on plain", 0.02, (MIXED, PLAIN, -1), (TO_PASTEL, PLAIN, -1)),
    ("… with plain prompts, keeps plain", NO_LOSS, (MIXED, PLAIN, -1), (MIXED, PLAIN, 0)),
    ("… less coin labels", 0.05, (TO_PASTEL, PASTEL, -1), (PASTEL_COIN, PASTEL, -1)),
    ("… coin labels", 0.05, (PASTEL_COIN, PASTEL, -1), (PASTEL_COIN, PASTEL, 0)),
    (
        "figure 4, the second recipe: majority, less correct",
        0.03,
        ("second recipe to photo, as many", PHOTO, -1),
        CORRECT_TODAY,
    ),
    ("hard base, less coin labels", 0.10, ("hard base", PLAIN, -1), ("hard base, coin labels", PLAIN, -1)),
    ("hard base: fresh with replay", 0.02, ("hard base, fresh with replay", PLAIN, -1), ("hard base", PLAIN, -1)),
    ("threshold 12", 0.02, ("threshold 12", PLAIN, -1), ("first recipe", PLAIN, -1)),
    ("replace, less rewrite", 0.02, ("further replace", PLAIN, -1), ("further rewrite", PLAIN, -1)),
    ("replace: typed, less any sample", 0.02, ("further replace typed", PLAIN, -1), ("further replace", PLAIN, -1)),
    ("replace: threshold 12, less 5", 0.02, ("further replace threshold 12", PLAIN, -1), ("further replace", PLAIN, -1)),
    ("typed, beside threshold 12, on plain", 0.02, ("threshold 12, typed", PLAIN, -1), ("threshold 12", PLAIN, -1)),
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

"""The tables of README.md and the docs, and the figures in docs/figures, from the summaries in docs/runs.

    python experiments/report.py           write them, tables between `<!-- report: NAME -->` and `<!-- end -->`
    python experiments/report.py --check   write nothing, and exit with 1 where a page is out of date

A cell is the mean over seeds ± half of its 95 % t-interval. Seed 0 is left out: the recipe was chosen on it.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from itertools import accumulate
from statistics import fmean

from arms import ARMS, CHEAPER_ARMS, KEPT, LOOP_ARMS, OF_DEMO, PAIR_ARMS, PHOTO_ARMS, ROOT, stem
from lora import ARMS as TRAINED
from summaries import (
    EARLIER,
    HEADLINE,
    MEASURES,
    PHOTO,
    PLAIN,
    Figures,
    Measure,
    at,
    baselines,
    by_iteration,
    cells,
    iterations,
    markdown,
    overall,
    spread,
    summaries,
    within,
)

from selfjudge.method.seeds import Gain, gain
from selfjudge.report.tally import per_kept_pair

PAGES = ("README.md", "docs/results.md", "docs/experiments.md", "docs/training.md")
EQUAL = 0.02
"""Within this two arms count as equal."""


def demo() -> str:
    """The demo between what it has to beat and what it could reach."""
    last, coin = at("demo", -1), at("demo, coin labels", -1)
    rows = [("a coin", "0.5", "0.25", "0.25")]
    rows += [(title, *cells([figures], *HEADLINE)) for title, figures in baselines().items()]
    rows += [("**the demo's recipe, iteration 4**", *(f"**{cell}**" for cell in cells(last, *HEADLINE)))]
    rows += [(f"the same with random labels ({len(coin)} runs)", *cells(coin, *HEADLINE))]
    rows += [("supervised ceiling: true labels", *cells([state["benchmark"] for state in summaries("ceiling")], *HEADLINE))]
    return markdown(("", "per order", "in both orders", "short answers, in both orders"), rows)


def arms() -> str:
    """Each measure of each arm by iteration."""
    run = [EARLIER, *(arm for arm in LOOP_ARMS if arm != "first recipe" and summaries(stem(arm)))]
    parts = [f"**{title}**\n\n" + by_iteration([(arm, arm, overall(name)) for arm in run]) for name, title in MEASURES.items()]
    return "\n\n".join(parts)


def ceiling() -> str:
    """The demo's last iteration beside what `experiments/ceiling.py` reached with true labels."""
    rows = []
    for name in ("accuracy", "pair_accuracy"):
        ours = [figures[name] for figures in at("demo", -1)]
        best = [state["benchmark"][name] for state in summaries("ceiling")]
        rows.append((MEASURES[name], spread(ours), spread(best), f"{fmean(ours) / fmean(best):.3f}"))
    return markdown(("", "demo", "ceiling", "share"), rows)


def dimensions() -> str:
    """The demo's dimensions by iteration."""
    names = at("demo", 0)[0]["dimensions"]
    return by_iteration([(name, "demo", within(name, "accuracy")) for name in names])


def counting() -> str:
    """Counting by iteration, for the arms in which it was learned."""
    rows = [(arm, measure) for measure in ("accuracy", "pair_accuracy") for arm in (EARLIER, "constant rate", "restart")]
    return by_iteration([(f"{arm}, {MEASURES[measure]}", arm, within("count", measure)) for arm, measure in rows])


def coin() -> str:
    """Each run with random labels after its last iteration."""
    measures = {
        "per order": overall("accuracy"),
        "in both orders": overall("pair_accuracy"),
        "consistent": overall("consistency"),
        "count, per order": within("count", "accuracy"),
        "count, in both orders": within("count", "pair_accuracy"),
        "attribute, per order": within("attribute", "accuracy"),
    }
    states = zip(summaries(stem("coin labels")), at("coin labels", -1), strict=True)
    return markdown(("seed", *measures), [(str(state["seed"]), *cells([last], *measures.values())) for state, last in states])


def traces() -> str:
    """What two arms have after how many traces, all iterations so far together."""
    rows = []
    for arm in ("paper's filter", "constant rate"):
        runs = [accumulate(entry["traces"] or 0 for entry in state["iterations"]) for state in summaries(stem(arm))]
        for number, so_far in list(enumerate(zip(*runs, strict=True)))[1:]:
            figures = cells(at(arm, number), overall("accuracy"), overall("pair_accuracy"))
            rows.append((arm, str(number), f"{fmean(so_far):,.0f}", *figures))
    return markdown(("arm", "iteration", "traces so far", "per order", "in both orders"), rows)


def ways() -> str:
    """Right in both orders by dimension, for each way to ask the base."""
    return _ways("base", "demo", "the demo's recipe, iteration 4")


def hard_ways() -> str:
    """The same of the harder base."""
    return _ways("hard", "demo from the hard base", "the demo's recipe from it, iteration 4")


def _ways(base: str, arm: str, title: str) -> str:
    asked = baselines(base)
    names = next(iter(asked.values()))["dimensions"]
    measures = [within(name, "pair_accuracy") for name in names]
    rows = [(way, *cells([figures], *measures)) for way, figures in asked.items()]
    rows += [(title, *cells(at(arm, -1), *measures))] if summaries(stem(arm)) else []
    return markdown(("right in both orders", *names), rows)


def labels() -> str:
    """The share of right labels among the pairs that a demo run made, and among those that it kept."""
    run = json.loads((KEPT / "baselines-labels.json").read_text())
    groups = [("open",), ("closed",), ("open", "closed")]
    rows = []
    for number, counts in enumerate(run["iterations"], 1):
        pairs = [[counts[kind][which] for kind in group] for group in groups for which in ("made", "kept")]
        rows.append((str(number), *map(_right, pairs)))
    names = ("captions", "short answers", "all")
    return markdown(("iteration", *(f"{name}, {which}" for name in names for which in ("made", "kept"))), rows)


def _right(parts: Sequence[dict[str, int]]) -> str:
    number = sum(sum(part.values()) for part in parts)
    return f"{sum(part.get('right', 0) for part in parts) / number:.3f} of {number}" if number else "–"


def lora() -> str:
    """The last judges of `experiments/lora.py`."""
    rows = []
    for arm in TRAINED:
        if kept := summaries(f"training-{arm}"):
            last = [state["figures"][-1] for state in kept]
            peaks = [state["peak_mib"] for state in kept]
            seeds = ", ".join(str(state["seed"]) for state in kept)
            figures = cells(last, overall("accuracy"), overall("pair_accuracy"))
            rows.append((arm, seeds, *figures, " to ".join(f"{peak:,}" for peak in sorted({min(peaks), max(peaks)}))))
    return markdown(("arm", "seeds", "per order", "in both orders", "peak MiB"), rows)


def photo() -> str:
    """The arms on another domain: right in both orders before and after, there and on plain scenes, and how right labels were."""
    rows = []
    for arm in PHOTO_ARMS:
        if states := summaries(stem(arm)):
            domain = list(states[0]["iterations"][0]["benchmarks"])[-1]
            measured = [(domain, 0), (domain, -1), (PLAIN, 0), (PLAIN, -1)]
            columns = [*measured, ("made", -1), ("kept", -1)]
            figures = [spread([value(state, what, after) for state in states]) for what, after in columns]
            rows.append((arm, str(len(states)), *figures))
    head = ("arm", "seeds", "before", "after", "plain, before", "plain, after", "right labels, made", "kept")
    return markdown(head, rows or [("no run is finished yet", *["–"] * 7)])


def pairs() -> str:
    """The arms on how pairs are made: right in both orders by iteration, pairs, right labels, and what a kept pair costs."""
    rows = []
    for arm in PAIR_ARMS:
        if states := summaries(stem(arm)):
            both = [cells(at(arm, number), overall("pair_accuracy"))[0] for number in iterations(arm)]
            made = spread([fmean(entry["pairs"] for entry in state["iterations"][1:]) for state in states], ".0f")
            right = spread([value(state, "made", -1) for state in states])
            tokens = spread([found[1] for state in states if (found := per_kept_pair(state))], ".0f")
            rows.append((arm, str(len(states)), *both, made, right, tokens))
    numbers = (f"iteration {number}" for number in range(5))
    return markdown(("arm", "seeds", *numbers, "pairs an iteration", "right labels", "written tokens per kept pair"), rows)


def cheaper() -> str:
    """The first recipe, and arms that cost less."""
    return _costs("first recipe", *CHEAPER_ARMS)


def recipe() -> str:
    """The demo's recipe, what it replaced, what differs between them, and the paper's."""
    return _costs(*(arm for arm in OF_DEMO if "hard" not in arm), "first recipe", "pooled", "paper's filter")


def hard() -> str:
    """The two recipes from the shipped base, and arms from the harder one."""
    return _costs("first recipe", "demo", *(arm for arm in ARMS if "hard base" in arm))


def _costs(*arms: str) -> str:
    """Right in both orders by iteration, and tokens that judging writes for a kept pair."""
    rows = []
    for arm in arms:
        if states := summaries(stem(arm)):
            both = [cells(at(arm, number), overall("pair_accuracy"))[0] for number in iterations(arm)]
            made = [state["iterations"][1:] for state in states]
            kept = spread([fmean(entry["kept"] for entry in entries) for entries in made], ".0f")
            judged = [
                sum(e["tokens"]["judge"]["completion"] for e in entries) / sum(e["kept"] for e in entries) for entries in made
            ]
            learned = spread([sum(entry["training"]["examples"] for entry in entries) for entries in made], ",.0f")
            written = [found[1] for state in states if (found := per_kept_pair(state))]
            rows.append((arm, str(len(states)), *both, kept, learned, spread(judged, ".0f"), spread(written, ".0f")))
    numbers = (f"iteration {number}" for number in range(5))
    return markdown(
        ("arm", "seeds", *numbers, "kept pairs", "examples in all", "judging tokens per kept pair", "all written tokens"), rows
    )


def probability() -> str:
    """What greedy verdicts decide, beside the mean probability of the chosen response over both orders."""
    ways: dict[str, Measure] = {
        "verdicts, per order": overall("accuracy"),
        "verdicts, in both orders": overall("pair_accuracy"),
        "by probability": lambda figures: figures["logprob"]["accuracy"],
    }
    return by_iteration([(f"{arm}: {way}", arm, ways[way]) for arm in ("first recipe", "demo") for way in ways])


Side = tuple[str, str, int]
"""An arm, what is measured, and after which iteration."""


def value(state: Figures, what: str, iteration: int) -> float:
    """Right in both orders on a benchmark, or right labels of those `made` or `kept`; after a colon, of a dimension or a kind."""
    whole, _, part = what.partition(":")
    if whole in ("made", "kept"):
        counts = [each[kind][whole] for each in state["labels"] for kind in each if part in ("", kind)]
        return sum(count.get("right", 0) for count in counts) / sum(sum(count.values()) for count in counts)
    figures = state["iterations"][iteration]["benchmarks"][whole]
    return float((figures["dimensions"][part] if part else figures)["pair_accuracy"])


UNCHANGED, ADAPTED, AS_MANY = ("judge to photo", PHOTO, 0), ("judge to photo", PHOTO, -1), ("judge to photo, as many", PHOTO, -1)
PASTEL = "shapes-bench-pastel:attribute"
CLAIMS: tuple[tuple[str, float, Side, Side], ...] = (
    ("adapts to photo: after, less before", 0.10, ADAPTED, UNCHANGED),
    ("photo does it: less more plain", 0.05, ADAPTED, ("judge to more plain", PHOTO, -1)),
    ("forgets plain", -0.02, ("judge to photo", PLAIN, -1), ("judge to photo", PLAIN, 0)),
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
    ("pastel: attributes", 0.05, ("judge to pastel", PASTEL, -1), ("judge to pastel", PASTEL, 0)),
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
    ("the demo's recipe, less the first", 0.02, ("demo", PLAIN, -1), ("first recipe", PLAIN, -1)),
    ("the demo's recipe, less the same with any sample", 0.02, ("demo", PLAIN, -1), ("demo, any sample", PLAIN, -1)),
    ("steps of similar lengths, less the demo's recipe", 0.02, ("demo, grouped", PLAIN, -1), ("demo", PLAIN, -1)),
    ("pooled rivals, less the first recipe", 0.02, ("pooled", PLAIN, -1), ("first recipe", PLAIN, -1)),
    ("dpo, less learning alone", 0.02, ("one trace, dpo", PLAIN, -1), ("one trace", PLAIN, -1)),
    ("dpo, less learning alone, iteration 1", 0.02, ("one trace, dpo", PLAIN, 1), ("one trace", PLAIN, 1)),
    (
        "the demo's recipe from the hard base, less coin labels",
        0.10,
        ("demo from the hard base", PLAIN, -1),
        ("demo from the hard base, coin labels", PLAIN, -1),
    ),
    ("the demo's recipe with dpo, less learning alone", 0.02, ("demo, dpo", PLAIN, -1), ("demo", PLAIN, -1)),
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
    """The value of an arm in each of its runs; those that were made before their labels were counted are left out."""
    return {state["seed"]: value(state, what, after) for state in summaries(stem(arm)) if "labels" in state}


def claims() -> str:
    """Each claim by its gain, paired by seed."""
    rows = []
    for claim, least, *sides in CLAIMS:
        ours, theirs = (by_seed(*side) for side in sides)
        seeds = sorted(ours.keys() & theirs.keys())
        if not seeds:
            continue
        found = gain([theirs[seed] for seed in seeds], [ours[seed] for seed in seeds])
        half = "" if found.margin is None else f" ± {found.margin:.3f}"
        figures = (f"{found.mean:+.3f}{half}", _number(found.p), _number(found.equal_within), _shown(found, least))
        rows.append((claim, f"{least:+.2f}", str(found.n), *figures))
    head = ("claim", "at least", "seeds", "gain", "p", "equal within", "")
    return markdown(head, rows or [("no run is finished yet", *["–"] * 6)])


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _shown(found: Gain, least: float) -> str:
    """Shown where the interval lies off 0 and the mean is at least the margin; equal by two one-sided tests within 0.02."""
    toward = math.copysign(1, least) * found.mean
    if found.margin is None:
        return "too few seeds"
    if toward >= abs(least) and toward > found.margin:
        return "shown"
    return "equal" if found.equal_within is not None and found.equal_within < EQUAL else "not shown"


SECTIONS = (
    demo,
    arms,
    ceiling,
    dimensions,
    counting,
    coin,
    traces,
    ways,
    labels,
    lora,
    photo,
    pairs,
    recipe,
    cheaper,
    hard_ways,
    hard,
    probability,
    claims,
)


def filled(page: str) -> str:
    """A page with its tables as the summaries have them now."""
    for section in SECTIONS:
        mark = f"<!-- report: {section.__name__} -->"
        if mark in page:
            head, _, rest = page.partition(mark)
            page = f"{head}{mark}\n\n{section()}\n\n<!-- end -->{rest.partition('<!-- end -->')[2]}"
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only say whether the pages are up to date")
    options = parser.parse_args()
    stale = [page for page in PAGES if filled((ROOT / page).read_text()) != (ROOT / page).read_text()]
    if options.check and stale:
        sys.exit(f"out of date, run `python experiments/report.py`: {', '.join(stale)}")
    for page in stale:
        (ROOT / page).write_text(filled((ROOT / page).read_text()))
    if not options.check:
        import figures  # which reads the summaries as this does

        for number in figures.FIGURES:
            figures.draw(number)


if __name__ == "__main__":
    main()

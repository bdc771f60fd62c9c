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
from itertools import accumulate, chain
from statistics import fmean

from arms import ARMS, CHEAPER_ARMS, KEPT, LOOP_ARMS, OF_DEMO, OF_SECOND, PAIR_ARMS, ROOT, stem
from claims import CAPTIONS, claims, value
from domains import domains, gap, photo_ceiling
from lora import ARMS as TRAINED
from summaries import (
    EARLIER,
    HEADLINE,
    MEASURES,
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
    short,
    spread,
    summaries,
    within,
)

from selfjudge.report.tally import per_kept_pair

PAGES = ("README.md", "docs/results.md", "docs/experiments.md", "docs/training.md")


def demo() -> str:
    """The demo between what it has to beat and what it could reach."""
    last, coin = at("demo", -1), at("demo, coin labels", -1)
    rows = [("a coin", "0.5", "0.25", "0.25")]
    rows += [(title, *cells([figures], *HEADLINE)) for title, figures in baselines().items()]
    rows += [("**the demo's recipe, iteration 4**", *(f"**{cell}**" for cell in cells(last, *HEADLINE)))]
    rows += [(f"the same with random labels ({len(coin)} runs)", *cells(coin, *HEADLINE))]
    true = at("demo, true labels", -1)
    rows += [(f"the same with true labels ({len(true)} runs)", *cells(true, *HEADLINE))]
    best = [state["benchmark"] for state in summaries("ceiling")]
    rows += [("supervised ceiling: true labels, ten times the pictures", *cells(best, *HEADLINE))]
    return markdown(("", "per order", "in both orders", "short answers, in both orders"), rows)


def arms() -> str:
    """Each measure of each arm by iteration."""
    run = [EARLIER, *(arm for arm in LOOP_ARMS if arm != "first recipe" and summaries(stem(arm)))]
    parts = [f"**{title}**\n\n" + by_iteration([(arm, arm, overall(name)) for arm in run]) for name, title in MEASURES.items()]
    return "\n\n".join(parts)


def ceiling() -> str:
    """Two recipes' last iterations beside two ceilings: what `ceiling.py` reached with true labels, and true labels on
    the demo's own pairs, with the demo's share of the latter by seed.
    """
    rows = []
    for name in ("accuracy", "pair_accuracy"):
        best = [state["benchmark"][name] for state in summaries("ceiling")]
        reached = [[figures[name] for figures in at(arm, -1)] for arm in ("demo", "second recipe")]
        equal = [figures[name] for figures in at("demo, true labels", -1)]
        shares = [f"{fmean(values) / fmean(best):.3f}" for values in reached]
        rows.append(
            (MEASURES[name], *map(spread, (*reached, best)), *shares, spread(equal), _share("demo", "demo, true labels", name))
        )
    names = (
        "",
        "demo",
        "second recipe",
        "ceiling",
        "share, demo",
        "share, second recipe",
        "demo, true labels",
        "share, demo, of it",
    )
    return markdown(names, rows)


def _share(arm: str, of: str, measure: str) -> str:
    """One arm's last figure over another's, by seed."""
    both = [
        {state["seed"]: state["iterations"][-1]["benchmarks"][PLAIN][measure] for state in summaries(stem(name))}
        for name in (arm, of)
    ]
    return spread([both[0][seed] / both[1][seed] for seed in both[0].keys() & both[1].keys()])


def peaks() -> str:
    """Where a dimension's last value lies more than two standard errors of its pairs below its highest, by arm."""
    rows = []
    for arm in ("demo", "first recipe", "restart"):
        runs = [[entry["benchmarks"][PLAIN]["dimensions"] for entry in state["iterations"]] for state in summaries(stem(arm))]
        fell = [sum(_fell([entry[name] for entry in run]) for run in runs) for name in runs[0][0]]
        rows.append((arm, *(f"{number} of {len(runs)}" for number in fell)))
    return markdown(("last more than 2 standard errors below the highest", *runs[0][0]), rows)


def _fell(figures: Sequence[Figures]) -> bool:
    highest = max(one["accuracy"] for one in figures)
    error = math.sqrt(highest * (1 - highest) / figures[-1]["n"])
    return bool(figures[-1]["accuracy"] < highest - 2 * error)


def dimensions() -> str:
    """The demo's dimensions by iteration."""
    names = at("demo", 0)[0]["dimensions"]
    return by_iteration([(name, "demo", within(name, "accuracy")) for name in names])


def counting() -> str:
    """Counting by iteration, for the arms in which it was learned."""
    rows = [(arm, measure) for measure in ("accuracy", "pair_accuracy") for arm in (EARLIER, "constant rate", "restart")]
    return by_iteration([(f"{arm}, {MEASURES[measure]}", arm, within("count", measure)) for arm, measure in rows])


def coin() -> str:
    """Each run of the earliest control, with random labels, after its last iteration."""
    return _drift("coin labels")


def demo_coin() -> str:
    """The same of the demo's recipe."""
    return _drift("demo, coin labels")


def _drift(arm: str) -> str:
    measures = {
        "per order": overall("accuracy"),
        "in both orders": overall("pair_accuracy"),
        "consistent": overall("consistency"),
        "count, per order": within("count", "accuracy"),
        "count, in both orders": within("count", "pair_accuracy"),
        "attribute, per order": within("attribute", "accuracy"),
    }
    states = zip(summaries(stem(arm)), at(arm, -1), strict=True)
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
    return _ways("hard", "second recipe from the hard base", "the second recipe from it, iteration 4")


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
    """The demo's recipe, those that it replaced, what differs between them, and the paper's."""
    return _costs(*OF_DEMO, *(arm for arm in OF_SECOND if "hard" not in arm), "first recipe", "pooled", "paper's filter")


def hard() -> str:
    """The two recipes from the shipped base, and arms from the harder one."""
    return _costs("first recipe", "second recipe", *(arm for arm in ARMS if "hard base" in arm))


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


def closed_first() -> str:
    """What closed prompts first do for each kind: right in both orders after the first iteration and the last."""
    rows = []
    for arm in ("second recipe", "second recipe, closed first", CAPTIONS):
        figures = [cells(at(arm, number), short, within("caption", "pair_accuracy")) for number in (1, -1)]
        rows.append((arm, str(len(at(arm, -1))), *chain(*figures)))
    head = [f"{kind}, iteration {number}" for number in (1, 4) for kind in ("short answers", "captions")]
    return markdown(("arm", "seeds", *head), rows)


def probability() -> str:
    """What greedy verdicts decide, beside the mean probability of the better response over both orders."""
    runs = [state["iterations"] for state in summaries("probability-second-recipe-grouped")]
    measures: dict[str, Measure] = {
        "verdicts, per order": overall("accuracy"),
        "verdicts, in both orders": overall("pair_accuracy"),
    }
    for name in ("at the verdict", "where it was committed"):
        measures[f"by probability {name}"] = _of(name, "accuracy")
        measures[f"… its Brier score {name}"] = _of(name, "brier")
    copied, committed = (_of(name, "accuracy") for name in ("at the verdict", "where it was committed"))
    measures["by probability, the second less the first"] = lambda figures: committed(figures) - copied(figures)
    measures["by probability, the second less verdicts per order"] = lambda figures: committed(figures) - figures["accuracy"]
    head = ("", *(f"iteration {number}" for number in range(len(runs[0]))))
    rows = [(title, *(cells(figures, measure)[0] for figures in zip(*runs, strict=True))) for title, measure in measures.items()]
    return markdown(head, rows)


def _of(part: str, name: str) -> Measure:
    return lambda figures: figures[part][name]


SECTIONS = (
    demo,
    arms,
    ceiling,
    dimensions,
    counting,
    coin,
    demo_coin,
    traces,
    ways,
    labels,
    lora,
    domains,
    photo_ceiling,
    gap,
    peaks,
    pairs,
    recipe,
    closed_first,
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

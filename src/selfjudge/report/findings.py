"""What a run achieved and what is wrong with it, in plain sentences; none where all is well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..figures import Figures, Iteration, Limits, Summary
from ..method.monitors import FEW, MONITORS, warnings
from ..method.paired import FEW_GROUPS
from ..run.failures import told, too_many
from ..run.reasons import DROPPED, explained
from .tally import asked, made

_SETTLED = 3
"""The iteration from which all monitors speak; at the end of a run they do, however short it was."""
_FEWEST = 10
"""CHOSEN: of fewer questions nothing is called better or worse. The interval of a gain is too narrow up to about eight."""
COIN = 0.25
"""Of pairs, what a coin gets right in both orders."""


def final(state: Summary) -> Iteration:
    """The iteration whose judge is the result of the run so far."""
    name = state["final_judge"]
    number = int(name.partition("/")[0].removeprefix("iteration-")) if name else 0
    return state["iterations"][number]


def headline(state: Summary) -> list[str]:
    """What the run achieved: a sentence for each benchmark, or one without labels."""
    base, best = state["iterations"][0], final(state)
    done = len(state["iterations"]) - 1
    if not done:
        return ["The base was measured; no iteration is done yet."] if base["benchmarks"] else ["No iteration is done yet."]
    if base["benchmarks"]:
        return [_measured(name, base, best) for name in base["benchmarks"]]
    return [_unmeasured(state, base, best)]


def _measured(name: str, base: Iteration, best: Iteration) -> str:
    before, after = base["benchmarks"][name], best["benchmarks"][name]
    judge = f"the judge of iteration {best['iteration']}" if best["iteration"] else "the base, which is the result,"
    verb = _change(before, after)
    coin = "a coin for 25 %" + ("" if _beats_coin(after) else ", which it does not clearly beat")
    return (
        f"{verb} on {name}: {judge} is right in both orders for {_percent(after)} of {after['n']:,} pairs; "
        f"the base for {_percent(before)}, {coin}."
    )


def _percent(figures: Figures) -> str:
    value, limits = figures["pair_accuracy"], figures.get("pair_ci95")
    if value is None:
        return "an unknown share"
    return f"{100 * value:.1f} %" + (
        "" if not limits else " (95 % interval {:.1f} to {:.1f} %)".format(*(100 * x for x in limits))
    )


def _change(before: Figures, after: Figures) -> str:
    """By the gain item by item; a summary that has none is from before it was measured, and its intervals must not overlap."""
    if _questions(after) < _FEWEST:
        return "Too few questions to tell"
    known = after.get("pair_gain_ci95")
    low, high = known or (_limits(after)[0] - _limits(before)[1], _limits(after)[1] - _limits(before)[0])
    return "Better" if low > 0 else "Worse" if high < 0 else "No clear progress"


def _questions(figures: Figures) -> int:
    """Independent ones: pairs about the same question count as one."""
    return int(figures.get("groups", figures["n"]))


def _beats_coin(figures: Figures) -> bool:
    return _limits(figures)[0] > COIN


def _limits(figures: Figures) -> Limits:
    return figures.get("pair_ci95") or [figures["pair_accuracy"] or 0.0] * 2


def _unmeasured(state: Summary, base: Iteration, best: Iteration) -> str:
    last = made(state)[-1]
    parts = [f"in iteration {last['iteration']} it kept {last['kept']:,} of {last['pairs']:,} pairs"]
    monitors = last["monitors"] or {}
    for name, words in (
        ("consistent", "judged {:.0%} of them alike in both orders"),
        ("read", "{:.0%} of its replies were read"),
    ):
        if monitors.get(name) is not None:
            parts.append(words.format(monitors[name]))
    if base["held_out"] and best["held_out"]:
        shares = [agreement["pair_accuracy"] or 0.0 for agreement in (base["held_out"], best["held_out"])]
        parts.append("agreement with the labels of held-out pairs went from {:.1%} to {:.1%}".format(*shares))
    return f"No benchmark was measured, so nothing here says how often the judge is right: {', '.join(parts)}."


def concerns(state: Summary) -> list[str]:
    """A sentence for each thing that is not as it should be, in the order of the iterations; those about the result last."""
    return list(dict.fromkeys(_concerns(state)))


def _concerns(state: Summary) -> Iterator[str]:
    for entry in state["iterations"]:
        where = f"Iteration {entry['iteration']}"
        yield from entry["warnings"]
        for stage, found in too_many(entry.get("failures", {})).items():
            yield f"{where}, {stage}: {told(found)}. Its figures are not reliable."
        if entry["pairs"] is not None and not entry["kept"]:
            yield _nothing_kept(entry)
    if state["stopped"] and (iterations := made(state)):
        known = {**dict.fromkeys(MONITORS), **(iterations[-1]["monitors"] or {})}
        yield from warnings(known, iterations[-1]["iteration"], as_of=_SETTLED)
        yield from _of_result(state)


def _nothing_kept(entry: Iteration) -> str:
    reasons = sorted((entry["dropped"] or {}).items(), key=lambda item: -item[1])
    what = f"none of its {entry['pairs']:,} pairs" if entry["pairs"] else f"nothing: its {asked(entry):,} prompts made no pair"
    why = ""
    if reasons:
        about = explained(reasons[0][0], DROPPED)
        why = f" Most often: {reasons[0][0].replace('_', ' ')} ({reasons[0][1]:,}). {about['meaning']} {about['change']}"
    return f"Iteration {entry['iteration']} kept {what}. Its judge learned nothing new.{why}"


def _of_result(state: Summary) -> Iterator[str]:
    base, best = state["iterations"][0], final(state)
    for name, figures in best["benchmarks"].items():
        yield from _shortcuts(name, figures)
        before = base["benchmarks"][name]
        if (change := _change(before, figures)) != "Better":
            yield f"{change} on {name}: right in both orders {_percent(figures)}, and the base {_percent(before)}."
        if (groups := _questions(figures)) < FEW_GROUPS:
            yield f"{name} has {groups} independent question{'s' * (groups != 1)}: so few make the intervals too narrow."
        if not _beats_coin(figures):
            yield f"On {name} the final judge does not clearly beat a coin, which is right in both orders for 25 % of the pairs."
    if not best["benchmarks"] and base["held_out"] and best["held_out"]:
        shares = [agreement["pair_accuracy"] or 0.0 for agreement in (base["held_out"], best["held_out"])]
        if shares[1] <= shares[0]:
            yield "No progress: agreement with held-out labels is {1:.1%}, and was {0:.1%} for the base.".format(*shares)


def _shortcuts(name: str, figures: Figures) -> Iterator[str]:
    first, read = figures["first_position_rate"], figures["parse_rate"] or 0.0
    replies, limits = figures.get("replies", 2 * figures["n"]), MONITORS["says_first"]
    if first is not None and read * replies >= FEW and not limits.low <= first <= limits.high:
        yield f"On {name} the final judge names the response shown first in {first:.0%}: it goes by the place."
    if replies >= FEW and read < MONITORS["read"].low:
        forced = figures.get("forced", 0)
        others = f"{forced:,} of the others got a forced one, the rest count as wrong" if forced else "the others count as wrong"
        yield f"On {name} {read:.0%} of the final judge's replies hold a verdict: {others}."


Row = tuple[str, str, str, Sequence[float | None], Sequence[bool]]
"""A figure: its name, its meaning, what is usual, a value for each iteration, and which of these are bad."""

_MEANING = {
    "own_answers": "verdicts for the answer that the model itself gives most often",
    "opposed": "labels that the judge opposes in both orders",
    "above_coin": "yield, less what it would be with random labels",
    "words": "words of a trace",
    "distinct": "different traces among the first replies in each order",
    "read": "replies that hold a verdict",
    "consistent": "pairs judged alike in both orders",
    "says_first": "verdicts for the response shown first",
    "prefers_longer": "verdicts for the longer response, less labels for it",
}


def health(state: Summary) -> list[Row]:
    """The monitors of each iteration, those left out that have no figure."""
    iterations = made(state)
    rows: list[Row] = []
    for name, monitor in MONITORS.items():
        values = [(entry["monitors"] or {}).get(name) for entry in iterations]
        bad = [
            value is not None and entry["iteration"] >= monitor.since and not monitor.low <= value <= monitor.high
            for value, entry in zip(values, iterations, strict=True)
        ]
        if any(value is not None for value in values):
            rows.append((name.replace("_", " "), _MEANING[name], _usual(monitor.low, monitor.high), values, bad))
    return rows


def _usual(low: float, high: float) -> str:
    if low in (0, float("-inf")):
        return "any" if high >= 1 else f"at most {high:g}"
    return f"at least {low:g}" if high >= 1 else f"{low:g} to {high:g}"

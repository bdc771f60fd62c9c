"""What a run achieved and what is wrong with it is said in true sentences: one for each way to go wrong, none for the demo."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from runs import run_recipe, scripted_recipe
from selfjudge.cli import app
from selfjudge.measure.compare import compare
from selfjudge.method.monitors import warnings
from selfjudge.report.findings import concerns, headline, health
from selfjudge.report.page import write_report
from selfjudge.report.tally import asked, costs, funnel, per_kept_pair, reasons

DEMO = Path(__file__).parents[2] / "docs/runs/first-recipe-0.json"
State = dict[str, Any]
LAST = json.loads(DEMO.read_text())["iterations"][-1]


@pytest.fixture
def demo() -> State:
    state: State = json.loads(DEMO.read_text())
    return state


def _monitor(name: str, value: float) -> Callable[[State], None]:
    def broken(state: State) -> None:
        last = state["iterations"][-1]
        last["monitors"][name] = value
        last["warnings"] = warnings({"read": None, "consistent": None, **last["monitors"]}, last["iteration"])

    return broken


def _figures(**figures: Any) -> Callable[[State], None]:
    return lambda state: state["iterations"][-1]["benchmarks"]["shapes-bench"].update(figures)


def _all_dropped(state: State) -> None:
    last = state["iterations"][-1]
    lost = last["kept"]
    last.update(kept=0, traces=0, dropped={**last["dropped"], "unread_verdict": lost + 500})


def _no_pair(state: State) -> None:
    state["iterations"][-1].update(pairs=0, kept=0, traces=0, dropped={"altered_cut_off": 1000})


def _cut_off(state: State) -> None:
    state["iterations"][-1]["failures"]["judge"].update(cut_off=1.0)


def _failed(state: State) -> None:
    state["iterations"][-1]["failures"]["synthesize"].update(failed=0.5, reasons={"HTTP 500": 6250})


def _no_progress(state: State) -> None:
    state["iterations"][-1]["benchmarks"] = deepcopy(state["iterations"][0]["benchmarks"])


BROKEN = {
    "position bias, without labels": (
        _monitor("says_first", 0.97),
        "names the response shown first in 97%: it goes by the place",
    ),
    "position bias, measured": (_figures(first_position_rate=0.96), "names the response shown first in 96%"),
    "collapse to few texts": (_monitor("distinct", 0.01), "1% are different ones: it says the same whatever it is shown"),
    "collapse to no reason": (_monitor("words", 1.5), "1.5 words a reply: hardly a reason is left"),
    "parse rate, without labels": (_monitor("read", 0.4), "40% hold a verdict"),
    "parse rate, measured": (_figures(parse_rate=0.5), "50% of the final judge's replies hold a verdict"),
    "length bias": (_monitor("prefers_longer", 0.4), "names the longer response +40% more often than labels do"),
    "all dropped": (
        _all_dropped,
        f"kept none of its {LAST['pairs']} pairs. Its judge learned nothing new. Most often: unread verdict",
    ),
    "no pair": (_no_pair, "kept nothing: its 1,000 prompts made no pair."),
    "all cut off": (_cut_off, f"{6 * LAST['pairs']:,} were cut off at their longest. Its figures are not reliable."),
    "half failed": (_failed, "6,250 failed (6,250 x HTTP 500)"),
    "contradictory data": (_monitor("opposed", 0.5), "opposes 50% of the labels in both orders"),
    "labels that say nothing": (_monitor("above_coin", 0.0), "0.00 above that of random labels"),
    "something else learned": (_monitor("own_answers", 0.5), "agree with the model's own answers in 50%"),
    "worse": (_figures(pair_gain_ci95=[-0.3, -0.2]), "Worse on shapes-bench: right in both orders"),
    "too few": (_figures(n=6, groups=6), "Too few questions to tell on shapes-bench: right in both orders"),
    "many pairs about too few": (_figures(groups=6), "Too few questions to tell on shapes-bench: right in both orders"),
    "few": (_figures(groups=20), "shapes-bench has 20 independent questions: so few make the intervals too narrow"),
    "no progress": (_no_progress, "No clear progress on shapes-bench: right in both orders 1.2 %"),
    "a coin": (_figures(pair_ci95=[0.2, 0.3]), "does not clearly beat a coin"),
}


def test_nothing_is_wrong_with_the_demo(demo: State):
    assert concerns(demo) == []
    assert not any(bad for *_, bads in health(demo) for bad in bads)


def test_no_habit_is_seen_in_two_replies(demo: State):
    _figures(first_position_rate=1.0, parse_rate=0.5, replies=2)(demo)
    assert concerns(demo) == []


@pytest.mark.parametrize("way", BROKEN)
def test_each_way_to_go_wrong_is_said(demo: State, way: str):
    break_it, sentence = BROKEN[way]
    break_it(demo)
    said = concerns(demo)
    assert [one for one in said if sentence in one], said


@pytest.mark.parametrize("way", ["parse rate, measured", "no progress", "a coin"])
def test_nothing_is_said_of_a_result_before_there_is_one(demo: State, way: str):
    BROKEN[way][0](demo)
    assert concerns({**demo, "stopped": None}) == []


def test_the_headline_has_the_result_its_interval_and_what_it_compares_with(demo: State):
    last = demo["iterations"][-1]["benchmarks"]["shapes-bench"]
    low, high = last["pair_ci95"]
    assert headline(demo) == [
        f"Better on shapes-bench: the judge of iteration 4 is right in both orders for {100 * last['pair_accuracy']:.1f} % "
        f"(95 % interval {100 * low:.1f} to {100 * high:.1f} %) of 1,000 pairs; the base for 1.2 % (95 % interval 0.6 to 1.9 %), "
        "a coin for 25 %."
    ]


def test_the_headline_of_an_early_stop_is_about_the_judge_that_is_the_result(demo: State):
    assert "the judge of iteration 2" in headline({**demo, "final_judge": "iteration-2/judge"})[0]
    assert "the base, which is the result" in headline({**demo, "final_judge": None})[0]


def test_the_funnel_loses_nothing_unsaid(demo: State):
    rows, prompts, of_iteration, pairs, kept = funnel(demo)
    last = demo["iterations"][-1]
    lost = {reason.of: 0 for reason in reasons(demo)}
    for reason in reasons(demo):
        lost[reason.of] += reason.counts[-1]
        assert reason.meaning and reason.change
    assert (rows.count, prompts.count, of_iteration.count) == (1000, 1000, asked(last))
    assert of_iteration.count - pairs.count == lost["prompts"] and pairs.count - kept.count == lost["pairs"]


def test_refused_rows_are_the_first_step_of_the_funnel(demo: State):
    rows, prompts, *_ = funnel({**demo, "refused": [{"count": 3}, {"count": 4}]})
    assert rows.count == 1007 and prompts.lost == "7 refused rows"


def test_the_cost_of_stages_adds_up(demo: State):
    found = {cost.stage: cost for cost in costs(demo)}
    judged = [entry["failures"]["judge"]["requests"] for entry in demo["iterations"][1:]]
    assert found["judge"].requests == sum(judged)
    assert found["judge"].seconds == pytest.approx(sum(entry["seconds"].get("judge", 0) for entry in demo["iterations"]))
    assert found["train"].requests is None and found["train"].per_second is None
    seconds, tokens = per_kept_pair(demo) or (0, 0)
    assert 0 < seconds < 10 and 10 < tokens < 1000


def test_the_requests_of_a_stage_are_those_that_its_seconds_are_of(tmp_path: Path):
    state = run_recipe(scripted_recipe("loop.iterations=1", "loop.stop={held_out: 0.3, patience: 1}"), tmp_path / "run")
    of_held_out, asked_for = (state["iterations"][number]["failures"]["synthesize"]["requests"] for number in (0, 1))
    found = {cost.stage: cost for cost in costs(state)}
    assert of_held_out and found["synthesize"].requests == asked_for


def test_a_run_that_kept_nothing_has_no_cost_for_each_kept_pair(demo: State):
    for entry in demo["iterations"][1:]:
        entry["kept"] = 0
    assert per_kept_pair(demo) is None


def _judge(*replies: str, when: str | None = None) -> list[str]:
    """Changes of the scripted recipe: what its judge replies, and to which pairs."""
    rule = "execution.engine.rules.0"
    return [f"{rule}.replies={json.dumps(replies)}", *([] if when is None else [f"{rule}.when={json.dumps(when)}"])]


def _for(words: str) -> list[str]:
    """A judge that names the response in which it finds such words, wherever it is shown."""
    found = rf"Response (?P<letter>[AB]) begins.\n[^\n]*{words}[^\n]*\n.Response (?P=letter) ends"
    return _judge("I see it, so that is right. [[\\g<letter>]]", when=found)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        pytest.param(_judge("The image agrees with \\g<a>. [[A]]"), "names the response shown first in 100%", id="position bias"),
        pytest.param(_judge("[[A]]", "[[B]]"), "words a reply: hardly a reason is left", id="collapse"),
        pytest.param(_judge("I cannot tell which of them is right."), "0% hold a verdict", id="parse rate"),
        pytest.param(_for("[^\n]{4,}"), "more often than labels do: it goes by the length", id="length bias"),
        pytest.param(_judge("I cannot tell which of them is right."), "kept none of its", id="all dropped"),
        pytest.param(["judging.sampling.max_tokens=1"], "90 requests, 90 were cut off at their longest", id="all cut off"),
        pytest.param(
            _for("(?:three|red|star|No)"), "of the labels in both orders: that many may be wrong", id="contradictory data"
        ),
        pytest.param([], "No clear progress on shapes-bench", id="no progress"),
    ],
)
def test_a_run_of_a_broken_judge_says_so(tmp_path: Path, changes: list[str], sentence: str):
    state = run_recipe(scripted_recipe("loop.iterations=1", *changes), tmp_path / "run")
    said = concerns(state)
    assert [one for one in said if sentence in one], said
    assert sentence in html.unescape(write_report(tmp_path / "run", state).read_text())
    assert sentence in CliRunner().invoke(app, ["status", str(tmp_path / "run")]).stdout


def test_progress_is_told_by_the_gain_item_by_item_not_by_intervals_that_overlap(demo: State):
    before, after = (demo["iterations"][number]["benchmarks"]["shapes-bench"] for number in (0, -1))
    after.update(pair_accuracy=before["pair_accuracy"] + 0.01, pair_ci95=before["pair_ci95"])
    for gain, words in (([0.004, 0.016], "Better on"), ([-0.001, 0.021], "No clear progress on"), (None, "No clear progress on")):
        after["pair_gain_ci95"] = gain
        assert headline(demo)[0].startswith(words)


def test_the_gain_over_the_base_is_that_of_compare_judges(tmp_path: Path):
    state = run_recipe(scripted_recipe("loop.iterations=1"), tmp_path / "run")
    (tests,) = compare([tmp_path / f"run/iteration-{number}/benchmarks" for number in (0, 1)]).tests
    (pairing,) = tests.compared
    gain = state["iterations"][1]["benchmarks"]["shapes-bench"]["pair_gain_ci95"]
    assert pairing.both_orders is not None and gain == pairing.both_orders.ci95
    assert "pair_gain_ci95" not in state["iterations"][0]["benchmarks"]["shapes-bench"]

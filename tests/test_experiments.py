"""Each experiment starts and ends, in a form so small that it says nothing; and the docs hold what the last ones said."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from runs import ROOT, run_recipe, scripted_recipe
from selfjudge.method.seeds import gain
from selfjudge.recipe.experiment import Recipe
from selfjudge.recipe.file import load_recipe
from selfjudge.types import Kind, PreferencePair, Prompt, Vote

ENGINE = """{kind: scripted, rules: [
    {when: "^judge", replies: ["I see red (A). [[A]]", "I see blue (B). [[B]]"]},
    {when: ".", replies: [red, blue, two]}]}"""
SMALL = (
    "prompts.0.limit=40",
    "loop.prompts_per_iteration=null",
    "loop.iterations=1",
    "evaluation.benchmarks.0.pairs=10",
    "training.kind=scripted",
    f"execution.engine={ENGINE}",
)
"""The demo without a model."""
SET = [word for change in SMALL for word in ("--set", change)]

TINY = {
    "arms.py": ["--arms", "coin labels", "--seeds", "1", *SET],
    "lora.py": ["--arms", "lora-16", "--seeds", "1", *SET],
    "ceiling.py": ["--traces", "16", "--patience", "1", "--pairs", "10"],
    "baselines.py": ["--pairs", "10"],
    "best_of.py": ["--judge", "shapes", "--prompts", "4"],
    "letters.py": ["--judge", "shapes", "--pairs", "5"],
    "probability.py": ["shapes", "--pairs", "5"],
    "injection.py": ["--judge", "shapes", "--pairs", "5"],
    "grpo.py": ["--judge", "shapes", "--steps", "1", "--prompts", "4"],
}


WITHOUT_SUMMARY = (
    "chosen.py",
    "claims.py",
    "domains.py",
    "early_exit.py",
    "errors.py",
    "figures.py",
    "report.py",
    "summaries.py",
)


def start(experiment: str, *options: str | Path) -> str:
    command = [sys.executable, str(ROOT / "experiments" / experiment), *map(str, options)]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_each_experiment_has_a_tiny_form():
    assert {path.name for path in (ROOT / "experiments").glob("*.py")} == {*TINY, *WITHOUT_SUMMARY}


@pytest.mark.slow
@pytest.mark.parametrize("experiment", TINY)
def test_an_experiment_runs_and_keeps_a_summary_of_figures(experiment: str, tmp_path: Path):
    start(experiment, *TINY[experiment], "--keep", tmp_path)
    (summary,) = tmp_path.glob("*.json")
    assert re.search('"pair_accuracy"|"picked"|"gain"|"flipped"', summary.read_text())


def test_replies_that_an_early_exit_would_not_ask_for_are_counted_in_a_run_without_one(tmp_path: Path):
    run_recipe(scripted_recipe("judging.samples=3", "selection.keep=all", "evaluation.benchmarks=[]"), tmp_path / "mine")
    judging, voting = (table.splitlines()[2:] for table in start("early_exit.py", tmp_path / "mine").split("\n\n"))
    assert (
        [row.split(" | ")[:2] for row in judging]
        == [row.split(" | ")[:2] for row in voting]
        == [["| mine", "1"], ["| mine", "2"]]
    )
    _, _, _, kept, every, decisive = judging[0].strip("| ").split(" | ")
    assert int(kept) > 0 and float(every) > 1.3 * float(decisive) > 0
    _, _, votes, samples, whole, early, _ = voting[0].strip("| ").split(" | ")
    assert int(votes) >= int(early) >= int(whole) > 0 and 8 <= float(samples) < 16


def test_wrong_comparisons_of_a_judge_stand_beside_the_pairs_that_were_made_of_their_answers(
    scripted_run: tuple[Path, dict[str, Any]],
):
    *rows, _, total = start("errors.py", scripted_run[0], "--most", "1000").splitlines()[2:]
    cells = [row.strip("| ").split(" | ") for row in rows]
    wrong, asked = (int(number) for number in re.findall(r"\d+", total))
    figures = scripted_run[1]["iterations"][-1]["benchmarks"]["shapes-bench"]
    assert asked == 2 * figures["n"] and sum(int(row[3].split()[0]) for row in cells) == wrong
    assert wrong / asked == pytest.approx(1 - figures["accuracy"], abs=0.001)
    assert all(int(row[4]) >= int(row[5]) >= 0 for row in cells) and {row[2] for row in cells} <= {"chosen", "rejected"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arm", "share"), [("second recipe, 10 percent of the pairs", 0.1), ("second recipe, 50 percent of the pairs", 0.5)]
)
def test_an_arm_may_take_a_share_of_the_pairs(arm: str, share: float, tmp_path: Path):
    start("arms.py", "--arms", "second recipe", arm, "--seeds", "1", *SET, "--keep", tmp_path)
    kept = [tmp_path / f"{name.replace(',', '').replace(' ', '-')}-1.json" for name in ("second recipe", arm)]
    whole, part = (json.loads(path.read_text())["iterations"][1]["pairs"] for path in kept)
    assert part == round(whole * share)


@pytest.mark.slow
def test_an_arm_on_photographs_is_measured_there_and_on_plain_scenes_and_its_labels_are_counted(tmp_path: Path):
    start(
        "arms.py",
        "--arms",
        "base to photo",
        "--seeds",
        "1",
        *SET,
        "--set",
        "evaluation.benchmarks.1.pairs=10",
        "--keep",
        tmp_path,
    )
    summary = json.loads((tmp_path / "base-to-photo-1.json").read_text())
    assert list(summary["iterations"][1]["benchmarks"]) == ["shapes-bench", "shapes-bench-photo"]
    assert sum(summary["labels"][0]["closed"]["made"].values()) > 0


def test_of_the_experiments_only_three_know_the_truth():
    knowing = {path.name for path in (ROOT / "experiments").glob("*.py") if "shapes.truth" in path.read_text()}
    assert knowing == {"ceiling.py", "baselines.py", "best_of.py"}


def test_the_labels_of_a_run_are_counted_by_kind(scripted_run: tuple[Path, dict[str, Any]], tmp_path: Path):
    start("baselines.py", "--run", scripted_run[0], "--keep", tmp_path)
    counted = json.loads((tmp_path / "baselines-labels.json").read_text())["iterations"]
    for counts, entry in zip(counted, scripted_run[1]["iterations"][1:], strict=True):
        for which, number in (("made", entry["pairs"]), ("kept", entry["kept"])):
            assert sum(sum(kind[which].values()) for kind in counts.values()) == number


def test_the_labels_of_a_run_with_two_sources_are_counted_too(tmp_path: Path):
    sources = "prompts=[{kind: shapes, domain: pastel, limit: 20, seed: 1}, {kind: shapes, limit: 20, seed: 2}]"
    state = run_recipe(scripted_recipe(sources, "loop.iterations=1"), tmp_path / "run")
    start("baselines.py", "--run", tmp_path / "run", "--keep", tmp_path)
    (counts,) = json.loads((tmp_path / "baselines-labels.json").read_text())["iterations"]
    assert sum(sum(kind["made"].values()) for kind in counts.values()) == state["iterations"][1]["pairs"] > 0


def test_each_figure_is_drawn_from_the_summaries_that_there_are(tmp_path: Path):
    start("figures.py", 2, 3, 4, 5, "--keep", tmp_path)
    assert {"figure-2.svg", "figure-3.svg", "figure-5.svg"} <= {path.name for path in tmp_path.iterdir()}
    assert ">demo (" in (tmp_path / "figure-2.svg").read_text()


@pytest.mark.parametrize(
    ("gains", "least", "said"),
    [
        ([0.12, 0.11, 0.13], 0.1, "shown"),
        ([-0.12, -0.11, -0.13], -0.1, "shown"),
        ([-0.12, -0.11, -0.13], 0.1, "not shown"),
        ([0.08, 0.09, 0.07], 0.1, "not shown"),
        ([0.0, 0.5, 0.0], 0.1, "not shown"),
        ([0.001, 0.0, -0.001], 0.1, "equal"),
        ([0.5], 0.1, "too few seeds"),
        ([-0.005, -0.004, -0.006], 0.0, "shown"),
        ([0.3, 0.2, 0.1], 0.0, "shown"),
        ([-0.018, -0.01, -0.026], 0.0, "not shown"),
    ],
)
def test_a_claim_is_shown_where_its_interval_is_off_zero_and_its_mean_at_the_margin_or_where_no_more_than_that_is_lost(
    gains: list[float], least: float, said: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.syspath_prepend(str(ROOT / "experiments"))
    assert import_module("claims")._shown(gain([0.0] * len(gains), gains), least) == said


def test_the_tables_in_the_docs_are_those_of_the_summaries():
    start("report.py", "--check")


def test_every_arm_is_a_recipe_and_every_claim_about_arms(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT / "experiments"))
    arms, claims = import_module("arms"), import_module("claims")
    for changes in arms.ARMS.values():
        settings = [change.replace("$seed", "1") for change in changes if not change.startswith("choose=")]
        load_recipe(ROOT / "src/selfjudge/shapes/demo.yaml", settings)
    assert {arm for _, _, *sides in claims.CLAIMS for arm, _, _ in sides} <= arms.ARMS.keys()


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "experiments"))
    return import_module("chosen")


def test_a_correct_pair_has_a_right_sample_and_a_wrong_one_or_is_none(chosen: Any):
    prompt = Prompt(id="1", text="what color is the 7?", images=(), kind=Kind.CLOSED, kind_rule="test", source="test")
    pair = chosen.correct_pair(prompt, ["blue", "blue", "Red.", "green"], "red")
    assert pair.chosen == "Red." and pair.rejected in ("blue", "green") and pair.evidence.majority == "red"
    assert chosen.correct_pair(prompt, ["red", "red"], "red") is None
    assert chosen.correct_pair(prompt, ["blue", "green"], "red") is None


def test_choices_differ_in_which_questions_they_keep_and_the_captions_stay(chosen: Any):
    """Of six questions the votes get four right; of one of these all samples agree with the truth."""
    prompts, responses, voted = [], [], []
    for number, answers in enumerate(["rrrb", "rrrb", "rrbb", "rrrr", "bbbr", "bbbg"]):
        prompt = Prompt(id=str(number), text="what color?", images=(), kind=Kind.CLOSED, kind_rule="test", source="test")
        prompts.append(prompt)
        responses += [{"prompt_id": prompt.id, "role": "sample", "text": text, "finish": "stop"} for text in answers]
        majority = max(answers, key=answers.count)
        evidence = Vote(counts=((majority, 12 if number == 0 else 3),), majority=majority, alternative="b")
        voted.append(PreferencePair(id=str(number), prompt=prompt, chosen=majority, rejected="b", evidence=evidence))
    caption = replace(prompts[0], id="c", kind=Kind.OPEN)
    voted.append(PreferencePair(id="c", prompt=caption, chosen="x", rejected="y", evidence=None))

    def kept(name: str) -> list[str]:
        pairs = chosen.choose(name, dict.fromkeys("012345", "r"), prompts, responses, voted)
        assert [pair.id for pair in pairs if pair.prompt.kind is Kind.OPEN] == ["c"] or name.isdigit()
        return [pair.prompt.id for pair in pairs if pair.prompt.kind is Kind.CLOSED]

    assert kept("correct") == ["0", "1", "2", "4"]
    assert kept("right minority") == ["4"]
    assert kept("right majority") == ["0", "1", "2", "3"]
    assert len(kept("equal")) == 4 and set(kept("equal")) <= set("012345")
    assert kept("threshold 12") == ["0"]


def test_a_pair_that_goes_both_ways_is_there_once_with_each_label_and_needs_no_truth(chosen: Any):
    prompt = Prompt(id="1", text="what color?", images=(), kind=Kind.CLOSED, kind_rule="test", source="test")
    pair = PreferencePair(id="one", prompt=prompt, chosen="red", rejected="blue", evidence=None)
    same, other = chosen.choose("both ways", {}, [prompt], [], [pair])
    assert same == pair and (other.chosen, other.rejected) == ("blue", "red") and other.id != pair.id


def test_true_labels_turn_a_reversed_pair_and_drop_one_without_a_right_response(chosen: Any):
    closed = Prompt(id="1", text="what color?", images=(), kind=Kind.CLOSED, kind_rule="test", source="test")
    captions = replace(closed, id="2", kind=Kind.OPEN)
    known = {"1": "red", "2": "a red square, a blue star"}

    def labelled(prompt: Prompt, better: str, worse: str) -> list[tuple[str, str]]:
        pair = PreferencePair(id="one", prompt=prompt, chosen=better, rejected=worse, evidence=None)
        return [(one.chosen, one.rejected) for one in chosen.choose("true labels", known, [prompt], [], [pair])]

    assert labelled(closed, "red", "blue") == labelled(closed, "blue", "red") == [("red", "blue")]
    assert labelled(closed, "green", "blue") == []
    true, wrong = known["2"], "a red square, a green star"
    assert labelled(captions, true, wrong) == labelled(captions, wrong, true) == [(true, wrong)]


def test_only_an_experiment_chooses_pairs():
    package = ROOT / "src" / "selfjudge"
    naming = {path.name for path in package.rglob("*.py") if re.search(r"\bchoose\s*:?=[^=]", path.read_text())}
    assert naming <= {"loop.py"}
    assert "choose" not in json.dumps(Recipe.model_json_schema()["properties"])

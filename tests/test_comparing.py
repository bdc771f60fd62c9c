"""Comparing judges: only what is comparable stands together, and what is left out is counted and said."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from runs import no_progress, run_recipe, scripted_recipe
from selfjudge.errors import InputError, RunError
from selfjudge.measure.compare import compare
from selfjudge.measure.evaluate import Asking, evaluate
from selfjudge.measure.judges import find_contestant
from selfjudge.measure.stored import measurements
from selfjudge.method.protocols import STRICT
from selfjudge.recipe.inputs import ShapesBench
from selfjudge.report.comparison import show
from selfjudge.run import tables
from selfjudge.run.disk import write_json
from selfjudge.run.folder import RunFolder
from selfjudge.run.store import Table
from selfjudge.stages.evaluate import figures
from selfjudge.types import BenchmarkItem, Kind, Order, PreferencePair, Prompt

RIGHT, WRONG, FIRST = "right", "wrong", "first"
"""How a judge of these tests answers an item: by the better response, by the worse one, or by the place."""

_VERDICTS = {RIGHT: ("first", "second"), WRONG: ("second", "first"), FIRST: ("first", "first")}


def item(name: str, *, chosen: str = "yes", group: str | None = None, dimension: str = "all") -> BenchmarkItem:
    prompt = Prompt(id=name, text=name, images=(), kind=Kind.CLOSED, kind_rule="test", source="test")
    pair = PreferencePair(id=name, prompt=prompt, chosen=chosen, rejected="no" if chosen == "yes" else "yes", evidence=None)
    return BenchmarkItem(pair=pair, dimension=dimension, level="all", group=group or name)


def judgments(identity: str, how: str) -> list[dict[str, Any]]:
    return [judgment(identity, order, verdict) for order, verdict in zip(Order, _VERDICTS[how], strict=True)]


def judgment(identity: str, order: Order, verdict: str) -> dict[str, Any]:
    return {
        "key": f"{identity}.{order}.0",
        "pair_id": identity,
        "order": str(order),
        "sample": 0,
        "judge": "j",
        "trace": "",
        "verdict": verdict,
        "probability": None,
        "problem": None,
        "prompt_tokens": 0,
        "completion_tokens": 0,
    }


def measure(folder: Path, answers: dict[str, str], *, benchmark: str = "b", protocol: str = "strict", **other: Any) -> Path:
    """A folder as `evaluate` writes it, of a judge named like the folder; `other` may change or move items."""
    items = other.get("items") or [item(name) for name in answers]
    stored, judged = Table(folder, tables.ITEMS, {}), Table(folder, tables.JUDGMENTS, {"judge": folder.name})
    stored.seal([tables.item_to_row(entry) for entry in items])
    judged.seal([row for name, how in answers.items() for row in judgments(name, how)][:: other.get("every", 1)])
    head = {"judge": other.get("judge", folder.name), "benchmark": benchmark, "protocol": protocol}
    extra = {name: other[name] for name in ("orders", "samples", "protocol_version", "official") if name in other}
    asked = replace(STRICT, orders=other.get("orders", "both"))
    write_json(folder / "result.json", {**head, **extra, **figures(items, judged.rows(), asked)})
    return folder


def baseline(name: str, bench: ShapesBench, folder: Path) -> None:
    evaluate(find_contestant(name, RunFolder(folder)), [bench], RunFolder(folder), asking=Asking(), progress=no_progress)


def compared(results: list[Path]) -> dict[str, Any]:
    return compare(results).as_json()


def shown(results: list[Path]) -> str:
    console = Console(width=120, file=io.StringIO(), markup=False)
    show(compare(results), console)
    return console.file.getvalue()


def test_judges_stand_side_by_side_and_each_is_tested_against_the_first(tmp_path: Path):
    names = [str(number) for number in range(40)]
    weak = measure(tmp_path / "weak", dict.fromkeys(names, WRONG))
    even = measure(tmp_path / "even", dict.fromkeys(names, FIRST))
    good = measure(tmp_path / "good", dict.fromkeys(names[:30], RIGHT) | dict.fromkeys(names[30:], FIRST))
    found = compared([weak, even, good])
    (table,), (tests,) = found["tables"], found["tests"]
    assert [judge["judge"] for judge in table["judges"]] == ["weak", "even", "good"]
    assert [judge["pair_accuracy"] for judge in table["judges"]] == [0.0, 0.0, 0.75]
    assert tests["reference"] == "weak"
    one, other = tests["compared"]
    assert (one["accuracy"]["difference"], one["both_orders"]["difference"], one["mcnemar"]["p"]) == (0.5, 0.0, 1.0)
    assert (other["mcnemar"]["only_other"], other["mcnemar"]["only_reference"], other["mcnemar"]["neither"]) == (30, 0, 10)
    assert other["right"] == "in both orders" and other["mcnemar"]["p_holm"] == pytest.approx(2 * 2**-29)
    assert found["notes"] == [] and found["published"] == [] and "adjusted for 2 judges (Holm)" in shown([weak, even, good])
    json.dumps(found)


def test_a_single_p_is_not_adjusted(tmp_path: Path):
    names = [str(number) for number in range(40)]
    one = measure(tmp_path / "one", dict.fromkeys(names, WRONG))
    other = measure(tmp_path / "other", dict.fromkeys(names[:5], RIGHT) | dict.fromkeys(names[5:], WRONG))
    (entry,) = compared([one, other])["tests"][0]["compared"]
    assert all(entry[test]["p"] == entry[test]["p_holm"] for test in ("accuracy", "both_orders", "mcnemar"))


def test_items_are_matched_by_id_and_those_of_one_judge_alone_are_counted(tmp_path: Path):
    one = measure(tmp_path / "one", dict.fromkeys("abcd", RIGHT))
    other = measure(tmp_path / "other", dict.fromkeys("dcxyz", FIRST))
    found = compared([one, other])
    (entry,) = found["tests"][0]["compared"]
    assert (entry["n"], entry["only_reference_has"], entry["only_other_has"], entry["relabelled"]) == (2, 2, 3, 0)
    assert entry["mcnemar"]["only_reference"] == 2


def test_other_items_stand_in_a_table_of_their_own_and_a_note_says_so(tmp_path: Path):
    one = measure(tmp_path / "one", dict.fromkeys("abcd", RIGHT))
    other = measure(tmp_path / "other", dict.fromkeys("abc", RIGHT))
    third = measure(tmp_path / "third", dict.fromkeys("abcd", FIRST))
    found = compared([one, other, third])
    assert [[judge["judge"] for judge in table["judges"]] for table in found["tables"]] == [["one", "third"], ["other"]]
    assert any("different items (4, 3)" in note for note in found["notes"])


@pytest.mark.parametrize(
    "change", [{"chosen": "no"}, {"group": "shared"}, {"dimension": "other"}], ids=["better response", "group", "dimension"]
)
def test_items_of_the_same_ids_but_other_content_do_not_share_a_table(tmp_path: Path, change: dict[str, str]):
    one = measure(tmp_path / "one", dict.fromkeys("ab", RIGHT))
    other = measure(tmp_path / "other", dict.fromkeys("ab", RIGHT), items=[item("a"), item("b", **change)])
    assert len(compared([one, other])["tables"]) == 2


def test_an_item_whose_better_response_differs_is_left_out_and_counted(tmp_path: Path):
    one = measure(tmp_path / "one", dict.fromkeys("ab", RIGHT))
    other = measure(tmp_path / "other", dict.fromkeys("ab", RIGHT), items=[item("a"), item("b", chosen="no")])
    found = compared([one, other])
    (entry,) = found["tests"][0]["compared"]
    assert (entry["n"], entry["relabelled"]) == (1, 1)
    assert "1 relabelled" in " ".join(shown([one, other]).split())


def test_judges_without_an_item_in_common_are_shown_and_not_tested(tmp_path: Path):
    found = compared([measure(tmp_path / "one", {"a": RIGHT}), measure(tmp_path / "other", {"b": RIGHT})])
    (entry,) = found["tests"][0]["compared"]
    assert (entry["n"], entry["accuracy"], entry["both_orders"], entry["mcnemar"]) == (0, None, None, None)
    assert "–" in shown([tmp_path / "one", tmp_path / "other"])


def test_other_protocols_never_share_a_table_or_a_test(tmp_path: Path):
    one = measure(tmp_path / "one", dict.fromkeys("ab", RIGHT))
    other = measure(tmp_path / "other", dict.fromkeys("ab", RIGHT), protocol="official")
    found = compared([one, other])
    assert [table["protocol"] for table in found["tables"]] == ["strict", "official"] and found["tests"] == []
    assert any("strict and official" in note for note in found["notes"])


def test_another_number_of_samples_or_version_is_another_protocol(tmp_path: Path):
    changes = ({}, {"samples": 5}, {"protocol_version": 2})
    found = compared([measure(tmp_path / str(number), {"a": RIGHT}, **change) for number, change in enumerate(changes)])
    assert [table["protocol"] for table in found["tables"]] == ["strict", "strict, 5 samples", "strict, version 2"]


def test_where_one_order_was_asked_it_alone_decides(tmp_path: Path):
    one, other = (
        measure(tmp_path / how, dict.fromkeys("ab", how), orders="stored", every=2, protocol="official") for how in (FIRST, WRONG)
    )
    found = compared([one, other])
    (entry,) = found["tests"][0]["compared"]
    assert entry["accuracy"]["difference"] == entry["both_orders"]["difference"] == -1
    assert entry["mcnemar"]["only_reference"] == 2 and entry["right"].startswith("by most replies")
    assert [judge["accuracy"] for judge in found["tables"][0]["judges"]] == [1.0, 0.0]
    assert "by most replies" in shown([one, other])


def test_ties_are_no_items_to_compare(tmp_path: Path):
    items = [item("a"), replace(item("b"), tie=True)]
    one, other = (measure(tmp_path / how, dict.fromkeys("ab", how), items=items) for how in (RIGHT, WRONG))
    found = compared([one, other])
    assert found["tables"][0]["n"] == found["tests"][0]["compared"][0]["n"] == 1


def test_what_the_official_script_counts_stands_below_our_figures(tmp_path: Path):
    official = {"overall": 0.123, "macro": 0.234, "dimensions": {"general": 0.345, "reasoning": None}, "n": 2}
    text = shown([measure(tmp_path / "mine", {"a": RIGHT}, official=official)])
    rows = [" ".join(line.replace("│", " ").split()) for line in text.splitlines()]
    assert {"official overall 0.123", "official macro 0.234", "official general 0.345"} <= set(rows)


def test_groups_that_make_items_dependent_or_are_few_are_said(tmp_path: Path):
    items = [item(name, group="g" if name in "ab" else name) for name in "abcd"]
    one, other = (measure(tmp_path / name, dict.fromkeys("abcd", RIGHT), items=items) for name in ("one", "other"))
    found = compared([one, other])
    assert any("4 items are in 3 groups" in note for note in found["notes"])
    assert any("with 3 groups the intervals are too narrow, and p is too small" in note for note in found["notes"])
    assert compared([one])["notes"] == ["b, strict: with 3 groups the intervals are too narrow."]
    assert found["tests"][0]["compared"][0]["accuracy"]["groups"] == 3


def test_judges_of_one_name_are_told_apart_by_their_folders(tmp_path: Path):
    one, other = (measure(tmp_path / name, {"a": RIGHT}, judge="same") for name in ("x", "y"))
    assert [judge["judge"] for judge in compared([one, other])["tables"][0]["judges"]] == [f"same ({one})", f"same ({other})"]


def test_names_that_look_like_markup_are_shown_as_they_are(tmp_path: Path):
    one, other = (measure(tmp_path / name, {"a": RIGHT}, judge=f"[red]{name}[/x]") for name in ("u", "v"))
    assert "[red]u[/x]" in shown([one, other])


def test_more_judges_than_fit_beside_each_other_go_on_below(tmp_path: Path):
    found = compared([measure(tmp_path / f"judge-{number}", {"a": RIGHT}) for number in range(6)])
    text = shown(sorted(tmp_path.glob("judge-*")))
    assert len(found["tables"]) == 1 and text.count("consistency") == 2 and all(f"judge-{number}" in text for number in range(6))


def test_every_benchmark_in_a_folder_is_compared_with_its_like(tmp_path: Path):
    for judge in ("one", "other"):
        for benchmark in ("b", "c"):
            measure(tmp_path / judge / benchmark, dict.fromkeys("ab", RIGHT), benchmark=benchmark, judge=judge)
    found = compared([tmp_path / "one", tmp_path / "other"])
    assert [(table["benchmark"], len(table["judges"])) for table in found["tables"]] == [("b", 2), ("c", 2)]
    text = shown([tmp_path / "one", tmp_path / "other"])
    assert text.index("b, strict: difference") < text.index("c, strict: 2 items")
    assert len(compared([tmp_path / "one/b", tmp_path / "other"])["tables"]) == 2


def test_a_judge_alone_is_shown_without_a_test(tmp_path: Path):
    found = compared([measure(tmp_path / "one", {"a": RIGHT})])
    assert len(found["tables"]) == 1 and found["tests"] == []


def test_what_evaluate_writes_and_what_a_run_leaves_compare_as_soon_as_the_items_are_the_same(tmp_path: Path):
    run_recipe(scripted_recipe("loop.iterations=1"), tmp_path / "run")
    bench = ShapesBench.model_validate(scripted_recipe().evaluation.benchmarks[0].model_dump())
    baseline("random", bench, tmp_path / "random")
    places = [
        tmp_path / "random/shapes-bench",
        tmp_path / "run/iteration-0/benchmarks/shapes-bench",
        tmp_path / "run/iteration-1",
    ]
    found = compared(places)
    assert [judge["judge"] for judge in found["tables"][0]["judges"]] == ["random", "run/iteration-0", "run/iteration-1"]
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    for number in (0, 1):
        told = summary["iterations"][number]["benchmarks"]["shapes-bench"]
        assert found["tables"][0]["judges"][number + 1]["accuracy"] == told["accuracy"]
    assert all(entry["n"] == 20 for entry in found["tests"][0]["compared"])


def test_each_protocol_of_a_run_has_tables_of_its_own_under_its_whole_name(tmp_path: Path):
    run_recipe(scripted_recipe("loop.iterations=1", "evaluation.protocols=[strict, paper]"), tmp_path / "plain")
    run_recipe(scripted_recipe("loop.iterations=1", "judging.force_verdict=true"), tmp_path / "forced")
    found = compared([tmp_path / name / "iteration-1" for name in ("plain", "forced")])
    assert [(table["protocol"].partition(",")[0], table["n"]) for table in found["tables"]] == [
        ("strict", 20),
        ("paper", 20),
        ("strict+forced", 20),
    ]
    summary = json.loads((tmp_path / "plain/summary.json").read_text())["iterations"][1]["benchmarks"]["shapes-bench"]
    told = [table["judges"][0]["accuracy"] for table in found["tables"][:2]]
    assert told == [summary["accuracy"], summary["protocols"]["paper"]["accuracy"]]


def test_judges_that_were_not_sampled_alike_are_said(tmp_path: Path):
    for name, temperature in (("greedy", 0), ("warm", 1)):
        changes = ("loop.iterations=1", f"evaluation.sampling.temperature={temperature}")
        run_recipe(scripted_recipe(*changes), tmp_path / name)
    (note,) = [
        one for one in compared([tmp_path / name / "iteration-1" for name in ("greedy", "warm")])["notes"] if "alike" in one
    ]
    assert "greedy/iteration-1 at temperature 0" in note and "warm/iteration-1 at temperature 1" in note


def test_a_model_right_by_rights_agrees_with_the_figures(tmp_path: Path):
    baseline("random", ShapesBench(name="shapes-bench", pairs=50), tmp_path)
    (found,) = measurements(tmp_path)
    assert sum(map(all, found.rights.values())) / 50 == found.figures["pair_accuracy"]
    assert sum(map(sum, found.rights.values())) / 100 == found.figures["accuracy"]


def test_a_folder_without_a_measurement_is_an_error(tmp_path: Path):
    with pytest.raises(RunError, match="holds no measurement"):
        compared([tmp_path])


@pytest.mark.parametrize("gone", ["result.json", "judgments.manifest.json", "items.manifest.json"])
def test_an_unfinished_measurement_is_an_error_and_never_left_out(tmp_path: Path, gone: str):
    done, unfinished = (measure(tmp_path / "d" / name, {"a": RIGHT}) for name in ("done", "unfinished"))
    (unfinished / gone).unlink()
    with pytest.raises(RunError, match="unfinished"):
        compared([tmp_path / "d"])
    assert len(compared([done])["tables"]) == 1


def test_a_judge_that_was_not_asked_yet_is_an_error_and_a_run_without_an_iteration_says_what_to_name(tmp_path: Path):
    begun = measure(tmp_path / "d/begun", {"a": RIGHT})
    for name in ("judgments.parquet", "judgments.manifest.json", "result.json"):
        (begun / name).unlink()
    with pytest.raises(RunError, match="unfinished"):
        compared([tmp_path / "d"])
    (tmp_path / "d").rename(tmp_path / "benchmarks")
    with pytest.raises(RunError, match="holds no measurement") as caught:
        compared([tmp_path])
    assert "iteration-K" in (caught.value.hint or "")


def test_a_damaged_table_is_an_error(tmp_path: Path):
    folder = measure(tmp_path / "one", {"a": RIGHT})
    (folder / "judgments.parquet").write_bytes(b"")
    with pytest.raises(RunError, match="damaged"):
        compared([folder])


def test_a_result_that_names_no_judge_is_an_error(tmp_path: Path):
    write_json(measure(tmp_path / "one", {"a": RIGHT}) / "result.json", {"accuracy": 1.0})
    with pytest.raises(RunError, match="`judge` is missing"):
        compared([tmp_path / "one"])


def test_a_result_named_twice_is_an_error(tmp_path: Path):
    folder = measure(tmp_path / "one", {"a": RIGHT})
    with pytest.raises(InputError, match="named twice"):
        compared([folder, tmp_path])


@pytest.mark.parametrize(("protocol", "comparable"), [("strict", False), ("official", True)])
def test_published_figures_stand_below_and_apart_and_say_what_they_compare_to(tmp_path: Path, protocol: str, comparable: bool):
    folder = measure(tmp_path / "judge-of-ours", {"a": RIGHT}, benchmark="vl-rewardbench", protocol=protocol)
    found = compared([folder])
    assert [group["comparable"] for group in found["published"]] == [comparable, False, False, False, False, False]
    text = shown([folder])
    table, _, published = text.partition("published, vl-rewardbench: official protocol, split true")
    assert (
        "judge-of-ours" in table
        and "GPT-4o" not in table
        and "judge-of-ours" not in published
        and "GPT-4o (2024-08-06)" in published
    )
    assert ("Not comparable: `official` drops undecided items" in " ".join(text.split())) != comparable


def test_multimodal_rewardbench_has_its_leaderboard_below(tmp_path: Path):
    text = shown([measure(tmp_path / "mine", {"a": RIGHT}, benchmark="multimodal-rewardbench")])
    assert "leaderboard, 5,211 rows, fixed order" in text and "others, overall only" in text

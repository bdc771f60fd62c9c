"""Multimodal RewardBench's recorded outputs: the official score, coin included, and the strict one beside it."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from selfjudge.benchmarks.multimodal_rewardbench import GROUPS, group_of, score
from selfjudge.errors import InputError

ROWS = (
    ("open_generation/correctness_task", "visitbench_1"),
    ("open_generation/preference_task", "nocaps_2"),
    ("knowledge", "mmmu-s_3"),
    ("reasoning", "MathVista_4"),
    ("reasoning", "EMMA-Coding_5"),
    ("safety", "Pairs_6"),
    ("safety", "hateful_7"),
    ("vqa", "MMBench_8"),
)


def judged(row: int, label: str, output: Any) -> dict[str, Any]:
    category, identity = ROWS[row % len(ROWS)]
    return {"ID": identity, "Label": label, "output": output, "Meta": {"Category": category}}


def scored(folder: Path, rows: list[Any], protocol: str = "official", k: int | None = None) -> dict[str, Any]:
    path = folder / "outputs.jsonl"
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return score(path, protocol=protocol, k=k)


def test_the_coin_falls_as_in_the_official_script(tmp_path: Path):
    """Its first eight tosses are A A A A B A B A, one for each unread row in the order of the file."""
    for number in range(8):
        rows = [judged(0, "A", "[[A]]")] + [judged(0, "A", "no verdict")] * (number + 1)
        assert scored(tmp_path, rows)["overall"] == (1 + "AAAABABA"[: number + 1].count("A")) / (number + 2)


@pytest.mark.parametrize(
    ("output", "official", "strict"),
    [
        ("... [[A]]", "A", "A"),
        ("... [[B]]", "B", "B"),
        ("[[A]] is what some say, but [[B]]", "A", None),
        ("Some say [[A]].\n[[B]]", "A", "B"),
        ("[[C]]", "coin", None),
        ("[[a]]", "coin", None),
        ("[A]", "coin", None),
        ("None", "coin", None),
        ("", "coin", None),
        (None, "coin", None),
    ],
)
def test_every_row_of_the_reference_table(tmp_path: Path, output: Any, official: str, strict: str | None):
    for label in "AB":
        figures = scored(tmp_path, [judged(0, label, output)])
        assert figures["coin"] == (official == "coin")
        assert figures["overall"] == float(("A" if official == "coin" else official) == label)  # the first toss is A
        assert scored(tmp_path, [judged(0, label, output)], "strict")["overall"] == float(strict == label)


def test_groups_columns_and_macro_averages(tmp_path: Path):
    rows = [judged(row, "A", "[[A]]" if row < 4 else "[[B]]") for row in range(8)] + [judged(0, "B", "[[A]]")]
    figures = scored(tmp_path, rows)
    assert list(figures["groups"]) == list(GROUPS)
    assert figures["groups"]["open_generation/correctness_task"] == {"correct": 1, "total": 2, "accuracy": 0.5}
    assert figures["columns"]["reasoning"] == 0.5
    assert figures["overall"] == 4 / 9
    assert figures["macro8"] == (0.5 + 1 + 1 + 1) / 8
    assert figures["macro6"] == (0.5 + 1 + 1 + 0.5 + 0 + 0) / 6


def test_a_group_without_rows_is_undefined_and_so_are_averages_over_it(tmp_path: Path):
    figures = scored(tmp_path, [judged(0, "A", "[[A]]")])
    assert figures["groups"]["vqa"] == {"correct": 0, "total": 0, "accuracy": None}
    assert (figures["overall"], figures["macro6"], figures["macro8"]) == (1.0, None, None)


def test_the_official_score_equals_a_plain_rereading_on_random_files(tmp_path: Path):
    rng = random.Random(5)
    rows = [judged(rng.randrange(8), rng.choice("AB"), rng.choice(["[[A]]", "x [[B]]", "", "[[A]] [[B]]"])) for _ in range(2_000)]
    coin = random.Random(123)
    right = 0
    for row in rows:
        said = "A" if "[[A]]" in row["output"] else "B" if "[[B]]" in row["output"] else "A" if coin.random() < 0.5 else "B"
        right += said == row["Label"]
    assert scored(tmp_path, rows)["overall"] == right / len(rows)


def test_malformed_lines_are_reported_with_their_numbers_and_the_rest_is_scored(tmp_path: Path):
    good = judged(0, "A", "[[A]]")
    bad = ["{", "3", {**good, "Label": "C"}, {**good, "output": 3}, {**good, "Meta": None}, {**good, "ID": None}]
    several = {name: value for name, value in good.items() if name != "output"} | {"outputs": ["[[A]]"]}
    figures = scored(tmp_path, [good, *bad, several])
    assert [fault["line"] for fault in figures["malformed"]] == list(range(2, 9))
    assert "several samples" in figures["malformed"][-1]["problem"]
    assert figures["n"] == 1


def test_more_than_one_sample_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="one sample"):
        scored(tmp_path, [judged(0, "A", "[[A]]")], k=3)


def test_ids_are_matched_in_any_case_and_an_unknown_category_is_its_own_group(tmp_path: Path):
    assert group_of("reasoning", "MATHVISTA_1") == "reasoning/math"
    assert group_of("safety", "PAIRS_1") == "safety/bias"
    figures = scored(tmp_path, [{"ID": "x", "Label": "A", "output": "[[A]]", "Meta": {"Category": "new"}}])
    assert figures["groups"]["new"]["accuracy"] == 1.0

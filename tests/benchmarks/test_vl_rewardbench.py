"""VL-RewardBench's recorded outputs: the official score to the last bit, and the strict one beside it."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest

from selfjudge.benchmarks.vl_rewardbench import _shuffled, dimension_of, official_state, read, score
from selfjudge.errors import InputError

REPLIES = (
    "**Overall Judgment:** Answer 1 is **slightly better**",
    "Overall Judgment: Answer 2 is better.",
    "Overall Judgment: Answer 2 is clearly better.",
    "Therefore, Answer\n1 is better than Answer 2",
    "Overall Judgment: Answer 3 is better",
    "I cannot say.",
)
IDS = ("RLAIF-1", "RLHF_2", "hallucination_3", "mathverse_4", "mmmu_5-1", "wildvision-6", "vlfeedback_7", "rlhf_8")


def sample(item: int, reply: str, *, swapped: int = 0, ranking: tuple[int, int] = (0, 1)) -> dict[str, Any]:
    return {
        "id": IDS[item % len(IDS)],
        "query": f"what? {item}",
        "response": ["one", f"two {item}"],
        "ranking": list(ranking),
        "meta": {"filter_choice": reply, "random_number": swapped, "flag_status": "agree"},
    }


def drawn(items: int, samples: int, seed: int) -> list[dict[str, Any]]:
    """A result file as a noisy judge would leave it."""
    rng = random.Random(seed)
    rankings = [rng.choice([(0, 1), (1, 0)]) for _ in range(items)]
    return [
        sample(item, rng.choice(REPLIES), swapped=rng.randrange(2), ranking=rankings[item])
        for item in range(items)
        for _ in range(samples)
    ]


def written(folder: Path, rows: list[Any]) -> Path:
    path = folder / "outputs.jsonl"
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def in_the_plainest_way(rows: list[Any]) -> dict[int, dict[str, Any]]:
    """The official scoring as its description reads, on whole rows, null ones too, and without a thought for speed."""
    random.seed(1234)
    results = {}
    for k in (1, 3, 5, 7, 9):
        shuffled = list(rows)
        for i in range(len(shuffled)):
            j = random.randint(0, len(shuffled) - 1)
            shuffled[i], shuffled[j] = shuffled[j], shuffled[i]
        groups: dict[str, list[dict[str, Any]]] = {}
        for row in filter(None, shuffled):
            group = groups.setdefault(row["id"] + row["query"] + "\t".join(sorted(row["response"])), [])
            if len(group) < k:
                group.append(row)
        counts = {name: {"agree": 0, "reject": 0, "doesntMatch": 0, "other": 0} for name in ("g", "h", "r")}
        for group in groups.values():
            flags = [flag(row) for row in group]
            state = next((s for s in ("agree", "reject", "doesntMatch") if flags.count(s) > len(group) / 2), "other")
            prefix = re.split("[_-]", group[0]["id"])[0]
            name = {"mathverse": "r", "mmmu": "r", "hallucination": "h", "RLAIF": "h", "RLHF": "h"}.get(prefix, "g")
            counts[name][state] += 1
        shares = [c["agree"] / (c["agree"] + c["reject"]) for c in counts.values()]
        agree, reject = (sum(c[state] for c in counts.values()) for state in ("agree", "reject"))
        results[k] = {"shares": shares, "overall": agree / (agree + reject), "macro": sum(shares) / 3}
    return results


def flag(row: dict[str, Any]) -> str:
    text = row["meta"]["filter_choice"].replace("\n", "").replace("*", "")
    found = re.search(
        r"(?:Overall Judgment|Therefore).*Answer\s*(\d+)\s*is\s*(?:the)?\s*(?:slightly)?\s*better", text, re.IGNORECASE
    )
    if found is None:
        return "doesntMatch"
    worse = row["ranking"].index(1 if row["meta"]["random_number"] == 0 else 0) + 1
    return "reject" if int(found[1]) == worse else "agree"


@pytest.mark.parametrize(
    ("items", "samples", "nulls"), [(40, 10, 0), (200, 9, 0), (333, 3, 0), (500, 1, 0), (60, 10, 7), (90, 3, 20)]
)
def test_every_pass_of_the_official_score_is_reproduced_to_the_last_bit(tmp_path: Path, items: int, samples: int, nulls: int):
    rows: list[Any] = drawn(items, samples, seed=items)
    for place in range(0, len(rows), nulls or len(rows) + 1):
        rows.insert(place, None)
    ours = score(written(tmp_path, rows), protocol="official", k=None)
    for k, wanted in in_the_plainest_way(rows).items():
        found = ours["by_k"][str(k)]
        assert list(found["dimensions"].values()) == wanted["shares"]
        assert (found["overall"], found["macro"]) == (wanted["overall"], wanted["macro"])


def test_k_chooses_the_pass_and_all_samples_need_no_shuffle(tmp_path: Path):
    path = written(tmp_path, drawn(50, 9, seed=1))
    every = score(path, protocol="official", k=None)
    assert every["k"] == 9
    assert {**every["by_k"]["9"], "by_k": 0} == {**{name: every[name] for name in every["by_k"]["9"]}, "by_k": 0}
    five = score(path, protocol="official", k=5)
    assert five["overall"] == every["by_k"]["5"]["overall"]


def test_one_line_is_scored_and_undefined_figures_are_null(tmp_path: Path):
    path = written(tmp_path, [sample(0, "Overall Judgment: Answer 1 is better")])
    figures = score(path, protocol="official", k=None)
    assert (figures["n"], figures["overall"], figures["macro"]) == (1, 1.0, None)
    assert figures["dimensions"] == {"general": None, "hallucination": 1.0, "reasoning": None}


def test_an_undecided_item_leaves_the_official_denominator_and_is_wrong_in_the_strict_one(tmp_path: Path):
    rows = [sample(0, "Overall Judgment: Answer 1 is better"), sample(8, "no idea")]
    path = written(tmp_path, rows)
    official, strict = (score(path, protocol=protocol, k=None) for protocol in ("official", "strict"))
    assert (official["overall"], strict["overall"]) == (1.0, 0.5)
    assert official["parse_rate"] == strict["parse_rate"] == 0.5


def test_a_number_that_was_not_offered_agrees_officially_and_is_unread_strictly(tmp_path: Path):
    path = written(tmp_path, [sample(0, "Overall Judgment: Answer 3 is better")])
    assert score(path, protocol="official", k=None)["agree"] == 1
    assert score(path, protocol="strict", k=None)["no_match"] == 1


def test_a_swapped_sample_is_read_in_its_own_order(tmp_path: Path):
    text = "Overall Judgment: Answer 2 is better"
    for protocol in ("official", "strict"):
        assert score(written(tmp_path, [sample(0, text, swapped=1)]), protocol=protocol, k=None)["overall"] == 1.0
        assert score(written(tmp_path, [sample(0, text, swapped=0)]), protocol=protocol, k=None)["overall"] == 0.0


def test_lines_under_a_zero_are_unwrapped_and_null_ones_count_for_no_item(tmp_path: Path):
    rows = drawn(20, 3, seed=2)
    plain, strict = (
        score(written(tmp_path, [rows[0], None, None, *rows[1:]]), protocol=name, k=None) for name in ("official", "strict")
    )
    wrapped: list[Any] = [{"0": row} for row in rows]
    with_nulls = written(tmp_path, [wrapped[0], "null", {"0": None}, *wrapped[1:]])
    assert score(with_nulls, protocol="official", k=None) == plain
    assert score(with_nulls, protocol="strict", k=None) == strict == score(written(tmp_path, rows), protocol="strict", k=None)


def test_malformed_lines_are_reported_with_their_numbers_and_the_rest_is_scored(tmp_path: Path):
    good = sample(0, "Overall Judgment: Answer 1 is better")
    bad = [
        "{not json",
        "[1, 2]",
        '"text"',
        {**good, "ranking": [1, 1]},
        {**good, "response": ["one"]},
        {**good, "meta": {"random_number": 0}},
        {**good, "meta": {**good["meta"], "random_number": "left"}},
        {**good, "id": 5},
        '{"id": "\\ud800"}',
    ]
    figures = score(written(tmp_path, [good, *bad]), protocol="official", k=None)
    assert [fault["line"] for fault in figures["malformed"]] == list(range(2, 11))
    assert figures["n"] == 1


def test_a_file_without_one_usable_line_is_an_error_that_names_the_first_fault(tmp_path: Path):
    with pytest.raises(InputError, match="line 1: not JSON"):
        read(written(tmp_path, ["{"]), official_state)
    with pytest.raises(InputError, match="holds no recorded judgment"):
        read(written(tmp_path, []), official_state)
    with pytest.raises(InputError, match="cannot read"):
        read(tmp_path / "missing.jsonl", official_state)


@pytest.mark.parametrize(
    ("identity", "dimension"),
    [
        ("hallucination_pair-12", "hallucination"),
        ("RLAIF-V_1", "hallucination"),
        ("RLHF-3", "hallucination"),
        ("rlhf-3", "general"),
        ("mathverse_12-1", "reasoning"),
        ("mmmu_pro_7", "reasoning"),
        ("wildvision-1", "general"),
        ("something", "general"),
        ("", "general"),
    ],
)
def test_the_prefix_of_an_id_decides_the_dimension(identity: str, dimension: str):
    assert dimension_of(identity) == dimension


def test_the_strict_score_takes_the_first_samples_in_the_order_of_the_file(tmp_path: Path):
    right, wrong = "Overall Judgment: Answer 1 is better.", "Overall Judgment: Answer 2 is better."
    figures = score(written(tmp_path, [sample(0, text) for text in (right, wrong, wrong)]), protocol="strict", k=None)
    assert figures["k"] == 3 and figures["overall"] == 0.0
    assert (figures["by_k"]["1"]["overall"], figures["by_k"]["9"]["overall"]) == (1.0, 0.0)


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 1000])
def test_lines_are_shuffled_as_the_official_script_does_with_randint(count: int):
    ours, theirs = random.Random(1234), random.Random(1234)
    order = list(range(count))
    for i in range(count):
        j = theirs.randint(0, count - 1)
        order[i], order[j] = order[j], order[i]
    assert (_shuffled(count, ours), ours.random()) == (order, theirs.random())

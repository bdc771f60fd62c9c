"""Published rows are facts that someone typed: they must be consistent in themselves, and never pass for comparable."""

from __future__ import annotations

import pytest

from selfjudge.benchmarks.published import (
    MULTIMODAL_REWARDBENCH,
    SPLITS,
    VL_REWARDBENCH,
    MultimodalRewardBenchRow,
    Tag,
    VlRewardBenchRow,
    context,
)

WITH_DIMENSIONS = [row for row in VL_REWARDBENCH if row.general is not None]
ELSEWHERE = [row for row in WITH_DIMENSIONS if not row.official]
LEADERS = [row for row in MULTIMODAL_REWARDBENCH if row.rows is not None]

OFFICIAL_TOLERANCE = 0.015
"""The official protocol drops undecided items, more of one dimension than of another, so the weights are not quite the sizes."""
MANY_UNDECIDED = {"LLaVA-OneVision-7B-ov": 0.017, "Phi-3.5-Vision": 0.037}
"""Rows that dropped so many that they lie beyond it; both rows are as in the source, and their notes say so."""
TOLERANCE = 0.003
"""Elsewhere rounding alone: 0.1 points with a decimal, up to 0.3 where a source rounded to whole points or dropped a few."""


def name(row: VlRewardBenchRow | MultimodalRewardBenchRow) -> str:
    return f"{row.model} {row.note}"


def gap(row: VlRewardBenchRow, tag: Tag) -> float:
    """How far the published overall lies below the dimensions weighted by the sizes of a split."""
    general, hallucination, reasoning = SPLITS[tag]
    weighted = (general * row.general + hallucination * row.hallucination + reasoning * row.reasoning) / 1_250
    return weighted - row.overall


@pytest.mark.parametrize("tag", SPLITS)
def test_a_split_places_all_1250_items(tag: Tag):
    assert sum(SPLITS[tag]) == 1_250


@pytest.mark.parametrize("row", [row for row in WITH_DIMENSIONS if row.official], ids=name)
def test_an_official_row_is_the_dimensions_weighted_but_for_what_was_dropped(row: VlRewardBenchRow):
    assert row.tag is Tag.TRUE and row.rows == 1_250
    if row.model in MANY_UNDECIDED:
        assert gap(row, Tag.TRUE) == pytest.approx(MANY_UNDECIDED[row.model], abs=0.0005)
        assert "dropped" in row.note
    else:
        assert abs(gap(row, Tag.TRUE)) < OFFICIAL_TOLERANCE


@pytest.mark.parametrize("row", [row for row in ELSEWHERE if row.tag in SPLITS], ids=name)
def test_the_tag_of_a_row_from_elsewhere_is_the_split_that_fits_and_fits_best(row: VlRewardBenchRow):
    gaps = {tag: abs(gap(row, tag)) for tag in SPLITS}
    assert gaps[row.tag] < TOLERANCE and min(gaps, key=gaps.__getitem__) is row.tag


@pytest.mark.parametrize("row", [row for row in ELSEWHERE if row.tag not in SPLITS], ids=name)
def test_an_untagged_row_with_dimensions_fits_no_split(row: VlRewardBenchRow):
    assert row.tag is Tag.UNKNOWN and all(abs(gap(row, tag)) > TOLERANCE for tag in SPLITS)


@pytest.mark.parametrize("row", [row for row in WITH_DIMENSIONS if row.macro is not None], ids=name)
def test_macro_is_the_mean_of_the_dimensions(row: VlRewardBenchRow):
    assert row.macro == pytest.approx((row.general + row.hallucination + row.reasoning) / 3, abs=0.001)


@pytest.mark.parametrize("row", LEADERS, ids=name)
def test_overall_of_a_leader_is_its_columns_weighted_by_their_rows(row: MultimodalRewardBenchRow):
    sizes = {"correctness": 623, "preference": 654, "knowledge": 630, "reasoning": 1_098, "safety": 1_008, "vqa": 1_198}
    assert sum(sizes.values()) == row.rows == 5_211
    weighted = sum(size * getattr(row, column) for column, size in sizes.items()) / row.rows
    assert row.overall == pytest.approx(weighted, abs=0.001)


@pytest.mark.parametrize("row", [row for row in LEADERS if row.math is not None], ids=name)
def test_reasoning_of_a_leader_is_math_and_coding_weighted_by_their_rows(row: MultimodalRewardBenchRow):
    assert row.reasoning == pytest.approx((514 * row.math + 584 * row.coding) / 1_098, abs=0.001)


@pytest.mark.parametrize("row", [*VL_REWARDBENCH, *MULTIMODAL_REWARDBENCH], ids=name)
def test_every_figure_is_a_fraction(row: VlRewardBenchRow | MultimodalRewardBenchRow):
    figures = [getattr(row, field) for field in row.__slots__ if field not in ("rows", "official")]
    assert all(0.15 < value < 1 for value in figures if isinstance(value, float))


@pytest.mark.parametrize("rows", [VL_REWARDBENCH, MULTIMODAL_REWARDBENCH])
def test_no_row_is_there_twice(rows: tuple):
    assert len({(row.model, row.overall, row.note) for row in rows if row.overall}) == len([row for row in rows if row.overall])


@pytest.mark.parametrize(
    ("benchmark", "rows"), [("vl-rewardbench", VL_REWARDBENCH), ("multimodal-rewardbench", MULTIMODAL_REWARDBENCH)]
)
def test_each_row_stands_in_one_group_and_only_one_group_can_be_comparable(benchmark: str, rows: tuple):
    groups = context(benchmark, ["official"])
    assert sum(len(group.rows) for group in groups) == len(rows)
    assert [group.comparable for group in groups] == [True] + [False] * (len(groups) - 1)
    assert all(group.why for group in groups)


@pytest.mark.parametrize("benchmark", ["vl-rewardbench", "multimodal-rewardbench"])
def test_nothing_published_is_comparable_with_a_strict_result(benchmark: str):
    groups = context(benchmark, ["strict"])
    assert not any(group.comparable for group in groups) and groups[0].why.startswith("Not comparable")


def test_only_rows_of_the_true_split_under_the_official_protocol_are_comparable_by_dimension():
    group = context("vl-rewardbench", ["official", "strict"])[0]
    assert group.title == "official protocol, split true"
    assert all(isinstance(row, VlRewardBenchRow) and row.tag is Tag.TRUE and row.official for row in group.rows)


def test_a_benchmark_that_nobody_has_published_on_has_no_context():
    assert context("shapes-bench", ["strict"]) == []

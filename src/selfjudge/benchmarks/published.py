"""Figures that others have published for VL-RewardBench and Multimodal RewardBench: context, with notes on what they compare to.

Facts in our own words, as fractions; None where a source has no figure. Sources count differently, so every row of VL-RewardBench
has a tag, found by recomputing `overall` from the dimensions with the sizes that each way of splitting gives (`SPLITS`):

    true         the benchmark's own split
    povid        POVID counted as general, a defect of the official code until May 2025
    case         prefixes looked up in lower case, so that RLHF-V and RLAIF-V count as general
    unknown      no dimensions were published, or they fit none of the splits
    macro only   only the mean over dimensions was published, by an unknown split
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from typing import Any

from . import multimodal_rewardbench, vl_rewardbench


class Tag(StrEnum):
    """How a source split VL-RewardBench into dimensions."""

    TRUE = "true"
    POVID = "povid"
    CASE = "case"
    UNKNOWN = "unknown"
    MACRO_ONLY = "macro only"


SPLITS: Mapping[Tag, tuple[int, int, int]] = {
    Tag.TRUE: (183, 749, 318),
    Tag.POVID: (631, 301, 318),
    Tag.CASE: (484, 448, 318),
}
"""Items in general, hallucination and reasoning, of 1,250."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VlRewardBenchRow:
    """One published row: fractions, `rows` of the benchmark where known, and whether the official protocol was followed."""

    model: str
    general: float | None
    hallucination: float | None
    reasoning: float | None
    overall: float | None
    macro: float | None
    tag: Tag
    rows: int | None
    official: bool
    note: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MultimodalRewardBenchRow:
    """One published row: fractions; only rows of the leaderboard have more than `overall`, and are known to have 5,211 rows."""

    model: str
    overall: float
    correctness: float | None
    preference: float | None
    knowledge: float | None
    reasoning: float | None
    safety: float | None
    vqa: float | None
    math: float | None
    coding: float | None
    bias: float | None
    rows: int | None
    note: str
    source: str


def _read(benchmark: str, row: Callable[..., Any]) -> tuple[Any, ...]:
    """The rows of `published_BENCHMARK.csv`, whose columns are the fields of a row."""
    lines = (files(__package__) / f"published_{benchmark}.csv").read_text(encoding="utf-8").splitlines()
    return tuple(row(**{name: _value(name, text) for name, text in line.items()}) for line in csv.DictReader(lines))


def _value(name: str, text: str) -> str | float | bool | Tag | None:
    if name in ("model", "note", "source"):
        return text
    if name in ("tag", "official"):
        return Tag(text) if name == "tag" else text == "yes"
    return None if not text else int(text) if name == "rows" else float(text)


VL_REWARDBENCH: tuple[VlRewardBenchRow, ...] = _read("vl_rewardbench", VlRewardBenchRow)
MULTIMODAL_REWARDBENCH: tuple[MultimodalRewardBenchRow, ...] = _read("multimodal_rewardbench", MultimodalRewardBenchRow)

_WHY: Mapping[Tag, str] = {
    Tag.TRUE: "The same split, but prompts, orders or readers of their own, or unknown ones: no more than a rough guide.",
    Tag.POVID: "Not comparable by dimension or macro: POVID counts as general (631/301/318 items instead of 183/749/318).",
    Tag.CASE: "Not comparable by dimension or macro: RLHF-V and RLAIF-V count as general (484/448/318 instead of 183/749/318).",
    Tag.UNKNOWN: "Not comparable: how the items were split or counted is unknown.",
    Tag.MACRO_ONLY: "Not comparable: a mean over dimensions of an unknown split.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedGroup:
    """Published rows that compare among themselves. `why` explains whether they compare with results of one's own."""

    benchmark: str
    title: str
    comparable: bool
    why: str
    columns: tuple[str, ...]
    rows: tuple[VlRewardBenchRow | MultimodalRewardBenchRow, ...]


def context(benchmark: str, protocols: Sequence[str]) -> list[PublishedGroup]:
    """Published rows in groups; none for a benchmark without any. `protocols` are those of one's own results."""
    if benchmark == vl_rewardbench.NAME:
        return _vl_rewardbench("official" in protocols)
    if benchmark == multimodal_rewardbench.NAME:
        return _multimodal_rewardbench("official" in protocols)
    return []


def _vl_rewardbench(official: bool) -> list[PublishedGroup]:
    why = (
        "Comparable with the `official` results above, by dimension too: 1,250 rows, undecided ones dropped."
        if official
        else "Not comparable: `official` drops undecided items, which the results above count as wrong."
    )
    columns = (*vl_rewardbench.DIMENSIONS, "overall", "macro")
    theirs = [row for row in VL_REWARDBENCH if row.official]
    others = {tag: [row for row in VL_REWARDBENCH if row.tag is tag and not row.official] for tag in _WHY}
    return [
        _group(vl_rewardbench.NAME, "official protocol, split true", why, columns, theirs, comparable=official),
        *(_group(vl_rewardbench.NAME, f"others, {_title(tag)}", _WHY[tag], columns, rows) for tag, rows in others.items()),
    ]


def _title(tag: Tag) -> str:
    return str(tag) if tag is Tag.MACRO_ONLY else f"split {tag}"


def _multimodal_rewardbench(official: bool) -> list[PublishedGroup]:
    why = (
        "Comparable with `official` results column by column; overall and safety only with all 5,211 rows."
        if official
        else "Not comparable: a fixed order and a coin for unread replies; the results above were asked otherwise."
    )
    columns = ("overall", *multimodal_rewardbench.COLUMNS)
    leaders = [row for row in MULTIMODAL_REWARDBENCH if row.rows is not None]
    others = [row for row in MULTIMODAL_REWARDBENCH if row.rows is None]
    unknown = "Not comparable: other orders and readers, an unknown number of rows (often 4,711), secondary sources."
    name = multimodal_rewardbench.NAME
    return [
        _group(name, "leaderboard, 5,211 rows, fixed order", why, columns, leaders, comparable=official),
        _group(name, "others, overall only", unknown, ("overall",), others),
    ]


def _group(
    benchmark: str,
    title: str,
    why: str,
    columns: Sequence[str],
    rows: Sequence[VlRewardBenchRow | MultimodalRewardBenchRow],
    *,
    comparable: bool = False,
) -> PublishedGroup:
    used = tuple(name for name in columns if any(getattr(row, name) is not None for row in rows))
    return PublishedGroup(benchmark=benchmark, title=title, comparable=comparable, why=why, columns=used, rows=tuple(rows))

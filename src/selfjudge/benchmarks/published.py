"""Figures that others have published for VL-RewardBench and Multimodal RewardBench: context, with what each compares to.

Facts in our own words, as fractions; None where a source does not say. Sources count differently, so every row of VL-RewardBench
has a tag, found by recomputing `overall` from the dimensions with the sizes that each way of splitting gives (`SPLITS`):

    true         the benchmark's own split
    povid        POVID counted as general, a defect of the official code until May 2025
    case         prefixes looked up in lower case, so that RLHF-V and RLAIF-V count as general
    unknown      no dimensions were published, or they fit none of the splits
    macro only   only the mean over dimensions was published, by an unknown split
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
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

OFFICIAL_SOURCE = "the benchmark's own table, arXiv 2411.17451"
ELSEWHERE = "other published reports"


@dataclass(frozen=True, slots=True, kw_only=True)
class VlRewardBenchRow:
    """One published row: fractions, `rows` of the benchmark where known, and whether the official protocol was followed."""

    model: str
    general: float | None = None
    hallucination: float | None = None
    reasoning: float | None = None
    overall: float | None = None
    macro: float | None = None
    tag: Tag = Tag.TRUE
    rows: int | None = None
    official: bool = False
    note: str = ""
    source: str = ELSEWHERE


@dataclass(frozen=True, slots=True, kw_only=True)
class MultimodalRewardBenchRow:
    """One published row: fractions; only rows of the leaderboard have more than `overall`, and are known to have 5,211 rows."""

    model: str
    overall: float
    correctness: float | None = None
    preference: float | None = None
    knowledge: float | None = None
    reasoning: float | None = None
    safety: float | None = None
    vqa: float | None = None
    math: float | None = None
    coding: float | None = None
    bias: float | None = None
    rows: int | None = None
    note: str = ""
    source: str = ELSEWHERE


def _of_the_benchmark(model: str, *figures: float, note: str = "") -> VlRewardBenchRow:
    return _row(model, *figures, rows=1_250, official=True, note=note, source=OFFICIAL_SOURCE)


def _row(
    model: str, general: float, hallucination: float, reasoning: float, overall: float, macro: float | None, **more: Any
) -> VlRewardBenchRow:
    return VlRewardBenchRow(
        model=model, general=general, hallucination=hallucination, reasoning=reasoning, overall=overall, macro=macro, **more
    )


def _overall(model: str, overall: float, macro: float | None = None, **more: Any) -> VlRewardBenchRow:
    return VlRewardBenchRow(model=model, overall=overall, macro=macro, **{"tag": Tag.UNKNOWN, **more})


def _macro(model: str, macro: float) -> VlRewardBenchRow:
    return VlRewardBenchRow(model=model, macro=macro, tag=Tag.MACRO_ONLY)


_UNDECIDED = "overall {} below the weighted dimensions: many items dropped"

# fmt: off
VL_REWARDBENCH: tuple[VlRewardBenchRow, ...] = (
    _of_the_benchmark("LLaVA-OneVision-7B-ov", 0.322, 0.201, 0.571, 0.296, 0.365, note=_UNDECIDED.format("0.017")),
    _of_the_benchmark("InternVL2-8B", 0.356, 0.411, 0.590, 0.445, 0.452),
    _of_the_benchmark("Phi-3.5-Vision", 0.280, 0.224, 0.566, 0.282, 0.357, note=_UNDECIDED.format("0.037")),
    _of_the_benchmark("Qwen2-VL-7B", 0.316, 0.191, 0.511, 0.283, 0.339),
    _of_the_benchmark("Qwen2-VL-72B", 0.381, 0.328, 0.580, 0.395, 0.430),
    _of_the_benchmark("Llama-3.2-11B", 0.333, 0.384, 0.566, 0.429, 0.428),
    _of_the_benchmark("Llama-3.2-90B", 0.426, 0.573, 0.617, 0.562, 0.539),
    _of_the_benchmark("Molmo-7B", 0.311, 0.318, 0.562, 0.375, 0.397),
    _of_the_benchmark("Molmo-72B", 0.339, 0.423, 0.549, 0.441, 0.437),
    _of_the_benchmark("Pixtral-12B", 0.356, 0.259, 0.599, 0.358, 0.404),
    _of_the_benchmark("NVLM-D-72B", 0.389, 0.316, 0.620, 0.401, 0.441),
    _of_the_benchmark("Gemini-1.5-Flash (2024-09-24)", 0.478, 0.596, 0.584, 0.576, 0.553),
    _of_the_benchmark("Gemini-1.5-Pro (2024-09-24)", 0.508, 0.725, 0.642, 0.672, 0.625),
    _of_the_benchmark("Claude-3.5-Sonnet (2024-06-22)", 0.434, 0.550, 0.623, 0.553, 0.536),
    _of_the_benchmark("GPT-4o-mini (2024-07-18)", 0.417, 0.345, 0.582, 0.415, 0.448),
    _of_the_benchmark("GPT-4o (2024-08-06)", 0.491, 0.676, 0.705, 0.658, 0.624, note="0.654 overall in the abstract"),
    _row("Gemini-2.0-flash-exp", 0.508, 0.726, 0.701, 0.688, 0.645),
    _row("GPT-4o-2024-11-20", 0.536, 0.753, 0.676, 0.702, 0.655, note="LLM parser", source="VLMEvalKit"),
    _row("GPT-4o", 0.492, 0.708, 0.651, 0.662, 0.617, note="LLM parser", source="VLMEvalKit"),
    _row("GPT-4o-mini", 0.437, 0.455, 0.648, 0.502, 0.513, note="LLM parser", source="VLMEvalKit"),
    _row("Qwen2.5-VL-7B", 0.434, 0.420, 0.630, 0.480, 0.495, tag=Tag.POVID),
    _row("Qwen2.5-VL-72B", 0.478, 0.468, 0.635, 0.516, 0.527, tag=Tag.POVID),
    _row("InternVL3-8B", 0.606, 0.440, 0.623, 0.570, 0.556, tag=Tag.POVID),
    _row("InternVL3-78B", 0.678, 0.525, 0.645, 0.633, 0.616, tag=Tag.POVID),
    _row("MAmmoTH-VL-8B", 0.360, 0.400, 0.520, 0.422, 0.427, note="dimensions rounded to whole points"),
    _row("QVQ-72B-Preview", 0.418, 0.462, 0.512, 0.464, 0.464, tag=Tag.UNKNOWN),
    _row("Skywork-VL-Reward-7B", 0.660, 0.800, 0.610, 0.731, 0.690),
    _row("IXC-2.5-Reward-7B", 0.847, 0.625, 0.629, 0.658, 0.700, note="the authors' own run"),
    _row("IXC-2.5-Reward-7B", 0.803, 0.653, 0.604, 0.663, 0.686, note="re-run by Skywork", source="Skywork"),
    _row("LLaVA-Critic-7B", 0.476, 0.383, 0.545, 0.474, 0.468, tag=Tag.POVID, note="pairwise"),
    _row("UnifiedReward-7B", 0.606, 0.784, 0.605, 0.661, 0.665, tag=Tag.UNKNOWN, note="dimensions fit no split"),
    _row("UnifiedReward-Think-7B", 0.781, 0.727, 0.660, 0.738, 0.723, tag=Tag.POVID),
    _overall("UnifiedReward v1.5 7B", 0.701, 0.707),
    _overall("R1-Reward-7B", 0.719, 0.714, tag=Tag.CASE, note="no swap: the better answer always first"),
    _overall("Proxy-GRM-7B", 0.752, tag=Tag.CASE),
    _row("Omni-RewardModel-BT", 0.508, 0.893, 0.604, 0.763, 0.668, note="as corrected by the author"),
    _overall("MSRL (InternVL3.5-8B)", 0.759),
    _row("JEV-27B-VL", 0.580, 0.832, 0.782, 0.783, 0.731, rows=1_247, note="both orders, self-reported"),
    _row("Llama-3.2-11B + text RM merge", 0.492, 0.617, 0.610, 0.597, None),
    _overall("ARM-Thinker-7B", 0.678, note="one table with the next three"),
    _overall("Qwen3-VL-8B", 0.660, note="ARM-Thinker's table"),
    _overall("InternVL3-8B", 0.518, note="ARM-Thinker's table"),
    _overall("Qwen2.5-VL-7B", 0.501, note="ARM-Thinker's table"),
    _macro("GPT-5", 0.750),
    _macro("Claude-Sonnet-4.5", 0.686),
    _macro("Gemini-2.5-Pro", 0.705),
    _macro("Qwen3-VL-32B", 0.671),
    _macro("Qwen3-VL-4B", 0.614),
    _macro("Molmo2-4B-RM", 0.822),
    _overall("arXiv 2512.05145, base", 0.383, note="likely a macro average"),
    _overall("arXiv 2512.05145, iteration 4", 0.538, note="likely a macro average"),
)
# fmt: on


def _leading(
    model: str, overall: float, *columns: float, math: float | None = None, coding: float | None = None, bias: float | None = None
) -> MultimodalRewardBenchRow:
    named: dict[str, Any] = dict(zip(multimodal_rewardbench.COLUMNS, columns, strict=True))
    more: dict[str, Any] = {"math": math, "coding": coding, "bias": bias, "rows": 5_211, "source": "the leaderboard"}
    return MultimodalRewardBenchRow(model=model, overall=overall, **named, **more)


# fmt: off
MULTIMODAL_REWARDBENCH: tuple[MultimodalRewardBenchRow, ...] = (
    _leading("Claude 3.5 Sonnet", 0.720, 0.626, 0.678, 0.739, 0.668, 0.687, 0.856, math=0.686, coding=0.651, bias=0.768),
    _leading("Gemini 1.5 Pro", 0.720, 0.635, 0.677, 0.663, 0.618, 0.765, 0.872, math=0.689, coding=0.555, bias=0.945),
    _leading("GPT-4o", 0.715, 0.626, 0.690, 0.720, 0.647, 0.669, 0.872, math=0.676, coding=0.621, bias=0.748),
    _leading("Llama-3.2-90B-Vision", 0.624, 0.600, 0.684, 0.612, 0.546, 0.519, 0.771),
    _leading("Aria", 0.573, 0.595, 0.635, 0.555, 0.524, 0.502, 0.642),
    _leading("Molmo-7B-D-0924", 0.543, 0.568, 0.594, 0.546, 0.521, 0.442, 0.603),
    _leading("Llama-3.2-11B-Vision", 0.524, 0.578, 0.658, 0.555, 0.512, 0.355, 0.558),
    _leading("LLaVA-1.5-13B", 0.489, 0.533, 0.552, 0.505, 0.513, 0.349, 0.518),
    MultimodalRewardBenchRow(model="Proxy-GRM", overall=0.856),
    MultimodalRewardBenchRow(model="Gemini-2.5-Pro", overall=0.824),
    MultimodalRewardBenchRow(model="R1-Reward", overall=0.822, note="the better answer always first"),
    MultimodalRewardBenchRow(model="MSRL", overall=0.805),
    MultimodalRewardBenchRow(model="Qwen3-VL-32B", overall=0.790),
    MultimodalRewardBenchRow(model="Claude-Sonnet-4.5", overall=0.782),
    MultimodalRewardBenchRow(model="InternVL3-78B", overall=0.757),
    MultimodalRewardBenchRow(model="Skywork-VL-Reward", overall=0.742),
    MultimodalRewardBenchRow(model="Molmo2-4B-RM", overall=0.732),
    MultimodalRewardBenchRow(model="Omni-RewardModel-BT", overall=0.705),
    MultimodalRewardBenchRow(model="MM-RLHF-Reward", overall=0.671),
    MultimodalRewardBenchRow(model="InternVL3-8B", overall=0.669),
    MultimodalRewardBenchRow(model="IXC-2.5-Reward", overall=0.666),
    MultimodalRewardBenchRow(model="GPT-5", overall=0.646),
    MultimodalRewardBenchRow(model="Qwen2.5-VL-7B", overall=0.626),
    MultimodalRewardBenchRow(model="LLaVA-Critic", overall=0.622),
    MultimodalRewardBenchRow(model="arXiv 2512.05145, base", overall=0.499),
    MultimodalRewardBenchRow(model="arXiv 2512.05145, iteration 4", overall=0.539),
)
# fmt: on


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

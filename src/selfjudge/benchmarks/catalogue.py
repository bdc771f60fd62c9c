"""The benchmarks that selfjudge knows: what each measures, where it comes from, under which licence, and whether it lies here.

Licences are as the data's own pages put them. Nothing of these benchmarks is shipped: `prepare` fetches them for the user, who
has to keep to their terms.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..errors import InputError
from ..hub.client import Repository, cached

Obtained = Literal["shipped", "own file", "hub", "prepare"]
"""`shipped` with the package; an `own file`; one data set of the `hub`; or put together by `prepare` from several sources."""

State = Literal["shipped", "own file", "prepared", "in the hub's cache", "absent"]

MANIFEST = "prepared.json"
"""Written last into a benchmark's folder: what it was made of. A folder without it is unfinished."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One benchmark. `rows` are the counts known of its revisions, newest first; empty where none is.

    `hub` are data sets by id, the main one first; of it, `config` and `split` hold the rows and `files` (patterns) is what is
    needed, everything where there is none. `where` is for people.
    """

    name: str
    title: str
    measures: str
    where: str
    licence: str
    obtained: Obtained
    hub: tuple[str, ...] = ()
    config: str | None = None
    split: str | None = None
    files: tuple[str, ...] = ()
    rows: tuple[int, ...] = ()
    arxiv: str | None = None


CATALOGUE = (
    Entry(
        name="shapes-bench",
        title="Shapes benchmark",
        measures="pairs about drawn scenes that the embedded judge never saw",
        where="drawn by this package",
        licence="Apache-2.0, as this package; its handwritten digits come with scikit-learn, which has them from UCI",
        obtained="shipped",
    ),
    Entry(
        name="pairs",
        title="Pairs of your own",
        measures="whatever your pairs measure: the better response of each is known",
        where="a JSONL file of yours",
        licence="yours",
        obtained="own file",
    ),
    Entry(
        name="vl-rewardbench",
        title="VL-RewardBench",
        measures="general instructions, visual hallucination and multimodal reasoning, as pairs",
        where="huggingface.co/datasets/MMInstruction/VL-RewardBench",
        licence="MIT by its metadata; its card limits use to research and refers to OpenAI's and Anthropic's terms; the images "
        "come from many sources under terms of their own; its scoring code has no licence",
        obtained="hub",
        hub=("MMInstruction/VL-RewardBench",),
        config="default",
        split="test",
        files=("data/*",),
        rows=(1_247, 1_250),
        arxiv="2411.17451",
    ),
    Entry(
        name="multimodal-rewardbench",
        title="Multimodal RewardBench",
        measures="correctness, preference, knowledge, reasoning, safety and visual questions, as pairs",
        where="github.com/facebookresearch/multimodal_rewardbench, and the eleven sources it points to",
        licence="CC-BY-NC 4.0: non-commercial. Sources: SEED-Bench CC-BY-NC 4.0 (non-commercial), RealWorldQA CC-BY-ND 4.0 (no "
        "derivatives), MathVista and EMMA CC-BY-SA 4.0, VisIT-Bench and PAIRS CC-BY 4.0, NoCaps CC-BY 2.0, MMMU-Pro, MMBench and "
        "Image2Struct Apache-2.0; Hateful Memes (not fetched) has a licence of its own: research, no derivatives",
        obtained="prepare",
        rows=(4_711, 5_211),
        arxiv="2502.14191",
    ),
    Entry(
        name="mm-rlhf-rewardbench",
        title="MM-RLHF-RewardBench",
        measures="images, videos and safety, as pairs ranked by people",
        where="huggingface.co/datasets/yifanzhang114/MM-RLHF-RewardBench",
        licence="none stated: all rights reserved until its authors say otherwise",
        obtained="hub",
        hub=("yifanzhang114/MM-RLHF-RewardBench",),
        rows=(170,),
        arxiv="2502.10391",
    ),
    Entry(
        name="mmrb2",
        title="Multimodal RewardBench 2",
        measures="generated and edited images, interleaved answers and reasoning, as pairs",
        where="huggingface.co/datasets/rl-research/multimodal-rewardbench-2, images facebook/MMRB2_image",
        licence="CC-BY-NC 4.0: non-commercial, and never for training; the card of its images says CC-BY-NC-SA 4.0",
        obtained="hub",
        hub=("rl-research/multimodal-rewardbench-2", "facebook/MMRB2_image"),
        rows=(4_000, 1_000),
        arxiv="2512.16899",
    ),
    Entry(
        name="mllm-as-a-judge",
        title="MLLM-as-a-Judge",
        measures="agreement with people: pairs with ties, scores from 1 to 5, rankings",
        where="huggingface.co/datasets/ONE-Lab/MLLM-as-a-Judge",
        licence="MIT; its 4,118 images come from other data sets under terms of their own",
        obtained="hub",
        hub=("ONE-Lab/MLLM-as-a-Judge",),
        arxiv="2402.04788",
    ),
    Entry(
        name="rewardbench",
        title="RewardBench",
        measures="chat, safety and reasoning in text alone, as pairs",
        where="huggingface.co/datasets/allenai/reward-bench",
        licence="ODC-BY; parts of it come from other data sets under terms of their own",
        obtained="hub",
        hub=("allenai/reward-bench",),
        config="default",
        split="filtered",
        rows=(2_985,),
        arxiv="2403.13787",
    ),
    Entry(
        name="judgebench",
        title="JudgeBench",
        measures="right against wrong answers to hard questions in text alone, as pairs",
        where="huggingface.co/datasets/ScalerLab/JudgeBench (splits gpt, 350 rows, and claude, 270)",
        licence="MIT",
        obtained="hub",
        hub=("ScalerLab/JudgeBench",),
        config="default",
        rows=(620, 350, 270),
        arxiv="2410.12784",
    ),
)


def entry_of(name: str) -> Entry:
    """The benchmark of a name. Raises InputError."""
    for entry in CATALOGUE:
        if entry.name == name:
            return entry
    raise InputError(f"there is no benchmark {name}", hint=f"Known are {', '.join(entry.name for entry in CATALOGUE)}.")


def home() -> Path:
    """Where prepared benchmarks lie: $SELFJUDGE_BENCHMARKS, or ~/.cache/selfjudge/benchmarks."""
    named = os.environ.get("SELFJUDGE_BENCHMARKS")
    return Path(named) if named else Path.home() / ".cache" / "selfjudge" / "benchmarks"


def folder_of(entry: Entry) -> Path | None:
    """The folder where a benchmark's data lie, prepared or in the hub's cache; None where there is none. Asks no server."""
    folder = home() / entry.name
    if is_prepared(folder, entry.name):
        return folder
    return _cached(entry) if entry.obtained == "hub" else None


def state_of(entry: Entry) -> State:
    """Whether a benchmark can be used at once, and why. Asks no server."""
    if entry.obtained == "shipped" or entry.obtained == "own file":
        return entry.obtained
    if is_prepared(home() / entry.name, entry.name):
        return "prepared"
    return "absent" if folder_of(entry) is None else "in the hub's cache"


def is_prepared(folder: Path, name: str) -> bool:
    """Whether a folder holds this benchmark, whole."""
    manifest = manifest_of(folder)
    return manifest is not None and manifest.get("name") == name


def manifest_of(folder: Path) -> dict[str, Any] | None:
    """What `prepare` wrote last into a folder; None where it did not finish, or where that is no longer readable."""
    try:
        value = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _cached(entry: Entry) -> Path | None:
    """The folder of the main data set in the hub's cache, when every data set of the benchmark is there."""
    folders = [cached(Repository(kind="dataset", name=name), entry.files) for name in entry.hub]
    main = folders[0]
    if main is None or None in folders:
        return None
    return main if any(any(main.glob(pattern)) for pattern in entry.files or ("*",)) else None

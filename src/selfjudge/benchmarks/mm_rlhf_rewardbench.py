"""MM-RLHF-RewardBench: 170 pairs about 46 images and videos; Acc over pairs, Acc+ over ids all of whose pairs are right.

The published score compares two scalar rewards. For a judge that compares answers, `official` asks once, in an order drawn by
hash; `strict` asks in both. Videos cannot be shown to an image judge: such rows count as missing their image.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from ..method.metrics import macro
from ..method.protocols import STRICT
from ..run.tables import Row, is_right
from . import data_files
from .data_files import DataFiles
from .public import Replies, Spec, StoredPair, embedded


def pairs(files: DataFiles) -> Iterator[StoredPair]:
    """The rows, the chosen response stored first as the file has it; the category is the folder of the image or video."""
    for where, row, folder in ((*found, part.folder) for part in data_files.each(files) for found in part.rows()):
        image, video = row.get("image"), row.get("video")
        path = image if isinstance(image, str) else (image or {}).get("path") if isinstance(image, Mapping) else video
        yield StoredPair(
            where=where,
            id=str(row.get("id", "")),
            question=data_files.field(row, "prompt", where),
            images=(embedded(image, folder),),
            responses=(data_files.field(row, "chosen", where, empty=True), data_files.field(row, "rejected", where, empty=True)),
            better=0,
            dimension=_category(row, path),
            source="video" if video else "image",
            group=str(row["id"]) if row.get("id") is not None else None,
        )


def _category(row: Row, path: Any) -> str:
    if isinstance(row.get("category"), str):
        return str(row["category"])
    folders = PurePosixPath(path).parts[:-1] if isinstance(path, str) else ()
    return folders[-1] if folders else "all"


def figures(replies: Replies) -> dict[str, Any]:
    """`acc_plus`: the share of ids all of whose pairs are right, in every order that was asked."""
    wrong = {row["pair_id"] for row in replies.rows if not is_right(row)}
    groups: dict[str, list[bool]] = defaultdict(list)
    for item in replies.items:
        groups[item.group].append(item.pair.id not in wrong)
    return {
        "acc": replies.general["accuracy"],
        "acc_plus": macro([float(all(right)) for right in groups.values()]),
        "ids": len(groups),
    }


SPEC = Spec(
    name="mm-rlhf-rewardbench",
    files=("*.jsonl", "**/*.jsonl", "*.json", "**/*.parquet"),
    pairs=pairs,
    protocols={"strict": STRICT, "official": replace(STRICT, name="official", orders="random")},
    figures=figures,
)

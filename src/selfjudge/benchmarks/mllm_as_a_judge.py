"""MLLM-as-a-Judge, its pair comparisons: two answers about an image and the verdicts of people, ties among them.

`official` offers a tie and asks in the stored order; its accuracy is reported with ties, where a tie must be called one, and
without them. `strict` has no ties: items that people called one are left out and counted. Scores and rankings are not read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from ..chat import Sampling
from ..errors import InputError
from ..method.metrics import majority, share
from ..method.protocols import STRICT, Protocol
from ..run.tables import Row, is_right
from ..types import Problem
from . import data_files
from .data_files import DataFiles
from .public import Replies, Spec, StoredPair, embedded, prompt

PROMPT = prompt("mllm_as_a_judge")
"""Our words, asking for the verdicts that people gave."""

_LABELS = {"A": 0, "B": 1, "C": None}


def pairs(files: DataFiles) -> Iterator[StoredPair]:
    """The pair comparisons; the dimension is the data set that the image is from."""
    for part in data_files.each(files):
        for where, row in part.rows():
            yield _pair(row, where, part)


def _pair(row: Row, where: str, files: DataFiles) -> StoredPair:
    """One comparison."""
    label = row.get("human_answer", row.get("human"))
    if label not in _LABELS:
        raise InputError(f"{where}: `human_answer` is {label!r:.40}, none of A, B and C", hint="Give the pair comparisons.")
    return StoredPair(
        where=where,
        id=f"{row.get('id', '')}-{row.get('pair_id', '')}",
        question=data_files.field(row, "instruction", where),
        images=(embedded(row.get("image_path", row.get("image")), files.folder),),
        responses=(_answer(row, "answer1", where), _answer(row, "answer2", where)),
        better=_LABELS[label],
        dimension=str(row.get("original_dataset") or "all"),
        source=str(row.get("original_dataset") or "all"),
    )


def _answer(row: Row, name: str, where: str) -> str:
    value = row.get(name)
    holder, key = (value, "answer") if isinstance(value, dict) else (row, name)
    return data_files.field(holder, key, where, empty=True)


def figures(replies: Replies) -> dict[str, Any]:
    """Under `official`: accuracy with and without the items that people called ties. An item is right where more than half of
    its replies are; unread is wrong in both.
    """
    if replies.protocol != "official":
        return {}
    rows = defaultdict(list)
    for row in replies.rows:
        rows[row["pair_id"]].append(row)
    right = {True: 0, False: 0}
    for item in replies.items:
        marks = [row["problem"] == Problem.TIE if item.tie else is_right(row) for row in rows[item.pair.id]]
        right[item.tie] += majority(marks) is True
    ties = sum(item.tie for item in replies.items)
    return {
        "accuracy_with_ties": share(right[True] + right[False], len(replies.items)),
        "accuracy_without_ties": share(right[False], len(replies.items) - ties),
        "ties": ties,
        "ties_found": share(right[True], ties),
    }


SPEC = Spec(
    name="mllm-as-a-judge",
    files=("*[Pp][Aa][Ii][Rr]*.jsonl", "**/*[Pp][Aa][Ii][Rr]*.jsonl", "*.jsonl", "**/*.parquet"),
    pairs=pairs,
    protocols={
        "strict": STRICT,
        "official": Protocol(
            name="official",
            version=2,
            orders="stored",
            samples=1,
            sampling=Sampling(temperature=0.0, max_tokens=1024),
            line="letters_or_tie",
            template=PROMPT,
            verbatim=True,
        ),
    },
    figures=figures,
)

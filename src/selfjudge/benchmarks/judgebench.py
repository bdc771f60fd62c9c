"""JudgeBench (arXiv 2410.12784), text only: pairs of knowledge, reasoning, mathematics and coding.

`official` asks in both orders and adds up: a pair is right when more of its two verdicts name the right response than the wrong
one, so one right verdict beside an unread one is enough, and two that contradict each other are not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ..errors import InputError
from ..method.metrics import share
from ..method.protocols import STRICT
from ..run.tables import is_right
from . import data_files
from .data_files import DataFiles
from .public import Replies, Spec, StoredPair

_LABELS = {"A>B": 0, "B>A": 1}

_BY_SOURCE = {
    "mmlu-pro": "knowledge",
    "livebench-reasoning": "reasoning",
    "livebench-math": "mathematics",
    "livecodebench": "coding",
}


def pairs(files: DataFiles) -> Iterator[StoredPair]:
    """The rows; the dimension is the subject of the source."""
    for where, row in files.rows():
        label = row.get("label")
        if label not in _LABELS:
            raise InputError(f"{where}: `label` is {label!r:.40}, neither A>B nor B>A", hint="Get the file again.")
        source = data_files.field(row, "source", where)
        yield StoredPair(
            where=where,
            id=str(row.get("pair_id", row.get("original_id", ""))),
            question=data_files.field(row, "question", where),
            images=(),
            responses=(
                data_files.field(row, "response_A", where, empty=True),
                data_files.field(row, "response_B", where, empty=True),
            ),
            better=_LABELS[label],
            dimension=next((name for start, name in _BY_SOURCE.items() if source.startswith(start)), "other"),
            source=source,
        )


def figures(replies: Replies) -> dict[str, Any]:
    """`overall` under `official`: pairs with more right verdicts than wrong ones."""
    if replies.protocol != "official":
        return {}
    balance: Counter[str] = Counter()
    for row in replies.rows:
        balance[row["pair_id"]] += {True: 1, False: -1, None: 0}[is_right(row)]
    return {"overall": share(sum(balance[item.pair.id] > 0 for item in replies.items), len(replies.items))}


SPEC = Spec(
    name="judgebench",
    files=("data/*.parquet", "*.parquet", "*.jsonl", "data/*.jsonl"),
    pairs=pairs,
    protocols={"strict": STRICT, "official": replace(STRICT, name="official")},
    figures=figures,
)

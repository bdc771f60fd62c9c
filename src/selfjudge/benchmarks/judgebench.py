"""JudgeBench (arXiv 2410.12784), text only: pairs of knowledge, reasoning, mathematics and coding.

`official` asks in both orders and adds up: a pair is right when more of its two verdicts name the right response than the wrong
one, so one right verdict beside an unread one is enough, and two that contradict each other are not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..method.metrics import share
from ..method.protocols import STRICT
from ..run.tables import is_right
from . import data_files, recorded
from .data_files import DataFiles
from .public import Replies, Spec, StoredPair
from .recorded import BadLine, Malformed

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
            dimension=_dimension(source),
            source=source,
        )


def _dimension(source: str) -> str:
    return next((name for start, name in _BY_SOURCE.items() if source.startswith(start)), "other")


def figures(replies: Replies) -> dict[str, Any]:
    """`overall` under `official`: pairs with more right verdicts than wrong ones."""
    if replies.protocol != "official":
        return {}
    balance: Counter[str] = Counter()
    for row in replies.rows:
        balance[row["pair_id"]] += {True: 1, False: -1, None: 0}[is_right(row)]
    return {"overall": share(sum(balance[item.pair.id] > 0 for item in replies.items), len(replies.items))}


def score(path: Path, *, protocol: str, k: int | None) -> dict[str, Any]:
    """The figures of what the authors' `run_judge.py` writes: rows with `judgments`, one or two, each with a `decision` or null.

    `official` counts as their `metrics.py`: of two orders, a pair is right when more decisions name the right response than the
    wrong one. `strict`: every order must. Raises InputError.
    """
    if k is not None:
        raise InputError("judgebench has one judgment an order", hint="Remove --k.")
    right: dict[str, list[bool]] = {}
    faults: list[BadLine] = []
    for number, row in recorded.lines(path):
        try:
            if isinstance(row, Malformed):
                raise row
            marks = _marks(row)
        except Malformed as fault:
            faults.append(BadLine(line=number, problem=str(fault)))
            continue
        counted = sum(marks) > 0 if protocol == "official" else all(mark > 0 for mark in marks)
        right.setdefault(_dimension(recorded.text(row, "source")), []).append(counted)
    if not right:
        raise recorded.nothing_recorded(path, "judgebench", faults)
    parts = {name: {"n": len(part), "overall": share(sum(part), len(part))} for name, part in sorted(right.items())}
    every = [one for part in right.values() for one in part]
    whole = {"n": len(every), "overall": share(sum(every), len(every)), "dimensions": parts}
    return {"benchmark": "judgebench", "protocol": protocol, **whole, "malformed": [asdict(fault) for fault in faults]}


def _marks(row: Any) -> list[int]:
    """For each order 1 where the decision names the right response, -1 for the wrong one, 0 for neither. Raises Malformed."""
    label = recorded.text(row, "label")
    recorded.text(row, "source")
    said = row.get("judgments")
    if label not in _LABELS or not isinstance(said, list) or not 1 <= len(said) <= 2:
        raise Malformed("it has no `label` A>B or B>A, or not one or two `judgments`")
    wrong = next(other for other in _LABELS if other != label)
    by_order = [{label: 1, wrong: -1}, {label: -1, wrong: 1}]
    decisions = (one.get("decision") if isinstance(one, dict) else None for one in said)
    return [marks.get(decision, 0) for marks, decision in zip(by_order, map(str, decisions), strict=False)]


SPEC = Spec(
    name="judgebench",
    files=("data/*.parquet", "*.parquet", "*.jsonl", "data/*.jsonl"),
    pairs=pairs,
    protocols={"strict": STRICT, "official": replace(STRICT, name="official")},
    figures=figures,
)

"""The summary of a run: what stands in `summary.json`, read off the sealed tables and manifests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .errors import RunError
from .store import JudgeFolder, Table, read_json


def base_entry(benchmarks: dict[str, Any], held_out: dict[str, Any] | None, measured: Sequence[Table]) -> dict[str, Any]:
    """Iteration 0: the base model, measured."""
    return {
        "iteration": 0,
        "pairs": None,
        "kept": None,
        "yield": None,
        "traces": None,
        "dropped": None,
        "training": None,
        "probe": None,
        "held_out": held_out,
        "benchmarks": benchmarks,
        "seconds": {"evaluate": _seconds(measured)},
        "tokens": {"evaluate": _tokens(measured)},
    }


def entry(
    number: int,
    *,
    responses: Table,
    pairs: Table,
    dropped: Table,
    judgments: Table,
    selected: Table,
    judge: JudgeFolder,
    probe: dict[str, Any] | None,
    benchmarks: dict[str, Any],
    held_out: dict[str, Any] | None,
    measured: Sequence[Table],
) -> dict[str, Any]:
    """One iteration. `yield` is kept pairs over pairs; None where there were no pairs. `probe` is that of a served judge."""
    made = pairs.manifest.rows
    kept = len(set(selected.column("pair_id")))
    report = judge.report
    return {
        "iteration": number,
        "pairs": made,
        "kept": kept,
        "yield": kept / made if made else None,
        "traces": selected.manifest.rows,
        "dropped": dict(sorted(Counter(dropped.column("reason")).items())),
        "training": {name: report[name] for name in ("examples", "steps", "loss")},
        "probe": probe,
        "held_out": held_out,
        "benchmarks": benchmarks,
        "seconds": {
            "synthesize": _seconds([responses]),
            "judge": _seconds([judgments]),
            "train": report["seconds"],
            "evaluate": _seconds(measured),
        },
        "tokens": {
            "synthesize": _tokens([responses]),
            "judge": _tokens([judgments]),
            "evaluate": _tokens(measured),
        },
    }


def _seconds(tables: Sequence[Table]) -> float:
    return round(sum(table.manifest.seconds for table in tables), 3)


def _tokens(tables: Sequence[Table]) -> dict[str, int]:
    return {name: sum(sum(table.column(f"{name}_tokens")) for table in tables) for name in ("prompt", "completion")}


def read(root: Path) -> dict[str, Any]:
    """The summary of a run folder. Raises RunError when there is none."""
    if not (root / "summary.json").exists():
        raise RunError(f"{root} holds no summary.json", hint="Name the folder of a run that has finished its first measurement.")
    value: dict[str, Any] = read_json(root / "summary.json")
    return value

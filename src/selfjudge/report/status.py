"""How far a run is, read from its folder by whoever wants to know; nothing is changed, and no lock is taken."""

from __future__ import annotations

import fcntl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow.parquet as pq

from ..figures import ALL_DONE, Iteration
from ..run.disk import read_json
from ..run.folder import check_run
from ..run.log import ENDS, last_said

_TABLES = {"responses": "synthesize", "pairs": "pairs", "judgments": "judge", "selected": "select"}
"""Tables of an iteration in their order, each by the stage that makes it."""

_STOPPED, _BY_HAND = ("error: ", "stopped by "), "stopped by KeyboardInterrupt"
"""How the last line of the log begins where something stopped a run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How far a run is.

    state       `running` while a process holds the folder; `failed` where an error ended the last start; `finished` when the run
                is over; else `interrupted`
    error       that error, with its hint
    iteration   the one under way or the last one, of `iterations`
    stage       what is under way in it, and `rows` of its table so far; None where nothing is
    done        the summary of each finished iteration
    """

    state: Literal["running", "failed", "finished", "interrupted"]
    error: str | None
    iteration: int
    iterations: int
    stage: str | None
    rows: int | None
    done: Sequence[Iteration]


def status(run: Path) -> Status:
    """How far a run is. Raises InputError for a folder that is none."""
    check_run(run)
    iterations = read_json(run / "recipe.json", "loop")["loop"]["iterations"]
    summary = read_json(run / "summary.json") if (run / "summary.json").exists() else {"iterations": [], "stopped": None}
    done = summary["iterations"]
    more_wanted = summary["stopped"] == ALL_DONE and len(done) <= iterations  # `loop.iterations` was raised
    over = summary["stopped"] is not None and not more_wanted
    running, said = _held(run / ".lock"), last_said(run)
    error = None if running or said.startswith(_BY_HAND) or not said.startswith(_STOPPED) else said
    number, stage, rows = len(done) - over, None, None
    if not over:
        stage, rows = _under_way(run, number)
    finished = over and said == ENDS
    return Status(
        state="running" if running else "failed" if error else "finished" if finished else "interrupted",
        error=error,
        iteration=number,
        iterations=max(iterations, number),
        stage=stage,
        rows=rows,
        done=done,
    )


def _held(lock: Path) -> bool:
    """Whether a process holds a lock; it is let go at once where none does."""
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            fcntl.flock(file, fcntl.LOCK_UN)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def _under_way(run: Path, number: int) -> tuple[str, int | None]:
    """The stage of an iteration that is not finished, and the rows of its table so far."""
    if not (run / "prompts" / "prompts.manifest.json").exists():
        return "ingest", _rows(run / "prompts" / ".prompts.parts")
    folder = run / f"iteration-{number}"
    for table, stage in _TABLES.items() if number else ():
        if not (folder / f"{table}.manifest.json").exists():
            return stage, _rows(folder / f".{table}.parts")
    if number and not (folder / "judge.manifest.json").exists():
        return "train", None
    parts = sorted(folder.glob("benchmarks/**/.judgments.parts"))
    return "evaluate", _rows(parts[-1]) if parts else None


def _rows(parts: Path) -> int | None:
    """Rows of a table that grows: of its whole parts, and the lines of its journal."""
    if not parts.is_dir():
        return None
    try:
        whole: int = sum(pq.read_metadata(path).num_rows for path in parts.glob("*.parquet"))
        return whole + sum(path.read_bytes().count(b"\n") for path in parts.glob("*.jsonl"))
    except (OSError, ValueError):  # a part that is sealed at this moment
        return None

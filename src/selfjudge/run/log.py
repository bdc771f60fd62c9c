"""`run.log` in the folder of a run: what happened when, for whoever comes back to it. Lines are added, never rewritten.

A line for each stage, each iteration, each reason for which rows are refused, each warning and the error that ended a run. A log
that cannot be written stops nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..errors import SelfjudgeError
from ..figures import Head, Summary
from ..ports import Advance, Progress
from ..types import plain
from .reasons import left_out_line, refused_lines

NAME = "run.log"
ENDS = "ends"
"""The last line of a start that came to its end."""
OnHead = Callable[[Head], None]

log = logging.getLogger(__name__)


@contextmanager
def logged(folder: Path, begins: str) -> Iterator[None]:
    """Write what the package logs to the log of a run, from the line `begins` to how the run ended."""
    package, handler = logging.getLogger(__package__.partition(".")[0]), _Appending(folder / NAME)
    level = package.level
    package.addHandler(handler)
    package.setLevel(min(package.getEffectiveLevel(), logging.INFO))
    try:
        log.info("begins: %s, selfjudge %s", begins, version("selfjudge"))
        yield
        log.info(ENDS)
    except SelfjudgeError as error:
        log.info("error: %s; hint: %s", error, error.hint)
        raise
    except BaseException as error:
        log.info("stopped by %s: %s", type(error).__name__, error)
        raise
    finally:
        package.setLevel(level)
        package.removeHandler(handler)


def last_said(folder: Path) -> str:
    """The last line of the log of a run: `ends`, what stopped it, or how far one came that was killed. `ends` without a log."""
    try:
        lines = (folder / NAME).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ENDS
    return lines.rstrip("\n").rpartition("\n")[2].partition(": ")[2]


class _Appending(logging.Handler):
    """Adds each record to a file. A warning is also shown where it would be without a log."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def emit(self, record: logging.LogRecord) -> None:
        text = plain(record.getMessage()).replace("\n", "\\n")
        with suppress(OSError), self._path.open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {record.levelname.lower()}: {text}\n")
        alone = not logging.getLogger().handlers and logging.getLogger(record.name.partition(".")[0]).handlers == [self]
        if alone and logging.lastResort is not None and record.levelno >= logging.lastResort.level:
            logging.lastResort.handle(record)


def watched(progress: Progress) -> Progress:
    """Progress whose stages are also in the log, with what they did and how long it took."""

    @contextmanager
    def watching(label: str, total: int | None) -> Iterator[Advance]:
        started, done = time.monotonic(), 0
        with progress(label, total) as advance:

            def counting(count: int, row: Mapping[str, Any] | None = None, /) -> None:
                nonlocal done
                done += count
                advance(count, row)

            yield counting
        log.info("%s: %d in %.1f s", label, done, time.monotonic() - started)

    return watching


def prompts_read(head: Head, tell: OnHead | None, shortages: Iterable[str]) -> None:
    """Log what was made of the rows of the sources, and what they are too few for, and `tell` it."""
    prompts = head["prompts"]
    rows = prompts["total"] + sum(prompts["refused"].values())
    log.info("%d of %d rows can be used: %d open, %d closed", prompts["total"], rows, prompts["open"], prompts["closed"])
    for line in (*left_out_line(prompts["left_out"]), *refused_lines(head["refused"], rows)):
        log.info(line)
    for line in shortages:
        log.warning(line)
    if tell is not None:
        tell(head)


def iteration_done(state: Summary) -> None:
    """Log the newest iteration."""
    entry = state["iterations"][-1]
    figures = {name: value["accuracy"] for name, value in entry["benchmarks"].items() if "accuracy" in value}
    parts = [] if entry["pairs"] is None else [f"{entry['pairs']} pairs, {entry['kept']} kept"]
    parts += [f"benchmarks {figures}"] if figures else []
    log.info("iteration %d: %s", entry["iteration"], "; ".join(parts) or "not measured")
    if state["stopped"]:
        log.info("the run is over: %s; final judge %s", state["stopped"], state["final_judge"] or "the base model")

"""Terminal output: lines, tables and progress bars.

Everything printed goes through here: text is never markup, and control characters are removed, because names, paths and replies
come from files, models and servers of others.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from ..types import storable

if TYPE_CHECKING:
    from rich.console import Console

    from ..ports import Advance

_ACTING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters except tabs and newlines, and marks that change the writing direction."""


EVERY_SECONDS = 30.0
"""Between two lines of progress where the output is no terminal."""
_SHORT_SECONDS = 2.0


def plain(text: str) -> str:
    """The text without control characters."""
    return storable(_ACTING.sub("", text))


def say(text: str, *, err: bool = False) -> None:
    """Print a line on stdout or stderr."""
    typer.echo(plain(text), err=err)


def console(*, err: bool = False) -> Console:
    """A console for tables: as wide as the terminal, or 120 columns for a file."""
    from rich.console import Console
    from rich.text import Text

    class Plain(Console):
        def render_str(self, text: str, **options: Any) -> Text:
            return super().render_str(plain(text), **options)

    wide = None if (sys.stderr if err else sys.stdout).isatty() else 120
    return Plain(stderr=err, width=wide, markup=False, highlight=False, emoji=False)


class _Plain(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return plain(super().format(record))


def log_plainly() -> None:
    """Remove control characters from log messages."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_Plain())


@contextmanager
def interruptible() -> Iterator[None]:
    """Exit with 130 on an interrupt, for work that the same command resumes."""
    try:
        yield
    except KeyboardInterrupt:
        say("\ninterrupted: run the same command again to resume", err=True)
        raise typer.Exit(130) from None


@contextmanager
def progress(label: str, total: int | None) -> Iterator[Advance]:
    """A progress bar on stderr, or a line every half a minute where that is no terminal; `total` is None where it is unknown."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    if not shows_bars():
        lines = _Lines(label, total)
        yield lines.advance
        lines.end()
        return
    columns = (
        TextColumn("{task.description:<24}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console(err=True)) as bar:
        task = bar.add_task(plain(label), total=total)
        yield lambda count: bar.advance(task, count)


def shows_bars() -> bool:
    """Whether progress is shown on a terminal, where a bar can move."""
    return sys.stderr.isatty()


class _Lines:
    """Progress as lines of a log: one every half a minute, and one at the end of what took longer than two seconds."""

    def __init__(self, label: str, total: int | None) -> None:
        self._label = label
        self._total = total
        self._done = 0
        self._started = self._said = time.monotonic()

    def advance(self, count: int) -> None:
        self._done += count
        if time.monotonic() - self._said > EVERY_SECONDS:
            self._said = time.monotonic()
            self._say(self._left())

    def end(self) -> None:
        if (took := time.monotonic() - self._started) > _SHORT_SECONDS:
            self._say(f"done in {_span(took)}")

    def _left(self) -> str:
        if not self._total or not self._done:
            return "under way"
        took = time.monotonic() - self._started
        return f"about {_span(took * (self._total - self._done) / self._done)} left"

    def _say(self, words: str) -> None:
        rate = self._done / max(time.monotonic() - self._started, 1e-3)
        share = f"{self._done:,}" + (f" of {self._total:,}" if self._total else "")
        say(f"{time.strftime('%H:%M:%S')} {self._label}: {share}, {rate:,.1f}/s, {words}", err=True)


def _span(seconds: float) -> str:
    """A time in words, as 3 min 20 s."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"

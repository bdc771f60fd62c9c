"""Terminal output: lines and tables.

Everything printed goes through here: text is never markup, and control characters are removed, because names, paths and replies
come from files, models and servers of others.
"""

from __future__ import annotations

import io
import logging
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from ..types import plain

if TYPE_CHECKING:
    from rich.console import Console


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


class _Lasting(io.FileIO):
    """A stream that nobody need read: what is written after its reader has gone is lost."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            return len(data)


def outlive_readers() -> None:
    """Let the command come to its end, with its own exit code, where whoever reads its output goes, as `head` does."""
    for name in ("stdout", "stderr"):
        if (stream := getattr(sys, name)) is not None and stream is getattr(sys, f"__{name}__"):
            lasting = io.BufferedWriter(_Lasting(stream.fileno(), "wb", closefd=False))
            options = {option: getattr(stream, option) for option in ("encoding", "errors", "line_buffering", "write_through")}
            setattr(sys, name, io.TextIOWrapper(lasting, **options))


def is_read() -> bool:
    """Whether anybody can still read the output."""
    watched = select.poll()
    watched.register(1, 0)
    return not watched.poll(0)


@contextmanager
def interruptible() -> Iterator[None]:
    """Exit with 130 on an interrupt, for work that the same command resumes."""
    try:
        yield
    except KeyboardInterrupt:
        say("\ninterrupted: run the same command again to resume", err=True)
        raise typer.Exit(130) from None

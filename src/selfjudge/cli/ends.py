"""How a command ends: its last messages and its exit code.

0: done. 1: a check failed. 2: an error. 3: done, but too many requests failed or were cut off. 130: interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

import typer

from .terminal import say

if TYPE_CHECKING:
    from ..figures import Failures

RETRY = "Fix the cause, then run the same command with --retry-failed, which asks the failed requests again."
AFRESH = "Fix the cause, delete the folder and start again."
LONGER = "Replies were cut off: raise `max_tokens` of that stage's sampling, and use another folder (--dir)."
SHORTER = "Replies were cut off: raise --max-tokens, or ask for shorter ones (--prompt-file)"
BRIEFER = f"{SHORTER}, and use another folder (--dir)."


def end(stages: Mapping[str, Failures], *, failed: str, cut_off: str) -> None:
    """Warn of stages in which too many requests failed or were cut off, with hints, and exit with 3; else do nothing."""
    from ..run.failures import told, too_many

    bad = too_many(stages)
    if not bad:
        return
    say("warning: more than a tenth of the requests failed or were cut off, so the figures are not reliable:", err=True)
    for stage, share in bad.items():
        say(f"  {stage}: {told(share)}", err=True)
    met = {failed: any(share["failed"] for share in bad.values()), cut_off: any(share["cut_off"] for share in bad.values())}
    for hint in (hint for hint, is_met in met.items() if is_met):
        say(f"hint: {hint}", err=True)
    raise typer.Exit(3)


def explain(error: Exception) -> tuple[str, str]:
    """Message and hint for an unexpected exception."""
    from ..run.disk import is_disk_full

    if is_disk_full(error):
        return (
            f"no space left on the disk{_where(error)}",
            "Free some space and run the same command again: finished work is kept.",
        )
    if isinstance(error, OSError) and error.errno is not None and error.filename is not None:
        return f"{error.strerror}{_where(error)}", "Check the permissions and the disk, then run the same command again."
    return (
        f"unexpected {type(error).__name__}: {error}",
        "Set SELFJUDGE_TRACEBACK=1 to see the traceback, and please report it.",
    )


def is_interrupt(error: Exception) -> bool:
    """Whether Ctrl-C came while pydantic built a class, which it reports as an error of its own."""
    return type(error).__name__ == "SchemaError" and "KeyboardInterrupt" in str(error)


def _where(error: Exception) -> str:
    """The file that an error is about, where it says so."""
    name = getattr(error, "filename", None)
    return "" if name is None else f": {name}"


def fail(message: str, hint: str | None) -> None:
    """Print an error and its hint, and exit with 2."""
    say(f"error: {message}", err=True)
    if hint:
        say(f"hint: {hint}", err=True)
    sys.exit(2)

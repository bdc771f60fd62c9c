"""How a command ends: what it says at last, and its exit code.

0: done. 1: it looked, and the answer is no. 2: an error. 3: done, but too many requests failed or were cut off. 130: interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

import typer

from .terminal import say

if TYPE_CHECKING:
    from ..run.failures import Failures

RETRY = "Once the cause is gone, the same command with --retry-failed asks again what failed."
AFRESH = "Once the cause is gone, delete the folder and start again."
LONGER = "Where replies were cut off, raise `max_tokens` of that stage's sampling, in another folder (--dir)."
BRIEFER = "A judge that is cut off may come to its verdict with another prompt (--prompt-file), in another folder (--dir)."


def end(stages: Mapping[str, Failures], *, failed: str, cut_off: str) -> None:
    """Say in which stages too much failed or was cut off for figures to be trusted, and what to do about either; end with 3."""
    from ..run.failures import told, too_many

    bad = too_many(stages)
    if not bad:
        return
    say("warning: more than a tenth of the requests failed or was cut off, so the figures say little:", err=True)
    for stage, found in bad.items():
        say(f"  {stage}: {told(found)}", err=True)
    for name, hint in (("failed", failed), ("cut_off", cut_off)):
        if any(found[name] for found in bad.values()):
            say(f"hint: {hint}", err=True)
    raise typer.Exit(3)


def explain(error: Exception) -> tuple[str, str]:
    """What to say of an error that nobody foresaw."""
    from ..run.disk import is_disk_full

    if is_disk_full(error):
        return "no space left on the disk", "Free some space and run the same command again: what is finished stays."
    return (
        f"unexpected {type(error).__name__}: {error}",
        "Set SELFJUDGE_TRACEBACK=1 to see where it arose, and please report it.",
    )


def fail(message: str, hint: str | None) -> None:
    """Say what went wrong and what to do, and end with 2."""
    say(f"error: {message}", err=True)
    if hint:
        say(f"hint: {hint}", err=True)
    sys.exit(2)

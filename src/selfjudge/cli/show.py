"""`selfjudge show`: what happened to a prompt, or to all of them by reason."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .terminal import console, say

if TYPE_CHECKING:
    from ..report.history import Turn
    from ..run.tables import Row

_LISTED = 20


def show(
    run: Annotated[Path, typer.Argument(help="Run folder.", show_default=False)],
    name: Annotated[
        str | None, typer.Argument(metavar="ID", help="Beginning of the id of a prompt or a pair.", show_default="an overview")
    ] = None,
    reason: Annotated[
        str | None, typer.Option(help="List prompts that were dropped for this reason, or `kept`.", show_default=False)
    ] = None,
) -> None:
    """Show what happened to a prompt in every iteration: samples, votes or edit, traces, verdicts, end.

    Without an id: how many prompts were kept or dropped in each iteration, and why, with some ids.
    """
    from ..report.history import fates, history
    from ..run.folder import check_run

    check_run(run)
    if name is not None:
        prompt, turns = history(run, name)
        _show_prompt(prompt)
        for turn in turns:
            _show_turn(turn)
        return
    for fate in fates(run, reason, _LISTED if reason else 3):
        say(f"iteration {fate.iteration}: {fate.count} {fate.reason}{_meaning(fate.reason)}")
        for prompt_id, text in fate.examples:
            say(f"  {prompt_id[:8]}  {_line(text)}")


def _meaning(reason: str) -> str:
    from ..run.reasons import DROPPED, explained

    about = explained(reason, DROPPED)
    return f": {about['meaning']} {about['change']}" if about["meaning"] else ""


def _line(text: str, most: int = 90) -> str:
    """The text on one line, cut."""
    flat = " ".join(text.split())
    return flat if len(flat) <= most else f"{flat[: most - 1]}…"


def _show_prompt(prompt: Row) -> None:
    say(f"prompt {prompt['id'][:8]}: {prompt['kind']} (by {prompt['kind_rule']}), from {prompt['source']}")
    say(f"  {prompt['text']}")
    for image in prompt["images"]:
        say(f"  image {image['sha256'][:8]}: {image['width']} x {image['height']} {image['media_type']}")


def _show_turn(turn: Turn) -> None:
    say(f"\niteration {turn.iteration}")
    for row in turn.responses if turn.pair is None or turn.pair["vote"] is None else ():
        ending = "" if row["finish"] == "stop" else f" [{row['finish']}: {row['error'] or 'cut off'}]"
        say(f"  {row['role']}: {_line(row['text'], 300)}{ending}")
    if turn.pair is not None:
        _show_pair(turn.pair)
        _show_judgments(turn)
    if turn.dropped is not None:
        say(f"  dropped: {turn.dropped}{_meaning(turn.dropped)}")
    else:
        left = "not selected yet" if turn.asked else "not a prompt of this iteration"
        say(f"  kept: {turn.traces} traces" if turn.traces else f"  {left}")


def _show_pair(pair: Row) -> None:
    if (vote := pair["vote"]) is not None:
        counts = ", ".join(f"{count['answer']} × {count['votes']}" for count in vote["counts"])
        say(f"  votes: {counts} (lead {vote['margin']} of {vote['samples']} samples)")
    if (alteration := pair["alteration"]) is not None:
        for edit in alteration["edits"]:
            say(f"  edit ({alteration['instruction']}): “{edit['before']}” became “{edit['after']}”")
    say(f"  pair {pair['id'][:8]}")
    say(f"    better: {pair['chosen']}")
    say(f"    worse:  {pair['rejected']}")


def _show_judgments(turn: Turn) -> None:
    from rich.table import Table

    from ..run.tables import is_forced, is_right

    if not turn.judgments:
        return
    table = Table("order", "verdict", "trace", show_lines=True)
    words = {True: "right", False: "wrong"}
    for row in sorted(turn.judgments, key=lambda row: (row["order"], row["sample"])):
        right = is_right(row)
        said = row["problem"] if right is None else f"{words[right]}, forced" if is_forced(row) else words[right]
        table.add_row(row["order"].replace("_", " "), said, row["trace"])
    console().print(table)

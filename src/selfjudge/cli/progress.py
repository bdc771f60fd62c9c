"""Progress of whatever lasts: bars on a terminal, a line every half a minute elsewhere, JSON for programs, or nothing.

Beside how far a stage is stand its speed, and what the replies so far say: how many were read, for which place, and how many
pairs are right in both orders.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Literal

from ..ports import Advance, StageLabel
from ..types import plain
from .terminal import console, say

EVERY_SECONDS = 30.0
"""Between two lines of progress where the output is no terminal."""
_SHORT_SECONDS = 2.0
"""What takes less writes no line."""

Form = Literal["shown", "json", "quiet"]


class ReplyCounts:
    """What the replies of a stage say so far."""

    def __init__(self) -> None:
        self.tokens = 0
        self._judged = self._read = self._forced = self._first = self._pairs = self._twice = self._right = 0
        self._waiting: dict[str, bool] = {}

    def add(self, row: Mapping[str, Any]) -> None:
        self.tokens += row.get("completion_tokens", 0)
        if "verdict" not in row:
            return
        verdict, order = row["verdict"], row["order"]
        self._judged += 1
        forced = row.get("forced") is not None
        self._forced += forced
        self._read += verdict is not None and not forced
        self._first += verdict == "first"
        if row["sample"] == 0:
            right = (verdict == "first") == (order == "chosen_first") and verdict is not None
            other = self._waiting.pop(row["pair_id"], None)
            if other is None:
                self._waiting[row["pair_id"]] = right
            self._pairs += other is None and not right  # decided, whether or not the other order is asked for
            self._pairs += other is True
            self._twice += other is not None
            self._right += right and other is True

    def figures(self) -> dict[str, float]:
        """Shares by name; those of which nothing is known yet are left out."""
        of = {
            "read": (self._read, self._judged),
            **({"forced": (self._forced, self._judged)} if self._forced else {}),
            "says first": (self._first, self._read + self._forced),
            **({"both orders": (self._right, self._pairs)} if self._twice else {}),
        }
        return {name: count / total for name, (count, total) in of.items() if total}


class StageProgress:
    """One stage: how much of it is done, since when, and what its replies say."""

    def __init__(self, label: str, total: int | None, run_ends: float | None) -> None:
        """`run_ends` is when the run is expected to end, in seconds since the epoch."""
        self.label = label
        self.total = total
        self.done = 0
        self.replies = ReplyCounts()
        self._run_ends = run_ends
        self.started = time.monotonic()

    def advance(self, count: int, row: Mapping[str, Any] | None = None) -> None:
        self.done += count
        if row is not None:
            self.replies.add(row)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    def per_second(self, count: int) -> float:
        return count / max(self.seconds, 1e-3)

    @property
    def left(self) -> float | None:
        """Seconds that this stage will take yet."""
        if not self.total or not self.done:
            return None
        return self.seconds * max(self.total - self.done, 0) / self.done

    @property
    def run_ends(self) -> str:
        """About when the run ends, which is not before this stage does; nothing where that is not known."""
        if self._run_ends is None:
            return ""
        return f", run ends about {_clock(max(self._run_ends, time.time() + (self.left or 0)))}"

    def speed(self) -> str:
        tokens = f", {self.per_second(self.replies.tokens):,.0f} tokens/s" if self.replies.tokens else ""
        return f"{self.per_second(self.done):,.1f}/s{tokens}"

    def said(self) -> str:
        return ", ".join(f"{name} {share:.0%}" for name, share in self.replies.figures().items())

    def facts(self, event: str) -> dict[str, Any]:
        """All of it for programs."""
        where = {name: getattr(self.label, name) for name in StageLabel.__slots__} if isinstance(self.label, StageLabel) else {}
        return {
            "time": datetime.now().astimezone().isoformat(timespec="seconds"),
            "event": event,
            "label": plain(self.label),
            **where,
            "done": self.done,
            "total": self.total,
            "seconds": round(self.seconds, 1),
            "per_second": round(self.per_second(self.done), 2),
            "tokens_per_second": round(self.per_second(self.replies.tokens), 1),
            "seconds_left": None if self.left is None else round(self.left, 1),
            **{name.replace(" ", "_"): round(share, 4) for name, share in self.replies.figures().items()},
        }


class Watch:
    """Progress for one command: each call shows one stage. Iterations that it has seen tell when the run may end."""

    def __init__(self, form: Form = "shown") -> None:
        self._form = form
        self._began: dict[int, float] = {}

    @contextmanager
    def __call__(self, label: str, total: int | None) -> Iterator[Advance]:
        stage = StageProgress(label, total, self._run_ends(label))
        if self._form == "quiet":
            yield stage.advance
        elif self._form == "shown" and shows_bars():
            yield from _bar(stage)
        else:
            lines = _Lines(stage, self._form == "json")
            yield lines.advance
            lines.end()

    def _run_ends(self, label: str) -> float | None:
        """After the iterations that are left, each as long as the last that was seen from end to end."""
        if not isinstance(label, StageLabel):
            return None
        now, number = time.time(), label.iteration
        self._began.setdefault(number, now)
        whole = [self._began[k + 1] - self._began[k] for k in self._began if k and k + 1 in self._began]
        if not whole:
            return None
        return self._began[number] + whole[-1] * (label.iterations - number + 1)


progress = Watch()
"""For commands without options for it."""


def watch(quiet: bool, json_log: bool) -> Watch:
    """The progress that the options ask for."""
    return Watch("quiet" if quiet else "json" if json_log else "shown")


def shows_bars() -> bool:
    """Whether progress is shown on a terminal, where a bar can move."""
    return sys.stderr.isatty()


def _bar(stage: StageProgress) -> Iterator[Advance]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    fields = ("description", "fields[speed]", "fields[said]")
    name, speed, said = (TextColumn("{task." + field + "}", markup=False) for field in fields)
    with Progress(
        name, BarColumn(20), MofNCompleteColumn(), speed, TimeRemainingColumn(), said, console=console(err=True)
    ) as bar:
        task = bar.add_task(plain(stage.label), total=stage.total, speed="", said="")

        def advance(count: int, row: Mapping[str, Any] | None = None) -> None:
            stage.advance(count, row)
            bar.update(task, advance=count, speed=stage.speed(), said=f"{stage.said()}{stage.run_ends}".removeprefix(", "))

        yield advance


class _Lines:
    """Progress as lines of a log: one every half a minute, and one at the end of what took longer than two seconds."""

    def __init__(self, stage: StageProgress, as_json: bool) -> None:
        self._stage = stage
        self._json = as_json
        self._said = stage.started

    def advance(self, count: int, row: Mapping[str, Any] | None = None) -> None:
        self._stage.advance(count, row)
        if time.monotonic() - self._said > EVERY_SECONDS:
            self._said = time.monotonic()
            self._say("under way")

    def end(self) -> None:
        if self._stage.seconds > _SHORT_SECONDS or self._json:
            self._say("done")

    def _say(self, event: str) -> None:
        stage = self._stage
        if self._json:
            say(json.dumps(stage.facts(event)), err=True)
            return
        share = f"{stage.done:,}" + (f" of {stage.total:,}" if stage.total else "")
        words = [share, stage.speed(), stage.said(), f"done in {span(stage.seconds)}" if event == "done" else self._left()]
        say(f"{time.strftime('%H:%M:%S')} {stage.label}: {', '.join(filter(None, words))}", err=True)

    def _left(self) -> str:
        if (left := self._stage.left) is None:
            return "under way"
        return f"about {span(left)} left{self._stage.run_ends}"


def _clock(moment: float) -> str:
    """The time of a day, with the day where it is not today."""
    at = datetime.fromtimestamp(moment)
    days = (at.date() - datetime.now().date()) / timedelta(days=1)
    return f"{at:%H:%M}" + (f" in {days:.0f} day{'s' * (days > 1)}" if days > 0 else "")


def span(seconds: float) -> str:
    """A time in words, as 3 min 20 s."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"

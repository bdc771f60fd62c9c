"""Requests that failed or were cut off: their shares of a table of replies and why, and asking them again."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pyarrow.compute as pc

from ..figures import Failures
from .store import Table
from .tables import JUDGMENTS, endings

log = logging.getLogger(__name__)

TOO_MANY = 0.1
"""CHOSEN: a larger share of a stage's requests is no accident."""
_REASONS = 3
_REASON_CHARACTERS = 160
_NUMBERS = re.compile(r"\w*\d{4,}\w*")
"""Of tokens, bytes, requests: what tells reasons of one kind apart."""


def failures(table: Table) -> Failures:
    """Of a sealed table of replies: its `requests`, the shares that `failed` and were `cut_off`, and the commonest `reasons`.

    Where any verdict was `forced`, the share of these too.
    """
    column, failed, cut_off = endings(table.kind)
    more = ("forced",) if table.kind is JUDGMENTS else ()
    requests, reasons, cut, forced = 0, Counter[str](), 0, 0
    for (end, error, *lacked), count in table.counts(column, "error", *more).items():
        requests += count
        forced += count * any(lacked)
        if end == failed or error is not None:
            reasons[_reason(error)] += count
        elif cut_off in (end, *lacked):
            cut += count
    found: Failures = {
        "requests": requests,
        "failed": reasons.total() / requests if requests else 0.0,
        "cut_off": cut / requests if requests else 0.0,
        "reasons": dict(reasons.most_common(_REASONS)),
    }
    if forced:
        found["forced"] = forced / requests
    return found


def _reason(error: str | None) -> str:
    return _NUMBERS.sub("…", " ".join((error or "no reason given").split()))[:_REASON_CHARACTERS]


class Retry:
    """What failed in tables of replies is asked again where that is `wanted`, in each table once."""

    def __init__(self, *, wanted: bool) -> None:
        self._wanted = wanted
        self._seen: set[Path] = set()
        self._count = 0

    def complete(self, table: Table) -> bool:
        """Whether a table has all its replies; those that failed are none where they are to be asked again. Raises RunError."""
        if self._wanted and table.path not in self._seen:
            self._seen.add(table.path)
            column, failed, _ = endings(table.kind)
            if count := table.forget(pc.field("error").is_valid() | pc.field(column).isin([failed])):
                self._count += count
                log.warning("%s: %d failed requests are asked again", table.path.with_suffix(""), count)
        return table.sealed

    def conclude(self) -> None:
        """Say how many there were."""
        if self._wanted:
            log.warning("%s failed requests were asked again", self._count or "no")


def too_many(stages: Mapping[str, Failures]) -> dict[str, Failures]:
    """The stages of whose requests more than a tenth failed or was cut off."""
    return {stage: found for stage, found in stages.items() if found["failed"] + found["cut_off"] > TOO_MANY}


def told(found: Failures) -> str:
    """How many of a stage's requests failed, for which reasons, and how many were cut off."""
    requests = found["requests"]
    parts = [f"of {requests:,} requests"]
    if found["failed"]:
        reasons = "; ".join(f"{count:,} x {reason}" for reason, count in found["reasons"].items())
        parts.append(f"{round(found['failed'] * requests):,} failed ({reasons})")
    if found["cut_off"]:
        parts.append(f"{round(found['cut_off'] * requests):,} were cut off at their longest")
    return f"{parts[0]}, {' and '.join(parts[1:])}"

"""Recorded outputs of judges, line by line: a line that cannot be used is reported with its number, and the others are read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..run.jsonl import json_lines


class Malformed(Exception):
    """A line that cannot be used, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BadLine:
    """A line, counted from 1, that was not scored."""

    line: int
    problem: str


def lines(path: Path) -> Iterator[tuple[int, Any]]:
    """The JSON value of each line that is not blank, with its number from 1; `Malformed` for a line that is not JSON.

    Raises InputError when the file cannot be read.
    """
    try:
        for number, value in json_lines(path):
            yield number, Malformed(f"not JSON: {value}") if isinstance(value, ValueError) else value
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error.strerror}", hint="Give the JSONL file that a benchmark's script has written."
        ) from error


def nothing_recorded(path: Path, benchmark: str, faults: list[BadLine]) -> InputError:
    """The error for a file without one line that can be used; it names the first fault."""
    first = f"; line {faults[0].line}: {faults[0].problem}" if faults else ""
    return InputError(
        f"{path} holds no recorded judgment{first}", hint=f"It must be a result file of {benchmark}, one JSON object a line."
    )


def text(row: Any, *path: str) -> str:
    """The text at a path of keys. Raises Malformed."""
    value = row
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    if not isinstance(value, str):
        raise Malformed(f"`{'.'.join(path)}` is {'missing' if value is None else type(value).__name__}, not text")
    return value

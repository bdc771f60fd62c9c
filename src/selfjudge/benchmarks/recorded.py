"""Recorded outputs of judges, line by line: a line that cannot be used is reported with its number, and the others are read.

Where a script saves one object of columns instead, a fault is an error.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..run.jsonl import json_lines, text_file


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


def columns(path: Path, benchmark: str, names: Sequence[str]) -> list[list[Any]]:
    """The columns of those names, of one length, of the JSON object in a file. Raises InputError."""
    try:
        value = json.loads(text_file(path).read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"cannot read {path}: {error}", hint="Give the JSON file of `eval-set-scores`.") from error
    found = [value.get(name) if isinstance(value, dict) else None for name in names]
    lists = [column for column in found if isinstance(column, list) and column]
    if len(lists) == len(names) and len({*map(len, lists)}) == 1:
        return lists
    raise not_results(path, benchmark, f"it must be one JSON object with lists {', '.join(names)} of one length")


def not_results(path: Path, benchmark: str, rule: str) -> InputError:
    """The error for a file of columns that breaks a rule."""
    return InputError(f"{path} is no file of results of {benchmark}: {rule}", hint="Give the JSON file of `eval-set-scores`.")

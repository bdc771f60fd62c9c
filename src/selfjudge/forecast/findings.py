"""A finding: something about this machine or a recipe, and how to fix it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad a finding is. ERROR: the recipe cannot run."""

    FINE = "fine"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """`do` is empty where nothing needs to be done."""

    level: Level
    about: str
    what: str
    do: str = ""

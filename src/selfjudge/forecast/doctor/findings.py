"""What the doctor found about one thing, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    """How bad it is. ERROR: the recipe cannot run at all."""

    FINE = "fine"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`what` is found `about` something; `do` is empty where nothing is to be done."""

    level: Level
    about: str
    what: str
    do: str = ""

    def as_json(self) -> dict[str, Any]:
        return {"level": str(self.level), "about": self.about, "what": self.what, "do": self.do}

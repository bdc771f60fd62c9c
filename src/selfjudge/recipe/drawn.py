"""How scenes of the embedded world look."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .section import Section

Domain = Literal["plain", "photo", "outline", "pastel"]


class Drawn(Section):
    """How scenes look. The embedded model was taught on `plain` ones only."""

    domain: Domain = "plain"
    """On a dark ground, over pieces of photographs, as outlines, or in pale colours."""
    brightness: float = Field(0.6, gt=0, le=1)
    """Of the photographs: the lighter they are, the worse the embedded model sees."""

    @property
    def suffix(self) -> str:
        """What a domain adds to a name: one recipe may measure on several."""
        return "" if self.domain == "plain" else f"-{self.domain}"

"""What all parts of a recipe have in common."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict

HUB_NAME = r"[\w.-]+/[\w.-]+"
"""How the hub names what it has: owner and name."""

_LONGEST = 255
"""Bytes of a file's name, on Linux's file systems."""
Named = TypeVar("Named", str, Path)


def _nameable(path: Named) -> Named:
    if any(len(os.fsencode(part)) > _LONGEST for part in Path(path).parts):
        raise ValueError(f"a name in it is longer than {_LONGEST} bytes")
    return path


PathName = Annotated[Path, AfterValidator(_nameable)]
"""A path whose names a file system can have."""
PathOrHub = Annotated[str, AfterValidator(_nameable)]
"""Such a path, or a name on the hub."""


class Section(BaseModel):
    """A part of a recipe: frozen, and strict about its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

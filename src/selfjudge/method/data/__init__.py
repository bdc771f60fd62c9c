"""Data of the method, in TOML: words by language, units, how requests are declined, how judgments are worded, look-alikes."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def load(name: str) -> dict[str, Any]:
    """The tables of a file. A list is one pattern of alternatives, and `<<name>>` stands for a row of `[parts]`."""
    tables = tomllib.loads(files(__package__).joinpath(f"{name}.toml").read_text("utf-8"))
    parts: dict[str, str] = {}
    for part, value in tables.pop("parts", {}).items():
        parts[part] = _filled(value, parts)
    filled: dict[str, Any] = _filled(tables, parts)
    return filled


def _filled(value: Any, parts: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(entry, parts) for key, entry in value.items()}
    text = "|".join(value) if isinstance(value, list) else value
    for name, part in parts.items():
        text = text.replace(f"<<{name}>>", part)
    return text

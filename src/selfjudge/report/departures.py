"""How a recipe differs from the defaults, and so from the paper where it states them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from ..recipe.experiment import Recipe
from ..recipe.section import Section

_LEVEL = re.compile(r"STATED|REPORTED|CHOSEN")
_LEFT_OUT = ("name", "seed", "kind")
_ASIDE = ("images", "max_pixels", "exclude", "served_model")
"""Fields that are no part of the method."""
_NUMBER = re.compile(r"[\d.e-]+")
_OURS = (
    ("synthesis.open.mode", "replace", "the paper has the model write the whole altered copy"),
    ("selection.evidence", True, "the paper keeps traces that do not name the difference"),
    ("selection.evidence", "signed", "the paper keeps traces that do not name the difference"),
)
"""Values that leave the paper's way, and how; whatever else differs from a default of the paper leaves it, too."""
_ADDED = ("training.replay",)
"""Fields without a default of the paper that add to its method what it does not speak of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """A field with another value than its default. `level` says whose the default is: the paper's (STATED, REPORTED) or ours."""

    field: str
    value: str
    default: str
    level: str


def departures(recipe: Mapping[str, Any]) -> list[Departure]:
    """The fields of an experiment that were changed, those with defaults of the paper first; none for an unreadable recipe."""
    try:
        known = Recipe.model_validate(recipe)
    except ValidationError:  # of another version
        return []
    found = [one for one in _changed("", known, None) if not one.field.startswith(("execution", "evaluation", "prompts"))]
    return sorted(found, key=lambda one: ("STATED", "REPORTED", "CHOSEN", "").index(one.level))


def ours(recipe: Mapping[str, Any]) -> list[str]:
    """In which ways the method of a recipe is not the paper's, whatever the defaults are; numbers that it reports are counted."""
    told = {field: f"{field}: {_shown(value)} ({what})" for field, value, what in _OURS if _at(recipe, field) == value}
    changed = [one for one in departures(recipe) if not one.field.startswith(_ASIDE)]
    numbers = [one for one in changed if one.level == "REPORTED" and _NUMBER.fullmatch(one.default)]
    for one in changed:
        if one not in numbers and (one.level != "CHOSEN" or one.field in _ADDED):
            told.setdefault(one.field, f"{one.field}: {one.value}")
    more = f"{len(numbers)} number{'s' * (len(numbers) != 1)} that it reports, which the table names" if numbers else ""
    return [*told.values(), *([more] if more else [])]


def _at(recipe: Any, field: str) -> Any:
    for name in field.split("."):
        recipe = recipe.get(name) if isinstance(recipe, Mapping) else None
    return recipe


def _changed(path: str, section: Section, usual: Section | None) -> Iterator[Departure]:
    """Fields that differ from those of a section with defaults, or from their own defaults where these go by other fields."""
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        own = usual is None or field.default_factory_takes_validated_data
        default = _default(field, section) if own else getattr(usual, name)
        here = f"{path}.{name}".lstrip(".")
        if name in _LEFT_OUT or default is PydanticUndefined or value == default:
            continue
        if isinstance(value, Section) and type(value) is type(default):
            yield from _changed(here, value, default)
        else:
            level = _LEVEL.search(field.description or "")
            yield Departure(field=here, value=_shown(value), default=_shown(default), level=level[0] if level else "")


def _default(field: FieldInfo, section: Section) -> Any:
    return field.get_default(call_default_factory=True, validated_data=dict(section))


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{len(value)} entries"
    if isinstance(value, Section):
        return value.model_dump_json()[:80]
    text = str(value)
    return text if len(text) <= 80 else f"{text[:80]}…"

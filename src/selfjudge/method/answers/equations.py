"""What a solved equation says, where no number in it alone is the value: `x = 2 or x = 5`, `x = 2, y = 5`, `AC = 5√3`."""

from __future__ import annotations

import regex

from ..languages import compiled
from .phrases import form
from .quantities import quantity
from .question import Question

_ASSIGNED = regex.compile(r"(?<!\w)([a-zA-Z])\s*=\s*(-?[\d√π][\w/√π^.]*)(?!\s*[-+*/=])(?<!\.)")
_ROOTS = regex.compile(
    r"(?<!\w)(?P<name>[a-z])(?:_?\d)?\s*=\s*(?P<one>[^\s,;=]+)(?:\s*[,;]\s*(?:and |or )?|\s+(?:and|or|und|oder|et|ou|y|o)\s+)"
    r"(?:(?P=name)(?:_?\d)?\s*=\s*)?(?P<other>-?[\d√][^\s,;=]*)[\s.]*$",
    regex.IGNORECASE,
)


def solved(text: str, question: Question) -> str | None:
    """The values of several variables that were asked for, both solutions for one, or a value with a root or π; else None."""
    if "=" not in text:
        return None
    values = dict(_ASSIGNED.findall(text))
    if len(values) > 1 and values.keys() <= {*question.named}:
        return ", ".join(f"{name} = {value}" for name, value in sorted(values.items()))
    if roots := _ROOTS.search(text):
        return ", ".join(sorted(dict.fromkeys(_value(roots[side], question) for side in ("one", "other"))))
    value = text.rpartition("=")[2]
    if both := compiled(r"\s*±\s*(\d[\w/.]*)[\s.]*").fullmatch(value):
        return ", ".join(sorted((f"-{_value(both[1].rstrip('.'), question)}", _value(both[1].rstrip("."), question))))
    exact = compiled(r"[√π]").search(value) and not compiled(r"\p{L}{4,}").search(value)
    return _value(value, question) if exact else None


def _value(text: str, question: Question) -> str:
    text = text.strip(" .")
    return quantity(text, question.languages) or form(text, question) or text

"""What a template of a recipe, or of a file, must have: its placeholders, and marks that no response can forge."""

from __future__ import annotations

from pydantic_core import PydanticCustomError

from ..method.prompts import placeholders, unprotected


def check_placeholders(template: str, *, needed: set[str], allowed: set[str]) -> None:
    """Raise ValueError unless a template has the placeholders it needs and no unknown one."""
    found = placeholders(template)
    if missing := sorted(needed - found):
        raise ValueError(f"the template lacks {_braced(missing)}")
    if unknown := sorted(found - allowed):
        raise ValueError(f"the template has {_braced(unknown)}; known are {_braced(sorted(allowed))}")


SET_APART = "Set both responses apart by lines with a mark of their own, such as `[Response A begins]` and `[Response A ends]`."


def check_judge_prompt(template: str) -> None:
    """Raise ValueError unless a template shows two responses, and no response can pass for the other one."""
    sides = {"first", "second"}
    check_placeholders(template, needed=sides, allowed={"images", "question"} | sides)
    if (bare := unprotected(template, sides)) is not None:
        raise PydanticCustomError(
            "forgeable",
            "a response could forge `{mark}`, which is all that sets a response apart here",
            {"mark": " ".join(bare.split()), "hint": SET_APART},
        )


def _braced(names: list[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in names)

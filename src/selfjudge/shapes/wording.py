"""The words of the embedded world: how its model is asked to judge and to alter, and all the words it knows whole."""

from __future__ import annotations

from itertools import product

from .questions import OPEN_TEXTS, PLURALS
from .scenes import COLORS, KINDS, POSITIONS, SIZES

JUDGE_TEMPLATE = "{images}judge: {question}\nA: {first}\nB: {second}"

NUMBERS = ("zero", "one", "two", "three", "four")
SLOTS = ("position", "size", "color", "shape")
"""The four words of an object in a caption, in this order. The fourth is a shape or a digit."""
ORDINALS = ("first", "second", "third", "last")


def alter_templates() -> dict[str, str]:
    """A request for each way to get a caption wrong: one of its four slots, for one of four objects."""
    return {
        f"{ordinal}_{slot}": f"{{images}}rewrite with a wrong {slot} for the {ordinal} object: {{response}}"
        for ordinal, slot in product(ORDINALS, SLOTS)
    }


def replace_templates() -> dict[str, str]:
    """A request for each way to name a phrase of a caption and a wrong one in its place, as `open.mode: replace` reads it."""
    return {
        f"{ordinal}_{slot}": f"{{images}}replace with a wrong {slot} for the {ordinal} object: {{response}}"
        for ordinal, slot in product(ORDINALS, SLOTS)
    }


_MORE = (
    "how many objects digits are there what color is the shape at which digit where size any yes no or I see judge rewrite with "
    "wrong for object conflict (A) (B) [[A]] [[B]]"
)


def vocabulary() -> list[str]:
    """Every word that is one token of the embedded model."""
    texts = " ".join(OPEN_TEXTS).replace("?", "")
    words = {*POSITIONS, *SIZES, *COLORS, *KINDS, *PLURALS.values(), *NUMBERS, *SLOTS, *ORDINALS}
    return sorted(words | set(texts.split()) | set(_MORE.split()))


def trace(shared: str, first: str, second: str, seen: str, letter: str) -> str:
    """A judge's reply: words both responses share up to where they differ, both claims, what the image shows, the verdict."""
    start = f"{shared} " if shared else ""
    return f"{start}{first} (A) or {second} (B)? I see {seen} ({letter}). [[{letter}]]"

"""Truth: true captions and answers, and wrong ones. Used to train the base model and to build the benchmark.

The loop must never import this module; an import contract and a test hold it to that.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .questions import PLURALS, SceneQuestion
from .scenes import COLORS, DIGITS, MAX_OBJECTS, POSITIONS, SHAPES, SIZES, Object, Scene
from .wording import NUMBERS, SLOTS

Words = tuple[str, str, str, str]
"""Position, size, colour and shape of one object, as a caption names them."""


def caption(scene: Scene) -> str:
    """The scene in reading order: `top-left large red circle, center small blue 7`."""
    return join(thing.words for thing in scene.objects)


def join(objects: Iterable[Words]) -> str:
    """The caption that names these objects."""
    return ", ".join(" ".join(words) for words in objects)


def answer(scene: Scene, question: SceneQuestion) -> str:
    """The true answer to a question about a scene."""
    fits = [thing for thing in scene.objects if all(_fits(thing, word) for word in question.about)]
    if question.asks == "count":
        return NUMBERS[len(fits)]
    if question.asks == "existence":
        return "yes" if fits else "no"
    return fits[0].words[SLOTS.index("shape" if question.asks == "digit" else question.asks)]


def _fits(thing: Object, word: str) -> bool:
    if word == "objects":
        return True
    if word == "digits":
        return thing.is_digit
    return word in thing.words or PLURALS.get(thing.words[-1]) == word


def choices(asks: str) -> tuple[str, ...]:
    """All answers that a question of this topic may have."""
    return {
        "count": NUMBERS[: MAX_OBJECTS + 1],
        "existence": ("yes", "no"),
        "position": POSITIONS,
        "size": SIZES,
        "color": COLORS,
        "shape": SHAPES,
        "digit": DIGITS,
    }[asks]


def wrong_answer(scene: Scene, question: SceneQuestion, rng: random.Random) -> str:
    """A random false answer to a question."""
    true = answer(scene, question)
    return rng.choice([choice for choice in choices(question.asks) if choice != true])


@dataclass(frozen=True, slots=True, kw_only=True)
class Slip:
    """A caption with one wrong word: its objects, the slot, the word that belongs there and the wrong one."""

    objects: tuple[Words, ...]
    slot: str
    before: str
    after: str


def slip(objects: Sequence[Words], number: int, slot: str, rng: random.Random) -> Slip:
    """One slot of one object made wrong. A wrong position stays free, and keeps reading order where it can."""
    place = SLOTS.index(slot)
    before = objects[number][place]
    after = rng.choice(_wrong_words(objects, number, slot))
    words = list(objects[number])
    words[place] = after
    changed = tuple(_four(words) if i == number else other for i, other in enumerate(objects))
    return Slip(objects=changed, slot=slot, before=before, after=after)


def _four(words: Sequence[str]) -> Words:
    position, size, color, shape = words
    return position, size, color, shape


def _wrong_words(objects: Sequence[Words], number: int, slot: str) -> list[str]:
    before = objects[number][SLOTS.index(slot)]
    if slot != "position":
        options = {"size": SIZES, "color": COLORS, "shape": DIGITS if before in DIGITS else SHAPES}[slot]
        return [word for word in options if word != before]
    cells = [POSITIONS.index(words[0]) for words in objects]
    low = cells[number - 1] if number else -1
    high = cells[number + 1] if number + 1 < len(cells) else len(POSITIONS)
    between = [cell for cell in range(low + 1, high) if cell != cells[number]]
    return [POSITIONS[cell] for cell in between or range(len(POSITIONS)) if cell not in cells]


def first_difference(first: str, second: str) -> tuple[str, str, str]:
    """The text both share up to the first word that differs, and that word of each."""
    left, right = (text.replace(",", " ,").split() for text in (first, second))
    at = next(i for i, (x, y) in enumerate(zip(left, right, strict=False)) if x != y)
    return " ".join(left[:at]).replace(" ,", ","), left[at], right[at]

"""Scenes: what is on a 3 x 3 grid, drawn at random from a seed.

A scene is data only; `drawing` makes it visible and `truth` puts it into words. The one rule: the space of scenes is
split by a hash of the scene itself, so a held-out scene can never be drawn for training, whatever the seed.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass

POSITIONS = ("top-left", "top", "top-right", "left", "center", "right", "bottom-left", "bottom", "bottom-right")
SIZES = ("small", "large")
COLORS = ("red", "green", "blue", "yellow", "purple", "orange")
SHAPES = ("circle", "square", "triangle", "cross")
DIGITS = tuple("0123456789")
KINDS = SHAPES + DIGITS
MAX_OBJECTS = 4

HELD_OUT_SHARE = 8
"""One scene in this many is held out: drawn for the benchmark only, never for training or for the loop."""

DIGIT_SHARE = 0.4
"""How often an object is a handwritten digit. Digits are the hardest thing to see, so they come more often than each shape."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Object:
    """One thing in one cell. Indices into POSITIONS, SIZES, COLORS and KINDS, so that drawing needs no look-ups."""

    cell: int
    size: int
    color: int
    kind: int

    @property
    def words(self) -> tuple[str, str, str, str]:
        """Position, size, colour, kind: the order in which a caption names them."""
        return POSITIONS[self.cell], SIZES[self.size], COLORS[self.color], KINDS[self.kind]

    @property
    def is_digit(self) -> bool:
        return self.kind >= len(SHAPES)


@dataclass(frozen=True, slots=True)
class Scene:
    """1 to MAX_OBJECTS objects in reading order, at most one a cell."""

    objects: tuple[Object, ...]

    @property
    def held_out(self) -> bool:
        return hashlib.blake2s(repr([o.words for o in self.objects]).encode()).digest()[0] % HELD_OUT_SHARE == 0


def draw_scene(rng: random.Random, *, held_out: bool, objects: int | None = None) -> Scene:
    """A random scene from one side of the split, with `objects` things in it (1 to MAX_OBJECTS, random when None)."""
    while True:
        count = objects if objects is not None else rng.randint(1, MAX_OBJECTS)
        cells = sorted(rng.sample(range(len(POSITIONS)), count))
        scene = Scene(tuple(_draw_object(rng, cell) for cell in cells))
        if scene.held_out == held_out:
            return scene


def _draw_object(rng: random.Random, cell: int) -> Object:
    digit = rng.random() < DIGIT_SHARE
    kind = len(SHAPES) + rng.randrange(len(DIGITS)) if digit else rng.randrange(len(SHAPES))
    return Object(cell=cell, size=rng.randrange(len(SIZES)), color=rng.randrange(len(COLORS)), kind=kind)

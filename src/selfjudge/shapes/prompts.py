"""Prompts of the embedded world: pictures and questions without answers, one in four open. Knows nothing of `truth`."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator

import numpy as np
from PIL import Image

from ..ports import RawPrompt
from ..recipe.inputs import ShapesSource
from ..types import Kind, seed_of
from .drawing import draw
from .questions import OPEN_TEXTS, ask
from .scenes import draw_scene


class ShapesPrompts:
    """`limit` prompts about scenes that the benchmark cannot show, each drawn from its own seed."""

    def __init__(self, recipe: ShapesSource) -> None:
        self._recipe = recipe

    def __iter__(self) -> Iterator[RawPrompt]:
        for number in range(1, self._recipe.limit + 1):
            rng = random.Random(seed_of("shapes", self._recipe.seed, number))
            scene = draw_scene(rng, held_out=False)
            kind = Kind.OPEN if number % 4 == 1 else Kind.CLOSED
            text = rng.choice(OPEN_TEXTS) if kind is Kind.OPEN else ask(scene, rng).text
            yield RawPrompt(
                where=f"shapes-{self._recipe.seed}:{number}",
                text=text,
                images=(png(draw(scene, rng, self._recipe.domain, self._recipe.brightness)),),
                kind=kind,
                kind_rule="shapes",
            )


def png(picture: np.ndarray) -> bytes:
    """A picture as a PNG file."""
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "PNG")
    return out.getvalue()

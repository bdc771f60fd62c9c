"""shapes-bench: pairs with known truth about scenes and digits that nothing else shows.

Dimensions: caption, count, attribute (colour, shape, size, position), existence and digit, in equal shares. Levels: easy with
one or two objects, medium with three, hard with four. The rejected side is the true text with one word wrong.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np

from ..method.oddities import oddities
from ..ports import BenchmarkData, Progress, PutImage
from ..recipe.inputs import ShapesBench
from ..run.images import admit
from ..types import BenchmarkItem, ImageRef, Kind, PreferencePair, Prompt, content_id, seed_of
from .drawing import draw
from .prompts import png
from .questions import OPEN_TEXTS, ask
from .scenes import Scene, draw_scene
from .truth import answer, caption, join, slip, wrong_answer
from .wording import SLOTS

DIMENSIONS = ("caption", "count", "attribute", "existence", "digit")
LEVELS = {1: "easy", 2: "easy", 3: "medium", 4: "hard"}

_TOPICS = {
    "count": ("count",),
    "attribute": ("color", "shape", "size", "position"),
    "existence": ("existence",),
    "digit": ("digit",),
}
_TRIES = 20


class ShapesBenchmark:
    """`pairs` pairs, drawn from a seed of their own."""

    def __init__(self, recipe: ShapesBench) -> None:
        self.name = recipe.title
        self._recipe = recipe

    def digest(self) -> str:
        """A digest of what decides the items."""
        return content_id(self._recipe.model_dump())

    def load(self, put: PutImage, progress: Progress, *, limit: int | None = None) -> BenchmarkData:
        """All items, the same for the same recipe, or the first `limit`. No two are alike."""
        wanted = min(self._recipe.pairs, limit or self._recipe.pairs)
        rng = random.Random(seed_of("shapes-bench", self._recipe.seed))
        items: dict[str, BenchmarkItem] = {}
        while len(items) < wanted:
            dimension = DIMENSIONS[len(items) % len(DIMENSIONS)]
            objects = 1 + len(items) // len(DIMENSIONS) % max(LEVELS)
            scene = draw_scene(rng, held_out=True, objects=objects)
            texts = (_captions if dimension == "caption" else _answers)(dimension, scene, rng)
            if texts is not None:
                picture = draw(scene, rng, self._recipe.domain, self._recipe.brightness)
                item = _item(dimension, scene, texts, picture, put)
                items.setdefault(item.pair.id, item)
        found = tuple(items.values())
        return BenchmarkData(items=found, report={"source": "drawn", "seed": self._recipe.seed, **oddities(found)})


def _item(
    dimension: str,
    scene: Scene,
    texts: tuple[str, str, str],
    picture: np.ndarray,
    put: Callable[[ImageRef, bytes], None],
) -> BenchmarkItem:
    text, chosen, rejected = texts
    ref, data = admit(png(picture), max_pixels=picture.size)
    put(ref, data)
    prompt = Prompt(
        id=Prompt.identify(text, (ref,)),
        text=text,
        images=(ref,),
        kind=Kind.OPEN if dimension == "caption" else Kind.CLOSED,
        kind_rule="shapes",
        source="shapes-bench",
    )
    identity = PreferencePair.identify(prompt, chosen, rejected)
    pair = PreferencePair(id=identity, prompt=prompt, chosen=chosen, rejected=rejected, evidence=None)
    return BenchmarkItem(pair=pair, dimension=dimension, level=LEVELS[len(scene.objects)], group=prompt.id)


def _captions(_: str, scene: Scene, rng: random.Random) -> tuple[str, str, str]:
    objects = [thing.words for thing in scene.objects]
    wrong = slip(objects, rng.randrange(len(objects)), rng.choice(SLOTS), rng)
    return rng.choice(OPEN_TEXTS), caption(scene), join(wrong.objects)


def _answers(dimension: str, scene: Scene, rng: random.Random) -> tuple[str, str, str] | None:
    """A question of the dimension with a true and a false answer; None where the scene does not lend itself to one."""
    for _ in range(_TRIES):
        question = ask(scene, rng)
        if question.asks in _TOPICS[dimension]:
            return question.text, answer(scene, question), wrong_answer(scene, question, rng)
    return None

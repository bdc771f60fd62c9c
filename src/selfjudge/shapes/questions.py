"""Questions: what the embedded world asks about a picture. Texts only, never an answer.

The loop draws its prompts here; `truth` alone can answer them, and the loop never imports it.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from .scenes import COLORS, DIGITS, KINDS, SHAPES, SIZES, Object, Scene

OPEN_TEXTS = ("describe the image", "write a caption", "what do you see?")

PLURALS = {"circle": "circles", "square": "squares", "triangle": "triangles", "cross": "crosses"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneQuestion:
    """A closed question. `asks` is the attribute in question, `about` the words that pick out what it is asked of."""

    asks: str
    about: tuple[str, ...]
    text: str


def ask(scene: Scene, rng: random.Random) -> SceneQuestion:
    """One closed question that has an answer in this scene; its topic is drawn evenly over those that apply."""
    topics: list[Callable[[Scene, random.Random], SceneQuestion | None]] = [_count, _exists, _color, _kind, _position, _size]
    rng.shuffle(topics)
    return next(question for topic in topics if (question := topic(scene, rng)) is not None)


def _count(_: Scene, rng: random.Random) -> SceneQuestion:
    about = rng.choice(["objects", "digits", *COLORS, *PLURALS])
    things = f"{about} objects" if about in COLORS else about
    return SceneQuestion(asks="count", about=(about,), text=f"how many {things} are there?")


def _exists(scene: Scene, rng: random.Random) -> SceneQuestion:
    """Half the questions name an object of the scene; the rest change its colour or its kind, or both."""
    thing = rng.choice(scene.objects)
    color, kind = COLORS[thing.color], KINDS[thing.kind]
    change = rng.choice(("", "", "", "color", "kind", "both"))
    if change in ("color", "both"):
        color = rng.choice([c for c in COLORS if c != color])
    if change in ("kind", "both"):
        kind = rng.choice([k for k in (DIGITS if thing.is_digit else SHAPES) if k != kind])
    return SceneQuestion(asks="existence", about=(color, kind), text=f"is there any {color} {kind}?")


def _color(scene: Scene, rng: random.Random) -> SceneQuestion | None:
    return _about_one(scene, rng, "color", "what color is the {}?", describe=lambda o: (KINDS[o.kind],))


def _kind(scene: Scene, rng: random.Random) -> SceneQuestion | None:
    thing = _pick(scene, rng, lambda o: (COLORS[o.color],)) if rng.random() < 0.5 else None
    if thing is not None:
        about: tuple[str, ...] = (COLORS[thing.color],)
        text = "which digit is {}?" if thing.is_digit else "what shape is {}?"
    else:
        thing = rng.choice(scene.objects)
        about = (thing.words[0],)
        text = "which digit is at the {}?" if thing.is_digit else "what shape is at the {}?"
    return SceneQuestion(asks="digit" if thing.is_digit else "shape", about=about, text=text.format(about[0]))


def _position(scene: Scene, rng: random.Random) -> SceneQuestion | None:
    return _about_one(scene, rng, "position", "where is the {}?", describe=lambda o: (COLORS[o.color], KINDS[o.kind]))


def _size(scene: Scene, rng: random.Random) -> SceneQuestion | None:
    return _about_one(scene, rng, "size", "what size is the {}?", describe=lambda o: (COLORS[o.color], KINDS[o.kind]))


def _about_one(
    scene: Scene, rng: random.Random, asks: str, template: str, describe: Callable[[Object], tuple[str, ...]]
) -> SceneQuestion | None:
    thing = _pick(scene, rng, describe)
    if thing is None:
        return None
    about = describe(thing)
    return SceneQuestion(asks=asks, about=about, text=template.format(" ".join(about)))


def _pick(scene: Scene, rng: random.Random, describe: Callable[[Object], tuple[str, ...]]) -> Object | None:
    """A random object that its description tells apart from all others, or None."""
    seen = Counter(describe(o) for o in scene.objects)
    unique = [o for o in scene.objects if seen[describe(o)] == 1]
    return rng.choice(unique) if unique else None


WORDS = (*SIZES, *COLORS, *KINDS, *PLURALS.values())

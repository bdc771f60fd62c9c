"""Drawing: a scene becomes a 48 x 48 picture with real handwritten digits, noise and jitter.

The digits are the 1,797 scans bundled with scikit-learn, and the photographs behind the scenes of the `photo` domain its two
sample images. Both are split: what the loop and training see never shows a scan, or a part of a photograph, that the benchmark
shows. The domain changes how a scene looks and nothing else: the same seed gives the same objects, places, scans and noise.
"""

from __future__ import annotations

import functools
import random

import numpy as np
from PIL import Image, ImageDraw

from ..recipe.inputs import Domain
from ..types import seed_of
from .scenes import COLORS, DIGITS, SHAPES, Object, Scene

CELL = 16
"""Pixels per grid cell; the picture is 3 cells wide and high."""
SIDE = 3 * CELL

HELD_OUT_DIGITS = 4
"""One scan in this many is held out, counted within each digit class."""

_RGB = {
    "red": (215, 40, 40),
    "green": (45, 160, 60),
    "blue": (45, 85, 215),
    "yellow": (230, 210, 50),
    "purple": (150, 60, 180),
    "orange": (240, 135, 35),
}
_SPAN = {"shape": (8, 14), "digit": (10, 16)}
"""Side in pixels of a small and of a large object."""
_CROPS = (48, 96, 160)
"""Sides in pixels of the squares that are cut from photographs: from full detail to a coarse view."""
_EDGE = 2
"""Pixels of a shape that its outline keeps."""
_WHITE = 0.5
"""Share of white in a pastel colour."""


def draw(scene: Scene, rng: random.Random, domain: Domain = "plain", brightness: float = 0.6) -> np.ndarray:
    """The picture of a scene, uint8 of shape (SIDE, SIDE, 3). Scans and photographs come from the scene's side of the split.

    `plain` has a dark ground, `photo` a piece of a photograph that is darkened to `brightness`, `outline` hollow shapes, and
    `pastel` pale colours.
    """
    dark = rng.uniform(10, 50)
    canvas = np.full((SIDE, SIDE, 3), dark, dtype=np.float32)
    if domain == "photo":
        canvas[:] = brightness * _crop(random.Random(seed_of("photo", dark)), scene.held_out)
    for item in scene.objects:
        _stamp(canvas, item, rng, domain, held_out=scene.held_out)
    noise = np.random.default_rng(rng.getrandbits(32)).normal(0.0, 6.0, canvas.shape)
    return np.clip(canvas + noise, 0, 255).astype(np.uint8)


def _crop(rng: random.Random, held_out: bool) -> np.ndarray:
    """A random square of a photograph, float32 (SIDE, SIDE, 3)."""
    photo, side = rng.choice(photographs(held_out)), rng.choice(_CROPS)
    top, left = (rng.randint(0, length - side) for length in photo.shape[:2])
    square = Image.fromarray(photo[top : top + side, left : left + side])
    return np.asarray(square.resize((SIDE, SIDE), Image.Resampling.BOX), dtype=np.float32)


@functools.cache
def photographs(held_out: bool) -> tuple[np.ndarray, ...]:
    """One side of the split: the right third of each photograph is the benchmark's, the rest the loop's."""
    from sklearn.datasets import load_sample_images

    photos = load_sample_images().images
    return tuple(np.split(photo, [photo.shape[1] * 2 // 3], axis=1)[held_out] for photo in photos)


def _stamp(canvas: np.ndarray, item: Object, rng: random.Random, domain: Domain, *, held_out: bool) -> None:
    if item.is_digit:
        mask = _digit_mask(item, rng, held_out)
    else:
        mask = (_outline if domain == "outline" else _shape_mask)(item.kind, _SPAN["shape"][item.size])
    slack = CELL - mask.shape[0]
    top = item.cell // 3 * CELL + slack // 2 + (rng.randint(-1, 1) if slack >= 2 else 0)
    left = item.cell % 3 * CELL + slack // 2 + (rng.randint(-1, 1) if slack >= 2 else 0)
    rgb = np.array(_RGB[COLORS[item.color]], dtype=np.float32) * rng.uniform(0.85, 1.05)
    if domain == "pastel":
        rgb += _WHITE * (255 - rgb)
    view = canvas[top : top + mask.shape[0], left : left + mask.shape[1]]
    view += mask[..., None] * (rgb - view)


def _digit_mask(item: Object, rng: random.Random, held_out: bool) -> np.ndarray:
    scans = digit_scans(held_out)[item.kind - len(SHAPES)]
    return scans[item.size][rng.randrange(len(scans[item.size]))]


@functools.cache
def _shape_mask(kind: int, span: int) -> np.ndarray:
    """Coverage of one shape, float32 (span, span) in [0, 1], drawn at four times the size and averaged."""
    side = 4 * span
    image = Image.new("L", (side, side))
    pen = ImageDraw.Draw(image)
    shape = SHAPES[kind]
    if shape == "circle":
        pen.ellipse((0, 0, side - 1, side - 1), fill=255)
    elif shape == "square":
        pen.rectangle((side // 16, side // 16, side - side // 16, side - side // 16), fill=255)
    elif shape == "triangle":
        pen.polygon([(side // 2, 0), (side - 1, side - 1), (0, side - 1)], fill=255)
    else:
        third = side // 3
        pen.rectangle((third, 0, side - third, side - 1), fill=255)
        pen.rectangle((0, third, side - 1, side - third), fill=255)
    return np.asarray(image.resize((span, span), Image.Resampling.BOX), dtype=np.float32) / 255


def _outline(kind: int, span: int) -> np.ndarray:
    """A shape without the smaller one inside it."""
    mask = _shape_mask(kind, span).copy()
    mask[_EDGE:-_EDGE, _EDGE:-_EDGE] -= _shape_mask(kind, span - 2 * _EDGE)
    return mask.clip(0)


@functools.cache
def digit_scans(held_out: bool) -> tuple[tuple[tuple[np.ndarray, ...], ...], ...]:
    """For each digit 0 to 9 the scans of one side of the split, small and large: float32 masks in [0, 1]."""
    from sklearn.datasets import load_digits

    bundle = load_digits()
    classes = []
    for digit in range(len(DIGITS)):
        scans = [s for i, s in enumerate(bundle.images[bundle.target == digit]) if (i % HELD_OUT_DIGITS == 0) == held_out]
        classes.append(tuple(tuple(_scale(scan, span) for scan in scans) for span in _SPAN["digit"]))
    return tuple(classes)


def _scale(scan: np.ndarray, span: int) -> np.ndarray:
    image = Image.fromarray(np.clip(scan * 16, 0, 255).astype(np.uint8))
    return np.asarray(image.resize((span, span), Image.Resampling.BICUBIC), dtype=np.float32) / 255

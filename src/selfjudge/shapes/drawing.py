"""Drawing: a scene becomes a 48 x 48 picture with real handwritten digits, noise and jitter.

The digits are the 1,797 scans bundled with scikit-learn. They are split by scan: pictures of the loop and of training
never show a scan that the benchmark shows.
"""

from __future__ import annotations

import functools
import random

import numpy as np
from PIL import Image, ImageDraw

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


def draw(scene: Scene, rng: random.Random) -> np.ndarray:
    """The picture of a scene, uint8 of shape (SIDE, SIDE, 3). Scans of digits come from the scene's side of the split."""
    canvas = np.full((SIDE, SIDE, 3), rng.uniform(10, 50), dtype=np.float32)
    for item in scene.objects:
        _stamp(canvas, item, rng, held_out=scene.held_out)
    noise = np.random.default_rng(rng.getrandbits(32)).normal(0.0, 6.0, canvas.shape)
    return np.clip(canvas + noise, 0, 255).astype(np.uint8)


def _stamp(canvas: np.ndarray, item: Object, rng: random.Random, *, held_out: bool) -> None:
    mask = _digit_mask(item, rng, held_out) if item.is_digit else _shape_mask(item.kind, _SPAN["shape"][item.size])
    slack = CELL - mask.shape[0]
    top = item.cell // 3 * CELL + slack // 2 + (rng.randint(-1, 1) if slack >= 2 else 0)
    left = item.cell % 3 * CELL + slack // 2 + (rng.randint(-1, 1) if slack >= 2 else 0)
    rgb = np.array(_RGB[COLORS[item.color]], dtype=np.float32) * rng.uniform(0.85, 1.05)
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

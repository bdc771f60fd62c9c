"""What tests of training share: examples drawn from the embedded world, and a training on them."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from runs import training
from selfjudge.chat import Message
from selfjudge.hub.models import embedded_model
from selfjudge.ports import Example, Fit
from selfjudge.run.images import admit
from selfjudge.shapes.drawing import draw
from selfjudge.shapes.prompts import png
from selfjudge.shapes.scenes import draw_scene
from selfjudge.trainers.local import LocalTrainer
from selfjudge.types import ImageRef

MODEL = embedded_model()
IMAGES: dict[str, bytes] = {}
REFS: dict[str, ImageRef] = {}


def example(number: int, reply: str = "one (A) or two (B)? I see one (A). [[A]]") -> Example:
    rng = random.Random(number)
    ref, data = admit(png(draw(draw_scene(rng, held_out=False), rng)), max_pixels=10**6)
    IMAGES[ref.sha256], REFS[ref.sha256] = data, ref
    text = "judge: how many objects are there?\nA: one\nB: two"
    return Example(key=str(number), messages=(Message(role="user", content=(ref, text)),), reply=reply)


def fit(into: Path, *, first: int = 0, count: int = 16, start: Path = MODEL, long: int = 0, **changes: object) -> Fit:
    """Train on `count` examples without the `first` ones, the first `long` of them all with longer replies."""
    recipe, settings = training(**{"learning_rate": 1e-3, "epochs": 2, "batch_size": 8, "device_batch_size": 4, **changes})
    trainer = LocalTrainer(recipe, settings, read_image=lambda ref: IMAGES[ref.sha256])
    examples = [example(i, "one " * 60) if i < long else example(i) for i in range(first, count)]
    work = into.with_name(f"{into.name}.work")
    return trainer.fit(examples, start=start, into=into, work=work, seed=7, advance=lambda n: None)


def digest(folder: Path) -> str:
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def weights(folder: Path) -> dict[str, Any]:
    """All weights of a model folder, by name."""
    return {name: value for path in sorted(folder.glob("*.safetensors")) for name, value in load_file(path).items()}

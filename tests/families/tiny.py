"""Tiny models of the families, and what they are asked in these tests."""

from __future__ import annotations

import importlib.util
import random
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from runs import ROOT
from selfjudge.chat import Block, Completion, Message, Request, Sampling
from selfjudge.ports import Engine
from selfjudge.recipe.engines import TransformersSettings
from selfjudge.run.images import admit
from selfjudge.types import ImageRef
from selfjudge.wiring import open_engine

IN_MAKE_TEST = ("mllama", "gemma3")
"""Families that `make test` tries: the paper's, and one that looks at images in the usual way. `make test-families` tries all."""

NEEDED = {
    "qwen2.5-vl": ("torchvision",),
    "qwen3-vl": ("torchvision",),
    "smolvlm": ("torchvision", "num2words"),
    "llava-onevision": ("torchvision",),
    "internvl": ("torchvision",),
    "mistral3": ("torchvision",),
}
"""Packages that a family's processor cannot do without."""

TOWERS = dict.fromkeys(("qwen2.5-vl", "qwen3-vl"), "visual.") | dict.fromkeys(("mllama", "smolvlm", "idefics3"), "vision_model.")
"""What the names of a vision tower's weights hold, where it is not `vision_tower.`."""


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tiny_model", ROOT / "scripts/tiny_model.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


script = _script()


def families(*, leaving_out: str | None = None) -> list[object]:
    """The families as parameters, each skipped where it cannot be tried."""
    found = []
    for name in (name for name in script.FAMILIES if name != leaving_out):
        missing = [package for package in NEEDED.get(name, ()) if find_spec(package) is None]
        marks = [] if name in IN_MAKE_TEST else [pytest.mark.families]
        if missing:
            marks.append(pytest.mark.skip(reason=f"{name} needs {' and '.join(missing)}: `make test-families` installs them"))
        found.append(pytest.param(name, marks=marks))
    return found


IMAGES: dict[str, bytes] = {}


def picture(seed: int, width: int, height: int) -> ImageRef:
    """Coloured noise in patches of eight pixels."""
    rng = random.Random(seed)
    small = Image.frombytes("RGB", (width // 8, height // 8), rng.randbytes(3 * (width // 8) * (height // 8)))
    out = BytesIO()
    small.resize((width, height), Image.Resampling.NEAREST).save(out, "PNG")
    ref, data = admit(out.getvalue(), max_pixels=10**6)
    IMAGES[ref.sha256] = data
    return ref


WIDE, TALL, OTHER = picture(1, 64, 48), picture(2, 40, 96), picture(3, 64, 48)


def request(key: str, *content: Block) -> Request:
    sampling = Sampling(temperature=0, max_tokens=10, logprobs=5)
    return Request(key=key, messages=(Message(role="user", content=content),), sampling=sampling, seed=0)


REQUESTS = [
    request("wide", WIDE, "what is this?"),
    request("tall", TALL, "and this one, which is higher than it is wide, what is it?"),
    request("other", OTHER, "what is this?"),
    request("none", "a question without an image"),
    request("two", WIDE, TALL, "which of both?"),
    request("another first", OTHER, TALL, "which of both?"),
    request("another second", WIDE, OTHER, "which of both?"),
    request("turned", TALL, WIDE, "which of both?"),
    request("inside", "look at ", OTHER, " well"),
]


def answers(engine: Engine, asked: list[Request]) -> dict[str, Completion]:
    return {completion.key: completion for completion in engine.generate(asked)}


def folder(name: str, parent: Path) -> Path:
    """The model folder of a family, made if it is not there yet."""
    out = parent / name
    if not out.exists():
        script.save(out, name)
    return out


def opened(model: Path) -> Engine:
    return open_engine(TransformersSettings(batch_size=8, device="cpu"), model, lambda ref: IMAGES[ref.sha256])

"""A judge for one's own code: load a judge folder and compare two responses about an image."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .chat import Completion, Sampling
from .errors import EngineError, InputError
from .hub.models import find_model
from .method.protocols import STRICT
from .method.verdicts import probability
from .ports import Engine
from .recipe.engines import TransformersSettings
from .recipe.experiment import MAX_PIXELS, Judging
from .run.cards import judging_of
from .run.image_files import BadImage, locate
from .run.images import admit, encode
from .stages.judge import comparison_request
from .types import Finish, ImageRef, Kind, Order, PreferencePair, Prompt, Verdict
from .wiring import open_engine

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

    Picture = str | Path | bytes | Image | np.ndarray[Any, Any]

Side = Literal["a", "b"]

_IMAGES = "Give one image: a path, the bytes of a file, a PIL image, or an array of uint8 (height, width) or (height, width, 3)."


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """What a judge says about two responses, shown in both orders.

    preference   "a" or "b" when both orders agree; None when they do not, or when a verdict could not be read
    probability  P(a is better) read off the verdicts, averaged over both orders; None when it could not be read
    traces       the judge's words with response a shown first, and with response b shown first
    consistent   whether both orders named the same response
    """

    preference: Side | None
    probability: float | None
    traces: tuple[str, str]
    consistent: bool


class Judge:
    """A model that compares responses. `Judge.load` opens one; a judge that is no longer needed is closed."""

    def __init__(self, engine: Engine, *, template: str, images: dict[str, bytes]) -> None:
        self._engine = engine
        self._template = template
        self._images = images

    @classmethod
    def load(cls, path: str | Path, *, revision: str | None = None, device: str = "auto") -> Judge:
        """Load a judge from a folder (`RUN/iteration-4/judge`), from the hub (`org/name`), or `shapes`; with its own prompt.

        `revision` is a tag on the hub, such as `iteration-2`; the default is the final judge.

        Raises InputError when there is no such model, EngineError when it cannot be loaded.
        """
        folder = find_model(f"{path}@{revision}" if revision else str(path)).path
        template = (judging_of(folder) or Judging()).template
        images: dict[str, bytes] = {}
        engine = open_engine(TransformersSettings(batch_size=2, device=device), folder, lambda ref: images[ref.sha256])
        return cls(engine, template=template, images=images)

    def compare(
        self,
        image: Picture,
        prompt: str,
        response_a: str,
        response_b: str,
        *,
        max_tokens: int = 1024,
    ) -> Preference:
        """Which of two responses to a prompt about an image is better. Greedy, so the same question has the same answer.

        `image` is a path, the bytes of an image file, a PIL image, or an array of grey (height, width) or colours (height, width,
        3 or 4). Raises InputError when it cannot be used or a text is none, EngineError when the engine gives no answer.
        """
        _check_texts(prompt=prompt, response_a=response_a, response_b=response_b)
        ref = self._admit(image)
        about = Prompt(
            id=Prompt.identify(prompt, (ref,)),
            text=prompt,
            images=(ref,),
            kind=Kind.OPEN,
            kind_rule="caller",
            source="caller",
        )
        identity = PreferencePair.identify(about, response_a, response_b)
        pair = PreferencePair(id=identity, prompt=about, chosen=response_a, rejected=response_b, evidence=None)
        protocol = replace(STRICT, template=self._template, sampling=Sampling(temperature=0.0, max_tokens=max_tokens))
        requests = [comparison_request(order, pair.comparison(order), protocol, seed=0) for order in Order]
        try:
            replies = {reply.key: _answered(reply) for reply in self._engine.generate(requests)}
        finally:
            self._images.clear()
        named = [_side(protocol.read(replies[order].text, replies[order].finish), order) for order in Order]
        chances = [
            _chance(probability(replies[order]) if side else None, order) for side, order in zip(named, Order, strict=True)
        ]
        consistent = named[0] is not None and named[0] == named[1]
        return Preference(
            preference=named[0] if consistent else None,
            probability=None if None in chances else sum(c for c in chances if c is not None) / len(chances),
            traces=(replies[Order.CHOSEN_FIRST].text, replies[Order.REJECTED_FIRST].text),
            consistent=consistent,
        )

    def close(self) -> None:
        """Free the model."""
        self._engine.close()

    def _admit(self, image: Picture) -> ImageRef:
        try:
            ref, data = admit(_file(image), max_pixels=MAX_PIXELS)
        except BadImage as bad:
            raise InputError(f"the image cannot be used: {bad.reason}: {bad}", hint=_IMAGES) from bad
        self._images[ref.sha256] = data
        return ref


def _file(image: object) -> bytes | Path:
    """An image as a file or the bytes of one. Raises BadImage, and InputError when it is of another type."""
    from PIL import Image

    if isinstance(image, bytes):
        return image
    if isinstance(image, str | Path):
        return locate(str(image), Path(), allow_outside=True)
    if isinstance(image, Image.Image) or hasattr(image, "__array_interface__"):
        return encode(image)
    raise InputError(f"the image is of type {type(image).__name__}", hint=_IMAGES)


def _check_texts(**texts: object) -> None:
    """Raises InputError for the first value that is no text."""
    for name, text in texts.items():
        if not isinstance(text, str):
            raise InputError(f"`{name}` is of type {type(text).__name__}, not text", hint="Prompt and responses are strings.")


def _answered(reply: Completion) -> Completion:
    """A reply, unless the engine failed to give one. Raises EngineError."""
    if reply.finish is Finish.ERROR:
        raise EngineError(
            f"the judge gave no answer: {reply.error}",
            hint="The message is the engine's. Ask again; or load the judge with another `device`.",
        )
    return reply


def _side(verdict: object, order: Order) -> Side | None:
    if not isinstance(verdict, Verdict):
        return None
    return "a" if verdict is order.chosen else "b"


def _chance(first: float | None, order: Order) -> float | None:
    """P(response a) from P(the response shown first)."""
    return first if first is None or order is Order.CHOSEN_FIRST else 1 - first

"""Trying what a run would open first: a tiny forward pass of a local model, and benchmarks of one's own."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from ..chat import Message, Request, Sampling
from ..errors import SelfjudgeError
from ..hub.models import embedded_model
from ..ports import Progress
from ..recipe.engines import EngineSettings, OpenAISettings, RaySettings, ScriptedSettings, TransformersSettings, VLLMSettings
from ..recipe.experiment import EMBEDDED_MODEL, Recipe
from ..recipe.inputs import PairsBench
from ..run.images import admit
from ..types import Finish, ImageRef
from ..wiring import make_benchmark, open_engine
from .findings import Finding, Level

_SIDE = 64
_ASKED = "What is in this image?"


def try_model(recipe: Recipe, progress: Progress) -> Iterator[Finding]:
    """One token about a grey picture from the base model as the run loads it in this process, if it is a folder here."""
    model, engine = _folder(recipe.model), _in_process(recipe)
    if model is None or engine is None:
        return
    with progress("trying the model", 1) as advance:
        yield _tried(model, engine)
        advance(1)


def try_benchmarks(recipe: Recipe, progress: Progress) -> Iterator[Finding]:
    """Faults of benchmarks of one's own, of which a run measures on every pair or not at all."""
    for benchmark in (*recipe.evaluation.benchmarks, *recipe.exclude):
        if isinstance(benchmark, PairsBench):
            try:
                make_benchmark(benchmark).load(_forget, progress)
            except SelfjudgeError as error:
                yield Finding(Level.ERROR, "benchmarks", str(error), error.hint or "")


def _forget(_ref: ImageRef, _data: bytes) -> None:
    """Keep no image."""


def _folder(name: str) -> Path | None:
    if name == EMBEDDED_MODEL:
        return embedded_model()
    return Path(name) if Path(name).is_dir() else None


def _in_process(recipe: Recipe) -> EngineSettings | None:
    """The engine by which this process, or training in it, would load the model; None where nothing here does."""
    engine = recipe.execution.engine
    if isinstance(engine, RaySettings):
        engine = engine.replica
    if isinstance(engine, TransformersSettings):
        return engine
    served = isinstance(engine, OpenAISettings | VLLMSettings | ScriptedSettings)
    return TransformersSettings(kind="transformers") if served and recipe.training.kind != "scripted" else None


def _tried(model: Path, engine: EngineSettings) -> Finding:
    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (_SIDE, _SIDE), "grey").save(out, "PNG")
    ref, data = admit(out.getvalue(), max_pixels=_SIDE**2)
    turn = Message(role="user", content=(ref, _ASKED))
    request = Request(key="trial", messages=(turn,), sampling=Sampling(temperature=0.0, max_tokens=1), seed=0)

    def picture(_: ImageRef) -> bytes:
        return data

    try:
        with closing(open_engine(engine, model, picture)) as opened:
            [reply] = opened.generate([request])
    except SelfjudgeError as error:
        return Finding(Level.ERROR, "model", str(error), error.hint or "")
    if reply.finish is Finish.ERROR:
        what = f"the model cannot answer a question about an image: {reply.error}"
        return Finding(Level.ERROR, "model", what, "Use a model of images and text, with the processor that it came with.")
    return Finding(Level.FINE, "model", f"it was loaded and has answered a question about an image: {reply.prompt_tokens} tokens")

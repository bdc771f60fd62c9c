"""Whether a recipe fits: its model, its engine, its sources and its room on disk, each with what to do where it does not."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from ...errors import InputError
from ...hub.models import embedded_model
from ...recipe.experiment import EMBEDDED_MODEL, Recipe
from ...recipe.section import HUB_NAME
from ..footprint import Footprint, footprint
from .engines import missing_for
from .findings import Finding, Level
from .installed import Environment
from .machine import Machine

_GIB = 2**30
_CONNECT_SECONDS = 5.0
_UNKNOWN_PROMPTS = 10_000
_IMAGE_BYTES = 300_000
_REPLY_BYTES = 20_000
"""Of text that one prompt leaves behind in an iteration, compressed and with its judgments."""


def examine_recipe(recipe: Recipe, machine: Machine, here: Environment, other: Environment | None) -> list[Finding]:
    """All that speaks for and against running a recipe here."""
    model, findings = _model(recipe)
    findings += [
        *_engine(recipe, here, other),
        *_servers(recipe),
        *_cluster(recipe, machine),
        *_training(recipe, here),
        *_sources(recipe, here),
        *_push(recipe, here),
    ]
    if model is not None:
        findings += [*_memory(recipe, model, machine), *_disk(recipe, model, machine)]
    return findings


def _model(recipe: Recipe) -> tuple[Footprint | None, list[Finding]]:
    folder = embedded_model() if recipe.model == EMBEDDED_MODEL else Path(recipe.model)
    if not folder.is_dir():
        return None, [_absent(recipe.model)]
    try:
        found = footprint(folder)
    except InputError as error:
        return None, [Finding(level=Level.ERROR, about="model", what=str(error), do=error.hint or "")]
    size = f"{found.parameters / 1e6:,.1f} million parameters, {found.stored / _GIB:.1f} GiB, of the kind {found.kind}"
    return found, [Finding(level=Level.FINE, about="model", what=size)]


def _absent(name: str) -> Finding:
    if re.fullmatch(HUB_NAME, name):
        what = f"{name} is no folder here: it is looked for on the hub, and its size is not known before"
        return Finding(level=Level.WARNING, about="model", what=what, do=f"`hf download {name}`, and name the folder.")
    return Finding(level=Level.ERROR, about="model", what=f"there is no model {name}", do="Name a folder, or a model on the hub.")


def _engine(recipe: Recipe, here: Environment, other: Environment | None) -> Iterator[Finding]:
    if other is not None and other.broken:
        yield Finding(
            level=Level.ERROR,
            about="engine",
            what=f"{other.path} cannot be asked: {other.broken}",
            do="Correct execution.engine.python.",
        )
        return
    replica = getattr(recipe.execution.engine, "replica", None)
    kinds = [recipe.execution.engine.kind, *([replica.kind] if replica is not None else [])]
    for kind in kinds:
        missing, do = missing_for(kind, here, other)
        if missing:
            what = f"{kind} lacks {', '.join(missing)}"
            yield Finding(level=Level.ERROR, about="engine", what=what, do=do)


def _servers(recipe: Recipe) -> Iterator[Finding]:
    """Whether anything listens where a recipe says so."""
    url = urlsplit(getattr(recipe.execution.engine, "base_url", ""))
    host, _, port = (getattr(recipe.execution.engine, "address", None) or "").rpartition(":")
    place = (host, port) if port.isdigit() else (url.hostname, url.port or {"http": 80, "https": 443}.get(url.scheme))
    if place[0] and (trouble := _unreachable(str(place[0]), int(str(place[1])))):
        what = f"nothing answers at {place[0]}:{place[1]} ({trouble})"
        yield Finding(level=Level.ERROR, about="engine", what=what, do="Start the server, or correct its address.")
    if url.scheme == "https" and not os.environ.get("OPENAI_API_KEY"):
        what = "OPENAI_API_KEY is not set"
        yield Finding(level=Level.WARNING, about="engine", what=what, do="Set it, if the server wants a key.")


def _cluster(recipe: Recipe, machine: Machine) -> Iterator[Finding]:
    """What this machine lacks may be on another node."""
    gpus = getattr(recipe.execution.engine, "gpus_per_replica", 0)
    if gpus and not machine.gpus:
        what = f"each replica wants {gpus:g} GPUs, and this machine has none"
        do = "Set execution.engine.gpus_per_replica to 0, unless other nodes of the cluster have GPUs."
        yield Finding(level=Level.WARNING, about="engine", what=what, do=do)


def _unreachable(host: str, port: int) -> str | None:
    try:
        socket.create_connection((host, port), timeout=_CONNECT_SECONDS).close()
    except OSError as error:
        return error.strerror or str(error)
    return None


def _training(recipe: Recipe, here: Environment) -> Iterator[Finding]:
    missing = [name for name in ("torch", "trl", "accelerate") if name not in here.versions]
    if recipe.training.kind == "sft" and missing:
        what = f"training lacks {', '.join(missing)}"
        yield Finding(level=Level.ERROR, about="training", what=what, do="pip install 'selfjudge[local]'")


def _sources(recipe: Recipe, here: Environment) -> Iterator[Finding]:
    for source in recipe.prompts:
        path = Path(getattr(source, "path", "."))
        if source.kind == "files" and not path.exists():
            yield Finding(level=Level.ERROR, about="prompts", what=f"there is no {path}", do="Correct prompts.path.")
        if source.kind == "dataset" and "datasets" not in here.versions:
            what = "data sets need the package datasets"
            yield Finding(level=Level.ERROR, about="prompts", what=what, do="pip install 'selfjudge[local]'")


def _push(recipe: Recipe, here: Environment) -> Iterator[Finding]:
    if recipe.execution.push is None:
        return
    if "huggingface-hub" not in here.versions:
        what = "publishing needs the package huggingface_hub"
        yield Finding(level=Level.ERROR, about="push", what=what, do="pip install 'selfjudge[local]'")
    if not os.environ.get("HF_TOKEN"):
        what = f"HF_TOKEN is not set, and {recipe.execution.push.to} is to be published"
        yield Finding(
            level=Level.ERROR,
            about="push",
            what=what,
            do="Set it to a token that may write there, or leave `execution.push` out.",
        )


def _memory(recipe: Recipe, model: Footprint, machine: Machine) -> Iterator[Finding]:
    """The model against one engine's memory: a GPU or the group that shares a model, or else this machine's."""
    engine = getattr(recipe.execution.engine, "replica", recipe.execution.engine)
    kind = str(recipe.execution.engine.kind)
    if engine.kind in ("scripted", "openai"):
        return
    if kind == "vllm" and model.kind == "mllama":
        what = "vLLM has not served Llama-3.2-Vision since 0.10.2"
        yield Finding(level=Level.ERROR, about="engine", what=what, do="Use execution.engine.kind: transformers.")
    gpus = _gpus_each(recipe, machine)
    yield _generating(recipe, model, machine, gpus)
    if recipe.training.kind == "sft" and kind != "ray":  # the machine that trains for a cluster may be another one
        needed = model.training(recipe.training, recipe.execution.training, gpu=bool(machine.gpus))
        yield _room("training", needed, _smallest(machine, 1 if machine.gpus else 0), _SMALLER)


_SMALLER = "Set training.lora, share the weights (execution.training.accelerate_config), or use a smaller model or a larger GPU."


def _gpus_each(recipe: Recipe, machine: Machine) -> float:
    """GPUs that hold one copy of the model, 0 on the CPU."""
    engine = recipe.execution.engine
    if getattr(engine, "device", "auto") == "cpu" or not machine.gpus:
        return 0
    return float(getattr(engine, "gpus_per_replica", getattr(engine, "gpus_per_server", 1)))


def _generating(recipe: Recipe, model: Footprint, machine: Machine, gpus: float) -> Finding:
    engine = getattr(recipe.execution.engine, "replica", recipe.execution.engine)
    dtype = str(getattr(engine, "dtype", "auto"))
    batch = int(getattr(engine, "batch_size", 1))
    there = _smallest(machine, gpus)
    alone = model.weights(dtype) + model.rest(dtype)
    whole = alone + model.cache(batch, _longest_reply(recipe), dtype)
    where = f"{gpus:g} GPU" if gpus else "this machine's memory"
    if alone > there:
        what = f"the weights and what goes with them take about {alone / _GIB:.1f} GiB; {where} has {there / _GIB:.1f}"
        return Finding(level=Level.ERROR, about="memory", what=what, do=_SMALLER)
    what = f"generating takes about {whole / _GIB:.1f} GiB with {batch} requests at once; {where} has {there / _GIB:.1f}"
    if whole > there:
        return Finding(
            level=Level.WARNING, about="memory", what=f"{what}; batches would be halved", do="Lower execution.engine.batch_size."
        )
    return Finding(level=Level.FINE, about="memory", what=what)


def _room(about: str, need: int, there: float, do: str) -> Finding:
    what = f"about {need / _GIB:.1f} GiB and activations are needed; there are {there / _GIB:.1f}"
    return Finding(level=Level.FINE if need <= there else Level.WARNING, about=about, what=what, do=do if need > there else "")


def _smallest(machine: Machine, gpus: float) -> float:
    """Bytes of memory for one copy of the model: of so many GPUs, each taken as the smallest there is."""
    return gpus * min(gpu.total_gib for gpu in machine.gpus) * _GIB if gpus else float(machine.memory)


def _longest_reply(recipe: Recipe) -> int:
    synthesis = recipe.synthesis
    samplings = (synthesis.open.response, synthesis.open.alteration, synthesis.closed.sampling)
    return max(s.max_tokens for s in (*samplings, recipe.judging.sampling, recipe.evaluation.sampling))


def _disk(recipe: Recipe, model: Footprint, machine: Machine) -> Iterator[Finding]:
    """A judge for each iteration, checkpoints, images at 300 kB, and 20 kB of text for each prompt and iteration."""
    limits = [getattr(source, "limit", None) for source in recipe.prompts]
    prompts = sum(limit or _UNKNOWN_PROMPTS for limit in limits)
    training = recipe.training, recipe.execution.training
    judges = model.judge(*training) * recipe.loop.iterations + model.checkpoints(*training)
    need = judges + prompts * (_IMAGE_BYTES + _REPLY_BYTES * recipe.loop.iterations)
    guessed = "" if all(limits) else f", if an unlimited source has {_UNKNOWN_PROMPTS:,} prompts"
    what = f"about {need / _GIB:.1f} GiB are needed{guessed}; {machine.disk_free / _GIB:.1f} are free"
    if machine.disk_free >= need:
        yield Finding(level=Level.FINE, about="disk", what=what)
    else:
        worse = machine.disk_free < model.stored
        yield Finding(level=Level.ERROR if worse else Level.WARNING, about="disk", what=what, do="Free some, or use --dir.")

"""Whether a recipe can run on this machine: its model, engine, training, publishing, memory and disk, each with a fix."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from ..errors import EngineError, InputError, installing
from ..hub.models import embedded_model, hub_repository
from ..ports import continues
from ..recipe.engines import OpenAISettings, RaySettings, VLLMSettings
from ..recipe.experiment import EMBEDDED_MODEL, Recipe
from ..recipe.inputs import DatasetSource
from ..stages.forcing import ABLE
from ..types import ImageRef
from ..wiring import open_server
from .conflicts import conflicts
from .doctor import about_installation
from .engines import Placement, address, placement, support
from .findings import Finding, Level
from .footprint import Footprint, footprint
from .installed import Environment, other_environment, this_environment
from .machine import Machine

_GIB = 2**30
_CONNECT_SECONDS = 5.0
_SHARE = (
    "Share the weights among GPUs (execution.training.accelerate_config, with launcher: accelerate and some processes) or "
    "use a larger GPU; or set training.lora or use a smaller model, in another folder (--dir)."
)
_SMALLER = "Use a larger GPU, or several for one model (vllm's gpus_per_server); or a smaller model, in another folder (--dir)."


def examine(recipe: Recipe, machine: Machine) -> tuple[Footprint | None, list[Finding]]:
    """The size of the base model, None if it is not on this machine, and what speaks for and against running the recipe."""
    here, python = this_environment(), _python(recipe)
    servers = None if python is None else other_environment(python)
    model, about_model = model_size(recipe)
    found = [
        *about_installation(here, machine),
        *(conflicts(servers) if servers is not None else ()),
        about_model,
        *_engine(recipe, here, servers),
        *_connection(recipe, machine),
        *(_continuing(recipe) if recipe.judging.force_verdict else ()),
        *_packages(recipe, here),
        *_push(recipe),
    ]
    if model is not None and (where := placement(recipe.execution.engine, machine)) is not None:
        found += _memory(recipe, model, machine, where)
    return model, found


def model_size(recipe: Recipe) -> tuple[Footprint | None, Finding]:
    """The size of the base model, if it is a folder on this machine."""
    name = recipe.model
    folder = embedded_model() if name == EMBEDDED_MODEL else Path(name)
    if folder.is_dir():
        try:
            size = footprint(folder)
        except InputError as error:
            return None, Finding(Level.ERROR, "model", str(error), error.hint or "")
        what = f"{size.kind}, {size.parameters / 1e6:,.1f} million parameters, {size.stored / _GIB:.1f} GiB"
        return size, Finding(Level.FINE, "model", what)
    if (repo := hub_repository(name)) is not None:
        what = f"{name} is not a folder here: it will be downloaded from the hub, and its size is unknown until then"
        download = f"hf download {repo.name}" + (f" --revision {repo.revision}" if repo.revision else "")
        return None, Finding(Level.WARNING, "model", what, f"`{download}`, and name the folder.")
    return None, Finding(Level.ERROR, "model", f"there is no model {name}", "Name a folder, or a model on the hub.")


def disk(need: float, machine: Machine, model: Footprint | None) -> Finding:
    """The disk space that a run needs, in bytes, against what is free."""
    what = f"about {need / _GIB:.1f} GiB are needed, {machine.disk_free / _GIB:.1f} are free"
    if machine.disk_free >= need:
        return Finding(Level.FINE, "disk", what)
    hopeless = model is not None and machine.disk_free < model.stored
    return Finding(Level.ERROR if hopeless else Level.WARNING, "disk", what, "Free some space, or use --dir.")


def longest_reply(recipe: Recipe) -> int:
    """Tokens of the longest reply that any stage allows."""
    synthesis = recipe.synthesis
    samplings = (synthesis.open.response, synthesis.open.alteration, synthesis.closed.sampling)
    return max(s.max_tokens for s in (*samplings, recipe.judging.sampling, recipe.evaluation.sampling))


def _python(recipe: Recipe) -> Path | None:
    return recipe.execution.engine.python if isinstance(recipe.execution.engine, VLLMSettings) else None


def _engine(recipe: Recipe, here: Environment, servers: Environment | None) -> Iterator[Finding]:
    if servers is not None and servers.error:
        what = f"the packages of {servers.path} cannot be listed: {servers.error}"
        yield Finding(Level.ERROR, "engine", what, "Correct execution.engine.python.")
        return
    engine = recipe.execution.engine
    kinds = (engine.kind, engine.replica.kind) if isinstance(engine, RaySettings) else (engine.kind,)
    for found in (support(kind, here, servers) for kind in kinds):
        if not found.runs:
            yield Finding(Level.ERROR, "engine", f"{found.kind} needs {', '.join(found.missing)}", found.do)


def _connection(recipe: Recipe, machine: Machine) -> Iterator[Finding]:
    """Whether the server or cluster of the recipe can be reached. Other nodes may have what this machine lacks."""
    engine, there = recipe.execution.engine, address(recipe.execution.engine)
    if there is not None and (why := _unreachable(*there)):
        what = f"nothing answers at {there[0]}:{there[1]} ({why})"
        yield Finding(Level.ERROR, "engine", what, "Start the server, or correct its address.")
    if engine.kind == "openai" and engine.address.startswith("https:") and not os.environ.get("OPENAI_API_KEY"):
        yield Finding(Level.WARNING, "engine", "OPENAI_API_KEY is not set", "Set it, if the server needs a key.")
    if isinstance(engine, RaySettings) and engine.gpus_per_replica and not machine.gpus:
        what = f"each replica needs {engine.gpus_per_replica:g} GPU(s), and this machine has none"
        do = "Set execution.engine.gpus_per_replica to 0, unless other nodes of the cluster have GPUs."
        yield Finding(Level.WARNING, "engine", what, do)


def _continuing(recipe: Recipe) -> Iterator[Finding]:
    """Whether the engine can continue a reply. A server is asked what it is."""
    engine = recipe.execution.engine
    served = engine.replica if isinstance(engine, RaySettings) else engine
    if not isinstance(served, OpenAISettings):
        return
    what = "replicas of openai cannot continue a reply, as judging.force_verdict asks"
    if served is engine:
        try:
            with closing(open_server("", served, _no_image)) as opened:
                if continues(opened):
                    return
            what = (
                f"the server at {served.address} cannot continue a reply, as judging.force_verdict asks: it is no vLLM or SGLang"
            )
        except EngineError as error:
            what = str(error)
    yield Finding(Level.ERROR, "engine", what, ABLE)


def _no_image(ref: ImageRef) -> bytes:
    raise KeyError(ref)  # nothing is asked


def _unreachable(host: str, port: int) -> str | None:
    try:
        socket.create_connection((host, port), timeout=_CONNECT_SECONDS).close()
    except OSError as error:
        return error.strerror or str(error)
    return None


def _packages(recipe: Recipe, here: Environment) -> Iterator[Finding]:
    """Packages that training, data sets and publishing need, and the file for accelerate."""
    needs = [("training", name) for name in ("torch", "trl", "accelerate") if recipe.training.kind != "scripted"]
    needs += [("prompts", "datasets") for _ in filter(lambda source: isinstance(source, DatasetSource), recipe.prompts)][:1]
    needs += [("push", "huggingface-hub")] if recipe.execution.push is not None else []
    for about, name in needs:
        if name not in here.versions:
            yield Finding(Level.ERROR, about, f"the package {name} is not installed", installing("local"))
    if recipe.training.kind != "scripted" and (lack := recipe.execution.training.lack()) is not None:
        yield Finding(Level.ERROR, "training", *lack)


def _push(recipe: Recipe) -> Iterator[Finding]:
    if recipe.execution.push is not None and not os.environ.get("HF_TOKEN"):
        what = f"HF_TOKEN is not set, which publishing to {recipe.execution.push.to} needs"
        do = "Set it to a token that may write there, or remove execution.push."
        yield Finding(Level.ERROR, "push", what, do)


def _memory(recipe: Recipe, model: Footprint, machine: Machine, where: Placement) -> Iterator[Finding]:
    """The model against the memory for one copy: of a GPU, of the GPUs that share it, or of this machine."""
    engine = recipe.execution.engine
    if isinstance(engine, VLLMSettings) and model.kind == "mllama":
        what = "vLLM has not supported Llama-3.2-Vision since 0.10.2"
        yield Finding(Level.ERROR, "engine", what, "Use execution.engine.kind: transformers.")
    yield _generating(recipe, model, machine, where)
    if recipe.training.kind != "scripted" and not isinstance(engine, RaySettings):  # a cluster may train on another machine
        need = model.training(recipe.training, recipe.execution.training, gpu=bool(machine.gpus))
        there = _smallest(machine, 1 if machine.gpus else 0)
        what = f"about {need / _GIB:.1f} GiB and activations are needed; {there / _GIB:.1f} are there"
        fits = need <= there
        yield Finding(Level.FINE if fits else Level.WARNING, "training", what, "" if fits else _SHARE)


def _generating(recipe: Recipe, model: Footprint, machine: Machine, where: Placement) -> Finding:
    there = _smallest(machine, where.gpus)
    alone = model.weights(where.dtype) + model.rest(where.dtype)
    whole = alone + model.cache(where.requests, longest_reply(recipe), where.dtype)
    device = f"{where.gpus:g} GPU" if where.gpus else "this machine"
    if alone > there:
        what = f"the weights and runtime overhead need about {alone / _GIB:.1f} GiB; {device} has {there / _GIB:.1f}"
        return Finding(Level.ERROR, "memory", what, _SMALLER)
    if not model.kv_bytes_per_token:
        what = (
            f"generation needs about {whole / _GIB:.1f} GiB and room for the keys and values of {where.requests} requests, "
            f"whose size config.json does not tell; {device} has {there / _GIB:.1f}"
        )
        return Finding(Level.WARNING, "memory", what, "Leave room for them, or lower execution.engine.batch_size.")
    what = f"generation needs about {whole / _GIB:.1f} GiB at {where.requests} requests at once; {device} has {there / _GIB:.1f}"
    if whole > there:
        return Finding(Level.WARNING, "memory", f"{what}; batches would be halved", "Lower execution.engine.batch_size.")
    return Finding(Level.FINE, "memory", what)


def _smallest(machine: Machine, gpus: float) -> float:
    """Bytes of memory on this many GPUs, each counted as the smallest there is; of this machine for 0 GPUs."""
    return gpus * min(gpu.total_gib for gpu in machine.gpus) * _GIB if gpus else float(machine.memory)

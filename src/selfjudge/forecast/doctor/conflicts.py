"""Versions that do not fit together: what our own requirements say, and a table of what others were found to refuse.

The table was resolved with an installer in November 2026; what it does not name may still conflict.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import requires

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion

from ...errors import TORCHVISION_CURE
from .findings import Finding, Level
from .installed import Environment, normalised


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A version of `package` that wants other packages in other versions."""

    package: str
    versions: str
    wants: tuple[tuple[str, str], ...]
    do: str
    python: str = ""


_APART = "Give it an environment of its own."
_SERVER = "Let vLLM have an environment of its own, and name its python in the recipe (execution.engine.python)."

KNOWN = (
    Conflict(
        package="vllm",
        versions=">=0.33,<0.34",
        wants=(("transformers", ">=5.16.1,<5.21"), ("pillow", ">=13"), ("certifi", ">=2026.10.19")),
        do=_SERVER,
    ),
    Conflict(package="vllm", versions=">=0.32,<0.33", wants=(("transformers", "<5.20"), ("pillow", "<13")), do=_SERVER),
    Conflict(package="vllm", versions=">=0.31,<0.32", wants=(("transformers", "<5.18"),), do=_SERVER),
    Conflict(package="trl", versions=">=1.16", wants=(("transformers", ">=5.18"),), do="Install a newer transformers."),
    Conflict(package="trackio", versions="<=0.43", wants=(("pillow", "<13"),), do="Install pillow 12.3, or leave trackio out."),
    Conflict(
        package="ms-swift",
        versions="<=4.6.0",
        wants=(("trl", "<1.0"), ("transformers", "<5.20"), ("peft", "<0.21"), ("datasets", "<4.8.5")),
        do=_APART,
    ),
    Conflict(
        package="llamafactory",
        versions="<=0.9.5",
        wants=(("transformers", "<=5.6"), ("trl", "<=0.24"), ("peft", "<=0.18.1")),
        do=_APART,
    ),
    Conflict(package="axolotl", versions="==0.19.*", wants=(("transformers", "==5.16.1"), ("trl", "==1.9.0")), do=_APART),
    Conflict(package="data-designer", versions="<=0.9.7", wants=(("huggingface-hub", "<2"),), do=_APART),
)


def conflicts(environment: Environment) -> Iterator[Finding]:
    """Known conflicts between packages of an environment."""
    if not environment.torchvision_loads:
        what = "torchvision is a build for CUDA, and torch one for CPUs: no model can be loaded"
        yield Finding(level=Level.ERROR, about="torchvision", what=what, do=TORCHVISION_CURE)
    for known in KNOWN:
        if not _fits(environment, known.package, known.versions):
            continue
        for package, wanted in known.wants:
            if package in environment.versions and not _fits(environment, package, wanted):
                there = f"{known.package} {environment.versions[known.package]}"
                what = f"{there} wants {package} {wanted}; installed is {environment.versions[package]}"
                yield Finding(level=Level.WARNING, about="versions", what=what, do=known.do)


def unmet(environment: Environment) -> Iterator[Finding]:
    """What selfjudge itself requires of packages that are installed. One that is missing belongs to an extra that is not used."""
    for line in requires("selfjudge") or ():
        requirement = Requirement(line)
        name = normalised(requirement.name)
        if name in environment.versions and not _fits(environment, name, str(requirement.specifier)):
            yield Finding(
                level=Level.WARNING,
                about="versions",
                what=f"selfjudge wants {name} {requirement.specifier}; installed is {environment.versions[name]}",
                do=f"pip install '{name}{requirement.specifier}'",
            )


def _fits(environment: Environment, package: str, wanted: str) -> bool:
    """Whether a package is installed in a version of this range."""
    try:
        return package in environment.versions and SpecifierSet(wanted).contains(environment.versions[package], prereleases=True)
    except InvalidVersion:
        return False

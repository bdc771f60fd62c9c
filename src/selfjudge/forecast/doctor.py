"""`selfjudge doctor`: installed packages, engines that can run, GPUs, memory and disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .conflicts import conflicts
from .engines import ENGINES, EngineSupport, support
from .findings import Finding, Level
from .installed import PACKAGES, Environment, this_environment
from .machine import GPU, Machine, this_machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package and its version, None if it is not installed; `build` is what torch was built for."""

    name: str
    version: str | None
    build: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What `selfjudge doctor` reports."""

    python: str
    path: str
    packages: tuple[Package, ...]
    gpus: tuple[GPU, ...]
    memory_gib: float
    disk_free_gib: float
    engines: tuple[EngineSupport, ...]
    findings: tuple[Finding, ...]
    runs: bool
    """No finding is an error."""


def diagnose(folder: Path, planned: Sequence[Finding] = ()) -> Diagnosis:
    """Examine this machine; `folder` is where runs would be stored, `planned` what was found about a recipe."""
    machine, here = this_machine(folder), this_environment()
    findings = (*(planned or about_installation(here, machine)),)
    return Diagnosis(
        python=here.python,
        path=here.path,
        packages=tuple(_package(name, here) for name in PACKAGES),
        gpus=machine.gpus,
        memory_gib=round(machine.memory / 2**30, 1),
        disk_free_gib=round(machine.disk_free / 2**30, 1),
        engines=tuple(support(kind, here, None) for kind in ENGINES),
        findings=findings,
        runs=all(finding.level is not Level.ERROR for finding in findings),
    )


def about_installation(here: Environment, machine: Machine) -> Iterator[Finding]:
    """What is wrong with the packages of this environment."""
    yield from conflicts(here)
    if machine.gpus and here.torch_build == "cpu":
        what = f"torch {here.versions['torch']} is built for CPUs, and this machine has {len(machine.gpus)} GPUs"
        yield Finding(Level.WARNING, "torch", what, "Install torch for CUDA: see pytorch.org, Get started.")


def _package(name: str, here: Environment) -> Package:
    return Package(name=name, version=here.versions.get(name), build=here.torch_build if name == "torch" else None)

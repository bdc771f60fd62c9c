"""`selfjudge doctor`: what is installed, what can run here, whether a recipe fits this machine, and what to do where not.

It looks and counts: no model is loaded, nothing is downloaded, no heavy library is imported.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...recipe.experiment import Recipe
from .conflicts import conflicts, unmet
from .engines import ENGINES, missing_for
from .findings import Finding, Level
from .fitting import examine_recipe
from .installed import PACKAGES, Environment, other_environment, this_environment
from .machine import Machine, look_around


def examine(recipe: Recipe | None, folder: Path) -> dict[str, Any]:
    """All that was found, as JSON-able values. `folder` is where the run would go; `runs`: the recipe can run, well or badly."""
    machine, here = look_around(folder), this_environment()
    other = _environment_of(recipe)
    findings = [*_about_installation(here, machine), *(conflicts(other) if other else ())]
    if recipe is not None:
        findings += examine_recipe(recipe, machine, here, other)
    return {
        "python": here.python,
        "packages": _packages(here, other),
        "gpus": [gpu.as_json() for gpu in machine.gpus],
        "memory_gib": round(machine.memory / 2**30, 1),
        "disk_free_gib": round(machine.disk_free / 2**30, 1),
        "engines": [_engine(kind, here, other) for kind in ENGINES],
        "recipe": None if recipe is None else recipe.name,
        "findings": [finding.as_json() for finding in findings],
        "runs": all(finding.level is not Level.ERROR for finding in findings),
    }


def _about_installation(here: Environment, machine: Machine) -> list[Finding]:
    found = [*unmet(here), *conflicts(here)]
    if machine.gpus and here.torch_build == "cpu":
        found.append(
            Finding(
                level=Level.WARNING,
                about="torch",
                what=f"torch {here.versions['torch']} is built for CPUs, and this machine has {len(machine.gpus)} GPUs",
                do="Install torch for CUDA: see pytorch.org, Get started.",
            )
        )
    return found


def _environment_of(recipe: Recipe | None) -> Environment | None:
    """The environment that a recipe gives its servers, if it gives them their own."""
    python = getattr(recipe.execution.engine, "python", None) if recipe is not None else None
    return None if python is None else other_environment(Path(python))


def _packages(here: Environment, other: Environment | None) -> list[dict[str, Any]]:
    environments = [here] if other is None else [here, other]
    return [
        {"name": name, "version": environment.versions.get(name), "build": environment.torch_build if name == "torch" else None}
        | {"python": environment.path}
        for environment in environments
        for name in PACKAGES
        if environment is here or name in environment.versions
    ]


def _engine(kind: str, here: Environment, other: Environment | None) -> dict[str, Any]:
    missing, do = missing_for(kind, here, other)
    return {"kind": kind, "runs": not missing, "missing": missing, "do": do}

"""The packages of a Python environment, read from their metadata; none of them is imported.

Run as a script, it describes the environment of the Python that runs it, and so uses the standard library only.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "aiohttp", "vllm", "ray", "pillow", "pyarrow")
"""Packages that the doctor lists."""

_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A Python and its packages, their versions and requirements by normalised name."""

    path: str
    python: str
    versions: Mapping[str, str]
    requirements: Mapping[str, Sequence[str]] = field(default_factory=dict)
    torch_build: str | None = None
    """`cpu`, or the CUDA (`cuda 13.0`) or ROCm (`rocm 7.1`) that torch was built for."""
    torchvision_loads: bool = True
    """False for a CUDA build beside a CPU torch, unless scripts/cpu_torchvision.py was run."""
    error: str | None = None
    """Why the packages could not be read."""


def this_environment() -> Environment:
    specs = map(find_spec, ("torch", "torchvision", "selfjudge_torchvision"))
    torch, torchvision, fix = (spec.origin if spec else None for spec in specs)
    packages = {normalised(d.metadata["Name"]): d for d in distributions() if d.metadata["Name"]}
    return Environment(
        path=sys.executable,
        python=".".join(map(str, sys.version_info[:3])),
        versions={name: package.version for name, package in packages.items()},
        requirements={name: package.requires for name, package in packages.items() if package.requires},
        torch_build=torch_build(torch),
        torchvision_loads=torchvision_loads(torch, torchvision, fix),
    )


def other_environment(python: Path) -> Environment:
    """The environment of another interpreter, which runs this file."""
    command = (python, "-I", __file__)
    try:
        shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_SECONDS).stdout  # noqa: S603 - the recipe names it
        return Environment(**{**json.loads(shown), "path": str(python)})
    except (OSError, subprocess.SubprocessError, ValueError, TypeError) as error:
        return Environment(path=str(python), python="?", versions={}, error=f"{type(error).__name__}: {error}")


def normalised(name: str) -> str:
    """A package name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def torch_build(init: str | None) -> str | None:
    """What torch was built for, from torch/version.py, which is not run."""
    if not (text := _version_file(init)):
        return None
    for name, label in (("cuda", "cuda"), ("hip", "rocm")):
        if match := re.search(rf"^{name}\b.*=\s*['\"]([^'\"]+)['\"]", text, re.MULTILINE):
            return f"{label} {match.group(1)}"
    return "cpu"


def torchvision_loads(torch: str | None, torchvision: str | None, fix: str | None) -> bool:
    """Whether torchvision can be imported beside torch; each is the path of a package's __init__.py."""
    return fix is not None or torch_build(torch) != "cpu" or "+cu" not in _version_file(torchvision)


def _version_file(init: str | None) -> str:
    """The text of version.py beside a package's __init__.py; empty where there is none."""
    try:
        return "" if init is None else Path(init).with_name("version.py").read_text(encoding="utf-8")
    except OSError:
        return ""


if __name__ == "__main__":
    print(json.dumps(asdict(this_environment())))

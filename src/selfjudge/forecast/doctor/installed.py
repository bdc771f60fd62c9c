"""What is installed, in this environment or another one, by its metadata: nothing is imported."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "aiohttp", "vllm", "ray", "pillow", "pyarrow")
"""What is shown; what conflicts are looked for in is everything."""

_SECONDS = 30.0
_PROBE = (
    "import json, sys\n"
    "from importlib.metadata import distributions\n"
    "from importlib.util import find_spec\n"
    "specs = [find_spec(name) for name in ('torch', 'torchvision', 'selfjudge_torchvision')]\n"
    "print(json.dumps(['%d.%d.%d' % sys.version_info[:3], [spec.origin if spec else None for spec in specs],\n"
    "    {d.metadata['Name']: d.version for d in distributions() if d.metadata['Name']}]))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A Python and its packages. `versions` are by normalised name; `broken` says why they could not be read."""

    path: str
    python: str
    versions: Mapping[str, str]
    torch_build: str | None
    """`cpu`, or the CUDA (`cuda 13.0`) or ROCm (`rocm 7.1`) that torch was built for."""
    torchvision_loads: bool = True
    """False where it is a build for CUDA beside a torch for CPUs, and scripts/cpu_torchvision.py has not been run."""
    broken: str | None = None


def this_environment() -> Environment:
    specs = map(find_spec, ("torch", "torchvision", "selfjudge_torchvision"))
    torch, torchvision, cure = (spec.origin if spec else None for spec in specs)
    return Environment(
        path=sys.executable,
        python=".".join(map(str, sys.version_info[:3])),
        versions=_normalised({d.metadata["Name"]: d.version for d in distributions() if d.metadata["Name"]}),
        torch_build=_torch_build(torch),
        torchvision_loads=_torchvision_loads(torch, torchvision, cure),
    )


def other_environment(python: Path) -> Environment:
    """The environment of another interpreter, which is asked in a process of its own."""
    try:
        told = subprocess.run([python, "-I", "-c", _PROBE], capture_output=True, text=True, check=True, timeout=_SECONDS)  # noqa: S603 - the recipe's own
        version, (torch, torchvision, cure), names = json.loads(told.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        return Environment(path=str(python), python="?", versions={}, torch_build=None, broken=f"{type(error).__name__}: {error}")
    return Environment(
        path=str(python),
        python=version,
        versions=_normalised(names),
        torch_build=_torch_build(torch),
        torchvision_loads=_torchvision_loads(torch, torchvision, cure),
    )


def normalised(name: str) -> str:
    """A package's name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _normalised(versions: Mapping[str, str]) -> dict[str, str]:
    return {normalised(name): version for name, version in versions.items()}


def _torch_build(init: str | None) -> str | None:
    """What torch/version.py says, without running it."""
    if not (text := _version_file(init)):
        return None
    for name, label in (("cuda", "cuda"), ("hip", "rocm")):
        if found := re.search(rf"^{name}\b.*=\s*['\"]([^'\"]+)['\"]", text, re.MULTILINE):
            return f"{label} {found.group(1)}"
    return "cpu"


def _torchvision_loads(torch: str | None, torchvision: str | None, cure: str | None) -> bool:
    return cure is not None or _torch_build(torch) != "cpu" or "+cu" not in _version_file(torchvision)


def _version_file(init: str | None) -> str:
    """What version.py beside a package's __init__.py holds; empty where there is none."""
    try:
        return "" if init is None else Path(init).with_name("version.py").read_text(encoding="utf-8")
    except OSError:
        return ""

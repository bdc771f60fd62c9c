"""This machine: GPUs, memory, and free disk space where a run would be stored."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from ..engines.vllm_command import visible_gpus

_SECONDS = 20.0
_QUERY = ("nvidia-smi", "--query-gpu=name,memory.total,memory.free", "--format=csv,noheader,nounits")


@dataclass(frozen=True, slots=True, kw_only=True)
class GPU:
    """One GPU; both sizes in GiB."""

    name: str
    total_gib: float
    free_gib: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Sizes in bytes; `memory` is all of it, used or not."""

    gpus: tuple[GPU, ...]
    memory: int
    disk_free: int


def this_machine(folder: Path) -> Machine:
    """The machine, with the free disk space at `folder`, which need not exist yet."""
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Machine(gpus=_gpus(), memory=memory, disk_free=shutil.disk_usage(existing).free)


def _gpus() -> tuple[GPU, ...]:
    """GPUs that nvidia-smi lists and CUDA_VISIBLE_DEVICES allows; none where nvidia-smi does not run."""
    try:
        listed = subprocess.run(_QUERY, capture_output=True, text=True, check=True, timeout=_SECONDS).stdout  # noqa: S603 - a constant
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(_visible([_gpu(line) for line in listed.splitlines() if line.count(",") >= 2]))


def _gpu(line: str) -> GPU:
    name, total, free = (part.strip() for part in line.rsplit(",", 2))
    return GPU(name=name, total_gib=_gib(total), free_gib=_gib(free))


def _gib(mebibytes: str) -> float:
    return round(float(mebibytes) / 1024, 1) if mebibytes.replace(".", "", 1).isdigit() else 0.0


def _visible(gpus: list[GPU]) -> list[GPU]:
    if "CUDA_VISIBLE_DEVICES" not in os.environ:
        return gpus
    chosen = visible_gpus()
    if all(number.isdigit() for number in chosen):
        return [gpus[int(number)] for number in takewhile(lambda number: int(number) < len(gpus), chosen)]
    return gpus[: len(chosen)]  # GPUs named by UUID: only their number is known

"""This machine: its GPUs as the driver tells them, its memory, and the free disk where a run would go. Sizes are in bytes."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_SECONDS = 20.0
_QUERY = ("nvidia-smi", "--query-gpu=name,memory.total,memory.free", "--format=csv,noheader,nounits")


@dataclass(frozen=True, slots=True, kw_only=True)
class GPU:
    """One GPU; both sizes in GiB."""

    name: str
    total_gib: float
    free_gib: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """`memory` is all of it, whoever uses it now."""

    gpus: tuple[GPU, ...]
    memory: int
    disk_free: int


def look_around(folder: Path) -> Machine:
    """The machine as it is; `folder` need not exist yet."""
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    return Machine(gpus=_gpus(), memory=_memory(), disk_free=shutil.disk_usage(place).free)


def _gpus() -> tuple[GPU, ...]:
    """What nvidia-smi lists and CUDA_VISIBLE_DEVICES leaves; nothing where there is no such command."""
    try:
        told = subprocess.run(_QUERY, capture_output=True, text=True, check=True, timeout=_SECONDS).stdout  # noqa: S603 - a constant
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(_visible([_gpu(line) for line in told.splitlines() if line.count(",") >= 2]))


def _gpu(line: str) -> GPU:
    name, total, free = (part.strip() for part in line.rsplit(",", 2))
    return GPU(name=name, total_gib=_gib(total), free_gib=_gib(free))


def _gib(mebibytes: str) -> float:
    return round(float(mebibytes) / 1024, 1) if mebibytes.replace(".", "", 1).isdigit() else 0.0


def _visible(gpus: list[GPU]) -> list[GPU]:
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        return gpus
    numbers = [part.strip() for part in chosen.split(",") if part.strip()]
    if all(number.isdigit() for number in numbers):
        return [gpus[int(number)] for number in numbers if int(number) < len(gpus)]
    return gpus[: len(numbers)]  # named by UUID: at least their count is right


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")

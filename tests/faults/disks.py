"""Full and read-only disks, no inodes, files that may not grow, and clocks that jump."""

from __future__ import annotations

import os
import random
import resource
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from commands import Ended, Red, follow, recover, run
from faulty import Steps
from trying import Case, Place

NOT_HERE = "not possible here: it needs the right to mount"
KILOBYTES = (4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
INODES = (2, 3, 5, 8, 12, 16, 24, 32, 40, 48, 56, 64)
LONGEST = (1500, 2000, 3000, 4000, 6000, 8000, 16000)
YEAR = 365 * 24 * 3600
CLOCKS: dict[str, Callable[[float, int], float]] = {
    "ten years ago": lambda now, calls: now - 10 * YEAR,
    "in twenty years": lambda now, calls: now + 20 * YEAR,
    "fifty times as fast": lambda now, calls: now * 50,
    "standing still": lambda now, calls: 1e9,
    "back and forth": lambda now, calls: now + random.Random(calls).uniform(-YEAR, YEAR),
    "before 1970": lambda now, calls: -1e6,
}


def cases(place: Place, short: bool) -> Iterator[Case]:
    every = 4 if short else 1
    for name in place.commands:
        for options in [f"size={kilobytes}k" for kilobytes in KILOBYTES] + [f"nr_inodes={inodes}" for inodes in INODES]:
            if not short or sum(options.encode()) % every == 0:
                yield Case(area="full disks, no inodes", name=f"{name}, {options}", do=fill, given=(name, options))
        for longest in LONGEST[::every]:
            yield Case(area="files that may not grow", name=f"{name}, {longest} bytes", do=limit, given=(name, longest))
        yield Case(area="read-only disks", name=name, do=read_only, given=(name,))
        yield Case(area="a file in place of the folder", name=name, do=occupied, given=(name,))
        for clock in list(CLOCKS)[::every]:
            yield Case(area="clocks", name=f"{name}, {clock}", do=jump, given=(name, clock))


def fill(place: Place, name: str, options: str) -> str:
    command = place.commands[name]
    with mounted(place.fresh(), options) as folder:
        if folder is None:
            return NOT_HERE
        ended = run(command, folder)
        _remount(folder, "size=100m,nr_inodes=100000")
        return recover(command, folder, place, ended)


def read_only(place: Place, name: str) -> str:
    command = place.commands[name]
    with mounted(place.fresh(), "size=100m") as folder:
        if folder is None:
            return NOT_HERE
        run(command, folder, Steps(folder, "kill before", 20).install)
        _remount(folder, "ro")
        ended = run(command, folder)
        _must_refuse(ended, folder)
        _remount(folder, "rw")
        return recover(command, folder, place, ended)


def limit(place: Place, name: str, longest: int) -> str:
    command, folder = place.commands[name], place.fresh()
    ended = run(command, folder, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (longest, longest)))
    return recover(command, folder, place, ended)


def occupied(place: Place, name: str) -> str:
    """Where a file has the folder's name, an error says so."""
    command, folder = place.commands[name], place.fresh()
    folder.write_text("")
    ended = run(command, folder)
    _must_refuse(ended, folder)
    follow(ended.err, folder, folder)
    folder.unlink(missing_ok=True)
    return recover(command, folder, place, ended)


def jump(place: Place, name: str, clock: str) -> str:
    """Killed under one clock and resumed under the right one, with files of another time."""
    command, folder = place.commands[name], place.fresh()
    shown, steps = CLOCKS[clock], Steps(folder, "kill before", 25)
    calls, real = iter(range(10**9)), time.time

    def set_clock() -> Any:
        time.time = lambda: shown(real(), next(calls))
        time.time_ns = lambda: int(shown(real(), next(calls)) * 1e9)

    run(command, folder, lambda: (set_clock(), steps.install()))
    for path in folder.rglob("*"):
        os.utime(path, (max(0.0, shown(real(), 0)),) * 2)
    return recover(command, folder, place, run(command, folder, set_clock))


def _must_refuse(ended: Ended, folder: Path) -> None:
    if ended.code != 2 or str(folder) not in ended.err or "unexpected" in ended.err:
        raise Red(f"code {ended.code}, not an error that names {folder}: {ended.err[-300:]}")


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path | None]:
    """A disk of its own, or None where nobody may mount one."""
    folder.mkdir()
    call = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if subprocess.run(call, capture_output=True, check=False).returncode:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], capture_output=True, check=False)


def _remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], capture_output=True, check=True)

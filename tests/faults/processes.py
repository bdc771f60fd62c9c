"""Two processes in one folder: one works, the other is refused, and whoever only reads disturbs nobody."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

from commands import Command, Ended, Red, compare, left, recover, run, start, wait
from faulty import Steps
from stepping import operations
from trying import Case, Place

WAYS = ("at once", "while it is stopped", "its .lock deleted", "while its folder is read")
READERS = (("status", "{}"), ("report", "{}"))


def cases(place: Place, short: bool) -> Iterator[Case]:
    for name in place.commands:
        total, many = operations(place, place.commands[name]), 1 if short else 8
        for way in WAYS:
            for at in range(total // 2, total // 2 + many):
                yield Case(area=f"two processes, {way}", name=f"{name}, operation {at}", do=together, given=(name, way, at))


def together(place: Place, name: str, way: str, at: int) -> str:
    """Stop a command at its file operation number `at`, see what another process can do there, and let it go on."""
    command, folder = place.commands[name], place.fresh()
    if way == "at once":
        pid, output = start(command.argv(folder), folder)
        second = run(command, folder)
        first = wait(pid, output)
        _one_refused(first, second)
        return recover(command, folder, place, first)
    pid, output = start(command.argv(folder), folder, Steps(folder, "SIGSTOP", at).install)
    if os.waitid(os.P_PID, pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT).si_code == os.CLD_EXITED:
        raise Red(f"it ended before operation {at}: {wait(pid, output).err[-600:]}")
    if way == "while its folder is read":
        _read(command, folder)
    else:
        if way == "its .lock deleted":
            next(folder.rglob(".lock")).unlink()
        _refused(run(command, folder), folder)
    os.kill(pid, signal.SIGCONT)
    first = wait(pid, output)
    if first.code:
        raise Red(f"the first one ended with {first.code}: {first.err[-600:]}")
    compare(left(folder), place.whole[name])
    return "identical"


def _refused(ended: Ended, folder: Path) -> None:
    if ended.code != 2 or "in use by another process" not in ended.err or str(folder) not in ended.err:
        raise Red(f"the second one ended with {ended.code}: {ended.err[-600:]}")


def _one_refused(first: Ended, second: Ended) -> None:
    """Of two that start at once one is refused, or comes when all is done."""
    for ended in (first, second):
        if ended.code and "in use by another process" not in ended.err and "exists already" not in ended.err:
            raise Red(f"ended with {ended.code}: {ended.err[-600:]}")
    if first.code and second.code:
        raise Red("both were refused")


def _read(command: Command, folder: Path) -> None:
    if command.name != "run":
        return
    for words in READERS:
        ended = run(Command(name=words[0], words=words), folder)
        if ended.code not in (0, 2) or "unexpected" in ended.err or "Traceback" in ended.err:
            raise Red(f"{words[0]} ended with {ended.code}: {ended.err[-600:]}")

"""Two processes in one folder: one works, the other is refused, and whoever only reads disturbs nobody."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from commands import Command, Ended, Red, compare, left, recover, run, start, wait
from trying import Case, Place

WAYS = ("while it runs", "at once", "its .lock deleted", "while it is stopped", "while its folder is read")
READERS = (("status", "{}"), ("report", "{}"))


def cases(place: Place, short: bool) -> Iterator[Case]:
    for name in place.commands:
        for way in WAYS:
            for number in range(1 if short else 8):
                yield Case(area=f"two processes, {way}", name=f"{name} {number}", do=together, given=(name, way, number))


def together(place: Place, name: str, way: str, number: int) -> str:
    command, folder = place.commands[name], place.fresh()
    pid, output = start(command.argv(folder), folder)
    if way == "at once":
        second = run(command, folder)
        first = wait(pid, output)
        _one_refused(first, second)
        return recover(command, folder, place, first)
    lock = _begun(folder)
    time.sleep(0.02 * number)
    os.kill(pid, signal.SIGSTOP)
    if way == "while its folder is read":
        _read(command, folder, pid)
    else:
        if way == "its .lock deleted":
            lock.unlink(missing_ok=True)
        if os.waitid(os.P_PID, pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT).si_code != os.CLD_EXITED:
            _refused(run(command, folder), folder)
    os.kill(pid, signal.SIGCONT)
    first = wait(pid, output)
    if first.code:
        raise Red(f"the first one ended with {first.code}: {first.err[-600:]}")
    compare(left(folder), place.whole[name])
    return "identical"


def _begun(folder: Path) -> Path:
    """The lock of a command, once that holds it."""
    for _ in range(10_000):
        if (found := next(folder.rglob(".lock"), None)) and f":{found.stat().st_ino} " in Path("/proc/locks").read_text():
            return found
        time.sleep(0.002)
    raise Red("it does not begin")


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


def _read(command: Command, folder: Path, pid: int) -> None:
    if command.name != "run":
        return
    for words in READERS:
        ended = run(Command(name=words[0], words=words), folder)
        if ended.code not in (0, 2) or "unexpected" in ended.err or "Traceback" in ended.err:
            raise Red(f"{words[0]} ended with {ended.code}: {ended.err[-600:]}")

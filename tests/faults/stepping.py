"""Each command, stepped through its file operations: at each of them, one fault."""

from __future__ import annotations

from collections.abc import Iterator

from commands import Command, Red, recover, run
from faulty import FAULTS, Steps
from trying import Case, Place

COMMANDS = ("run", "evaluate", "label")


def cases(place: Place, short: bool) -> Iterator[Case]:
    for name in COMMANDS:
        total = operations(place, place.commands[name])
        step = 29 if short else 1
        for number, fault in enumerate(FAULTS):
            for at in range(number * 5 % step, total, step):
                yield Case(area=f"{name}, {fault}", name=f"operation {at}", do=step_at, given=(name, fault, at))


def operations(place: Place, command: Command) -> int:
    """How many file operations a command makes; they are counted from its start."""
    folder = place.fresh()
    log = folder.parent / "operations"
    if run(command, folder, Steps(folder, log=log).install).code:
        raise Red(f"{command.name} fails undisturbed")
    return len(log.read_text().splitlines())


def step_at(place: Place, name: str, fault: str, at: int) -> str:
    folder, command = place.fresh(), place.commands[name]
    ended = run(command, folder, Steps(folder, fault, at).install)
    if ended.code > 0 and fault.startswith("kill"):
        raise Red(f"exit code {ended.code} instead of a kill")
    return recover(command, folder, place, ended)

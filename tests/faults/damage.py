"""Each file of a folder damaged in each manner: whole folders, and those of commands that were killed on the way."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from commands import Command, Red, compare, follow, left, recover, run
from faulty import Steps
from stepping import operations
from trying import Case, Place

Manner = Callable[[bytes], bytes | None]


def flipped(data: bytes) -> bytes:
    place = len(data) // 2
    return data[:place] + bytes([data[place] ^ 16]) + data[place + 1 :] if data else b"\1"


def other_types(data: bytes) -> bytes:
    """The same JSON with every value another kind of thing."""
    try:
        return json.dumps(_other(json.loads(data))).encode()
    except ValueError:
        return b'{"a": [1, {"b": null}]}'


def _other(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: [one] if isinstance(one, str | dict) else str(one) for key, one in value.items()}
    return dict(enumerate(value)) if isinstance(value, list) else [value]


MANNERS: dict[str, Manner] = {
    "truncated": lambda data: data[: len(data) // 2],
    "emptied": lambda data: b"",
    "flipped": flipped,
    "NULs": lambda data: bytes(len(data)),
    "{}": lambda data: b"{}",
    "[]": lambda data: b"[]",
    "null": lambda data: b"null",
    "nested": lambda data: b"[" * 100_000,
    "other types": other_types,
    "gone": lambda data: None,
}
ON_THE_WAY = {"run": (0.3, 0.5, 0.7, 0.9), "evaluate": (0.4, 0.8), "label": (0.5, 0.8)}
"""At which share of their operations commands are killed whose folders are then damaged."""


def cases(place: Place, short: bool) -> Iterator[Case]:
    number = 0
    for area, name, folder in [*_whole(place), *_killed(place, short)]:
        for file in sorted(path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"):
            for manner in MANNERS:
                number += 1
                if not short or number % 17 == 0:
                    given = (name, folder, str(file.relative_to(folder)), manner)
                    yield Case(area=area, name=f"{given[2]} {manner}", do=damaged, given=given)


def _whole(place: Place) -> Iterator[tuple[str, str, Path]]:
    for name in place.commands:
        yield f"{name}, done, then damaged", name, place.root / "whole" / name / "folder"


def _killed(place: Place, short: bool) -> Iterator[tuple[str, str, Path]]:
    for name, shares in ON_THE_WAY.items():
        command = place.commands[name]
        total = operations(place, command)
        for share in shares[:1] if short else shares:
            folder = place.fresh()
            run(command, folder, Steps(folder, "kill before", int(share * total)).install)
            yield f"{name}, killed, then damaged", name, folder


def damaged(place: Place, name: str, source: Path, file: str, manner: str) -> str:
    folder, command = place.copy(source), place.commands[name]
    path = folder / file
    made = MANNERS[manner](path.read_bytes())
    if made is None:
        path.unlink()
    else:
        path.write_bytes(made)
    ended = run(command, folder)
    found = left(folder)
    if ended.code == 0 and file.startswith("images/") and found.get(file) != place.whole[name].get(file):
        compare({**found, file: place.whole[name][file]}, place.whole[name])
        return use_images(place, name, folder)
    return recover(command, folder, place, ended)


def use_images(place: Place, name: str, folder: Path) -> str:
    """Use the images of a folder, one of which is damaged; a sealed run looks at them no more by itself."""
    command = place.commands[name]
    words = ("export", "{}", "--format", "jsonl", "--all", "--to")
    export, again = (Command(name="export", words=(*words, str(folder.parent / to))) for to in ("one", "two"))
    ended = run(export, folder)
    if ended.code == 0:
        return "an image that nothing uses"
    follow(ended.err, folder, folder)
    recover(command, folder, place, run(command, folder))
    if (ended := run(again, folder)).code:
        raise Red(f"cannot be exported afterwards: {ended.err[-600:]}")
    return "an error with a hint, then identical"

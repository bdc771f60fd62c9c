"""One case of the suite, and the place where cases are tried."""

from __future__ import annotations

import shutil
import tempfile
import traceback
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from commands import Command, Red, check_kept, commands, here, left


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The suite's own folder: inputs, commands, and what each command leaves when nobody disturbs it."""

    root: Path
    commands: Mapping[str, Command]
    whole: Mapping[str, Mapping[str, str]]

    def fresh(self) -> Path:
        """A folder for a command, which is not there yet, in a folder of its own."""
        return Path(tempfile.mkdtemp(prefix="case-", dir=self.root)) / "folder"

    def copy(self, source: Path) -> Path:
        return Path(shutil.copytree(source, self.fresh()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """`do` is given the place and `given`; it says how it ended well, or raises Red."""

    area: str
    name: str
    do: Callable[..., str]
    given: tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a case ended. `red` says what was wrong, `folder` where that can be seen."""

    case: str
    area: str
    good: str = ""
    red: str = ""


def prepared(root: Path) -> Place:
    """A place where each command has been run once, undisturbed and in this process, which then has all they need."""
    known, whole = commands(root / "inputs"), {}
    for name, command in known.items():
        folder = root / "whole" / name / "folder"
        folder.mkdir(parents=True)
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()) as err:
            code = here(command.argv(folder))
        if code:
            raise Red(f"{name} fails undisturbed: {err.getvalue()}")
        whole[name] = left(folder)
        if name == "run":
            check_kept(folder)
    return Place(root=root, commands=known, whole=whole)


def tried(place: Place, case: Case) -> Outcome:
    """Try a case in a folder of its own, which is removed where all went well."""
    own = Place(root=Path(tempfile.mkdtemp(prefix="tried-", dir=place.root)), commands=place.commands, whole=place.whole)
    try:
        good = case.do(own, *case.given)
    except Red as red:
        return Outcome(case=case.name, area=case.area, red=f"{red} (in {own.root})")
    except Exception:
        return Outcome(case=case.name, area=case.area, red=f"the suite failed: {traceback.format_exc(limit=-3)}")
    shutil.rmtree(own.root)
    return Outcome(case=case.name, area=case.area, good=good)

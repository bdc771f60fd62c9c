"""The benchmarks that selfjudge knows (`catalogue.toml`): content, origin, licence, and whether each is available locally.

None of the data is shipped: `prepare` fetches it for the user, who has to keep to its terms.
"""

from __future__ import annotations

import json
import os
import tomllib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from ..errors import InputError
from ..hub.client import Repository, cached

Obtained = Literal["shipped", "own file", "hub", "prepare"]
"""`shipped` with the package; an `own file`; one data set of the `hub`; or put together by `prepare` from several sources."""

State = Literal["shipped", "own file", "prepared", "in the hub's cache", "absent"]

MANIFEST = "prepared.json"
"""Record of what a benchmark's folder was made of, written last: a folder without it is unfinished."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One benchmark.

    rows            known counts of its revisions, newest first
    hub             data sets by id, the main one first
    config, split   the part of the main data set that holds the rows
    files           patterns of the files that are needed; empty for all
    where           its origin, for people
    """

    name: str
    title: str
    measures: str
    where: str
    licence: str
    obtained: Obtained
    hub: tuple[str, ...] = ()
    config: str | None = None
    split: str | None = None
    files: tuple[str, ...] = ()
    rows: tuple[int, ...] = ()
    arxiv: str | None = None


def _entry(row: dict[str, Any]) -> Entry:
    fields: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
    return Entry(**fields)


_TEXT = (files(__package__) / "catalogue.toml").read_text(encoding="utf-8")
CATALOGUE = tuple(map(_entry, tomllib.loads(_TEXT)["benchmark"]))


def entry_of(name: str) -> Entry:
    """The benchmark of a name. Raises InputError."""
    for entry in CATALOGUE:
        if entry.name == name:
            return entry
    raise InputError(f"there is no benchmark {name}", hint=f"Known benchmarks: {', '.join(entry.name for entry in CATALOGUE)}.")


def home() -> Path:
    """The folder of prepared benchmarks: $SELFJUDGE_BENCHMARKS, or ~/.cache/selfjudge/benchmarks."""
    named = os.environ.get("SELFJUDGE_BENCHMARKS")
    return Path(named) if named else Path.home() / ".cache" / "selfjudge" / "benchmarks"


def folder_of(entry: Entry) -> Path | None:
    """The folder with a benchmark's data, prepared or in the hub's cache; None where there is none. Asks no server."""
    folder = home() / entry.name
    if is_prepared(folder, entry.name):
        return folder
    return _cached(entry) if entry.obtained == "hub" else None


def state_of(entry: Entry) -> State:
    """Whether a benchmark can be used at once, and why. Asks no server."""
    if entry.obtained == "shipped" or entry.obtained == "own file":
        return entry.obtained
    if is_prepared(home() / entry.name, entry.name):
        return "prepared"
    return "absent" if folder_of(entry) is None else "in the hub's cache"


def is_prepared(folder: Path, name: str) -> bool:
    """Whether a folder holds this whole benchmark."""
    manifest = manifest_of(folder)
    return manifest is not None and manifest.get("name") == name


def manifest_of(folder: Path) -> dict[str, Any] | None:
    """The record that `prepare` wrote last into a folder; None if it did not finish or is no longer readable."""
    try:
        value = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _cached(entry: Entry) -> Path | None:
    """The folder of the main data set in the hub's cache, when every data set of the benchmark is there."""
    folders = [cached(Repository(kind="dataset", name=name), entry.files) for name in entry.hub]
    main = folders[0]
    if main is None or None in folders:
        return None
    return main if any(any(main.glob(pattern)) for pattern in entry.files or ("*",)) else None

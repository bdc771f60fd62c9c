"""Benchmarks that are data sets of the Hugging Face hub: their files at one commit, with a record of what was fetched."""

from __future__ import annotations

import fnmatch
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import InputError, RunError
from ..hub.client import Repository, Snapshot, download, look_up
from ..run.disk import locked
from .catalogue import Entry, manifest_of
from .prepared import finish, is_whole, reopen


def prepare(entry: Entry, folder: Path, *, revision: str | None = None) -> dict[str, Any]:
    """Download a benchmark into a folder and return its `prepared.json`, unless the folder holds all of it already.

    `revision` is of the main data set. Raises SelfjudgeError when the hub does not deliver a data set, RunError when the folder
    holds another revision.
    """
    with locked(folder, "--to"):
        before = manifest_of(folder)
        if before is not None and revision in (None, before["revision"]) and is_whole(folder, before):
            return before
        repositories = [Repository(kind="dataset", name=name) for name in entry.hub]
        repositories[0] = replace(repositories[0], revision=revision)
        snapshots = [look_up(repository) for repository in repositories]
        if before is not None and before["revision"] != snapshots[0].commit:
            raise RunError(
                f"{folder} holds the revision {before['revision']}, not {snapshots[0].commit}",
                hint="Use another folder (--to), or delete this one.",
            )
        reopen(folder)
        return _fetched(entry, folder, snapshots)


def _fetched(entry: Entry, folder: Path, snapshots: Sequence[Snapshot]) -> dict[str, Any]:
    files: list[str] = []
    for number, (name, snapshot) in enumerate(zip(entry.hub, snapshots, strict=True)):
        wanted = _wanted(entry, name, snapshot)
        place = Path(name.partition("/")[2]) if number else Path()
        repository = Repository(kind="dataset", name=name, revision=snapshot.commit)
        download(repository, allow=_patterns(entry), into=folder / place)
        _check(name, wanted, folder / place)
        shutil.rmtree(folder / place / ".cache", ignore_errors=True)  # the library's notes for going on
        files += [str(place / file) for file in wanted]
    facts = {
        "name": entry.name,
        "source": entry.hub[0],
        "revision": snapshots[0].commit,
        "also": {name: snapshot.commit for name, snapshot in zip(entry.hub[1:], snapshots[1:], strict=True)},
        "rows": _rows(folder, entry, files),
    }
    return finish(folder, facts, files)


def _patterns(entry: Entry) -> tuple[str, ...]:
    """What to download: the patterns of a benchmark, and the card, which tells the licence."""
    return (*entry.files, "README.md") if entry.files else ()


def _wanted(entry: Entry, name: str, snapshot: Snapshot) -> list[str]:
    """The files that a benchmark needs."""
    patterns = _patterns(entry) or ("*",)
    files = [
        file
        for file in snapshot.files
        if not file.startswith(".") and any(fnmatch.fnmatchcase(file, pattern) for pattern in patterns)
    ]
    if not any(file != "README.md" for file in files):
        raise InputError(
            f"the data set {name} at {snapshot.commit} holds no file of {entry.name}",
            hint="Name an older commit with --revision, and please report this.",
        )
    return files


def _check(name: str, files: Sequence[str], folder: Path) -> None:
    """Without the hub its library is content with whatever lies in the folder; we are not."""
    if missing := [file for file in files if not (folder / file).is_file()]:
        raise InputError(
            f"{len(missing)} of {len(files)} files of {name} were not downloaded, {missing[0]} first",
            hint="Run the same command again: it goes on where it stopped.",
        )


def _rows(folder: Path, entry: Entry, files: Sequence[str]) -> int | None:
    """Rows of the split in Parquet and JSONL files; None where it is not clear which files hold them."""
    counts = [_rows_of(folder / file) for file in files if _holds_split(file, entry)]
    known = [count for count in counts if count is not None]
    return sum(known) if known and len(known) == len(counts) else None


def _holds_split(file: str, entry: Entry) -> bool:
    path = Path(file)
    if path.suffix not in (".parquet", ".jsonl"):
        return False
    return entry.config is not None and (entry.split is None or path.name.startswith((f"{entry.split}-", f"{entry.split}.")))


def _rows_of(path: Path) -> int | None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if path.suffix == ".parquet":
            return int(pq.read_metadata(path).num_rows)
        with path.open("rb") as lines:
            return sum(1 for line in lines if line.strip())
    except (OSError, pa.ArrowException):
        return None

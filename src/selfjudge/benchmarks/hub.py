"""Benchmarks that are data sets of the Hugging Face hub: their files at one commit, with a record of what was fetched."""

from __future__ import annotations

import fnmatch
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ..errors import InputError, RunError, SelfjudgeError, failed_import
from ..run.disk import is_disk_full
from .catalogue import Entry, manifest_of
from .prepared import finish, held, is_whole, reopen


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A data set at one commit, and the names of its files."""

    commit: str
    files: tuple[str, ...]


class Hub(Protocol):
    """What is needed of a hub."""

    def look_up(self, name: str, revision: str | None) -> Snapshot:
        """A data set at a branch, tag or commit; None is its main branch. Raises InputError."""
        ...

    def fetch(self, name: str, commit: str, patterns: Sequence[str], into: Path) -> None:
        """Download the files that fit a pattern; all, without one. Goes on where it stopped before. Raises InputError."""
        ...


class HuggingFace:
    """The hub that `HF_ENDPOINT` names. `HF_TOKEN` and `hf auth login` are honoured by its library."""

    def look_up(self, name: str, revision: str | None) -> Snapshot:
        try:
            from huggingface_hub import HfApi

            found = HfApi().dataset_info(name, revision=revision)
        except Exception as error:
            raise not_given(name, error, revision) from error
        return Snapshot(commit=str(found.sha), files=tuple(sibling.rfilename for sibling in found.siblings or ()))

    def fetch(self, name: str, commit: str, patterns: Sequence[str], into: Path) -> None:
        try:
            from huggingface_hub import snapshot_download

            allowed = list(patterns) or None
            snapshot_download(name, repo_type="dataset", revision=commit, allow_patterns=allowed, local_dir=into)
        except Exception as error:
            if is_disk_full(error):
                raise
            raise not_given(name, error, commit) from error


def not_given(name: str, error: Exception, revision: str | None = None) -> SelfjudgeError:
    """The error for a data set that the hub does not give, with what the user can do; the library raises many kinds."""
    at = f" at {revision}" if revision else ""
    lines = str(error).strip().splitlines() or [""]
    message = f"the hub does not give the data set {name}{at}: {type(error).__name__}: {lines[0][:200]}"
    if isinstance(error, ImportError):
        text, hint = failed_import(error, f"fetching {name}")
        return SelfjudgeError(text, hint=hint)
    if type(error).__name__ in ("GatedRepoError", "RepositoryNotFoundError"):
        return InputError(message, hint="Accept its conditions on its page, log in (`hf auth login`), and check the name.")
    if type(error).__name__ == "RevisionNotFoundError":
        return InputError(message, hint="Leave --revision away, or name a branch, tag or commit that its page shows.")
    return InputError(message, hint="Check the network and HF_ENDPOINT, then run the same command again: it goes on.")


def prepare(entry: Entry, folder: Path, *, revision: str | None = None, hub: Hub | None = None) -> dict[str, Any]:
    """Fetch a benchmark into a folder and return its `prepared.json`. What is whole there is not fetched again.

    `revision` is of the main data set. Raises InputError when the hub does not give a data set, RunError when the folder holds
    another revision.
    """
    hub = hub or HuggingFace()
    with held(folder):
        before = manifest_of(folder)
        if before is not None and revision in (None, before["revision"]) and is_whole(folder, before):
            return before
        snapshots = [hub.look_up(name, None if number else revision) for number, name in enumerate(entry.hub)]
        if before is not None and before["revision"] != snapshots[0].commit:
            raise RunError(
                f"{folder} holds the revision {before['revision']}, not {snapshots[0].commit}",
                hint="Use another folder (--to), or delete this one.",
            )
        reopen(folder)
        return _fetched(entry, folder, snapshots, hub)


def _fetched(entry: Entry, folder: Path, snapshots: Sequence[Snapshot], hub: Hub) -> dict[str, Any]:
    files: list[str] = []
    for number, (name, snapshot) in enumerate(zip(entry.hub, snapshots, strict=True)):
        wanted = _wanted(entry, name, snapshot)
        place = Path(name.partition("/")[2]) if number else Path()
        hub.fetch(name, snapshot.commit, _patterns(entry), folder / place)
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

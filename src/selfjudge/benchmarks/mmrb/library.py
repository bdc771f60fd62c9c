"""Rows of the sources of Multimodal RewardBench, from local copies or from the hub, one at a time and with pictures as bytes.

A local copy is `FOLDER/<owner>__<name>`, or `FOLDER/<owner>__<name>/<config>` for a source with configurations: written by
`save_to_disk`, or a folder of Parquet files. From the hub, rows are streamed at one commit.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

from ...errors import InputError, SelfjudgeError
from ...hub.client import Repository, look_up, translated_errors
from ...run.image_files import BadImage, image_cell, read
from ...run.saved import load_saved, reading, undecoded
from ...run.tables import Row
from .sources import ORIGINS, PAIRS_REPOSITORY, Origin, Unfit

LOCAL = "local"
"""The revision of a source that was read from a local copy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A source that can be read: its parts (one per configuration), and their revision."""

    origin: Origin
    parts: tuple[Any, ...]
    revision: str

    @property
    def by(self) -> str:
        """The column that rows are found by, or `position`: the origin has no key column, or this copy lacks it."""
        key = self.origin.key
        return key if key is not None and key in _columns(self.parts[0]) else "position"

    def find(self, wanted: Collection[str | int]) -> Iterator[tuple[str | int, Row]]:
        """The rows of some keys or positions, each once, in the order of the source. Raises InputError on a broken source."""
        by, waiting = self.by, set(wanted)
        try:
            for position, row in enumerate(chain.from_iterable(self.parts) if waiting else ()):
                name = position if by == "position" else str(row[by]).replace('"', "")  # image2struct's are in quotation marks
                if name in waiting:
                    waiting.discard(name)
                    yield name, row
                if not waiting:
                    return
        except SelfjudgeError:
            raise
        except Exception as error:  # the library raises many kinds, network errors among them
            raise InputError(
                f"cannot read the source {self.origin.repository}: {type(error).__name__}: {str(error)[:200]}",
                hint="Run the same command again: it continues at the next row. Local copies can be given with --sources.",
            ) from error


@dataclass(slots=True, kw_only=True)
class Library:
    """Opens sources: local copies first, then the hub, at the commits that an earlier attempt used."""

    copies: Path | None
    commits: dict[str, str] = field(default_factory=dict)
    url_of_pairs: ClassVar[str] = f"https://github.com/{PAIRS_REPOSITORY}"

    def open(self, origin: Origin) -> Opened:
        """Open a source. Raises InputError when neither a local copy nor the hub has it, or when it lacks a column."""
        folders = [folder for config in origin.configs if (folder := self._copy(origin, config)) is not None]
        if len(folders) == len(origin.configs):
            parts, revision = [_read(folder, origin) for folder in folders], LOCAL
        else:
            revision = self.commit(origin.repository)
            parts = [_stream(origin, config, revision) for config in origin.configs]
        return Opened(origin=origin, parts=tuple(_needed(part, origin) for part in parts), revision=revision)

    def pairs(self, cache: Path) -> tuple[Path, str]:
        """The folder with the pictures of PAIRS and their commit: a local clone, or one made in `cache`. Raises InputError."""
        name = PAIRS_REPOSITORY.replace("/", "__")
        if self.copies is not None and (self.copies / name / "data").is_dir():
            return self.copies / name / "data", LOCAL
        clone = cache / name
        if not clone.is_dir():
            shutil.rmtree(cache, ignore_errors=True)
            unfinished = cache / f".{name}"
            _git("clone", "--quiet", self.url_of_pairs, str(unfinished))
            unfinished.replace(clone)
        commit = self.commits.setdefault(PAIRS_REPOSITORY, _git("-C", str(clone), "rev-parse", "HEAD"))
        _git("-C", str(clone), "checkout", "--quiet", commit)
        return clone / "data", commit

    def _copy(self, origin: Origin, config: str | None) -> Path | None:
        if self.copies is None:
            return None
        folder = self.copies / origin.repository.replace("/", "__")
        if config is not None and (folder / config).is_dir():
            return folder / config
        alone = sum(len(other.configs) for other in ORIGINS if other.repository == origin.repository) == 1
        return folder if folder.is_dir() and (config is None or alone) else None

    def commit(self, repository: str) -> str:
        """The commit at which a data set is read. Raises InputError."""
        if repository not in self.commits:
            self.commits[repository] = look_up(Repository(kind="dataset", name=repository)).commit
        return self.commits[repository]


def _git(*arguments: str) -> str:
    """Run git; its output. Raises InputError."""
    try:
        command = ["git", *arguments]
        environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)  # noqa: S603, no shell
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", None) or str(error)
        raise InputError(
            f"cannot clone {PAIRS_REPOSITORY}: {reason.strip().splitlines()[-1]}",
            hint=f"Clone it yourself, as FOLDER/{PAIRS_REPOSITORY.replace('/', '__')}, and give --sources FOLDER.",
        ) from error
    return done.stdout.strip()


def _read(folder: Path, origin: Origin) -> Any:
    """Open a local copy: memory-mapped if `save_to_disk` wrote it, else streamed from Parquet files."""
    with reading(folder, "Get the copy again."):
        if (saved := load_saved(folder, origin.split)) is not None:
            return saved
        import datasets

        files = sorted(map(str, folder.rglob("*.parquet")))
        files = [file for file in files if f"{origin.split}-" in Path(file).name] or files
        if not files:
            raise InputError(f"{folder} holds no data set", hint="Put Parquet files there, or the output of `save_to_disk`.")
        return datasets.load_dataset("parquet", data_files=files, split="train", streaming=True)


def _stream(origin: Origin, config: str | None, commit: str) -> Any:
    with translated_errors(Repository(kind="dataset", name=origin.repository, revision=commit)):
        import datasets

        return datasets.load_dataset(origin.repository, config, split=origin.split, revision=commit, streaming=True)


def _needed(part: Any, origin: Origin) -> Any:
    """The needed columns of a part, pictures left as bytes."""
    columns = _columns(part)
    if missing := [name for name in (*origin.columns, *origin.images[:1]) if name not in columns]:
        raise InputError(
            f"the source {origin.repository} has no column `{missing[0]}`",
            hint=f"Its columns are: {', '.join(columns)}. Give another revision of it with --sources.",
        )
    return undecoded(part).select_columns([n for n in (*origin.columns, *origin.images, origin.key) if n in columns])


def _columns(part: Any) -> list[str]:
    """The names of a part's columns; a streamed part may only know them from its first row."""
    names = part.column_names
    return list(next(iter(part.take(1)), {}) if names is None else names)


def picture_file(path: Path) -> bytes:
    """The bytes of a picture's file. Raises Unfit."""
    try:
        return read(path)
    except BadImage as bad:
        raise Unfit("no_image", str(bad)) from bad


def picture(value: Any) -> bytes:
    """The bytes of a picture in a data set. Raises Unfit."""
    cell = image_cell(value)
    if cell is None:
        raise Unfit("no_image", f"the source row has a {type(value).__name__} where a picture should be")
    return picture_file(Path(cell)) if isinstance(cell, str) else cell

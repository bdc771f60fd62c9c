"""Rows of the sources of Multimodal RewardBench, from local copies or from the hub, one at a time and with pictures as bytes.

A local copy is `FOLDER/<owner>__<name>`, or `FOLDER/<owner>__<name>/<config>` where a source has configurations: written by
`save_to_disk`, or a folder of Parquet files. From the hub, rows are streamed at one commit; nothing is held but the row at hand.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from ...errors import InputError, SelfjudgeError, failed_import
from ...hub.client import Repository, look_up, translated_errors
from ...run.image_files import BadImage, read
from .sources import PAIRS_REPOSITORY, SOURCES, Row, Source, Unfit

LOCAL = "local"
"""The revision of a source that was read from a copy of the user's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A source that can be read: its parts (one a configuration), and the revision they are of."""

    source: Source
    parts: tuple[Any, ...]
    revision: str

    @property
    def by_position(self) -> bool:
        """Whether rows are found by position: as the source says, or because this copy lacks the key column."""
        return self.source.key is None or self.source.key not in _columns(self.parts[0])

    @property
    def by(self) -> str:
        """What rows are found by: the key column, or `position`."""
        return "position" if self.by_position or self.source.key is None else self.source.key

    def find(self, places: Collection[str | int]) -> Iterator[tuple[str | int, Row]]:
        """The rows at some places, each once, in the order of the source. Raises InputError when the source cannot be read."""
        try:
            yield from self._find(set(places))
        except SelfjudgeError:
            raise
        except Exception as error:  # the library raises many kinds, network errors among them
            raise InputError(
                f"cannot read the source {self.source.repository}: {type(error).__name__}: {str(error)[:200]}",
                hint="Run the same command again: it goes on at the next row. --sources names local copies.",
            ) from error

    def _find(self, waiting: set[str | int]) -> Iterator[tuple[str | int, Row]]:
        start = 0
        for part in self.parts:
            if not waiting:
                return
            count = 0
            for place, row in self._rows(part, start, waiting):
                count = count + 1
                if place in waiting:
                    waiting.discard(place)
                    yield place, row()
                if not waiting:
                    return
            start += count

    def _rows(self, part: Any, start: int, waiting: Collection[str | int]) -> Iterator[tuple[str | int, Any]]:
        """Every row's place, and what reads the row."""
        key = self.source.key
        if hasattr(part, "__len__"):
            names: Iterable[str | int] = (
                range(start, start + len(part)) if self.by_position else map(self.source.key_of, part.select_columns([key])[key])
            )
            for number, name in enumerate(names):
                yield name, lambda number=number: part[number]
            return
        for number, row in enumerate(part, start):
            yield (number if self.by_position else self.source.key_of(row[key])), lambda row=row: row


@dataclass(slots=True, kw_only=True)
class Library:
    """Where sources are opened: local copies first, then the hub, at the commits that an earlier attempt used."""

    copies: Path | None
    commits: dict[str, str] = field(default_factory=dict)
    url_of_pairs: ClassVar[str] = f"https://github.com/{PAIRS_REPOSITORY}"

    def open(self, source: Source) -> Opened:
        """A source. Raises InputError when neither a local copy nor the hub gives it, or when it lacks a column."""
        folders = [self._copy(source, config) for config in source.configs]
        if all(folder is not None for folder in folders):
            parts, revision = [_read(folder, source) for folder in folders if folder is not None], LOCAL
        else:
            revision = self.commit(source.repository)
            parts = [_stream(source, config, revision) for config in source.configs]
        return Opened(source=source, parts=tuple(_prepare(part, source) for part in parts), revision=revision)

    def pairs(self, cache: Path) -> tuple[Path, str]:
        """The pictures of PAIRS and their commit: a clone of the user's, or one made in `cache`. Raises InputError."""
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

    def _copy(self, source: Source, config: str | None) -> Path | None:
        if self.copies is None:
            return None
        folder = self.copies / source.repository.replace("/", "__")
        if config is not None and (folder / config).is_dir():
            return folder / config
        alone = sum(len(other.configs) for other in SOURCES if other.repository == source.repository) == 1
        return folder if folder.is_dir() and (config is None or alone) else None

    def commit(self, repository: str) -> str:
        """The commit at which a data set is read. Raises InputError."""
        if repository not in self.commits:
            self.commits[repository] = look_up(Repository(kind="dataset", name=repository)).commit
        return self.commits[repository]


def _git(*arguments: str) -> str:
    """What git says. Raises InputError."""
    try:
        command = ["git", *arguments]
        environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)  # noqa: S603, no shell
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", None) or str(error)
        raise InputError(
            f"cannot clone {PAIRS_REPOSITORY}: {said.strip().splitlines()[-1]}",
            hint=f"Clone it yourself, as FOLDER/{PAIRS_REPOSITORY.replace('/', '__')}, and give --sources FOLDER.",
        ) from error
    return done.stdout.strip()


def _read(folder: Path, source: Source) -> Any:
    """A local copy: memory-mapped where it was written by `save_to_disk`, streamed from Parquet files otherwise."""
    try:
        import datasets

        if (folder / "dataset_dict.json").exists():
            return datasets.load_from_disk(str(folder))[source.split]
        if (folder / "state.json").exists():
            return datasets.load_from_disk(str(folder))
        files = sorted(map(str, folder.rglob("*.parquet")))
        files = [file for file in files if f"{source.split}-" in Path(file).name] or files
        if not files:
            raise InputError(
                f"{folder} holds no data set", hint="Write it there with `save_to_disk`, or put its Parquet files there."
            )
        return datasets.load_dataset("parquet", data_files=files, split="train", streaming=True)
    except SelfjudgeError:
        raise
    except ImportError as error:
        message, hint = failed_import(error, f"reading {folder}")
        raise SelfjudgeError(message, hint=hint) from error
    except Exception as error:  # the library raises many kinds
        raise InputError(f"cannot read {folder}: {type(error).__name__}: {error}", hint="Fetch the copy again.") from error


def _stream(source: Source, config: str | None, commit: str) -> Any:
    with translated_errors(Repository(kind="dataset", name=source.repository, revision=commit)):
        import datasets

        return datasets.load_dataset(source.repository, config, split=source.split, revision=commit, streaming=True)


def _prepare(part: Any, source: Source) -> Any:
    """A part with the columns that are needed, pictures left as bytes."""
    import datasets

    columns = _columns(part)
    wanted = (*source.columns, *source.images[:1])
    if missing := [name for name in wanted if name not in columns]:
        raise InputError(
            f"the source {source.repository} has no column `{missing[0]}`",
            hint=f"Its columns are: {', '.join(columns)}. Give another revision of it with --sources.",
        )
    kept = [name for name in (*source.columns, *source.images, source.key) if name in columns]
    part = part.select_columns(kept)
    for name in source.images:
        kind = (part.features or {}).get(name)
        if isinstance(kind, datasets.Image):
            part = part.cast_column(name, datasets.Image(decode=False))
        elif isinstance(getattr(kind, "feature", None), datasets.Image):
            part = part.cast_column(name, datasets.List(datasets.Image(decode=False)))
    return part


def _columns(part: Any) -> list[str]:
    """The names of a part's columns; a streamed one may have to be looked into."""
    names = part.column_names
    if names is None:
        names = list(next(iter(part.take(1)), {}))
    return list(names)


def picture_file(path: Path) -> bytes:
    """The bytes of a picture's file. Raises Unfit."""
    try:
        return read(path)
    except BadImage as bad:
        raise Unfit("no_image", str(bad)) from bad


def picture(value: Any) -> bytes:
    """The bytes of a picture as a data set holds it. Raises Unfit."""
    if isinstance(value, Mapping):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, str):
        value = picture_file(Path(value))
    if not isinstance(value, bytes):
        raise Unfit("no_image", f"the source row has a {type(value).__name__} where a picture should be")
    return value

"""Prompts from data files of one's own, of every kind that `readers` knows. A row is named by its file and line (or row)."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from pathlib import Path

from ..errors import InputError
from ..ports import RawPrompt
from ..recipe.inputs import SUFFIXES, FilesSource
from ..run.image_files import locate
from ..run.lineage import prompt_files
from .addresses import Fetcher
from .archives import data_files, extracted, find, names, opened
from .readers import Row, columns_of, rows_of
from .rows import COLUMNS, IMAGES, PROMPTS, TURNS, Find, raw_prompt, usual

log = logging.getLogger(__name__)

_FAULTS = {".parquet": "invalid_text", ".csv": "invalid_row", ".tsv": "invalid_row", ".tar": "invalid_row"}
"""Why a row cannot be read; `invalid_json` elsewhere."""


class FilePrompts:
    """The prompts of a file, or of all data files in a folder, by name; `fetched` keeps images of the network.

    Raises InputError when there are none.
    """

    def __init__(self, recipe: FilesSource, fetched: Path | None = None) -> None:
        self._recipe = recipe
        self._fetcher = Fetcher(fetched) if recipe.fetch_urls else None
        self._paths = self._find(recipe.path)

    def __iter__(self) -> Iterator[RawPrompt]:
        read = self._unzip if self._recipe.path.suffix.lower() == ".zip" else self._read
        return islice(chain.from_iterable(map(read, self._paths)), self._recipe.limit)

    def _find(self, path: Path) -> list[Path]:
        known = ", ".join((*SUFFIXES, ".zip"))
        if path.is_dir():
            if not (found := prompt_files(path)):
                hint = f"Known are {known}; for a folder of images alone, write `kind: images`."
                raise InputError(f"{path} holds no file with prompts", hint=hint)
            return found
        if not path.exists():
            raise InputError(
                f"there is no prompt file {path}",
                hint="Paths in a recipe start at the recipe's folder, those of --set at the current one.",
            )
        if path.suffix.lower() == ".zip" and not data_files(path):
            raise InputError(f"{path} holds no file with prompts", hint="For a zip file of images alone, write `kind: images`.")
        if path.suffix.lower() not in (*SUFFIXES, ".zip"):
            raise InputError(
                f"{path} is of no known kind", hint=f"Known are {known}; what is packed (.gz) has to be unpacked first."
            )
        return [path]

    def _unzip(self, path: Path) -> Iterator[RawPrompt]:
        with opened(path) as archive:
            for member in names(archive, SUFFIXES):
                with extracted(archive, member) as file:
                    yield from self._rows(file, f"{path.name}/{member}", partial(find, archive, member))

    def _read(self, path: Path) -> Iterator[RawPrompt]:
        return self._rows(path, path.name, partial(locate, folder=path.parent, allow_outside=self._recipe.allow_outside))

    def _rows(self, path: Path, name: str, find: Find) -> Iterator[RawPrompt]:
        """The prompts of a file that is called `name`."""
        find = find if self._fetcher is None else self._fetcher.finding(find)
        columns = columns_of(path)
        named = self._recipe.columns.named
        by_name = usual(columns or ())
        needed = {*COLUMNS, *named.values(), *(by_name[name] for name in COLUMNS if name in by_name)}
        if double := next((name for name, count in Counter(columns or ()).items() if count > 1 and name in needed), None):
            raise InputError(f"{path if path.name == name else name} has the column `{double}` twice", hint="Rename one of them.")
        if columns and not {*PROMPTS, *TURNS, named.get("prompt")} & by_name.keys():
            raise InputError(
                f"{path if path.name == name else name} has no column with the instruction",
                hint=f"Its columns are: {', '.join(columns)}. Name it in the recipe: `columns: {{prompt: NAME}}`, or rename it.",
            )
        number = 0
        for number, row in rows_of(path, only=needed):
            where = f"{name}:{number}"
            if isinstance(row, ValueError):
                yield RawPrompt(where=where, problem=_FAULTS.get(path.suffix.lower(), "invalid_json"), detail=str(row))
            else:
                ours, route = renamed(row, named), self._recipe.route
                raw = raw_prompt(ours, where=where, route=route, find=find, columns=columns or list(row))
                yield replace(raw, text_only=self._recipe.allow_text_only)
        if not number:
            log.warning("%s has no rows", path if path.name == name else name)


def renamed(row: Row, columns: Mapping[str, str]) -> Row:
    """A row under our names; what a recipe names wins over columns that have our names already."""
    row = {name: row[theirs] for name, theirs in usual(list(row)).items()}
    if not columns:
        return row
    others = IMAGES if {"image", "images"} & columns.keys() else ()
    kept = {name: value for name, value in row.items() if name not in others}
    return {**kept, **{ours: row[theirs] for ours, theirs in columns.items() if theirs in row}}

"""Prompts from data files of one's own, of every kind that `readers` knows. A row is named by its file and line (or row)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path

from ..errors import InputError
from ..ports import RawPrompt
from ..recipe.inputs import FilesSource
from ..run.lineage import SUFFIXES, prompt_files
from .readers import Row, columns_of, rows_of
from .rows import COLUMNS, PROMPTS, TURNS, raw_prompt

_FAULTS = {".parquet": "invalid_text", ".csv": "invalid_row", ".tsv": "invalid_row", ".tar": "invalid_row"}
"""Why a row cannot be read; `invalid_json` elsewhere."""


class FilePrompts:
    """The prompts of a file, or of all data files in a folder, by name. Raises InputError when there are none."""

    def __init__(self, recipe: FilesSource) -> None:
        self._recipe = recipe
        self._paths = self._find(recipe.path)

    def __iter__(self) -> Iterator[RawPrompt]:
        return islice(chain.from_iterable(self._read(path) for path in self._paths), self._recipe.limit)

    def _find(self, path: Path) -> list[Path]:
        known = ", ".join(SUFFIXES)
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
        if path.suffix.lower() not in SUFFIXES:
            raise InputError(f"{path} is of no known kind", hint=f"Known are {known}.")
        return [path]

    def _read(self, path: Path) -> Iterator[RawPrompt]:
        names = columns_of(path)
        named = self._recipe.columns.named
        needed = {*COLUMNS, *named.values()}
        if names is not None and not {*PROMPTS, *TURNS, named.get("prompt")} & set(names):
            raise InputError(
                f"{path} has no column with the instruction",
                hint=f"Its columns are: {', '.join(names)}. Name it in the recipe: `columns: {{prompt: NAME}}`, or rename it.",
            )
        for number, row in rows_of(path, only=needed):
            where = f"{path.name}:{number}"
            if isinstance(row, ValueError):
                yield RawPrompt(where=where, problem=_FAULTS.get(path.suffix.lower(), "invalid_json"), detail=str(row))
            else:
                yield self._prompt(row, path, where, names)

    def _prompt(self, row: Row, path: Path, where: str, names: list[str] | None) -> RawPrompt:
        raw = raw_prompt(
            renamed(row, self._recipe.columns.named),
            where=where,
            folder=path.parent,
            route=self._recipe.route,
            allow_outside=self._recipe.allow_outside,
            columns=names or list(row),
        )
        return replace(raw, text_only=self._recipe.allow_text_only)


def renamed(row: Row, columns: Mapping[str, str]) -> Row:
    """A row under our names; what a recipe names wins over a column that has our name already."""
    return {**row, **{ours: row[theirs] for ours, theirs in columns.items() if theirs in row}} if columns else row

"""Prompts from a Hugging Face data set: a folder, or a name on the hub. Images are passed on as bytes, not decoded twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..hub.client import Repository, commit_of, translated_errors
from ..ports import RawPrompt
from ..recipe.inputs import DatasetSource
from ..run.saved import load_saved, reading, undecoded
from .files import renamed
from .rows import COLUMNS, PROMPTS, TURNS, raw_prompt

_HINT = "Name a folder written by `save_to_disk`, or one with data files."


class DatasetPrompts:
    """The prompts of one split, in its order. A data set of the hub is read at one commit."""

    def __init__(self, recipe: DatasetSource) -> None:
        self._recipe = recipe
        self._columns: list[str] = []

    def __iter__(self) -> Iterator[RawPrompt]:
        folder = Path(self._recipe.path)
        parts = (folder.name if folder.is_dir() else self._recipe.path, self._recipe.config, self._recipe.split)
        name = "/".join(part for part in parts if part)
        rows = (renamed(row, self._recipe.columns.named) for row in self._rows())
        for number, row in enumerate(islice(rows, self._recipe.limit), start=1):
            where, route, allowed = f"{name}:{number}", self._recipe.route, self._recipe.allow_outside
            raw = raw_prompt(row, where=where, folder=folder, route=route, allow_outside=allowed, columns=self._columns)
            yield replace(raw, text_only=self._recipe.allow_text_only)

    def _rows(self) -> Iterator[dict[str, Any]]:
        folder = Path(self._recipe.path)
        repo = Repository(kind="dataset", name=self._recipe.path, revision=self._recipe.revision)
        if not folder.is_dir():
            repo = replace(repo, revision=commit_of(repo))
        with reading(folder, _HINT) if folder.is_dir() else translated_errors(repo):
            yield from self._selected(self._load(folder, repo.revision))

    def _selected(self, data: Any) -> Any:
        """The columns that prompts are made of, with images as bytes."""
        self._columns = data.column_names or []
        named = self._recipe.columns.named
        columns = [name for name in self._columns if name in (*COLUMNS, *named.values())]
        if not {*PROMPTS, *TURNS, named.get("prompt")} & set(columns):
            raise InputError(
                f"the data set {self._recipe.path} has no column with the instruction",
                hint=f"Its columns are: {', '.join(self._columns)}."
                if self._columns
                else "Convert its files to JSONL or Parquet.",
            )
        return undecoded(data.select_columns(columns))

    def _load(self, folder: Path, commit: str | None) -> Any:
        import datasets

        recipe = self._recipe
        if (saved := load_saved(folder, recipe.split)) is not None:
            return saved
        return datasets.load_dataset(recipe.path, recipe.config, split=recipe.split, revision=commit, streaming=True)

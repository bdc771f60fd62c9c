"""Prompts from a Hugging Face data set: a folder, or a name on the hub. Images are passed on as bytes, not decoded twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from ..errors import InputError, SelfjudgeError
from ..hub.client import Repository, commit_of, translated_errors
from ..ports import RawPrompt
from ..recipe.experiment import DatasetSource
from .rows import COLUMNS, raw_prompt


class DatasetPrompts:
    """The prompts of one split, in its order. A data set of the hub is read at one commit."""

    def __init__(self, recipe: DatasetSource) -> None:
        self._recipe = recipe
        self._columns: list[str] = []

    def __iter__(self) -> Iterator[RawPrompt]:
        folder = Path(self._recipe.path)
        parts = (folder.name if folder.is_dir() else self._recipe.path, self._recipe.config, self._recipe.split)
        name = "/".join(part for part in parts if part)
        for number, row in enumerate(islice(self._rows(), self._recipe.limit), start=1):
            where, route, allowed = f"{name}:{number}", self._recipe.route, self._recipe.allow_outside
            yield raw_prompt(row, where=where, folder=folder, route=route, allow_outside=allowed, columns=self._columns)

    def _rows(self) -> Iterator[dict[str, Any]]:
        folder = Path(self._recipe.path)
        repo = Repository(kind="dataset", name=self._recipe.path, revision=self._recipe.revision)
        if not folder.is_dir():
            repo = replace(repo, revision=commit_of(repo))
        with _reading(folder) if folder.is_dir() else translated_errors(repo):
            yield from self._selected(self._load(folder, repo.revision))

    def _selected(self, data: Any) -> Any:
        """The columns that prompts are made of, with images as bytes."""
        import datasets

        self._columns = data.column_names or []
        columns = [name for name in COLUMNS if name in self._columns]
        if not {"prompt", "conversations"} & set(columns):
            raise InputError(
                f"the data set {self._recipe.path} has no column `prompt`",
                hint=f"Its columns are: {', '.join(self._columns)}.",
            )
        data = data.select_columns(columns)
        for column, feature in (data.features or {}).items():
            if isinstance(feature, datasets.Image):
                data = data.cast_column(column, datasets.Image(decode=False))
            elif isinstance(getattr(feature, "feature", None), datasets.Image):
                data = data.cast_column(column, datasets.List(datasets.Image(decode=False)))
        return data

    def _load(self, folder: Path, commit: str | None) -> Any:
        import datasets

        recipe = self._recipe
        if (folder / "dataset_dict.json").exists():
            return datasets.load_from_disk(str(folder))[recipe.split]
        if (folder / "state.json").exists():
            return datasets.load_from_disk(str(folder))
        return datasets.load_dataset(recipe.path, recipe.config, split=recipe.split, revision=commit, streaming=True)


@contextmanager
def _reading(folder: Path) -> Iterator[None]:
    """Translate what the library raises for a local folder into InputError."""
    try:
        yield
    except SelfjudgeError:
        raise
    except Exception as error:  # the library raises many kinds
        raise InputError(
            f"cannot read the data set {folder}: {error}",
            hint="Name a folder written by save_to_disk, or one that holds data files.",
        ) from error

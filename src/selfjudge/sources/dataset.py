"""Prompts from a Hugging Face data set: a folder, or a name on the hub. Images are passed on as bytes, not decoded twice."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..ports import RawPrompt
from ..recipe.experiment import DatasetSource
from .rows import COLUMNS, raw_prompt


class DatasetPrompts:
    """The prompts of one split, in its order."""

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
        import datasets

        try:
            data = self._load()
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
            yield from data
        except InputError:
            raise
        except Exception as error:  # the library raises many kinds, network errors among them
            raise InputError(
                f"cannot read the data set {self._recipe.path}: {error}",
                hint="Name a folder written by save_to_disk, a folder of data files, or a data set that the hub gives.",
            ) from error

    def _load(self) -> Any:
        import datasets

        recipe, folder = self._recipe, Path(self._recipe.path)
        if (folder / "dataset_dict.json").exists():
            return datasets.load_from_disk(str(folder))[recipe.split]
        if (folder / "state.json").exists():
            return datasets.load_from_disk(str(folder))
        return datasets.load_dataset(recipe.path, recipe.config, split=recipe.split, streaming=True)

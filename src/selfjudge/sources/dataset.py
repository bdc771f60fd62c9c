"""Prompts from a Hugging Face data set: a folder, or a name on the hub. Images are passed on as bytes, not decoded twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..hub.client import Repository, commit_of, translated_errors
from ..ports import RawPrompt
from ..recipe.inputs import DatasetSource
from ..run.image_files import MAX_BYTES, BadImage, locate
from ..run.saved import load_saved, reading, undecoded
from ..types import seed_of
from .addresses import Fetcher
from .files import renamed
from .rows import COLUMNS, PROMPTS, TURNS, Find, raw_prompt, usual

_HINT = "Name a folder written by `save_to_disk`, or one with data files; `kind: files` reads JSON and CSV row by row."


class DatasetPrompts:
    """The prompts of one split, in its order; `fetched` keeps images of the network. The hub is read at one commit."""

    def __init__(self, recipe: DatasetSource, fetched: Path | None = None) -> None:
        self._recipe = recipe
        self._find: Find = Fetcher(fetched).finding(self._here) if recipe.fetch_urls else self._here
        self._columns: list[str] | None = None
        self._folder = Path(recipe.path)
        self._repo = Repository(kind="dataset", name=recipe.path, revision=recipe.revision)

    def __iter__(self) -> Iterator[RawPrompt]:
        parts = (
            self._folder.name if self._folder.is_dir() else self._recipe.path,
            self._recipe.config,
            self._recipe.split,
        )
        name = "/".join(part for part in parts if part)
        rows = (renamed(row, self._recipe.columns.named) for row in self._rows())
        taken = (found for found in enumerate(rows, start=1) if seed_of("share", name, found[0]) < self._recipe.share * 2**63)
        for number, row in islice(taken, self._recipe.limit):
            where, route = f"{name}:{number}", self._recipe.route
            raw = raw_prompt(row, where=where, route=route, find=self._find, columns=self._columns)
            yield replace(raw, text_only=self._recipe.allow_text_only)

    def _rows(self) -> Iterator[Mapping[str, Any]]:
        local = self._folder.is_dir()
        if not local:
            self._repo = replace(self._repo, revision=commit_of(self._repo))
        with reading(self._folder, _HINT) if local else translated_errors(self._repo):
            yield from self._selected(self._load())

    def _selected(self, data: Any) -> Iterator[Mapping[str, Any]]:
        """The columns that prompts are made of, with images as bytes. What is read as it comes does not declare its columns."""
        rows: Iterator[Mapping[str, Any]] = iter(()) if data.column_names else iter(data)
        first = list(islice(rows, 1))
        self._columns = data.column_names
        there = list(self._columns or chain(*first))
        named = self._recipe.columns.named
        by_name = usual(there)
        if not {*PROMPTS, *TURNS, named.get("prompt")} & by_name.keys():
            raise InputError(
                f"the data set {self._recipe.path} has no column with the instruction",
                hint=f"Its columns are: {', '.join(there) or 'none'}. Name it in the recipe: `columns: {{prompt: NAME}}`.",
            )
        wanted = list(dict.fromkeys(theirs for ours, theirs in by_name.items() if ours in (*COLUMNS, *named.values())))
        return iter(undecoded(data).select_columns(wanted)) if self._columns else chain(first, rows)

    def _here(self, name: str) -> bytes | Path:
        """An image that a row names. Where the library read an archive or the hub, the name is an address of its own kind."""
        archive = name.rpartition("::")[2]
        ours = f"hf://datasets/{self._repo.name}@{self._repo.revision}/"
        if not self._folder.is_dir() and archive.startswith(ours):
            return _opened(name)
        if self._folder.is_dir() and name.startswith("zip://") and archive != name:
            locate(archive, self._folder, allow_outside=self._recipe.allow_outside)
            return _opened(name)
        return locate(name, self._folder, allow_outside=self._recipe.allow_outside)

    def _load(self) -> Any:
        import datasets

        recipe = self._recipe
        if (saved := load_saved(self._folder, recipe.split)) is not None:
            known = (DatasetSource.model_fields["split"].default, str(saved.split))
            if (self._folder / "state.json").exists() and recipe.split not in known:
                hint = "Leave `split` out, or name the folder of all splits that `save_to_disk` wrote."
                raise InputError(f"{self._folder} is one data set without a split {recipe.split!r}", hint=hint)
            return saved
        return datasets.load_dataset(recipe.path, recipe.config, split=recipe.split, revision=self._repo.revision, streaming=True)


def _opened(name: str) -> bytes:
    """The bytes at an address of the library's. Raises BadImage."""
    from datasets.utils.file_utils import xopen

    try:
        with xopen(name, "rb") as file:
            data: bytes = file.read(MAX_BYTES + 1)
    except Exception as error:  # of the file systems behind it, each with its own
        raise BadImage("image_missing", f"cannot read {name[:400]!r}: {error}") from error
    return data

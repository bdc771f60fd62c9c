"""Prompts from JSONL and Parquet files of one's own. A file is named in errors and reasons by its name and line (or row)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import InputError
from ..ports import RawPrompt
from ..recipe import FilesSource
from .rows import COLUMNS, raw_prompt

_SUFFIXES = (".jsonl", ".parquet")


class FilePrompts:
    """The prompts of a file, or of all JSONL and Parquet files in a folder, by name. Raises InputError when there are none."""

    def __init__(self, recipe: FilesSource) -> None:
        self._recipe = recipe
        self._paths = self._find(recipe.path)

    def __iter__(self) -> Iterator[RawPrompt]:
        return islice(chain.from_iterable(self._read(path) for path in self._paths), self._recipe.limit)

    def _find(self, path: Path) -> list[Path]:
        if path.is_dir():
            found = sorted(p for p in path.iterdir() if p.suffix in _SUFFIXES)
            if found:
                return found
            raise InputError(f"{path} holds no .jsonl or .parquet file", hint="Name the file, or the folder that holds it.")
        if not path.is_file():
            raise InputError(f"there is no prompt file {path}", hint="Paths in a recipe start at the recipe's folder.")
        if path.suffix not in _SUFFIXES:
            raise InputError(f"{path} is neither .jsonl nor .parquet", hint="Write one JSON object a line, or use kind: dataset.")
        return [path]

    def _read(self, path: Path) -> Iterator[RawPrompt]:
        return self._read_parquet(path) if path.suffix == ".parquet" else self._read_jsonl(path)

    def _read_jsonl(self, path: Path) -> Iterator[RawPrompt]:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield self._parse(line, path, f"{path.name}:{number}")

    def _parse(self, line: bytes, path: Path, where: str) -> RawPrompt:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            return RawPrompt(where=where, problem="invalid_json", detail=str(error))
        if not isinstance(row, dict):
            return RawPrompt(where=where, problem="invalid_json", detail=f"a JSON {type(row).__name__}, not an object")
        return self._prompt(row, path, where)

    def _prompt(self, row: Mapping[str, Any], path: Path, where: str) -> RawPrompt:
        recipe = self._recipe
        return raw_prompt(row, where=where, folder=path.parent, route=recipe.route, allow_outside=recipe.allow_outside)

    def _read_parquet(self, path: Path) -> Iterator[RawPrompt]:
        try:
            file = pq.ParquetFile(path)
            columns = [name for name in COLUMNS if name in file.schema_arrow.names]
            if not {"prompt", "conversations"} & set(columns):
                names = ", ".join(file.schema_arrow.names)
                raise InputError(
                    f"{path} has no column `prompt`",
                    hint=f"Its columns are: {names}. Rename the instruction's to `prompt`.",
                )
            number = 0
            for batch in file.iter_batches(batch_size=256, columns=columns):
                for row in batch.to_pylist():
                    number += 1
                    yield self._prompt(row, path, f"{path.name}:{number}")
        except (pa.ArrowException, OSError) as error:
            raise InputError(
                f"{path} cannot be read as Parquet: {error}", hint="Write the file again, or convert it to JSONL."
            ) from error

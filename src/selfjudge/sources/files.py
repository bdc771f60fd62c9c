"""Prompts from JSONL and Parquet files of one's own. A file is named in errors and reasons by its name and line (or row)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import InputError
from ..ports import RawPrompt
from ..recipe.inputs import FilesSource
from ..run.jsonl import json_lines, regular
from ..run.lineage import SUFFIXES, prompt_files
from .rows import COLUMNS, raw_prompt


class FilePrompts:
    """The prompts of a file, or of all JSONL and Parquet files in a folder, by name. Raises InputError when there are none."""

    def __init__(self, recipe: FilesSource) -> None:
        self._recipe = recipe
        self._paths = self._find(recipe.path)

    def __iter__(self) -> Iterator[RawPrompt]:
        return islice(chain.from_iterable(self._read(path) for path in self._paths), self._recipe.limit)

    def _find(self, path: Path) -> list[Path]:
        if path.is_dir():
            if not (found := prompt_files(path)):
                raise InputError(f"{path} holds no .jsonl or .parquet file", hint="Name the file, or the folder that holds it.")
            return found
        if not path.exists():
            raise InputError(
                f"there is no prompt file {path}",
                hint="Paths in a recipe start at the recipe's folder, those of --set at the current one.",
            )
        if path.suffix not in SUFFIXES:
            raise InputError(f"{path} is neither .jsonl nor .parquet", hint="Convert it to JSONL or Parquet.")
        return [path]

    def _read(self, path: Path) -> Iterator[RawPrompt]:
        try:
            yield from self._read_parquet(path) if path.suffix == ".parquet" else self._read_jsonl(path)
        except pa.ArrowException as error:
            raise InputError(
                f"{path} cannot be read as Parquet: {error}", hint="Write the file again, or convert it to JSONL."
            ) from error
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror or error}", hint="Name a file that can be read.") from error

    def _read_jsonl(self, path: Path) -> Iterator[RawPrompt]:
        for number, row in json_lines(path):
            yield self._parse(row, path, f"{path.name}:{number}")

    def _parse(self, row: Any, path: Path, where: str) -> RawPrompt:
        if isinstance(row, ValueError):
            return RawPrompt(where=where, problem="invalid_json", detail=str(row))
        if not isinstance(row, dict):
            return RawPrompt(where=where, problem="invalid_json", detail=f"a JSON {type(row).__name__}, not an object")
        return self._prompt(row, path, where, list(row))

    def _prompt(self, row: Mapping[str, Any], path: Path, where: str, columns: Sequence[str]) -> RawPrompt:
        route, outside = self._recipe.route, self._recipe.allow_outside
        return raw_prompt(row, where=where, folder=path.parent, route=route, allow_outside=outside, columns=columns)

    def _read_parquet(self, path: Path) -> Iterator[RawPrompt]:
        file = pq.ParquetFile(regular(path))
        names = file.schema_arrow.names
        columns = [name for name in COLUMNS if name in names]
        if not {"prompt", "conversations"} & set(columns):
            raise InputError(
                f"{path} has no column `prompt`",
                hint=f"Its columns are: {', '.join(names)}. Rename the instruction's to `prompt`.",
            )
        number = 0
        for batch in file.iter_batches(batch_size=256, columns=columns):
            for row in _rows(batch):
                number += 1
                where = f"{path.name}:{number}"
                if isinstance(row, ValueError):
                    yield RawPrompt(where=where, problem="invalid_text", detail=str(row))
                else:
                    yield self._prompt(row, path, where, names)


def _rows(batch: pa.RecordBatch) -> Iterator[dict[str, Any] | ValueError]:
    """The rows of a batch; a ValueError in place of a row that Python cannot hold, such as text that is not UTF-8."""
    for number in range(len(batch)):
        try:
            yield batch.slice(number, 1).to_pylist()[0]
        except ValueError as error:
            yield error

"""Prompts of a run: what it took from its sources, with the images that it keeps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import InputError
from ..ports import RawPrompt
from ..run.folder import RunFolder
from ..run.tables import PROMPTS, images_of
from ..types import Kind

_ROWS = 256


class RunPrompts:
    """The prompts of a run folder, by id. Each is named by the place that the run took it from."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "prompts" / f"{PROMPTS.name}.parquet"
        self._images = RunFolder(folder).images

    def __iter__(self) -> Iterator[RawPrompt]:
        try:
            for batch in pq.ParquetFile(self._path).iter_batches(batch_size=_ROWS):
                for row in batch.to_pylist():
                    yield RawPrompt(
                        where=row["source"],
                        text=row["text"],
                        images=tuple(map(self._images.path, images_of(row))),
                        kind=Kind(row["kind"]),
                        kind_rule=row["kind_rule"],
                        id=row["source_id"],
                    )
        except (pa.ArrowException, OSError, KeyError) as error:
            raise InputError(
                f"{self._path} is not a table of prompts: {error}", hint="Name the folder of a run, or the files it was made of."
            ) from error

"""Hostile data on its way into a run: the real source, the real ingest, and what became of each row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from runs import no_progress
from selfjudge.recipe.inputs import FilesSource
from selfjudge.run.folder import ImageStore
from selfjudge.run.reasons import REFUSED as REASONS
from selfjudge.run.store import Table
from selfjudge.run.tables import PROMPTS, REFUSED, Row
from selfjudge.sources.files import FilePrompts
from selfjudge.stages.ingest import ingest


def ingested(data: Path, into: Path, *, max_pixels: int = 1_000_000, **options: Any) -> dict[int, Row]:
    """What became of each row by its number: a row of the prompts, or one of those refused."""
    source = FilePrompts(FilesSource(kind="files", path=data, **options))
    prompts, refused = (Table(into, kind, {"stage": "ingest"}) for kind in (PROMPTS, REFUSED))
    ingest([source], prompts, refused, images=ImageStore(into / "images"), max_pixels=max_pixels, progress=no_progress)
    rows = {int(row["source"].rpartition(":")[2]): row for table in (prompts, refused) for row in table.rows()}
    assert len(rows) == prompts.manifest.rows + refused.manifest.rows
    for row in refused.rows():
        meaning, change = REASONS[row["reason"]]
        assert meaning and change, row
    return rows

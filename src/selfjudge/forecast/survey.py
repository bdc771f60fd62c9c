"""Counting the prompts of a recipe without opening an image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from math import ceil

from ..errors import InputError
from ..method.kinds import route
from ..ports import Progress, PromptSource, RawPrompt, all_rows
from ..recipe.experiment import Recipe
from ..recipe.inputs import DatasetSource, FilesSource, ImagesSource, ShapesSource, Source
from ..run.lineage import place_of
from ..run.reasons import nothing_usable, refusals
from ..run.tables import Row
from ..types import Kind
from ..wiring import make_source
from .findings import Finding, Level

UNKNOWN = 10_000
"""CHOSEN: prompts of a source that cannot be counted."""


@dataclass(slots=True)
class Survey:
    """Rows of the prompt sources: how many can be used by kind, the first of each kind, and those that cannot be used."""

    counts: Counter[Kind] = field(default_factory=Counter)
    first: dict[Kind, list[RawPrompt]] = field(default_factory=lambda: {kind: [] for kind in Kind})
    refused: list[Row] = field(default_factory=list)


def survey(sources: Iterable[PromptSource], wanted: int, progress: Progress) -> Survey:
    """Read the rows of all sources, and keep the first `wanted` of each kind. Raises InputError."""
    rows = Survey()
    with progress("rows", None) as advance:
        for raw in all_rows(tuple(sources)):
            advance(1)
            if raw.problem is not None:
                rows.refused.append({"source": raw.where, "reason": raw.problem, "detail": raw.detail})
                continue
            kind = raw.kind or route(raw.text)[0]
            rows.counts[kind] += 1
            if len(rows.first[kind]) < wanted:
                rows.first[kind].append(raw)
    return rows


def count_prompts(recipe: Recipe, progress: Progress) -> tuple[Survey, list[str], list[Finding]]:
    """The prompts of a recipe as far as files tell, what was assumed of other sources, and why some cannot be used."""
    assumed: list[str] = []
    findings: list[Finding] = []
    rows = survey((_local_rows(source, findings) for source in recipe.prompts), 0, progress)
    for source in recipe.prompts:
        if isinstance(source, ShapesSource):
            opened = ceil(source.limit / 4)
            rows.counts += Counter({Kind.OPEN: opened, Kind.CLOSED: source.limit - opened})
        elif isinstance(source, DatasetSource) or not source.path.exists():
            total = source.limit or UNKNOWN
            rows.counts += Counter({Kind.OPEN: total // 2, Kind.CLOSED: total - total // 2})
            assumed.append(f"{source.path} has {total:,} prompts, half of them open: it was not read")
    if not rows.counts and not findings:
        findings.append(_finding(nothing_usable(refusals(rows.refused, partial(place_of, recipe.prompts)))))
    return rows, assumed, findings


def _local_rows(source: Source, findings: list[Finding]) -> Iterator[RawPrompt]:
    """The rows of a source of files or images; a source that cannot be read becomes a finding."""
    if isinstance(source, FilesSource | ImagesSource):
        try:
            yield from make_source(source)
        except InputError as error:
            findings.append(_finding(error))


def _finding(error: InputError) -> Finding:
    return Finding(Level.ERROR, "prompts", str(error), error.hint or "")

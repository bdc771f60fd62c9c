"""Counting the prompts of a recipe, as a run would take them in."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from math import ceil
from pathlib import Path

from ..errors import InputError
from ..method.kinds import route
from ..ports import Progress, PromptSource, RawPrompt
from ..recipe.experiment import Recipe
from ..recipe.inputs import DatasetSource, ShapesSource, Source
from ..run.image_files import BadImage
from ..run.lineage import place_of
from ..run.reasons import nothing_usable, refusals
from ..run.summary import too_many_refused
from ..run.tables import Row
from ..types import Kind
from ..wiring import make_source
from .findings import Finding, Level
from .reading import read, refusal

UNKNOWN = 10_000
"""CHOSEN: prompts of a source that cannot be counted."""
OPENED = 1_000
"""CHOSEN: rows whose images a plan opens; `selfjudge check` opens all."""


@dataclass(slots=True)
class Survey:
    """Rows of the prompt sources: how many can be used by kind, the first of each kind, and those that cannot be used."""

    counts: Counter[Kind] = field(default_factory=Counter)
    first: dict[Kind, list[RawPrompt]] = field(default_factory=lambda: {kind: [] for kind in Kind})
    refused: list[Row] = field(default_factory=list)
    used: Counter[str] = field(default_factory=Counter)
    """Prompts by source."""
    unopened: int = 0
    """Prompts whose images were not opened."""


def survey(sources: Iterable[PromptSource], wanted: int, max_pixels: int, progress: Progress) -> Survey:
    """Read the rows of all sources, open the images of the first, and keep `wanted` rows of each kind. Raises InputError."""
    rows = Survey()
    for raw, found in read(tuple(sources), max_pixels=max_pixels, progress=progress, opened=OPENED):
        if isinstance(found, BadImage):
            rows.refused.append(refusal(raw.where, found))
            continue
        kind = found.prompt.kind if found is not None else raw.kind or route(raw.text)[0]
        rows.counts[kind] += 1
        rows.used[raw.where.partition("/")[0]] += 1
        rows.unopened += found is None
        if len(rows.first[kind]) < wanted:
            rows.first[kind].append(raw)
    return rows


def count_prompts(recipe: Recipe, progress: Progress) -> tuple[Survey, list[str], list[Finding]]:
    """The prompts of a recipe as far as files tell, what was assumed of other sources, and why some cannot be used."""
    assumed: list[str] = []
    findings: list[Finding] = []
    elsewhere: defaultdict[str, Counter[Kind]] = defaultdict(Counter)
    rows = survey([_Local(source, findings) for source in recipe.prompts], 0, recipe.max_pixels, progress)
    for source in recipe.prompts:
        if isinstance(source, ShapesSource):
            opened = ceil(source.limit / 4)
            rows.counts += Counter({Kind.OPEN: opened, Kind.CLOSED: source.limit - opened})
        elif not _is_here(source):
            total = source.limit or UNKNOWN
            opened = total // 2 if source.route == "auto" else total * (source.route == Kind.OPEN)
            elsewhere[str(source.path)] += Counter({Kind.OPEN: opened, Kind.CLOSED: total - opened})
    for path, counts in elsewhere.items():
        rows.counts += counts
        what = f"{path} is not a folder here: it will be read from the hub, and what it holds is unknown until then"
        findings.append(Finding(Level.WARNING, "prompts", what, "`selfjudge check` reads it as a run does."))
        assumed.append(f"{path} has {counts.total():,} prompts, {counts[Kind.OPEN]:,} of them open: it was not read")
    if rows.unopened:
        assumed.append(
            f"{rows.unopened:,} prompts can be used: images of the first {OPENED:,} rows were opened, and none was fetched"
        )
    if recipe.exclude:
        assumed.append("no prompt shows what `exclude` names: it was not looked for, as `selfjudge check` does")
    if not rows.counts and not findings:
        findings.append(_finding(nothing_usable(refusals(rows.refused, partial(place_of, recipe.prompts)))))
    elif (fault := too_many_refused(recipe.prompts, rows.used, rows.refused, strict=False)) is not None:
        findings.append(_finding(fault))
    return rows, assumed, findings


def _is_here(source: Source) -> bool:
    """Whether a source can be read without a network."""
    return not isinstance(source, DatasetSource) or Path(source.path).is_dir()


@dataclass(frozen=True, slots=True)
class _Local:
    """The rows of a source that is here; one that cannot be read becomes a finding."""

    source: Source
    findings: list[Finding]

    def __iter__(self) -> Iterator[RawPrompt]:
        if _is_here(self.source) and not isinstance(self.source, ShapesSource):
            try:
                yield from make_source(self.source)
            except InputError as error:
                self.findings.append(_finding(error))


def _finding(error: InputError) -> Finding:
    return Finding(Level.ERROR, "prompts", str(error), error.hint or "")

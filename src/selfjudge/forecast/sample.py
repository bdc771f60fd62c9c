"""Measuring a recipe: some prompts go through the stages on the recipe's own engine, in a folder that is removed afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import astuple, dataclass
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..method.selection import select
from ..ports import Engine, NamedEngine, Progress, RawPrompt
from ..recipe.experiment import Recipe
from ..run import tables
from ..run.disk import temporary
from ..run.folder import RunFolder
from ..run.lineage import place_of
from ..run.reasons import nothing_usable, refusals
from ..run.store import Table
from ..stages import ingest, synthesize
from ..stages import judge as judging
from ..types import Kind, PreferencePair
from ..wiring import make_world
from .footprint import Footprint, footprint
from .survey import Survey, survey


@dataclass(frozen=True, slots=True)
class Cost:
    """Requests to a model, their tokens, and how long they take in hours."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    hours: float = 0.0

    def __mul__(self, factor: float) -> Cost:
        requests, read, written = (round(n * factor) for n in (self.requests, self.prompt_tokens, self.completion_tokens))
        return Cost(requests, read, written, self.hours * factor)

    def __add__(self, other: Cost) -> Cost:
        pairs = zip(astuple(self), astuple(other), strict=True)
        return Cost(*(mine + theirs for mine, theirs in pairs))

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Prompts of one kind after the first stages: their cost, the pairs they made, and the pairs and traces that were kept."""

    prompts: int
    synthesis: Cost
    judging: Cost
    pairs: int
    kept: int
    traces: int
    refused: tuple[tables.Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extrapolation:
    """The samples, extrapolated to all prompts of the recipe. Bytes are for one prompt."""

    rows: Survey
    tried: Mapping[Kind, int]
    synthesis: Mapping[Kind, Cost]
    judging: Cost
    pairs: float
    kept: float
    traces: float
    image_bytes: float
    table_bytes: float
    """In the tables of one iteration."""
    model: Footprint | None

    def price(self, stage: str, requests: int, recipe: Recipe) -> Cost | None:
        """The cost of a stage that makes `requests` requests at most; None if the samples say nothing about it."""
        counts, cost, most = self.rows.counts, self.judging, self.judging.requests
        if stage == "synthesize open":
            cost, most = self.synthesis.get(Kind.OPEN, Cost()), 2 * counts[Kind.OPEN]
        elif stage == "synthesize closed":
            cost, most = self.synthesis.get(Kind.CLOSED, Cost()), recipe.synthesis.closed.requests * counts[Kind.CLOSED]
        elif stage == "judge":
            most = 2 * recipe.judging.samples * counts.total()
        return cost * (requests / most) if cost.requests else None


def measure(recipe: Recipe, prompts: int, progress: Progress) -> Extrapolation:
    """Send `prompts` prompts of each kind through synthesis, judging and selection. Raises SelfjudgeError."""
    with temporary() as root:
        folder = RunFolder(root)
        world = make_world(recipe, folder)
        rows = survey(world.sources, prompts, recipe.max_pixels, progress)
        with closing(world.open_engine(world.base)) as engine:
            sampled = {
                kind: _sample(recipe, engine, rows.first[kind], folder, kind, progress) for kind in Kind if rows.first[kind]
            }
        rows.refused += [row for sample in sampled.values() for row in sample.refused]
        samples = {kind: sample for kind, sample in sampled.items() if sample.prompts}
        if not samples:
            raise nothing_usable(refusals(rows.refused, partial(place_of, recipe.prompts)))
        return _extrapolate(rows, samples, folder, world.base)


def _extrapolate(rows: Survey, samples: Mapping[Kind, Sample], folder: RunFolder, base: Path) -> Extrapolation:
    scaled = [(sample, rows.counts[kind] / sample.prompts) for kind, sample in samples.items()]
    tried, images = sum(sample.prompts for sample in samples.values()), _bytes(folder.images.folder)
    return Extrapolation(
        rows=rows,
        tried={kind: sample.prompts for kind, sample in samples.items()},
        synthesis={kind: sample.synthesis * factor for kind, (sample, factor) in zip(samples, scaled, strict=True)},
        judging=sum((sample.judging * factor for sample, factor in scaled), Cost()),
        pairs=sum(sample.pairs * factor for sample, factor in scaled),
        kept=sum(sample.kept * factor for sample, factor in scaled),
        traces=sum(sample.traces * factor for sample, factor in scaled),
        image_bytes=images / tried,
        table_bytes=(_bytes(folder.root) - images) / tried,
        model=_size(base),
    )


def _sample(
    recipe: Recipe, engine: Engine, rows: Sequence[RawPrompt], folder: RunFolder, kind: Kind, progress: Progress
) -> Sample:
    """The stages on some prompts of one kind."""
    kinds = (tables.PROMPTS, tables.REFUSED, tables.RESPONSES, tables.JUDGMENTS)
    stored, refused, responses, judgments = (Table(folder.root / str(kind), table, {}) for table in kinds)
    limits: dict[str, Any] = {"max_pixels": recipe.max_pixels, "longest_edge": recipe.images.longest_edge}
    ingest.ingest([rows], stored, refused, images=folder.images, progress=progress, **limits)
    prompts = [tables.prompt_of(row) for row in stored.rows()]
    model = NamedEngine(name="base", engine=engine)
    options: dict[str, Any] = {"seed": recipe.seed, "progress": progress}
    synthesis = _cost(
        responses,
        lambda: synthesize.sample_responses(
            prompts, responses, recipe=recipe.synthesis, open_model=lambda: model, closed_model=lambda: model, **options
        ),
    )
    pairs, _ = synthesize.make_pairs(prompts, responses.rows(), recipe=recipe.synthesis, seed=recipe.seed)
    options |= {"protocol": recipe.judging.protocol, "until": recipe.until}
    judged = _cost(judgments, lambda: judging.judge(sorted(pairs, key=attrgetter("id")), judgments, model=model, **options))
    kept = list(_kept(recipe, pairs, judgments))
    return Sample(
        prompts=len(prompts),
        synthesis=synthesis,
        judging=judged,
        pairs=len(pairs),
        kept=len(kept),
        traces=sum(kept),
        refused=tuple(map(_as_surveyed, refused.rows())),
    )


def _as_surveyed(row: tables.Row) -> tables.Row:
    """A refused row, named as in the survey: the prompts of a sample were ingested as one source."""
    return {name: text and text.replace("prompts.0/prompts.", "prompts.") for name, text in row.items()}


def _cost(table: Table, stage: Callable[[], None]) -> Cost:
    started = time.perf_counter()
    stage()
    hours = (time.perf_counter() - started) / 3600
    prompt, completion = (sum(table.column(f"{name}_tokens")) for name in ("prompt", "completion"))
    return Cost(requests=table.manifest.rows, prompt_tokens=prompt, completion_tokens=completion, hours=hours)


def _kept(recipe: Recipe, pairs: Sequence[PreferencePair], judgments: Table) -> Iterator[int]:
    """How many traces selection keeps of each kept pair."""
    replies = [tables.judgment_of(row) for row in judgments.rows()]
    for pair in pairs:
        traces = select(pair, [reply for reply in replies if reply.pair_id == pair.id], recipe.selection.rule())
        if not isinstance(traces, str):
            yield len(traces)


def _size(model: Path) -> Footprint | None:
    try:
        return footprint(model)
    except InputError:
        return None


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())

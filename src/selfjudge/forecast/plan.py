"""What a run will cost: a few dozen prompts go through the stages on the recipe's own engine, in a folder that is thrown away.

The one rule: what can be counted is counted, what can be measured is measured, and the rest is an assumption that is said.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..errors import InputError
from ..method.kinds import route
from ..method.selection import select as decide
from ..ports import Engine, NamedEngine, Progress, PromptSource, RawPrompt, all_rows
from ..recipe.engines import RaySettings, VLLMSettings
from ..recipe.experiment import PairsBench, Recipe, ShapesBench
from ..run import tables
from ..run.folder import RunFolder
from ..run.jsonl import json_lines
from ..run.lineage import place_of
from ..run.reasons import nothing_usable, refusals
from ..run.store import Table
from ..stages import ingest, synthesize
from ..stages import judge as judging
from ..types import Kind, PreferencePair, Prompt
from ..wiring import World, known_rows, make_world
from .footprint import footprint

ASSUMPTIONS = (
    "the first prompts of each kind are like the others",
    "later iterations are like the first: a better judge keeps more pairs",
    "requests keep coming as fast as in the sample; a longer run fills batches and servers better",
    "starting engines and servers, and training, are not measured: training is given in steps",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What some requests took."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0

    def times(self, factor: float) -> Cost:
        return Cost(
            requests=round(self.requests * factor),
            prompt_tokens=round(self.prompt_tokens * factor),
            completion_tokens=round(self.completion_tokens * factor),
            seconds=self.seconds * factor,
        )

    def plus(self, other: Cost) -> Cost:
        return Cost(
            requests=self.requests + other.requests,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            seconds=self.seconds + other.seconds,
        )

    @property
    def told(self) -> dict[str, Any]:
        return {
            "requests": self.requests,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "hours": self.seconds / 3600,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What the prompts of one kind became: their cost in each stage, pairs, and pairs and traces that would be kept."""

    prompts: int
    synthesis: Cost
    judging: Cost
    pairs: int
    kept: int
    traces: int
    refused: tuple[tables.Row, ...]
    """Rows that were tried and cannot be used."""


def plan(recipe: Recipe, *, prompts: int, progress: Progress) -> dict[str, Any]:
    """Requests, tokens, hours, yield and disk of a run, by stage. Writes nothing that stays. Raises SelfjudgeError."""
    with TemporaryDirectory(prefix="selfjudge-plan-") as folder:
        place = RunFolder(Path(folder))
        world = make_world(recipe, place)
        counts, chosen, refused = survey(world.sources, prompts, progress)
        with closing(world.open_engine(world.base)) as engine:
            samples = {kind: _sampled(recipe, engine, chosen[kind], place, str(kind), progress) for kind in Kind if chosen[kind]}
        rows = counts.total() + len(refused)
        refused += [row for sample in samples.values() for row in sample.refused]
        why = refusals(refused, partial(place_of, recipe.prompts))
        if not any(sample.prompts for sample in samples.values()):
            raise nothing_usable(why)
        return {**_extrapolated(recipe, world, counts, samples, len(refused), _bytes(place.root)), "rows": rows, "refused": why}


def survey(
    sources: Sequence[PromptSource], wanted: int, progress: Progress
) -> tuple[Counter[Kind], dict[Kind, list[RawPrompt]], list[tables.Row]]:
    """How many prompts of each kind there are, the first of each, and the rows that cannot be used; no image is opened."""
    counts: Counter[Kind] = Counter()
    chosen: dict[Kind, list[RawPrompt]] = {kind: [] for kind in Kind}
    refused = []
    with progress("rows", None) as advance:
        for raw in all_rows(sources):
            advance(1)
            if raw.problem is not None:
                refused.append({"source": raw.where, "reason": raw.problem, "detail": raw.detail})
                continue
            kind = raw.kind or route(raw.text)[0]
            counts[kind] += 1
            if len(chosen[kind]) < wanted:
                chosen[kind].append(raw)
    return counts, chosen, refused


def _sampled(
    recipe: Recipe, engine: Engine, rows: Sequence[RawPrompt], place: RunFolder, name: str, progress: Progress
) -> Sample:
    """The stages on some prompts of one kind."""
    folder = place.root / name
    stored, refused = (Table(folder, kind, {}) for kind in (tables.PROMPTS, tables.REFUSED))
    ingest.ingest([rows], stored, refused, images=place.images, max_pixels=recipe.max_pixels, progress=progress)
    prompts = [tables.prompt_of(row) for row in stored.rows()]
    model = NamedEngine(name="base", engine=engine)
    responses, judgments = (Table(folder, kind, {}) for kind in (tables.RESPONSES, tables.JUDGMENTS))
    synthesis = _measured(responses, lambda: _synthesize(recipe, model, prompts, responses, progress))
    pairs, _ = synthesize.make_pairs(prompts, responses.rows(), recipe=recipe.synthesis, seed=recipe.seed)
    judged = _measured(
        judgments,
        lambda: judging.judge(
            pairs, judgments, model=model, protocol=recipe.judging.protocol, seed=recipe.seed, progress=progress
        ),
    )
    kept = _kept(recipe, pairs, judgments)
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
    """A refused row with the places that its rows had before they were ingested as one source."""
    return {name: text and text.replace("prompts.0/prompts.", "prompts.") for name, text in row.items()}


def _synthesize(recipe: Recipe, model: NamedEngine, prompts: Sequence[Prompt], table: Table, progress: Progress) -> None:
    synthesize.sample_responses(
        prompts,
        table,
        recipe=recipe.synthesis,
        open_model=lambda: model,
        closed_model=lambda: model,
        seed=recipe.seed,
        progress=progress,
    )


def _measured(table: Table, stage: Callable[[], None]) -> Cost:
    started = time.perf_counter()
    stage()
    seconds = time.perf_counter() - started
    prompt, completion = (sum(table.column(f"{name}_tokens")) for name in ("prompt", "completion"))
    return Cost(requests=table.manifest.rows, prompt_tokens=prompt, completion_tokens=completion, seconds=seconds)


def _kept(recipe: Recipe, pairs: Sequence[PreferencePair], judgments: Table) -> list[int]:
    """How many traces of each pair that selection keeps."""
    replies = [tables.judgment_of(row) for row in judgments.rows()]
    decided = [decide(pair, [r for r in replies if r.pair_id == pair.id], recipe.selection.rule()) for pair in pairs]
    return [len(traces) for traces in decided if not isinstance(traces, str)]


def _extrapolated(
    recipe: Recipe, world: World, counts: Counter[Kind], samples: dict[Kind, Sample], refused: int, sample_bytes: int
) -> dict[str, Any]:
    """The sample, scaled to all prompts of an iteration, and to all iterations."""
    loop = recipe.loop
    total = counts.total()
    turn = total if loop.prompts_per_iteration is None else min(total, loop.prompts_per_iteration)
    scale = {kind: counts[kind] * turn / total / sample.prompts for kind, sample in samples.items() if sample.prompts}
    synthesis, judged = Cost(), Cost()
    for kind, factor in scale.items():
        synthesis = synthesis.plus(samples[kind].synthesis.times(factor))
        judged = judged.plus(samples[kind].judging.times(factor))
    made, kept, traces = (
        sum(getattr(samples[kind], name) * factor for kind, factor in scale.items()) for name in ("pairs", "kept", "traces")
    )
    items = sum(items_of(bench) for bench in recipe.evaluation.benchmarks)
    evaluation = judged.times(2 * items / judged.requests) if judged.requests else Cost()
    stages = {"synthesize": synthesis, "judge": judged, "evaluate": evaluation}
    every = replace(Cost())
    for cost in stages.values():
        every = every.plus(cost)
    whole = every.times(loop.iterations).plus(evaluation)  # the base is measured, too
    gpus = _gpus(recipe)
    steps = ceil(traces / recipe.training.batch_size) * recipe.training.epochs
    return {
        "name": recipe.name,
        "prompts": {**{str(kind): counts[kind] for kind in Kind}, "refused": refused, "per_iteration": turn},
        "sample": {str(kind): sample.prompts for kind, sample in samples.items()},
        "iterations": loop.iterations,
        "per_iteration": {
            **{name: cost.told for name, cost in stages.items()},
            "pairs": round(made),
            "kept": round(kept),
            "yield": kept / made if made else None,
            "train": {"traces": round(traces), "epochs": recipe.training.epochs, "steps": steps},
        },
        "total": {**whole.told, "gpus": gpus, "gpu_hours": None if gpus is None else whole.seconds / 3600 * gpus},
        "disk_gb": _disk(recipe, world, sample_bytes / sum(s.prompts for s in samples.values()) * total) / 1e9,
        "assumptions": list(ASSUMPTIONS),
    }


def items_of(bench: Any) -> int:
    """How many items a benchmark has, without reading it; 0 where that is not known."""
    if isinstance(bench, ShapesBench):
        return bench.pairs
    if isinstance(bench, PairsBench):
        return sum(1 for _ in json_lines(bench.path)) if bench.path.is_file() else 0
    return next(iter(known_rows(bench.name)), 0)


def _gpus(recipe: Recipe) -> float | None:
    """GPUs that the engine keeps busy; None where that is not known from here."""
    engine = recipe.execution.engine
    if isinstance(engine, VLLMSettings):
        return None if engine.servers is None else engine.servers * engine.gpus_per_server
    if isinstance(engine, RaySettings):
        return engine.replicas * engine.gpus_per_replica if isinstance(engine.replicas, int) else None
    if engine.kind != "transformers":
        return None
    import torch

    return int(engine.device != "cpu" and torch.cuda.is_available())


def _disk(recipe: Recipe, world: World, rows: float) -> float:
    """Bytes of all judges, tables and images."""
    try:
        judge = footprint(world.base).judge(recipe.training, recipe.execution.training)
    except InputError:  # no safetensors: its files as they are
        judge = _bytes(world.base)
    return recipe.loop.iterations * (judge + rows)


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())

"""The cost of a run: the stages of the pipeline with requests, tokens and hours, training, disk space and GPU hours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil
from typing import Any, Literal

from ..method.protocols import STRICT
from ..recipe.engines import ScriptedSettings, VLLMSettings
from ..recipe.experiment import Recipe
from ..recipe.inputs import Bench, PairsBench, ShapesBench
from ..run.jsonl import json_lines
from ..stages import pipeline
from ..stages.gate import PAIRS as GATE_PAIRS
from ..types import Kind
from ..wiring import known_rows
from .footprint import PROMPT_TOKENS, TRAINING_BYTES, Footprint
from .sample import Cost, Extrapolation

_PEAK = 989e12
"""Operations per second of an H100 in bfloat16, dense: NVIDIA's data sheet."""
_READING, _WRITING, _TRAINING = 0.4, 0.1, 0.3
"""CHOSEN shares of the peak, none of them measured."""
_FORWARD, _BOTH_WAYS = 2, 8
"""Operations per parameter and token; training goes forward, back, and forward once more for gradient checkpointing."""
_IMAGE_BYTES, _TABLE_BYTES = 300_000, 20_000
"""CHOSEN, for one prompt: its images, and its compressed rows in the tables of an iteration."""

_ALWAYS = (
    f"where tokens are not measured, a prompt with its images has {PROMPT_TOKENS:,}",
    "starting engines and servers takes no time",
    f"training all weights takes {_BOTH_WAYS} operations per parameter and token, at {_TRAINING:.0%} of the peak of one H100 "
    f"({_PEAK / 1e12:.0f} TFLOP/s)",
    "memory: to generate, the weights, a fifth more and 1 GiB, and keys and values of all requests; to train all weights, "
    f"{TRAINING_BYTES['mixed']} bytes a parameter ({TRAINING_BYTES['bf16']} with precision bf16), without activations; "
    "with LoRA, the weights and a quarter more",
)
_ASSUMED = (
    "every prompt makes a pair, every pair is kept, and every reply is as long as it may be: a run takes less",
    f"hours are those of one H100 at {_READING:.0%} of its peak when it reads and {_WRITING:.0%} when it writes",
)
_MEASURED = (
    "the first prompts of each kind are like the others",
    "later iterations are like the first: a better judge keeps more pairs",
    "requests are answered as fast as in the sample; a longer run fills batches and servers better",
)

When = Literal["once", "each iteration", "after each iteration"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStage:
    """A stage, the model it asks and at what cost, and the files it writes. `basis`: an assumed cost is a maximum."""

    when: When
    stage: str
    model: str = ""
    cost: Cost = field(default_factory=Cost)
    basis: Literal["", "assumed", "measured"] = ""
    writes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTraining:
    """Pairs and kept pairs of an iteration, traces and optimiser steps of the last one, GPU hours of the whole run."""

    pairs: int
    kept: int
    traces: int
    epochs: int
    steps: int
    gpu_hours: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """Bytes of the whole run; `judges` and `checkpoints` are None where the size of the model is unknown."""

    images: int
    tables: int
    judges: int | None
    checkpoints: int | None

    @property
    def total(self) -> int:
        return self.images + self.tables + (self.judges or 0) + (self.checkpoints or 0)


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a run takes, from the number of its prompts, the size of its model, and a measurement if there is one."""

    recipe: Recipe
    counts: Counter[Kind]
    model: Footprint | None
    measured: Extrapolation | None
    gpus: float | None
    """GPUs that the engine keeps busy; None where that is not known."""

    @property
    def assumptions(self) -> tuple[str, ...]:
        return (*(_ASSUMED if self.measured is None else _MEASURED), *_ALWAYS)

    @cached_property
    def share(self) -> float:
        """The share of the prompts that an iteration takes."""
        size, total = self.recipe.loop.prompts_per_iteration, self.counts.total()
        return 1.0 if size is None else min(1.0, size / max(1, total))

    @cached_property
    def turn(self) -> Counter[Kind]:
        """The prompts of an iteration, on average."""
        loop = self.recipe.loop
        if loop.open_share is None:
            return Counter({kind: ceil(count * self.share) for kind, count in self.counts.items()})
        wanted = {kind: min(loop.wanted(kind, loop.iterations), count) for kind, count in self.counts.items()}
        return Counter({kind: ceil(count / loop.iterations) for kind, count in wanted.items()})

    @cached_property
    def stages(self) -> tuple[PlannedStage, ...]:
        """All stages in order, those of iterations once."""
        watched = Counter({kind: ceil(count * self._held_out) for kind, count in self.counts.items()})
        parts: tuple[tuple[When, str, tuple[pipeline.Stage, ...], Counter[Kind]], ...] = (
            ("once", "", pipeline.ONCE, watched),
            ("once", "iteration-0/", pipeline.BASE if self._held_out else (pipeline.EVALUATE,), watched),
            ("each iteration", "", pipeline.ITERATION, self.turn),
            ("after each iteration", "", pipeline.AFTER_EACH, self.turn),
        )
        return tuple(
            PlannedStage(
                when=when,
                stage=name,
                model=model,
                writes=_files(stage, folder, name),
                **self._price(name, requests, reply_tokens),
            )
            for when, folder, stages, prompts in parts
            for stage in stages
            for name, model, requests, reply_tokens in self._asked(stage, prompts, watched.total(), base=bool(folder))
        )

    @cached_property
    def total(self) -> Cost:
        """Of the stages, over all iterations."""
        turns = self.recipe.loop.iterations
        return sum((row.cost * (turns if row.when == "each iteration" else 1) for row in self.stages), Cost())

    @cached_property
    def training(self) -> PlannedTraining:
        recipe, measured = self.recipe, self.measured
        pairs = kept = self.turn.total()
        traces = 2 * pairs * (recipe.judging.samples if recipe.selection.keep == "all" else 1)
        tokens: float = PROMPT_TOKENS + recipe.judging.sampling.max_tokens
        if measured is not None:
            pairs, kept, traces = (round(self.share * total) for total in (measured.pairs, measured.kept, measured.traces))
            tokens = measured.judging.tokens / max(1, measured.judging.requests)
        turns, epochs = recipe.loop.iterations, recipe.training.epochs
        most = min(turns, 1 + recipe.training.replay)  # iterations that the last judge learns from
        last, learned = traces * most, traces * (most * (most + 1) // 2 + (turns - most) * most)
        passes = _BOTH_WAYS if recipe.training.kind == "sft" else 2 * _BOTH_WAYS + 2 * _FORWARD
        operations = passes * self._parameters * learned * tokens * epochs
        return PlannedTraining(
            pairs=pairs,
            kept=kept,
            traces=last,
            epochs=epochs,
            steps=ceil(last / recipe.training.batch_size) * epochs,
            gpu_hours=0.0 if recipe.training.kind == "scripted" else operations / _TRAINING / _PEAK / 3600,
        )

    @cached_property
    def disk(self) -> Disk:
        turns, model, recipe = self.recipe.loop.iterations, self.model, self.recipe
        training = recipe.training, recipe.execution.training
        image = _IMAGE_BYTES if self.measured is None else self.measured.image_bytes
        rows = _TABLE_BYTES if self.measured is None else self.measured.table_bytes
        return Disk(
            images=round(image * self.counts.total()),
            tables=round(rows * self.turn.total() * turns),
            judges=None if model is None else model.judge(*training) * turns,
            checkpoints=None if model is None else model.checkpoints(*training),
        )

    @property
    def generation_gpu_hours(self) -> float | None:
        gpus = self.gpus if self.measured is not None else 1
        return None if gpus is None else self.total.hours * gpus

    @property
    def _parameters(self) -> float:
        return 1e9 if self.model is None else self.model.parameters

    @property
    def _held_out(self) -> float:
        return 0.0 if self.recipe.loop.stop is None else self.recipe.loop.stop.held_out

    def _asked(
        self, stage: pipeline.Stage, prompts: Counter[Kind], watched: int, *, base: bool
    ) -> Iterator[tuple[str, str, int, int]]:
        """The rows of a stage: its name, the model, and requests and tokens of a reply at most. None if the recipe skips it."""
        recipe, name, reply = self.recipe, stage.name, self.recipe.judging.sampling.max_tokens
        before, judge = ("base", "base") if base else ("judge K-1", "judge K")
        used = {
            "probe": isinstance(recipe.execution.engine, VLLMSettings),
            "held-out": watched > 0,
            "publish": recipe.execution.push is not None,
        }
        match name:
            case _ if not used.get(name, True):
                return
            case "synthesize":
                yield from self._synthesis(prompts, before)
            case "judge":
                yield name, before, 2 * prompts.total() * recipe.judging.samples, reply
            case "gate":
                yield name, judge, 2 * min(GATE_PAIRS, prompts.total()), reply
            case "benchmark" | "evaluate":
                for bench in recipe.evaluation.benchmarks:
                    yield from self._measuring(name, bench, judge)
            case "held-out":
                yield name, judge, 2 * watched, recipe.evaluation.sampling.max_tokens
            case _:
                yield name, judge if name in ("train", "probe") else "", 0, 0

    def _measuring(self, stage: str, bench: Bench, judge: str) -> Iterator[tuple[str, str, int, int]]:
        """The rows of a benchmark: one to read it, or one for each protocol under which it is asked."""
        if stage == "benchmark":
            yield f"{stage} {bench.title}", "", 0, 0
            return
        for name, protocol in self.recipe.evaluation.asked(self.recipe.judging).items():
            title = bench.title if name == STRICT.name else f"{bench.title}/{name}"
            orders = 2 if protocol.orders == "both" else 1
            yield f"{stage} {title}", judge, orders * items_of(bench), protocol.sampling.max_tokens

    def _synthesis(self, prompts: Counter[Kind], judge: str) -> Iterator[tuple[str, str, int, int]]:
        opened, closed = self.recipe.synthesis.open, self.recipe.synthesis.closed
        longest = max(opened.response.max_tokens, opened.alteration.max_tokens)
        yield "synthesize open", judge if opened.model == "judge" else "base", 2 * prompts[Kind.OPEN], longest
        requests = closed.requests * prompts[Kind.CLOSED]
        yield "synthesize closed", judge if closed.model == "judge" else "base", requests, closed.sampling.max_tokens

    def _price(self, stage: str, requests: int, reply_tokens: int) -> dict[str, Any]:
        """The cost of a stage and its basis: as measured, or that of replies of full length on one H100."""
        if not requests:
            return {}
        if self.measured is not None and (cost := self.measured.price(stage, requests, self.recipe)) is not None:
            return {"cost": cost, "basis": "measured"}
        read, written = requests * PROMPT_TOKENS, requests * reply_tokens
        hours = _FORWARD * self._parameters * (read / _READING + written / _WRITING) / _PEAK / 3600
        free = isinstance(self.recipe.execution.engine, ScriptedSettings)
        cost = Cost(requests=requests, prompt_tokens=read, completion_tokens=written, hours=0.0 if free else hours)
        return {"cost": cost, "basis": "assumed"}


def items_of(bench: Bench) -> int:
    """Items of a benchmark, which is not read; 0 where that is not known, as of a file that cannot be read."""
    if isinstance(bench, ShapesBench):
        return bench.pairs
    if isinstance(bench, PairsBench):
        with suppress(OSError):
            return sum(1 for _ in json_lines(bench.path))
        return 0
    return next(iter(known_rows(bench.name)), 0)


def _files(stage: pipeline.Stage, folder: str, name: str) -> tuple[str, ...]:
    """The files of a stage; NAME in them is the last word of a benchmark's row."""
    return tuple(folder + path.replace("NAME", name.split()[-1]) for path in stage.writes)

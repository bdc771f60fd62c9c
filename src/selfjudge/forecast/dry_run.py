"""What a recipe would do, without doing any of it: its stages, its files, and what they may take at most.

No engine is started, no model is loaded, no network is needed and nothing is written. What is not counted is assumed, and said.
`selfjudge plan` measures what is assumed here, on the recipe's engine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..hub.models import embedded_model
from ..recipe.engines import VLLMSettings
from ..recipe.experiment import EMBEDDED_MODEL, FilesSource, Recipe, ShapesSource, Source, lasting
from ..run.folder import RunFolder
from ..stages.gate import PAIRS as GATE_PAIRS
from ..types import Kind
from ..wiring import make_source
from .doctor import examine
from .footprint import PROMPT_TOKENS, TRAINING_BYTES, footprint
from .plan import items_of, survey

_UNKNOWN_PROMPTS = 10_000
_PEAK = 989e12
"""Operations per second of an H100 in bfloat16, dense: NVIDIA's data sheet."""
_READING, _WRITING, _TRAINING = 0.4, 0.1, 0.3
"""CHOSEN shares of the peak, none of them measured."""
_FORWARD, _BOTH_WAYS = 2, 8
"""Operations per parameter and token; training goes forward, back, and forward once more for its checkpoints."""

_BENCHMARK_FILES = ("items.parquet", "data.json")

ASSUMPTIONS = (
    "every prompt makes a pair, every pair is kept, and every reply is as long as it may be: a run takes less",
    f"a prompt with its images is {PROMPT_TOKENS:,} tokens",
    f"one H100 does {_PEAK / 1e12:.0f} TFLOP/s: {_READING:.0%} of it when it reads, {_WRITING:.0%} when it writes, "
    f"{_TRAINING:.0%} when it trains all weights",
    "starting engines and servers takes no time",
    "memory: to generate, the weights, a fifth more and 1 GiB, and keys and values of all requests; to train all weights, "
    f"{TRAINING_BYTES['mixed']} bytes a parameter ({TRAINING_BYTES['bf16']} with precision bf16), without activations; "
    "with LoRA, the weights and a quarter more",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One stage of an iteration: who is asked how often, at most, with replies of how many tokens, and what it writes."""

    stage: str
    who: str = ""
    requests: int = 0
    reply_tokens: int = 0
    writes: tuple[str, ...] = ()


def foretell(recipe: Recipe, folder: Path) -> dict[str, Any]:
    """What a run of the recipe in this folder would do. Raises RunError where the folder belongs to another recipe."""
    place = RunFolder(folder)
    place.check(recipe.as_json(), lasting)
    counts, assumed = _prompts(recipe)
    size = recipe.loop.prompts_per_iteration
    share = 1.0 if size is None else min(1.0, size / max(1, counts.total()))
    turn = Counter({kind: ceil(count * share) for kind, count in counts.items()})
    before, each = list(_before(recipe, counts)), list(_each(recipe, turn, counts))
    found = examine(recipe, folder)
    return {
        "name": recipe.name,
        "folder": str(folder),
        "iterations": recipe.loop.iterations,
        "done": place.finished,
        "prompts": {**{str(kind): counts[kind] for kind in Kind}, "per_iteration": turn.total()},
        "steps": {"before": before, "each": each, "after": list(_after(recipe))},
        "training": _training(recipe, turn),
        "gpu_hours": _gpu_hours(recipe, before, each, _training(recipe, turn)),
        "findings": [finding for finding in found["findings"] if finding["about"] in _ABOUT],
        "assumptions": [*assumed, *ASSUMPTIONS],
        "runs": found["runs"],
    }


_ABOUT = ("model", "engine", "prompts", "memory", "training", "disk", "push")


def _prompts(recipe: Recipe) -> tuple[Counter[Kind], list[str]]:
    """How many prompts of each kind there are, and what had to be assumed of that."""
    counts: Counter[Kind] = Counter()
    assumed = []
    for source in recipe.prompts:
        found = _counted(source)
        if found is None:
            total = source.limit or _UNKNOWN_PROMPTS
            found = Counter({Kind.OPEN: total // 2, Kind.CLOSED: total - total // 2})
            name = source.path if not isinstance(source, ShapesSource) else source.kind
            assumed.append(f"{name} has {total:,} prompts, half of them open: it was not looked at")
        counts += found
    return counts, assumed


def _counted(source: Source) -> Counter[Kind] | None:
    """The prompts of a source that can be counted here and now; images are not opened."""
    if isinstance(source, ShapesSource):
        opened = ceil(source.limit / 4)
        return Counter({Kind.OPEN: opened, Kind.CLOSED: source.limit - opened})
    if isinstance(source, FilesSource):
        with suppress(InputError):  # the findings name it
            return survey([make_source(source)], 0, lambda *_: nullcontext(lambda _: None))[0]
    return None


def _before(recipe: Recipe, counts: Counter[Kind]) -> Iterator[Step]:
    """The prompts are taken in, and the base is measured."""
    yield Step(
        stage="ingest", writes=("recipe.json", "prompts/{prompts,refused}.parquet", "prompts/{contents,sources}.json", "images/")
    )
    for bench in recipe.evaluation.benchmarks:
        yield Step(
            stage=f"benchmark {bench.title}",
            writes=tuple(f"benchmarks/{bench.title}/{file}" for file in _BENCHMARK_FILES),
        )
    yield from _measuring(recipe, "the base", 0, counts)


def _each(recipe: Recipe, turn: Counter[Kind], counts: Counter[Kind]) -> Iterator[Step]:
    """One iteration K."""
    synthesis, pairs = recipe.synthesis, turn.total()
    opened, closed = synthesis.open, synthesis.closed
    longest = max(opened.response.max_tokens, opened.alteration.max_tokens)
    yield Step(stage="write and alter", who=_writer(opened.model), requests=2 * turn[Kind.OPEN], reply_tokens=longest)
    votes, asked = closed.sampling.max_tokens, closed.samples * turn[Kind.CLOSED]
    written = ("responses.parquet", "pairs.parquet")
    yield Step(stage="sample and vote", who=_writer(closed.model), requests=asked, reply_tokens=votes, writes=written)
    judging = recipe.judging
    replies = 2 * pairs * judging.samples
    longest = judging.sampling.max_tokens
    yield Step(stage="judge", who="judge K-1", requests=replies, reply_tokens=longest, writes=("judgments.parquet",))
    yield Step(stage="select", writes=("{selected,dropped}.parquet",))
    yield Step(stage="train", who=f"{recipe.training.kind}, to judge K", writes=("training/dropped.parquet", "judge/"))
    asked = 2 * min(GATE_PAIRS, pairs)
    yield Step(stage="gate", who="judge K", requests=asked, reply_tokens=longest, writes=("gate.json",))
    if isinstance(recipe.execution.engine, VLLMSettings):
        yield Step(stage="probe", who="judge K, served and not", writes=("probe.json",))
    yield from _measuring(recipe, "judge K", None, counts)


def _after(recipe: Recipe) -> Iterator[Step]:
    yield Step(stage="tell", writes=("summary.json", "report.html", "iteration-K/judge/{README.md,selfjudge.json}"))
    if recipe.execution.push is not None:
        yield Step(
            stage=f"publish {recipe.execution.push.to} and {recipe.execution.push.to}-pairs", writes=("iteration-K/pushed.json",)
        )


def _measuring(recipe: Recipe, who: str, number: int | None, counts: Counter[Kind]) -> Iterator[Step]:
    longest = recipe.evaluation.sampling.max_tokens
    folder = "" if number is None else f"iteration-{number}/"
    for bench in recipe.evaluation.benchmarks:
        writes = (f"{folder}benchmarks/{bench.title}/judgments.parquet",)
        yield Step(stage=f"evaluate {bench.title}", who=who, requests=2 * items_of(bench), reply_tokens=longest, writes=writes)
    if recipe.loop.stop is not None:
        asked = 2 * ceil(recipe.loop.stop.held_out * counts.total())
        writes = (f"{folder}held-out/judgments.parquet",)
        yield Step(stage="evaluate held-out pairs", who=who, requests=asked, reply_tokens=longest, writes=writes)


def _writer(model: str) -> str:
    return "judge K-1" if model == "judge" else "the base"


def _training(recipe: Recipe, turn: Counter[Kind]) -> dict[str, int]:
    """Traces and optimiser steps of the last iteration, at most."""
    kept = recipe.judging.samples if recipe.selection.keep == "all" else 1
    traces = 2 * turn.total() * kept * (recipe.loop.iterations if recipe.training.replay else 1)
    return {"traces": traces, "steps": ceil(traces / recipe.training.batch_size) * recipe.training.epochs}


def _gpu_hours(recipe: Recipe, before: list[Step], each: list[Step], training: dict[str, int]) -> dict[str, float | None]:
    """Of the whole run, at most; for each billion parameters where the model is not here. 0 for what needs no GPU."""
    size = _parameters(recipe)
    parameters, turns = size or 1e9, recipe.loop.iterations
    steps = [*before, *(step for step in each for _ in range(turns))]
    read = sum(step.requests for step in steps) * PROMPT_TOKENS
    written = sum(step.requests * step.reply_tokens for step in steps)
    generation = _FORWARD * parameters * (read / _READING + written / _WRITING) / _PEAK / 3600
    seen = training["traces"] * (PROMPT_TOKENS + recipe.judging.sampling.max_tokens) * recipe.training.epochs * turns
    fitting = _BOTH_WAYS * parameters * seen / _TRAINING / _PEAK / 3600
    return {
        "parameters": size,
        "generation": 0.0 if recipe.execution.engine.kind == "scripted" else generation,
        "training": 0.0 if recipe.training.kind == "scripted" else fitting,
    }


def _parameters(recipe: Recipe) -> int | None:
    folder = embedded_model() if recipe.model == EMBEDDED_MODEL else Path(recipe.model)
    with suppress(InputError):
        return footprint(folder).parameters
    return None

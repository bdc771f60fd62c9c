"""The stages of a run in order: what each reads, from the recipe and from earlier stages, and which files it writes.

The loop takes the identities of its tables from here, and `forecast` its list of stages. A test compares the files with a run's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import evaluate, gate, ingest, judge, probe, select, synthesize, train


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage. Files are relative to the run folder, those of an iteration to its folder; NAME is a benchmark's name."""

    name: str
    version: int = 1
    recipe: tuple[str, ...] = ()
    """Recipe fields that decide the result, besides `seed`."""
    inputs: tuple[str, ...] = ()
    """What else it reads: digests of tables, models and files, by name."""
    writes: tuple[str, ...] = ()

    def identity(self, recipe: Mapping[str, Any], **inputs: Any) -> dict[str, Any]:
        """The identity of what this stage writes. Raises TypeError for inputs that it does not declare."""
        if undeclared := inputs.keys() - set(self.inputs):
            raise TypeError(f"{self.name} does not declare that it reads {', '.join(undeclared)}")
        fields = {name: recipe[name] for name in ("seed", *self.recipe) if name in recipe}
        return {"stage": self.name, "version": self.version, "recipe": fields, "inputs": inputs}


INGEST = Stage(
    name="ingest",
    version=ingest.VERSION,
    recipe=("prompts", "images", "max_pixels", "exclude"),
    inputs=("contents",),
    writes=("recipe.json", "run.log", "prompts/{prompts,refused}.parquet", "prompts/{contents,sources}.json", "images/"),
)
BENCHMARK = Stage(name="benchmark", version=evaluate.VERSION, writes=("benchmarks/NAME/{items.parquet,data.json}",))
SYNTHESIZE = Stage(
    name="synthesize",
    version=synthesize.VERSION,
    recipe=("synthesis", "served_model"),
    inputs=("prompts", "open_model", "closed_model"),
    writes=("responses.parquet",),
)
PAIRS = Stage(
    name="pairs", version=synthesize.VERSION, recipe=("synthesis",), inputs=("responses", "chosen"), writes=("pairs.parquet",)
)
JUDGE = Stage(
    name="judge",
    version=judge.VERSION,
    recipe=("served_model",),
    inputs=("protocol", "pairs", "model", "until"),
    writes=("judgments.parquet",),
)
SELECT = Stage(
    name="select",
    version=select.VERSION,
    recipe=("selection",),
    inputs=("pairs", "judgments"),
    writes=("{selected,dropped}.parquet",),
)
TRAIN = Stage(
    name="train",
    version=train.VERSION,
    recipe=("training", "judging"),
    inputs=("selected", "judgments", "start"),
    writes=("training/dropped.parquet", "judge/"),
)
GATE = Stage(name="gate", version=gate.VERSION, writes=("gate.json",))
PROBE = Stage(name="probe", version=probe.VERSION, writes=("probe.json",))
EVALUATE = Stage(name="evaluate", writes=("benchmarks/NAME/judgments.parquet",))
"""JUDGE on the pairs of a benchmark, as is HELD_OUT on pairs that are not trained on: its identity is that of JUDGE."""
HELD_OUT = Stage(name="held-out", writes=("held-out/judgments.parquet",))
REPORT = Stage(name="report", writes=("summary.json", "report.html", "iteration-K/judge/{README.md,selfjudge.json}"))
PUBLISH = Stage(name="publish", writes=("iteration-K/pushed.json",))

ONCE = (INGEST, BENCHMARK)
BASE = (SYNTHESIZE, PAIRS, EVALUATE, HELD_OUT)
"""Iteration 0, the base model: pairs are made of held-out prompts only."""
ITERATION = (SYNTHESIZE, PAIRS, JUDGE, SELECT, TRAIN, GATE, PROBE, EVALUATE, HELD_OUT)
AFTER_EACH = (REPORT, PUBLISH)

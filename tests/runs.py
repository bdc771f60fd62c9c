"""What tests of whole runs share: the shipped scripted recipe, running it in this process, and digests of what it left."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from selfjudge.loop import run
from selfjudge.recipe.execution import TrainerSettings
from selfjudge.recipe.experiment import Recipe
from selfjudge.recipe.file import load_recipe
from selfjudge.recipe.training import Training
from selfjudge.run.folder import RunFolder
from selfjudge.wiring import World, make_world

ROOT = Path(__file__).parent.parent


def no_progress(label: str, total: int | None) -> Any:
    """Progress that nobody watches."""
    return nullcontext(lambda *_: None)


def scripted_recipe(*overrides: str) -> Recipe:
    """The shipped recipe without a model, small enough for a test."""
    small = ("prompts.0.limit=60", "evaluation.benchmarks.0.pairs=20")
    return load_recipe(ROOT / "recipes/scripted.yaml", (*small, *overrides))


def training(**fields: Any) -> tuple[Training, TrainerSettings]:
    """A training and how it is computed, from fields of either."""
    settings = {name: fields.pop(name) for name in list(fields) if name in TrainerSettings.model_fields}
    return Training(**fields), TrainerSettings(**settings)


def run_recipe(recipe: Recipe, folder: Path, change: Callable[[World], World] = lambda world: world) -> dict[str, Any]:
    """Run a recipe in this process, its world changed first."""
    place = RunFolder(folder)
    world = change(make_world(recipe, place))
    return run(recipe, place, world, progress=no_progress, on_iteration=lambda state: None)


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every table and every judge's file of a run, by path."""
    paths = [*folder.rglob("*.parquet"), *(p for p in folder.rglob("judge/*") if p.is_file())]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(paths)}

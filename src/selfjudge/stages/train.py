"""Stage III: fine-tune on the kept traces. The judge's folder appears whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ..disk import write_json, writing
from ..errors import TrainerError
from ..method.prompts import fill
from ..ports import Example, Fit, Progress, Trainer
from ..recipe import Judging, Training
from ..store import CARD, README, JudgeFolder, Table
from ..tables import Row, images_of
from .synthesize import drop

VERSION = 1


def train(
    selected: Sequence[Row],
    judge: JudgeFolder,
    dropped: Table,
    *,
    trainer: Trainer,
    start: Path,
    recipe: Training,
    judging: Judging,
    seed: int,
    progress: Progress,
    admit: Callable[[Path, Mapping[str, Any]], None],
) -> None:
    """Make the judge of an iteration from the model folder `start`, and seal it. Without traces it is `start` unchanged.

    `admit` is given the folder and what training reports, and raises where the judge must not be used; it is then not sealed.
    Traces that could not be learned are sealed in `dropped`, each with its reason.
    """
    rows = sorted(selected, key=lambda row: row["key"])
    examples = [_example(row, judging.template) for row in rows]
    with judge.building() as folder, progress("training", recipe.epochs * len(examples)) as advance:
        fit = Fit(steps=0, loss=None)
        if examples:
            fit = trainer.fit(examples, start=start, into=folder, work=judge.workplace(), seed=seed, advance=advance)
        if not fit.steps:
            copy_model(start, folder)
        reasons = Counter(fit.dropped[example.key] for example in examples if example.key in fit.dropped)
        report: dict[str, Any] = {"examples": len(examples) - reasons.total(), "steps": fit.steps, "loss": fit.loss}
        if reasons:
            report["dropped"] = dict(sorted(reasons.items()))
        (folder / README).unlink(missing_ok=True)  # of the model that it was trained from
        write_json(folder / CARD, {"judging": judging.model_dump(mode="json"), "training": report, "versions": _versions()})
    if not dropped.sealed:
        dropped.seal(
            list({row["key"]: _drop(row, fit.dropped[row["key"]]) for row in rows if row["key"] in fit.dropped}.values())
        )
    try:
        admit(folder, report)
    except TrainerError:
        judge.abandon()
        raise
    judge.seal(report)


def _drop(row: Row, reason: str) -> Row:
    return drop(row["key"], stage="training", prompt_id=row["prompt_id"], pair_id=row["pair_id"], reason=reason)


def _versions() -> dict[str, str]:
    """What of that which decides about a judge is installed."""
    installed = {}
    for name in ("selfjudge", "torch", "transformers", "trl"):
        with suppress(PackageNotFoundError):
            installed[name] = version(name)
    return installed


def _example(row: Row, template: str) -> Example:
    values = {"question": row["prompt"], "first": row["first"], "second": row["second"]}
    return Example(key=row["key"], messages=(fill(template, values, images_of(row)),), reply=row["trace"])


def copy_model(source: Path, into: Path) -> None:
    """A model folder under another name; files are linked where the file system can, for they may be large."""
    into.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.iterdir()):
        if path.is_file() and path.name not in (CARD, README):
            with writing(into / path.name):
                _link(path.resolve(), into / path.name)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)

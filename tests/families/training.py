"""Judges that are trained in these tests, through Stage III, on a handful of rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from trl import SFTTrainer

from families.tiny import IMAGES, TALL, WIDE
from runs import no_progress, training
from selfjudge.recipe.experiment import Judging
from selfjudge.run.folder import JudgeFolder
from selfjudge.run.store import Table
from selfjudge.run.tables import DROPPED, JUDGMENTS, SELECTED, Row
from selfjudge.stages.train import train
from selfjudge.trainers.local import LocalTrainer
from selfjudge.types import ImageRef

JUDGING = Judging(template="{images} {question}\n[first]\n{first}\n[or]\n{second}\n[end]")
QUESTION, CAT, DOG = "what is it?", "a small cat", "a dog"


def row(key: str, images: tuple[ImageRef, ...], first: str, second: str, trace: str) -> Row:
    """A kept trace, as a table of them has it."""
    shown = [{name: getattr(ref, name) for name in ref.__dataclass_fields__} for ref in images]
    place = {"pair_id": key, "prompt_id": key, "order": "chosen_first", "sample": 0}
    return {"key": key, **place, "prompt": QUESTION, "first": first, "second": second, "images": shown, "trace": trace}


ROWS = [
    row("cat first", (WIDE,), CAT, DOG, "A cat. [[A]]"),
    row("cat second", (WIDE,), DOG, CAT, "A cat. [[B]]"),
    row("dog first", (TALL,), DOG, CAT, "A dog. [[A]]"),
    row("dog second", (TALL,), CAT, DOG, "A dog. [[B]]"),
]
"""Which response is better is seen in the image alone, and the letter depends on the order too."""


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A trained judge, the report on it, and the batches that it was trained on."""

    path: Path
    report: dict[str, Any]
    batches: list[dict[str, Any]]


def trained_judge(model: Path, into: Path, rows: list[Row], **changes: Any) -> Trained:
    recipe, settings = training(
        **{"learning_rate": 4e-3, "epochs": 100, "epoch_decay": 0.98, "batch_size": 4, "device_batch_size": 4} | changes
    )
    judge = JudgeFolder(into, {})
    batches: list[dict[str, Any]] = []
    compute_loss = SFTTrainer.compute_loss

    def watched(self: SFTTrainer, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        batches.append({name: value.clone() for name, value in inputs.items() if hasattr(value, "clone")})
        return compute_loss(self, model, inputs, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SFTTrainer, "compute_loss", watched)
        trainer = LocalTrainer(recipe, settings, read_image=lambda ref: IMAGES[ref.sha256])
        selected = Table(into, SELECTED, {})
        selected.seal(rows)
        train(
            [(selected, Table(into, JUDGMENTS, {}))],
            judge,
            Table(into, DROPPED, {}),
            trainer=trainer,
            start=model,
            recipe=recipe,
            judging=JUDGING,
            seed=0,
            progress=no_progress,
            admit=lambda folder, report: None,
        )
    return Trained(path=judge.path, report=judge.report, batches=batches)

"""Stage III: fine-tune on the kept traces. The judge's folder appears whole or not at all."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from heapq import merge
from importlib.metadata import PackageNotFoundError, version
from itertools import groupby, starmap
from operator import itemgetter
from pathlib import Path
from typing import Any

from ..errors import RunError, TrainerError
from ..method.prompts import fill
from ..ports import Advance, Example, Fit, Progress, Trainer
from ..recipe.experiment import Judging
from ..recipe.training import Training
from ..run.disk import read_checked, read_json, write_checked, write_json, writing
from ..run.fingerprint import CARD, README
from ..run.folder import JudgeFolder
from ..run.merging import joined
from ..run.store import Table
from ..run.tables import Row, images_of, judgment_of
from .synthesize import drop

VERSION = 1

Taught = tuple[Table, Table]
"""The selected traces of an iteration, and all judgments among which they were."""

_TRAINED = "trained.json"
"""In the workplace: what training reported of a judge that is built and not yet admitted."""


def inputs(taught: Sequence[Taught], recipe: Training) -> dict[str, list[str]]:
    """What training reads, by digest: judgments only where it tells right replies from wrong ones."""
    digests = {"selected": [selected.digest for selected, _ in taught]}
    return digests if recipe.kind != "dpo" else {**digests, "judgments": [judgments.digest for _, judgments in taught]}


def train(
    taught: Sequence[Taught],
    judge: JudgeFolder,
    dropped: Table,
    *,
    trainer: Trainer,
    start: Path,
    recipe: Training,
    judging: Judging,
    seed: int,
    progress: Progress,
    admit: Callable[[Path, Mapping[str, Any]], Mapping[str, Any]],
) -> None:
    """Make the judge of an iteration from the model folder `start`, and seal it. Without traces it is `start` unchanged.

    `admit` is given the folder and what training reports, and raises TrainerError where the judge must not be used: it goes, with
    its checkpoints. After any other error the trained judge stays, and the next call asks `admit` again without training.
    Traces that could not be learned are sealed in `dropped`, each with its reason.
    """
    note = judge.workplace() / _TRAINED
    if not (note.exists() and judge.built.exists()):
        note.unlink(missing_ok=True)
        examples = _Examples(taught, judging.template, compared=recipe.kind == "dpo")
        with progress("training", recipe.epochs * len(examples)) as advance:
            fit = _fit(examples, judge, trainer=trainer, start=start, judging=judging, seed=seed, advance=advance)
        if not dropped.sealed:
            lost = {row["key"]: row for row in examples.rows("key", "prompt_id", "pair_id") if row["key"] in fit.dropped}
            dropped.seal(_drop(row, fit.dropped[key]) for key, row in lost.items())
        write_checked(note, read_json(judge.built / CARD)["training"])
    report = read_checked(note)
    try:
        gate = admit(judge.built, report)
    except TrainerError:
        judge.abandon()
        raise
    judge.seal({**report, "gate": gate, "versions": read_json(judge.built / CARD)["versions"]})


def check(judge: JudgeFolder, dropped: Table) -> None:
    """Raises RunError where it is gone or damaged what a sealed judge could not learn: its training alone knows that."""
    if not dropped.sealed:
        raise RunError(
            f"{dropped.path} or its manifest is gone",
            hint=f"Put back a copy of both files, or delete {judge.manifest_path}: then the judge is trained again.",
        )


def _fit(
    examples: _Examples, judge: JudgeFolder, *, trainer: Trainer, start: Path, judging: Judging, seed: int, advance: Advance
) -> Fit:
    """Build the folder of a judge trained on these traces, with its card."""
    with judge.building() as folder:
        fit = Fit(steps=0, loss=None)
        if examples:
            fit = trainer.fit(examples, start=start, into=folder, work=judge.checkpoints(), seed=seed, advance=advance)
        if not fit.steps:
            copy_model(start, folder)
        judge.check_start(start)
        reasons = Counter(fit.dropped[row["key"]] for row in examples.rows("key") if row["key"] in fit.dropped)
        report: dict[str, Any] = {"examples": len(examples) - reasons.total(), "steps": fit.steps, "loss": fit.loss}
        if reasons:
            report["dropped"] = dict(sorted(reasons.items()))
        (folder / README).unlink(missing_ok=True)  # of the model that it was trained from
        write_json(folder / CARD, {"judging": judging.model_dump(mode="json"), "training": report, "versions": _versions()})
    return fit


def _drop(row: Row, reason: str) -> Row:
    return drop(row["key"], stage="training", prompt_id=row["prompt_id"], pair_id=row["pair_id"], reason=reason)


def _versions() -> dict[str, str]:
    """What of that which decides about a judge is installed."""
    installed = {}
    for name in ("selfjudge", "torch", "transformers", "trl"):
        with suppress(PackageNotFoundError):
            installed[name] = version(name)
    return installed


class _Examples(Collection[Example]):
    """The examples that tables of traces make, by key: read anew whenever they are wanted.

    If `compared`, each trace stands against a wrong reply of the same judge to the same request, or against itself without one.
    """

    def __init__(self, taught: Sequence[Taught], template: str, *, compared: bool) -> None:
        self._taught, self._template, self._compared = taught, template, compared

    def rows(self, *columns: str) -> Iterator[Row]:
        return merge(*(selected.rows(*columns) for selected, _ in self._taught), key=itemgetter("key"))

    def __iter__(self) -> Iterator[Example]:
        for row in merge(*starmap(_against, self._taught), key=itemgetter("key")) if self._compared else self.rows():
            values = {"question": row["prompt"], "first": row["first"], "second": row["second"]}
            request = (fill(self._template, values, images_of(row)),)
            yield Example(key=row["key"], messages=request, reply=row["trace"], rejected=row.get("against"))

    def __len__(self) -> int:
        return sum(selected.manifest.rows for selected, _ in self._taught)

    def __contains__(self, example: object) -> bool:
        return any(example == other for other in self)


def _against(selected: Table, judgments: Table) -> Iterator[Row]:
    """The rows of traces, each with the reply that it stands `against`: the wrong ones to its request in turn, or itself."""
    same_request = (list(rows) for _, rows in groupby(selected.rows(), _request))
    replies = judgments.rows()
    for rows, asked in joined(same_request, replies, of_item=lambda rows: _request(rows[0]), of_row=_request):
        told = (judgment for judgment in map(judgment_of, asked) if judgment.verdict is not None and not judgment.forced)
        wrong = [judgment.trace for judgment in told if not judgment.right]
        for number, row in enumerate(rows):
            yield {**row, "against": wrong[number % len(wrong)] if wrong else row["trace"]}


def _request(row: Row) -> str:
    """A pair in one of its orders: what keys of traces and of judgments begin with."""
    return str(row["key"]).rpartition(".")[0]


def copy_model(source: Path, into: Path) -> None:
    """A model folder under another name, with files of its own."""
    into.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.iterdir()):
        if path.is_file() and path.name not in (CARD, README):
            with writing(into / path.name):
                shutil.copyfile(path, into / path.name)

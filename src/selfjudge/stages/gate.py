"""The gate: a judge is accepted only if it answers, is still read, and is another one than before.

It stands between training and the sealed judge. Pairs of the iteration, drawn by seed, are put to the new judge in both orders,
as Stage II put them to the previous one. `gate.json` says what was found, of an accepted judge and of a refused one alike.

The rule for readable verdicts (CHOSEN): they have collapsed if there are fewer than half as many as the previous judge's share on
the same pairs gives to expect, and the gap is more than three standard deviations of such a count, which is its square root. A
judge that was hardly read before cannot collapse; one that was always read must be read in 32 of 64 replies.

A judge that cannot be loaded, or fails to answer more than half of the requests, was not examined: an EngineError, no refusal.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from heapq import nsmallest
from pathlib import Path
from typing import Any

from ..chat import Completion, Request
from ..errors import EngineError, InputError, SelfjudgeError, TrainerError
from ..figures import Admission
from ..method.protocols import Protocol
from ..ports import Engine, Progress, blocks
from ..run.disk import read_checked, read_json, write_checked
from ..run.store import Table
from ..run.tables import Row, is_forced, pair_of
from ..run.weights import same_weights
from ..types import Finish, Order, PreferencePair, Verdict, content_id, seed_of
from .judge import comparison_request

VERSION = 1

PAIRS = 32
"""CHOSEN: pairs that a new judge is asked about, in both orders."""
_DEVIATIONS = 3.0
_SHOWN = 4
_SHOWN_CHARACTERS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The gate of one iteration. `open` loads a model folder to be asked; without it the judge's replies are not looked at.

    `judgments` are the previous judge's replies to the pairs. `trained` says whether training was meant to change the weights,
    and `before` are the models that the judge must differ from.
    """

    folder: Path
    pairs: Table
    judgments: Table
    protocol: Protocol
    seed: int
    before: tuple[Path, ...]
    trained: bool
    open: Callable[[Path], Engine] | None
    progress: Progress

    @property
    def path(self) -> Path:
        return self.folder / "gate.json"

    @property
    def report(self) -> Admission | None:
        """What was found; None for a judge that was made before there was a gate. A judge's manifest has it too."""
        manifest = self.folder / "judge.manifest.json"
        if not self.path.exists() and manifest.exists() and (known := read_json(manifest).get("gate")) is not None:
            write_checked(self.path, known)
        report: Admission | None = read_checked(self.path, "version") if self.path.exists() else None
        return report

    def admit(self, judge: Path, training: Mapping[str, Any]) -> Admission:
        """Look at the judge in a folder, of which training reports `steps` and `loss`, and write the report, which is returned.

        Raises TrainerError where the judge is not to be used, EngineError where it cannot be asked; then no report is written.
        One that took no step is the one before, and is not asked.
        """
        found: Admission = {"version": VERSION, "loss": training["loss"], "asked": 0}
        faults: list[str] = []
        if training["loss"] is not None and not math.isfinite(training["loss"]):
            faults.append(f"its training ended with a loss of {training['loss']}")
            found["loss"] = str(training["loss"])  # JSON has no such number
        if training["steps"]:
            if self.trained:
                found["changed"] = not self._is_one_before(judge)
                if not found["changed"]:
                    faults.append("its weights are those of the judge before it")
            faults += self._ask(judge, found)
        report: Admission = {"accepted": not faults, "faults": faults, **found}
        write_checked(self.path, report)
        if faults:
            raise TrainerError(
                f"the new judge is not accepted: {'; '.join(faults)}",
                hint=f"{self.path} has the figures and some replies. The previous judge stands; the same command trains again. "
                "What mostly helps is a lower training.learning_rate, in another folder (--dir).",
            )
        return report

    def _is_one_before(self, judge: Path) -> bool:
        try:
            return any(same_weights(judge, other) for other in self.before)
        except InputError as error:
            raise self._not_examined(str(error)) from error

    def _ask(self, judge: Path, found: Admission) -> list[str]:
        """Put the drawn pairs to the judge, note what it said, and return what is wrong with it."""
        if self.open is None or not self.pairs.manifest.rows:
            return []
        rows = nsmallest(PAIRS, self.pairs.rows(), key=lambda row: content_id("gate", self.seed, row["id"]))
        drawn = list(map(pair_of, rows))
        try:
            asked = self._replies(self.open, judge, list(self._requests(drawn)))
        except SelfjudgeError as error:
            raise self._not_examined(str(error)) from error
        replies = [reply for reply in asked if reply.finish is not Finish.ERROR]
        if 2 * len(replies) < len(asked):
            failed = next(str(reply.error) for reply in asked if reply.finish is Finish.ERROR)
            raise self._not_examined(f"{len(asked) - len(replies)} of {len(asked)} requests failed: {failed}")
        answered = [reply for reply in replies if reply.text.strip()]
        read = sum(isinstance(self.protocol.read(reply.text, reply.finish), Verdict) for reply in replies)
        before = read_share(self.judgments.rows(), {pair.id for pair in drawn})
        found |= {"asked": len(asked), "answered": len(answered), "read": read, "read_before": before}
        found["replies"] = [reply.error or reply.text[:_SHOWN_CHARACTERS] for reply in asked[:_SHOWN]]
        if not answered:
            return [f"it gave no answer to any of {len(replies)} comparisons"]
        if has_collapsed(read, before * len(replies)):
            return [f"{read} of its {len(replies)} replies hold a verdict, and {before:.0%} of the previous judge's do"]
        return []

    def _not_examined(self, reason: str) -> EngineError:
        return EngineError(
            f"the new judge was trained and cannot be asked: {reason}",
            hint="It is kept: once the cause is gone (too little memory, a missing package), the same command asks it again "
            f"without training. If the judge itself is at fault, delete {self.folder / '.judge.work'}, to train it again.",
        )

    def _requests(self, drawn: Sequence[PreferencePair]) -> Iterable[Request]:
        for pair in drawn:
            for order in Order:
                key = f"{pair.id}.{order}"
                yield comparison_request(key, pair.comparison(order), self.protocol, seed=seed_of(self.seed, key))

    def _replies(self, load: Callable[[Path], Engine], judge: Path, requests: Sequence[Request]) -> list[Completion]:
        found: dict[str, Completion] = {}
        with self.progress("gate", len(requests)) as advance, closing(load(judge)) as engine:
            for block in blocks(requests, engine.block):
                found.update((completion.key, completion) for completion in engine.generate(block))
                advance(len(block))
        return [found[request.key] for request in requests]


def read_share(judgments: Iterable[Row], pairs: set[str]) -> float:
    """The share of the replies to some pairs that hold a verdict; 0 without replies."""
    written = [row["verdict"] is not None and not is_forced(row) for row in judgments if row["pair_id"] in pairs]
    return sum(written) / len(written) if written else 0.0


def has_collapsed(read: int, expected: float) -> bool:
    """Whether so few readable replies, where so many were to be expected, are a collapse by the rule above."""
    return read < expected / 2 and expected - read > _DEVIATIONS * math.sqrt(expected)

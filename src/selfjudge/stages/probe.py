"""The probe: a served judge must answer as transformers does with the same folder, and not as the judge before it.

A few pairs of the iteration, drawn by hash, are asked about in both orders, greedily. A server is asked one question at a time,
so that the same weights give the same numbers, as far as it can.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, replace
from heapq import nsmallest
from pathlib import Path
from typing import Any

from ..chat import Completion, Request
from ..errors import EngineError
from ..figures import Probing
from ..method.agreement import STILL, TOLERANCE, Distance, Fault, Replies, distance, fault
from ..method.protocols import Protocol
from ..ports import Engine, Progress, blocks
from ..run.disk import read_checked, read_json, write_checked
from ..types import Finish, Order, PreferencePair, content_id
from .judge import comparison_request

VERSION = 1

_PAIRS = 8
_RIVALS = 20
"""Log-probabilities compared at each token."""
_MOST_TOKENS = 256
"""What is written of a long reply: texts that part do so earlier, mostly."""


class Probe:
    """The probe of one iteration's judge. Its report is `probe.json` beside the judge, made once."""

    def __init__(self, folder: Path, pairs: Iterable[PreferencePair], protocol: Protocol, progress: Progress) -> None:
        self._path = folder / "probe.json"
        self._manifest = folder / "judge.manifest.json"
        self._progress = progress
        self._requests = requests(pairs, protocol)
        self._before: Replies = {}

    @property
    def needed(self) -> bool:
        """Whether there is something to ask about, and the judge that there is now was not asked yet."""
        if not (self._manifest.exists() and self._path.exists()):
            return bool(self._requests)
        return bool(self._requests) and self.report != {**(self.report or {}), **self._identity()}

    @property
    def report(self) -> Probing | None:
        report: Probing | None = read_checked(self._path) if self._path.exists() else None
        return report

    def ask_predecessor(self, engine: Engine) -> None:
        """Keep what the judge before this one answers, served."""
        self._before = self.replies(engine)

    def replies(self, engine: Engine) -> Replies:
        """What an engine answers. Raises EngineError where it fails."""
        found: dict[str, Completion] = {}
        with self._progress("probe", len(self._requests)) as advance:
            for block in blocks(self._requests, engine.block):
                found.update((completion.key, completion) for completion in engine.generate(block))
                advance(len(block))
        if failed := [c for c in found.values() if c.finish is Finish.ERROR or c.tokens is None]:
            raise EngineError(
                f"{len(failed)} of {len(found)} requests of the probe failed: {failed[0].error or 'no log-probabilities'}",
                hint="The server's log in the run folder may say why.",
            )
        return found

    def conclude(self, *, expected: Replies, served: Replies, trained: bool) -> None:
        """Compare what the judge answers in transformers and served, and write the report. Raises EngineError at a fault."""
        agreement = distance(served, expected)
        change = distance(served, self._before) if trained else None
        moved = distance(expected, self._before) if trained else None
        found = {"agreement": agreement, "change": change, "moved": moved}
        if (wrong := fault(agreement=agreement, change=change, moved=moved)) is not None:
            raise EngineError(f"{wrong} ({_figures(found)})", hint=_HINTS[wrong])
        figures = {name: None if value is None else asdict(value) for name, value in found.items()}
        write_checked(
            self._path, {**self._identity(), "requests": len(served), "tolerance": TOLERANCE, "still": STILL, **figures}
        )

    def _identity(self) -> dict[str, Any]:
        return {"version": VERSION, "judge": read_json(self._manifest)["sha256"]}


_SERVER = "Check that vLLM supports this model as transformers saves it, or set execution.engine.kind to transformers."
_HINTS = {
    Fault.STALE: f"The server's log may name weights that it left out. {_SERVER}",
    Fault.DIFFERENT: f"Judgments of this server cannot be trusted. {_SERVER}",
    Fault.STILL: "Check training: a rate that is too low, or weights too coarse for its steps (bfloat16), change nothing.",
}


def requests(pairs: Iterable[PreferencePair], protocol: Protocol) -> list[Request]:
    """The questions of the probe: both orders of a few pairs, which ones by their ids."""
    chosen = nsmallest(_PAIRS, pairs, key=lambda pair: content_id("probe", pair.id))
    sampling = replace(
        protocol.sampling, temperature=0.0, top_p=1.0, top_k=0, max_tokens=min(protocol.sampling.max_tokens, _MOST_TOKENS)
    )
    greedy = replace(protocol, sampling=sampling)
    return [
        comparison_request(f"{pair.id}.{order}", pair.comparison(order), greedy, seed=0, logprobs=_RIVALS)
        for pair in chosen
        for order in Order
    ]


def _figures(found: dict[str, Distance | None]) -> str:
    named = {
        "agreement": "from transformers",
        "change": "from the judge before it",
        "moved": "transformers from the judge before it",
    }
    return ", ".join(f"{named[name]}: {value.largest:.3g}" for name, value in found.items() if value is not None)

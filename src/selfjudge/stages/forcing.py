"""Asks for the letter that a judge's reply lacks, by one more token behind the reply (`judging.force_verdict`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from ..chat import Completion, Request
from ..errors import EngineError
from ..method.protocols import Protocol
from ..ports import CONTINUES, Engine, continues

_TOGETHER = 64
"""Completions after which those without a verdict are continued, where the engine has no blocks."""


class Forcing:
    """An engine that asks a further request where the protocol has one. The letter stands beside the reply, never in it.

    With an engine of blocks, the requests of one block are continued together, so that a resumed run forms the same batches.
    """

    def __init__(self, engine: Engine, protocol: Protocol) -> None:
        if not continues(engine):
            raise EngineError("this engine cannot continue a reply, as judging.force_verdict asks", hint=ABLE)
        self._engine, self._protocol = engine, protocol
        self.block = engine.block

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """See `ports.Engine`. A completion whose letter was not asked for because of an interrupt is left out."""
        asked: dict[str, Request] = {}
        lacking: list[tuple[Completion, Request]] = []
        every = self.block if self.block > 1 else _TOGETHER
        for number, completion in enumerate(self._engine.generate(_noted(requests, asked)), start=1):
            further = self._protocol.further(asked.pop(completion.key), completion)
            if further is None:
                yield completion
            else:
                lacking.append((completion, further))
            if number % every == 0:
                yield from self._continued(lacking)
                lacking = []
        yield from self._continued(lacking)

    def stop_retrying(self) -> None:
        """See `OpenAIEngine`."""
        getattr(self._engine, "stop_retrying", lambda: None)()

    def close(self) -> None:
        self._engine.close()

    def _continued(self, lacking: list[tuple[Completion, Request]]) -> Iterator[Completion]:
        if lacking:
            letters = {letter.key: letter for letter in self._engine.generate([further for _, further in lacking])}
            for completion, _ in lacking:
                if (letter := letters.get(completion.key)) is not None:
                    yield replace(completion, letter=letter)


ABLE = (
    f"Engines that can: {CONTINUES}. Use one of them (execution.engine.kind), or leave force_verdict off, in another folder "
    "(--dir)."
)


def _noted(requests: Iterable[Request], asked: dict[str, Request]) -> Iterator[Request]:
    for request in requests:
        asked[request.key] = request
        yield request

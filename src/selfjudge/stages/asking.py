"""Asking an engine for what a table still lacks.

The one rule: requests are planned over the whole stage, in a fixed order, whether or not some are answered already. Only whole
blocks are asked, so a resumed run forms the batches of an undisturbed one and gets the same texts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from ..chat import Completion, Request
from ..ports import Advance, NamedEngine, blocks
from ..store import Table
from ..tables import Row

_WINDOW = 32
"""Blocks that are sorted by length together: enough to save padding, few enough to plan a long stage as a stream."""


def ask(
    table: Table,
    requests: Iterable[Request],
    model: NamedEngine,
    to_row: Callable[[Request, Completion, str], Row],
    advance: Advance,
) -> None:
    """Append a row for each request whose key the table does not hold yet; `to_row` is given the model's name too.

    `requests` must be the same in every run.
    """
    engine = model.engine
    stored = table.keys()
    asked: dict[str, Request] = {}

    def missing() -> Iterator[Request]:
        for block in _plan(requests, engine.block):
            if all(request.key in stored for request in block):
                advance(len(block))
                continue
            asked.update((request.key, request) for request in block)
            yield from block

    try:
        for completion in engine.generate(missing()):
            request = asked.pop(completion.key)
            advance(1)
            if completion.key not in stored:
                table.append(to_row(request, completion, model.name))
    finally:
        table.flush()


def _plan(requests: Iterable[Request], size: int) -> Iterator[list[Request]]:
    """Blocks of requests, of similar length where answers come in batches."""
    if size == 1:
        yield from ([request] for request in requests)
        return
    for window in blocks(requests, _WINDOW * size):
        yield from blocks(sorted(window, key=lambda request: (_length(request), request.key)), size)


def _length(request: Request) -> int:
    return sum(len(block) for message in request.messages for block in message.content if isinstance(block, str))

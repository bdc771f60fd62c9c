"""Asking an engine for what a table still lacks.

The one rule: requests are planned over the whole stage, in a fixed order, whether or not some are answered already. Only whole
blocks are asked, so a resumed run forms the batches of an undisturbed one and gets the same texts. Where another execution has
produced rows of the table (another batch size, another engine), no batch can be the same: only what is missing is asked.

An interrupt lets the replies that are under way arrive, so that nothing is asked twice; a second one stops at once.
"""

from __future__ import annotations

import gc
import logging
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from ..chat import Completion, Request
from ..method.strikes import unbroken
from ..ports import Advance, Engine, NamedEngine, blocks
from ..run.journal import BadRow, Keys
from ..run.store import Table
from ..run.tables import Row
from ..types import Finish, storable

log = logging.getLogger(__name__)

Skip = Callable[["Request | Group", int], None]
"""Told of what is stored already: one of the requests, and how many they are."""

_GARBAGE = 50_000
"""Objects more than were freed, after which Python looks for cycles: hardly any are made, and it looks after each 700."""
_KNOWN = 3
"""The last requests that were answered, to be asked once more where several in a row fail: neighbours may be odd together."""
_WINDOW = 32
"""Blocks that are sorted by length together: enough to save padding, few enough to plan a long stage as a stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Requests that are made only where some of them are not stored; their keys are `name` and a dot before what differs."""

    name: str
    size: int
    make: Callable[[], Iterable[Request]]


def ask(
    table: Table,
    requests: Iterable[Request | Group],
    model: NamedEngine,
    to_row: Callable[[Request, Completion, str], Row],
    advance: Advance,
) -> None:
    """Append a row for each request whose key the table does not hold yet; `to_row` is given the model's name too.

    `requests` must be the same in every run. Raises EngineError, and KeyboardInterrupt after SIGINT or SIGTERM.
    """
    waiting = iter(requests)
    if (first := next(waiting, None)) is None:
        return
    engine = model.engine
    elsewhere = table.begin(model.execution)
    stored, sizes = table.keys(), table.group_sizes()
    asked: dict[str, Request] = {}
    known: deque[Request | Group] = deque(maxlen=_KNOWN)

    def skip(answered: Request | Group, count: int) -> None:
        known.append(answered)
        advance(count)

    def missing() -> Iterator[Request]:
        window = None if elsewhere or engine.block == 1 else _WINDOW * engine.block
        made = _made(chain([first], waiting), window, sizes, skip)
        for block in _lacking(made, engine.block, stored, elsewhere, skip):
            if interrupted.is_set():
                return
            asked.update((request.key, request) for request in block)
            yield from block

    def alive() -> bool:
        once_more = tuple(next(iter(one.make())) if isinstance(one, Group) else one for one in known)
        return any(completion.finish is not Finish.ERROR for completion in engine.generate(once_more))

    with _settled_memory(), _deferred_interrupts(engine) as interrupted:
        try:
            completions = _noting(engine.generate(missing()), asked, known)
            for completion in unbroken(completions, asked, name=model.name, answered=bool(stored), alive=alive):
                request = asked.pop(completion.key)
                if completion.key in stored:
                    advance(1)
                    continue
                advance(1, _appended(table, to_row, request, completion, model.name))
        finally:
            table.flush()
        if interrupted.is_set():
            raise KeyboardInterrupt


def _made(items: Iterable[Request | Group], window: int | None, stored: Mapping[str, int], skip: Skip) -> Iterator[Request]:
    """The requests, without groups that are stored: where blocks depend on their neighbours, without windows of such groups."""
    for parts in _cut(items, window):
        if all(isinstance(item, Group) and stored.get(item.name, 0) >= item.size for item, _ in parts):
            skip(parts[-1][0], sum(part.stop - part.start for _, part in parts))
            continue
        for item, part in parts:
            yield from islice(item.make(), part.start, part.stop) if isinstance(item, Group) else [item]


def _cut(items: Iterable[Request | Group], window: int | None) -> Iterator[list[tuple[Request | Group, range]]]:
    """Windows of so many requests, each of groups or parts of them; each group by itself without a window."""
    parts: list[tuple[Request | Group, range]] = []
    room = window
    for item in items:
        start, size = 0, item.size if isinstance(item, Group) else 1
        while start < size:
            stop = size if room is None else min(size, start + room)
            parts.append((item, range(start, stop)))
            room, start = None if room is None else room - (stop - start), stop
            if not room:
                yield parts
                parts, room = [], window
    if parts:
        yield parts


def _lacking(requests: Iterable[Request], size: int, stored: Keys, elsewhere: Keys, skip: Skip) -> Iterator[list[Request]]:
    """Blocks with requests that are not stored yet; what is not to be asked is skipped.

    Blocks are whole, unless another execution produced rows, those with keys in `elsewhere`: then stored ones are left out.
    """

    def of_this_execution() -> Iterator[Request]:
        for request in requests:
            if request.key in elsewhere:
                skip(request, 1)
            else:
                yield request

    for block in plan(of_this_execution(), size):
        answered = [request for request in block if request.key in stored]
        if len(answered) == len(block):
            skip(block[0], len(block))
        elif answered and elsewhere:
            skip(answered[0], len(answered))
            yield [request for request in block if request.key not in stored]
        else:
            yield block


def _noting(
    completions: Iterable[Completion], asked: Mapping[str, Request], known: deque[Request | Group]
) -> Iterator[Completion]:
    """The completions; requests that were answered are added to `known`."""
    for completion in completions:
        if completion.finish is not Finish.ERROR:
            known.append(asked[completion.key])
        yield completion


def _appended(
    table: Table, to_row: Callable[[Request, Completion, str], Row], request: Request, completion: Completion, model: str
) -> Row:
    """The row of a reply, now stored; a reply that the table cannot hold is a failed one."""
    row = to_row(request, completion, model)
    try:
        table.append(row)
    except BadRow as bad:
        row = to_row(request, Completion.failed(completion.key, storable(str(bad))), model)
        table.append(row)
    return row


@contextmanager
def _settled_memory() -> Iterator[None]:
    """What exists already is not looked through for garbage, and what comes less often: it may take a fifth of the CPU time."""
    often = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_GARBAGE, *often[1:])
    try:
        yield
    finally:
        gc.set_threshold(*often)
        gc.unfreeze()


@contextmanager
def _deferred_interrupts(engine: Engine) -> Iterator[threading.Event]:
    """An event that the first SIGINT or SIGTERM sets; the second one raises KeyboardInterrupt wherever the program is.

    What the engine only waits to ask again (`stop_retrying`, where it has that) is not waited for.
    """
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted  # only the main thread may say what a signal does
        return

    def interrupt(*_: Any) -> None:
        if interrupted.is_set():
            raise KeyboardInterrupt
        interrupted.set()
        log.warning("interrupted: waiting for the replies that are under way; interrupt again to stop at once")
        getattr(engine, "stop_retrying", lambda: None)()

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def plan(requests: Iterable[Request], size: int, ahead: int = _WINDOW) -> Iterator[list[Request]]:
    """Blocks of requests, of similar length where answers come in batches; so many blocks are sorted together."""
    if size == 1:
        yield from ([request] for request in requests)
        return
    for window in blocks(requests, ahead * size):
        yield from blocks(sorted(window, key=lambda request: (_length(request), request.key)), size)


def _length(request: Request) -> int:
    return sum(len(block) for message in request.messages for block in message.content if isinstance(block, str))

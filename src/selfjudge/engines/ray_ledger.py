"""The ledger of a Ray engine: which blocks of requests are wanted, and who is on them. It lives in an actor beside the caller.

Ray Data moves numbers of blocks through its pipeline; what a block asks is fetched here by the replica that got the number. So
Ray may run anything again after a loss, in any place, and no block is answered by two replicas at once, nor one that nobody
wants any more. Standard library only; `Any` stands for references into Ray's object store.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Pictures = Mapping[str, tuple[object, ...]]
"""By SHA-256 a reference to the bytes, in a tuple: a bare one would be resolved on the way."""

TRIES = 3
"""Replicas that may die over the same block before it is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """A replica: the actor, which stays the same when Ray restarts it, and the node that it is on."""

    actor: str
    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A block as a replica gets it. `hopeless`: every replica that tried it died."""

    payload: bytes
    pictures: Pictures
    hopeless: bool = False


@dataclass(slots=True, kw_only=True)
class _Entry:
    work: Work
    holder: Who | None = None
    tries: int = 0


class Ledger:
    """Blocks by number from `submit` to `done`. All methods but `next` return at once."""

    def __init__(self) -> None:
        self._entries: dict[int, _Entry] = {}
        self._line = array("q")  # kept whole: Ray may read it again from its start
        self._changed = asyncio.Condition()
        self._ended = False
        self._gone: set[str] = set()

    async def submit(self, number: int, payload: bytes, pictures: Pictures) -> None:
        """A new block."""
        self._entries[number] = _Entry(work=Work(payload=payload, pictures=pictures))
        await self._append((number,))

    async def next(self, place: int) -> int | None:
        """The number in this place of the line, as soon as there is one; None at its end."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._ended or place < len(self._line))
        return self._line[place] if place < len(self._line) else None

    async def claim(self, number: int, who: Who) -> Work | None:
        """A block for a replica to answer; None where another one is on it or nobody wants it any more.

        A replica that claims a block again has died over it and was restarted.
        """
        entry = self._entries.get(number)
        if entry is None or self._ended or self._is_held(entry, who):
            return None
        entry.holder = who
        entry.tries += 1
        if entry.tries > TRIES:
            return Work(payload=b"", pictures={}, hopeless=True)
        return entry.work

    async def done(self, numbers: Iterable[int]) -> None:
        """Blocks that have been answered, or are not wanted any more."""
        for number in numbers:
            self._entries.pop(number, None)

    async def lost(self, nodes: Iterable[str]) -> None:
        """Nodes are gone: what their replicas had, or may have had, stands in line again."""
        self._gone.update(nodes)
        await self._append([number for number, entry in self._entries.items() if not self._is_held(entry, None)])

    async def end(self) -> None:
        """There will be no more blocks, and no answers are wanted."""
        async with self._changed:
            self._ended = True
            self._changed.notify_all()

    async def _append(self, numbers: Iterable[int]) -> None:
        async with self._changed:
            self._line.extend(numbers)
            self._changed.notify_all()

    def _is_held(self, entry: _Entry, who: Who | None) -> bool:
        """Whether another replica, on a living node, is on a block."""
        holder = entry.holder
        if holder is None or holder.node in self._gone:
            return False
        return who is None or holder.actor != who.actor

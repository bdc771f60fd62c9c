"""The ledger of a Ray engine: which blocks are to be answered, and which replica has which. An actor beside the caller.

Ray Data moves block numbers through its pipeline; the replica that gets a number fetches the block here. So Ray may run anything
again after a loss, on any node: no block is answered by two replicas at once, and no block that was dropped is answered at all.
Standard library only; `object` stands for references into Ray's object store.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

StoredImages = Mapping[str, tuple[object, ...]]
"""References to the bytes by SHA-256, each in a tuple: Ray resolves bare references in arguments."""

TRIES = 3  # replicas that may die over the same block before it is given up


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A replica: its actor, which stays the same when Ray restarts it, and its node."""

    actor: str
    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """The pickled requests of a block and their images. `given_up`: every replica that tried it died."""

    payload: bytes
    images: StoredImages
    given_up: bool = False


@dataclass(slots=True, kw_only=True)
class _Entry:
    block: Block
    holder: Holder | None = None
    tries: int = 0


class BlockLedger:
    """Blocks by number from `submit` to `done`. All methods but `next` return at once."""

    def __init__(self) -> None:
        self._entries: dict[int, _Entry] = {}
        self._numbers = array("q")  # complete: Ray may read it again from its start
        self._changed = asyncio.Condition()
        self._ended = False
        self._gone: set[str] = set()

    async def submit(self, number: int, payload: bytes, images: StoredImages) -> None:
        """Enter a new block."""
        self._entries[number] = _Entry(block=Block(payload=payload, images=images))
        await self._append((number,))

    async def next(self, index: int) -> int | None:
        """The block number at this index of the queue, as soon as there is one; None at its end."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._ended or index < len(self._numbers))
        return self._numbers[index] if index < len(self._numbers) else None

    async def claim(self, number: int, replica: Holder) -> Block | None:
        """Give a block to a replica; None if another replica has it or it was dropped.

        A replica that claims a block again has died over it and was restarted.
        """
        entry = self._entries.get(number)
        if entry is None or self._ended or self._is_held(entry, replica):
            return None
        entry.holder = replica
        entry.tries += 1
        return entry.block if entry.tries <= TRIES else Block(payload=b"", images={}, given_up=True)

    async def done(self, numbers: Iterable[int]) -> None:
        """Remove blocks that are answered or dropped."""
        for number in numbers:
            self._entries.pop(number, None)

    async def lost(self, nodes: Iterable[str]) -> None:
        """Queue the blocks of lost nodes again, and those without a holder, which a lost node may have had."""
        self._gone.update(nodes)
        await self._append([number for number, entry in self._entries.items() if not self._is_held(entry, None)])

    async def end(self) -> None:
        """End the queue; no more answers are needed."""
        async with self._changed:
            self._ended = True
            self._changed.notify_all()

    async def _append(self, numbers: Iterable[int]) -> None:
        async with self._changed:
            self._numbers.extend(numbers)
            self._changed.notify_all()

    def _is_held(self, entry: _Entry, replica: Holder | None) -> bool:
        """Whether another replica, on a node that is not lost, has the block."""
        holder = entry.holder
        return holder is not None and holder.node not in self._gone and (replica is None or holder.actor != replica.actor)

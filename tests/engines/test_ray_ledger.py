"""The ledger of a Ray engine: each block is answered by one replica at a time, and by another one when that is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from selfjudge.engines.ray_ledger import TRIES, BlockLedger, Holder

ONE = Holder(actor="one", node="near")
OTHER = Holder(actor="other", node="far")


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(coroutine, 5))


async def holding(count: int) -> BlockLedger:
    ledger = BlockLedger()
    for number in range(count):
        await ledger.submit(number, str(number).encode(), {})
    return ledger


async def line(ledger: BlockLedger, length: int) -> list[int | None]:
    return [await ledger.next(place) for place in range(length)]


def test_blocks_stand_in_line_in_their_order_and_can_be_read_again():
    async def play() -> None:
        ledger = await holding(3)
        assert await line(ledger, 3) == await line(ledger, 3) == [0, 1, 2]

    run(play())


def test_whoever_reads_the_line_waits_for_the_next_block_and_for_the_end():
    async def play() -> None:
        ledger = await holding(1)
        waiting = [asyncio.create_task(ledger.next(place)) for place in (1, 2)]
        await ledger.submit(7, b"", {})
        await ledger.end()
        assert await asyncio.gather(*waiting) == [7, None]

    run(play())


def test_a_block_is_given_to_one_replica_only():
    async def play() -> None:
        ledger = await holding(1)
        assert (await ledger.claim(0, ONE)).payload == b"0"
        assert await ledger.claim(0, OTHER) is None

    run(play())


def test_nobody_is_given_a_block_that_is_done_or_dropped_or_after_the_end():
    async def play() -> None:
        ledger = await holding(3)
        await ledger.done((0, 1, 99))
        assert [await ledger.claim(number, ONE) for number in (0, 1, 99)] == [None] * 3
        await ledger.end()
        assert await ledger.claim(2, ONE) is None

    run(play())


def test_what_a_lost_node_had_or_may_have_had_stands_in_line_again():
    async def play() -> None:
        ledger = await holding(4)
        await ledger.claim(0, ONE)
        await ledger.claim(1, OTHER)
        await ledger.done((2,))
        await ledger.lost(["far"])
        assert await line(ledger, 6) == [0, 1, 2, 3, 1, 3]
        assert await ledger.claim(0, OTHER) is None
        assert (await ledger.claim(1, ONE)).payload == b"1"

    run(play())


def test_a_block_that_kills_its_replica_again_and_again_is_given_up():
    async def play() -> None:
        ledger = await holding(1)
        claims = [await ledger.claim(0, ONE) for _ in range(TRIES + 1)]
        assert [claim.given_up for claim in claims] == [False] * TRIES + [True]

    run(play())

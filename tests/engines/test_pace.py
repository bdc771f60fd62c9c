"""How many requests are with a server at once, by what it makes of them."""

from __future__ import annotations

import asyncio
import random
import statistics

from selfjudge.engines.pace import Pace


def rounds(pace: Pace, count: int) -> list[int]:
    """The limit after each of so many rounds of answers."""
    limits = []
    for _ in range(count):
        for _ in range(pace.limit):
            pace.answered()
        limits.append(pace.limit)
    return limits


def test_a_server_that_is_never_busy_is_given_all_that_it_may_have():
    pace = Pace(256)
    assert pace.limit == 256 and set(rounds(pace, 20)) == {256}


def test_a_busy_server_is_given_half_and_ever_more_again():
    pace = Pace(256)
    pace.busy(0)
    assert pace.limit == 128
    limits = rounds(pace, 10)
    assert limits == sorted(limits) and limits[0] == 160 and limits[-1] == 256


def test_all_the_refusals_of_one_moment_halve_the_limit_once():
    pace = Pace(64)
    for _ in range(64):
        pace.busy(0)
    assert pace.limit == 32


def test_one_request_is_always_allowed_and_the_limit_comes_back_from_there():
    pace = Pace(64)
    for epoch in range(10):
        pace.busy(epoch)
    assert pace.limit == 1 and rounds(pace, 30)[-1] == 64


def test_a_few_refusals_at_any_load_do_not_end_at_one_request():
    pace, draw, limits, epoch = Pace(256), random.Random(0), [], 0
    for _ in range(20_000):
        if draw.random() < 1 / 12:
            before = pace.limit
            pace.busy(epoch)
            epoch += pace.limit < before
        else:
            pace.answered()
        limits.append(pace.limit)
    assert statistics.median(limits) == 256


def test_requests_enter_in_their_order_and_no_more_than_the_limit():
    async def request(number: int) -> None:
        await pace.enter()
        entered.append(number)
        most.append(len(pace.inside))
        await asyncio.sleep(0.001)
        pace.leave()

    async def all_of_them() -> None:
        await asyncio.gather(*(request(number) for number in range(50)))

    pace, entered, most = Pace(4), [], []
    asyncio.run(all_of_them())
    assert entered == list(range(50)) and max(most) == 4 and not pace.inside


def test_one_that_is_cancelled_while_it_waits_or_as_it_enters_takes_no_place():
    async def cancelled() -> None:
        await pace.enter()
        waiting, entering = asyncio.create_task(pace.enter()), asyncio.create_task(pace.enter())
        await asyncio.sleep(0)
        waiting.cancel()
        pace.leave()
        entering.cancel()
        await asyncio.gather(waiting, entering, return_exceptions=True)
        await asyncio.wait_for(pace.enter(), 1)

    pace = Pace(1)
    asyncio.run(cancelled())


def test_a_pause_lets_nobody_in_and_ends():
    async def paused() -> float:
        loop = asyncio.get_running_loop()
        pace.pause(0.05)
        started = loop.time()
        await pace.enter()
        return loop.time() - started

    pace = Pace(1)
    assert asyncio.run(paused()) >= 0.049

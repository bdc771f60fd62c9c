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


async def most_at_once(pace: Pace, requests: int) -> int:
    """The most requests that were in flight together."""
    now = most = 0

    async def send() -> None:
        nonlocal now, most
        async with pace:
            now += 1
            most = max(most, now)
            await asyncio.sleep(0)
            now -= 1

    await asyncio.gather(*(send() for _ in range(requests)))
    return most


def test_no_more_are_in_flight_than_the_limit_whether_it_was_lowered_or_grew_again():
    async def seen() -> list[int]:
        pace, most = Pace(16), []
        for change in (lambda: None, lambda: pace.busy(0), lambda: pace.busy(1), lambda: rounds(pace, 2)):
            change()
            most.append(await most_at_once(pace, 50))
        return most

    assert asyncio.run(seen()) == [16, 8, 4, 6]


def test_a_limit_that_is_lowered_while_requests_are_in_flight_holds_once_those_have_ended():
    async def lowered() -> int:
        pace = Pace(8)
        async with pace, pace, pace, pace, pace, pace:
            pace.busy(0)
        return await most_at_once(pace, 50)

    assert asyncio.run(lowered()) == 4

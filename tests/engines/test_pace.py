"""How many requests are with a server at once, by what it makes of them. The clock and the server are arithmetic."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable

import pytest

from selfjudge.engines.pace import Gate, Limit


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def driven(cap: int, rate: Callable[[int], float], answers: int, *, full: bool = True, start: int | None = None) -> list[int]:
    """The limit after each answer of a server whose throughput, by how many requests it has, is `rate`."""
    clock = Clock()
    limit = Limit(cap, clock, start=start)
    values = []
    for _ in range(answers):
        clock.now += 1 / rate(limit.value)
        limit.answered(full=full)
        values.append(limit.value)
    return values


@pytest.mark.parametrize("rate", [lambda limit: 10.0 * limit, lambda limit: 100.0])
def test_the_limit_rises_to_its_cap_while_throughput_does_not_fall(rate: Callable[[int], float]):
    values = driven(256, rate, 600)
    assert values[0] == 64 and values[-1] == 256 and values == sorted(values)


def test_the_limit_goes_back_where_a_larger_one_did_harm():
    values = driven(1_024, lambda limit: 10.0 * (limit if limit <= 512 else 300), 6_000)
    assert values[-1] == 512 and max(values) == 1_024


def test_one_slow_moment_is_no_harm():
    clock, values = Clock(), []
    limit = Limit(256, clock)
    for answer in range(2_000):
        clock.now += 1 / (10 * limit.value) + (answer == 700) * 2.0
        limit.answered(full=True)
        values.append(limit.value)
    assert values == sorted(values) and values[699] > 64 and values[-1] == 256


def test_a_larger_limit_is_tried_again_much_later():
    assert driven(256, lambda limit: 100.0 if limit <= 64 else 50.0, 8_000).count(128) in range(400, 2_000)


def test_a_limit_that_starts_at_its_cap_stays_there_whatever_the_throughput():
    assert set(driven(256, lambda limit: 100.0 / limit, 2_000, start=256)) == {256}


def test_a_slow_caller_does_not_raise_the_limit():
    assert set(driven(256, lambda limit: 10.0 * limit, 1_000, full=False)) == {64}


def test_a_busy_server_halves_the_limit_once_for_all_that_was_sent_before():
    limit = Limit(64, Clock())
    epoch = limit.epoch
    for _ in range(10):
        limit.busy(epoch)
    assert limit.value == 8
    limit.busy(limit.epoch)
    assert limit.value == 4
    for _ in range(10):
        limit.busy(limit.epoch)
    assert limit.value == 1


def test_after_a_refusal_the_limit_grows_by_quarters():
    clock = Clock()
    limit = Limit(64, clock)
    limit.busy(0)
    values = []
    for _ in range(800):
        clock.now += 1 / limit.value
        limit.answered(full=True)
        values.append(limit.value)
    assert list(dict.fromkeys(values))[:5] == [8, 10, 12, 15, 18] and values[-1] == 64


@pytest.mark.parametrize("seed", range(5))
def test_a_server_that_refuses_one_in_twelve_at_any_load_is_not_asked_less_and_less(seed: int):
    rng, clock, values = random.Random(seed), Clock(), []
    limit = Limit(64, clock)
    for _ in range(5_000):
        clock.now += 1 / limit.value
        if rng.random() < 1 / 12:
            limit.busy(limit.epoch)
        else:
            limit.answered(full=True)
        values.append(limit.value)
    assert statistics.median(values) >= 32


def test_a_server_that_refuses_all_that_is_too_many_is_soon_asked_for_little_more():
    clock, limit, values = Clock(), Limit(256, Clock()), []
    for turn in range(400):
        epoch = limit.epoch
        for number in range(limit.value):
            clock.now += 0.01
            if number < 10:
                limit.answered(full=True)
            else:
                limit.busy(epoch)
        values.append(limit.value)
        assert turn < 6 or limit.value <= 20
    assert statistics.mean(values[100:]) > 6


def test_the_gate_lets_no_more_out_than_the_limit_and_nobody_is_forgotten():
    gate: Gate[int] = Gate(Limit(4))
    for number in range(100):
        gate.join(number, again=number % 2 == 0)
    gone = []
    while len(out := list(iter(gate.next, None))) == 4:
        gone += out
        for _ in out:
            gate.back(gate.limit.epoch, answered=True)
    assert not out and gone == [*range(0, 100, 2), *range(1, 100, 2)]


def test_those_that_come_again_go_first():
    gate: Gate[str] = Gate(Limit(1))
    for name, again in (("first", False), ("fresh", False), ("again", True)):
        gate.join(name, again=again)
    order = []
    while (name := gate.next()) is not None:
        order.append(name)
        assert gate.next() is None
        gate.back(gate.limit.epoch, answered=True)
    assert order == ["again", "first", "fresh"]


def test_a_paused_gate_opens_by_itself():
    clock = Clock()
    gate: Gate[str] = Gate(Limit(1), clock)
    gate.pause(2.0)
    assert gate.opens_in() == math.inf  # nobody waits
    gate.join("job")
    assert gate.next() is None and gate.opens_in() == pytest.approx(2.0)
    clock.now += 2.0
    assert gate.opens_in() == math.inf and gate.next() == "job"

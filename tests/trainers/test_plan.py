"""The order of training: every example once an epoch, in steps that neither micro-batches nor processes change."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from selfjudge.trainers.plan import BatchPlan, Shape

RANDOM = random.Random(0)
LENGTHS = [RANDOM.randrange(10, 200) for _ in range(43)]


def plan(*, micro: int = 2, processes: int = 1, rank: int = 0, similar: bool = False, epoch: int = 0) -> BatchPlan:
    shape = Shape(step=8, micro=micro, processes=processes, rank=rank, similar_steps=similar)
    made = BatchPlan(LENGTHS, shape, seed=5)
    made.epoch = epoch
    return made


def padding(batches: list[list[int]]) -> float:
    """The share of a batch that is padding."""
    whole = sum(len(batch) * max(LENGTHS[i] for i in batch) for batch in batches)
    return 1 - sum(LENGTHS[i] for batch in batches for i in batch) / whole


@pytest.mark.parametrize("similar", [False, True])
def test_an_epoch_has_every_example_once_and_as_many_batches_as_it_says(similar: bool):
    batches = list(plan(similar=similar))
    assert sorted(i for batch in batches for i in batch) == list(range(43)) and len(plan()) == len(batches)


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_share_each_step_and_all_have_equally_many_batches(processes: int):
    shares = [list(plan(processes=processes, rank=rank)) for rank in range(processes)]
    assert {len(share) for share in shares} == {len(plan(processes=processes))}
    together = [sorted(i for part in parts for i in part if i >= 0) for parts in zip(*shares, strict=True)]
    alone = list(plan())
    assert sorted(i for step in together for i in step) == sorted(i for batch in alone for i in batch)
    in_step = 4 // processes
    for number, step in enumerate(plan().steps()):
        mine = together[number * in_step : (number + 1) * in_step]
        assert sorted(i for part in mine for i in part) == sorted(step)


@pytest.mark.parametrize("processes", [2, 4])
def test_an_even_plan_gives_all_processes_as_many_examples_and_leaves_none_out(processes: int):
    shape = Shape(step=8, micro=2, processes=processes, even=True)
    shares = [list(BatchPlan(LENGTHS, replace(shape, rank=rank), seed=5)) for rank in range(processes)]
    assert all({len(batch) for batch in batches} == {2} for batches in zip(*shares, strict=True))
    assert {len(share) for share in shares} == {len(BatchPlan(LENGTHS, shape, seed=5))}
    assert {i for share in shares for batch in share for i in batch} == set(range(43))


def test_what_is_in_a_step_does_not_depend_on_micro_batches():
    assert [sorted(step) for step in plan(micro=2).steps()] == [sorted(step) for step in plan(micro=8).steps()]


def test_epochs_differ_and_can_be_made_again():
    assert list(plan(epoch=1)) == list(plan(epoch=1)) != list(plan(epoch=0))


def test_sorting_within_steps_saves_padding_and_similar_steps_save_more():
    unsorted = [step[i : i + 2] for step in plan().steps() for i in range(0, len(step), 2)]
    assert padding(list(plan(similar=True))) < padding(list(plan())) < padding(unsorted)


def test_it_knows_how_many_examples_have_been_seen():
    assert [plan().seen(step) for step in (0, 1, 5, 6, 12)] == [0, 8, 40, 43, 86]

"""Requests are planned over the whole stage, so that a resumed run asks in the same blocks as an undisturbed one."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfjudge.chat import Completion, Message, Request, Sampling
from selfjudge.ports import NamedEngine, blocks
from selfjudge.run.store import Table
from selfjudge.run.tables import REFUSED, Row
from selfjudge.stages.asking import Group, ask
from selfjudge.types import Finish

SAMPLING = Sampling(temperature=0, max_tokens=1)


class Recorder:
    """Answers in blocks, notes them, and stops dead after so many."""

    def __init__(self, block: int, lifetime: int = 10**9) -> None:
        self.block = block
        self.blocks: list[list[str]] = []
        self._lifetime = lifetime

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        for block in blocks(requests, self.block):
            if len(self.blocks) == self._lifetime:
                raise InterruptedError
            self.blocks.append([request.key for request in block])
            for request in block:
                yield Completion(key=request.key, text="", finish=Finish.STOP, prompt_tokens=0, completion_tokens=0)

    def close(self) -> None: ...


def requests(count: int) -> list[Request]:
    texts = ["x" * (7 * i % 50) for i in range(count)]
    return [
        Request(key=f"{i:04d}", messages=(Message(role="user", content=(t,)),), sampling=SAMPLING, seed=i)
        for i, t in enumerate(texts)
    ]


def to_row(request: Request, completion: Completion, model: str) -> Row:
    return {"key": request.key, "source": model, "reason": completion.text, "detail": None}


def asked(folder: Path, engine: Recorder, count: int = 100, progress: list[int] | None = None, **execution: int) -> Table:
    table = Table(folder, REFUSED, {})
    steps = progress if progress is not None else []
    ask(table, requests(count), NamedEngine(name="m", engine=engine, execution=execution), to_row, lambda n, *_: steps.append(n))
    return table


@pytest.mark.slow
@given(sessions=st.lists(st.tuples(st.integers(1, 9), st.integers(0, 4)), min_size=1, max_size=6))
def test_with_other_batch_sizes_after_each_kill_nothing_is_asked_twice_or_lost(sessions: list[tuple[int, int]]):
    """A batch is stored whole here, so none is cut by the kill."""
    seen: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for size, lifetime in sessions:
            engine = Recorder(size, lifetime)
            with suppress(InterruptedError):
                asked(Path(folder), engine, 40, batch_size=size)
            seen += [key for block in engine.blocks for key in block]
        progress: list[int] = []
        table = asked(Path(folder), last := Recorder(5), 40, progress, batch_size=5)
        seen += [key for block in last.blocks for key in block]
        table.seal()
        assert sorted(seen) == [request.key for request in requests(40)] and sum(progress) == 40
        executions = table.manifest.executions
        assert sum(each["rows"] for each in executions) == 40
        assert [row["key"] for row in table.rows()] == sorted(seen)


def test_a_table_of_two_executions_says_which_produced_each_row_also_after_some_were_asked_again(tmp_path: Path):
    with suppress(InterruptedError):
        asked(tmp_path, Recorder(8, 2), 40, batch_size=8)
    table = asked(tmp_path, Recorder(5), 40, batch_size=5)
    table.seal()
    assert table.manifest.executions == [{"batch_size": 5, "rows": 24}, {"batch_size": 8, "rows": 16}]
    first = pq.read_table(table.path).filter(pc.field("execution") == '{"batch_size": 8}')["key"].to_pylist()
    assert table.forget(pc.field("key").isin(first[:3])) == 3
    again = asked(tmp_path, Recorder(1), 40, batch_size=1)
    again.seal()
    assert [(each["batch_size"], each["rows"]) for each in again.manifest.executions] == [(1, 3), (5, 24), (8, 13)]


def test_every_request_is_answered_once(tmp_path: Path):
    table = asked(tmp_path, Recorder(8))
    assert {row["key"] for row in table.stored()} == {request.key for request in requests(100)}
    assert len(list(table.stored())) == 100


@pytest.mark.parametrize("lifetime", [0, 1, 5, 12])
def test_a_resumed_stage_forms_the_blocks_of_an_undisturbed_one(tmp_path: Path, lifetime: int):
    whole, first, second = Recorder(8), Recorder(8, lifetime), Recorder(8)
    asked(tmp_path / "whole", whole)
    with pytest.raises(InterruptedError):
        asked(tmp_path / "part", first)
    table = asked(tmp_path / "part", second)
    assert set(map(tuple, first.blocks + second.blocks)) == set(map(tuple, whole.blocks))
    assert len(list(table.stored())) == 100


def test_batched_requests_are_of_similar_length(tmp_path: Path):
    engine = Recorder(10)
    asked(tmp_path, engine)
    lengths = {request.key: len(request.messages[0].content[0]) for request in requests(100)}
    assert all(max(spread) - min(spread) <= 6 for spread in ([lengths[key] for key in block] for block in engine.blocks))


def test_engines_that_answer_one_by_one_are_asked_in_the_stages_order(tmp_path: Path):
    engine = Recorder(1)
    asked(tmp_path, engine)
    assert [key for block in engine.blocks for key in block] == [request.key for request in requests(100)]


class Interrupted(Recorder):
    """Is interrupted while it answers, and answers on."""

    def __init__(self, block: int, signals: int) -> None:
        super().__init__(block)
        self._signals = signals

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        for completion in super().generate(requests):
            if len(self.blocks) == 2:
                for _ in range(self._signals):
                    signal.raise_signal(signal.SIGTERM)
                self._signals = 0
            yield completion


def test_an_interrupt_lets_what_is_under_way_arrive_and_nothing_is_asked_twice(tmp_path: Path):
    engine = Interrupted(8, signals=1)
    with pytest.raises(KeyboardInterrupt):
        asked(tmp_path, engine)
    assert len(engine.blocks) == 2 and len(Table(tmp_path, REFUSED, {}).keys()) == 16
    again = Recorder(8)
    assert len(asked(tmp_path, again).keys()) == 100
    assert not {key for block in engine.blocks for key in block} & {key for block in again.blocks for key in block}


def test_a_second_interrupt_stops_at_once(tmp_path: Path):
    with pytest.raises(KeyboardInterrupt):
        asked(tmp_path, Interrupted(8, signals=2))
    assert len(Table(tmp_path, REFUSED, {}).keys()) < 16
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_reply_that_the_table_cannot_hold_is_a_failed_one_and_the_others_are_kept(tmp_path: Path):
    class Odd(Recorder):
        def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
            for number, completion in enumerate(super().generate(requests)):
                yield replace(completion, text="half an emoji \ud83d") if number == 1 else completion

    def noting(request: Request, completion: Completion, model: str) -> Row:
        return {**to_row(request, completion, model), "detail": completion.error}

    table = Table(tmp_path, REFUSED, {})
    ask(table, requests(3), NamedEngine(name="m", engine=Odd(1)), noting, lambda *_: None)
    assert [row["detail"] is not None for row in sorted(table.stored(), key=lambda row: row["key"])] == [False, True, False]


def groups(count: int, made: list[str]) -> Iterator[Request | Group]:
    """Groups of one to five requests, at first with requests of no group between them."""

    def make(name: str, size: int) -> Iterator[Request]:
        made.append(name)
        for request in requests(size):
            yield replace(request, key=f"{name}.{request.key}")

    for number in range(count):
        size = number % 6 if number < 30 else 1 + number % 5
        name = f"g{number:03d}"
        if size:
            yield Group(name=name, size=size, make=lambda name=name, size=size: make(name, size))
        else:
            yield replace(requests(1)[0], key=name)


@pytest.mark.parametrize("block", [1, 2, 3])
@pytest.mark.parametrize("lifetime", [0, 1, 17, 64, 100])
def test_groups_are_asked_in_the_blocks_of_an_undisturbed_stage_and_stored_ones_are_not_made(
    tmp_path: Path, block: int, lifetime: int
):
    def asked_in(folder: Path, engine: Recorder, made: list[str]) -> int:
        steps: list[int] = []
        model = NamedEngine(name="m", engine=engine)
        with suppress(InterruptedError):
            ask(Table(folder, REFUSED, {}), groups(120, made), model, to_row, lambda n, *_: steps.append(n))
        return sum(steps)

    whole, first, second, made = Recorder(block), Recorder(block, lifetime), Recorder(block), list[str]()
    total = asked_in(tmp_path / "whole", whole, [])
    asked_in(tmp_path / "part", first, [])
    assert asked_in(tmp_path / "part", second, made) == total
    assert set(map(tuple, first.blocks + second.blocks)) == set(map(tuple, whole.blocks))
    assert len(Table(tmp_path / "part", REFUSED, {}).keys()) == total
    made.clear()
    assert asked_in(tmp_path / "part", again := Recorder(block), made) == total and not again.blocks
    assert (made == []) if block == 1 else ("g029" in made and "g080" not in made)

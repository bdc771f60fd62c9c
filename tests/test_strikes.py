"""One rule for all engines: what failures in a row say, and that nothing of a broken engine becomes a row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from selfjudge.chat import Completion, Message, Request, Sampling
from selfjudge.errors import EngineError
from selfjudge.ports import NamedEngine
from selfjudge.run.store import Table
from selfjudge.run.tables import REFUSED, Row
from selfjudge.stages.asking import ask
from selfjudge.types import Finish


class Engine:
    """Answers as it is told, one letter a request: `.` well, `x` fails, `r` refuses, `D` fails, as does all that comes after."""

    block = 1

    def __init__(self, fates: str) -> None:
        self._fates, self._dead = fates, False

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        for request in requests:
            fate = self._fates[int(request.key)]
            self._dead |= fate == "D"
            failed = fate != "." or self._dead
            yield Completion(
                key=request.key,
                text="",
                finish=Finish.ERROR if failed else Finish.STOP,
                prompt_tokens=0,
                completion_tokens=0,
                error=f"{request.key} failed" if failed else None,
                refused=fate == "r",
            )

    def close(self) -> None: ...


def asked(folder: Path, fates: str, same: int = 1) -> Table:
    """The table after asking; `same` requests in a row have the same messages."""
    table = Table(folder, REFUSED, {})
    requests = [
        Request(
            key=f"{i:04d}",
            messages=(Message(role="user", content=(f"{i // same}",)),),
            sampling=Sampling(temperature=1, max_tokens=1),
            seed=i,
        )
        for i in range(len(fates))
    ]
    ask(table, requests, NamedEngine(name="base", engine=Engine(fates)), to_row, lambda *_: None)
    return table


def to_row(request: Request, completion: Completion, model: str) -> Row:
    return {"key": request.key, "source": model, "reason": completion.error or "", "detail": None}


@pytest.mark.parametrize("fates", ["x" * 8, "." * 5 + "D" * 8 + "." * 5, "xxxrrrrrxxxxx", ".DDDDrrrrrrrrrrrrrrrrrDDDD"])
def test_eight_failures_in_a_row_without_a_success_break_any_engine(tmp_path: Path, fates: str):
    with pytest.raises(EngineError, match="base does not answer: 8 requests failed .* failed") as error:
        asked(tmp_path, fates)
    assert "same command" in str(error.value.hint)


def test_nothing_that_failed_before_the_break_is_a_row(tmp_path: Path):
    with pytest.raises(EngineError):
        asked(tmp_path, "..x.." + "D" * 20)
    assert {row["key"] for row in Table(tmp_path, REFUSED, {}).stored()} == {f"{i:04d}" for i in range(5)}
    assert len(asked(tmp_path, "." * 25).keys()) == 25


@pytest.mark.parametrize(
    "fates", [".xxxxxxx." * 5, "xxxxxxx.", "." + "r" * 100, "r" * 30 + ".", "r" * 10, "x" * 7 + "." + "x" * 7]
)
def test_what_may_be_a_requests_own_fault_is_a_row(tmp_path: Path, fates: str):
    assert len(asked(tmp_path, fates).keys()) == len(fates)


def test_requests_that_are_all_refused_from_the_start_break_it_too(tmp_path: Path):
    with pytest.raises(EngineError, match="64 requests failed"):
        asked(tmp_path, "r" * 100)


def test_where_nothing_is_answered_a_few_failures_are_enough(tmp_path: Path):
    with pytest.raises(EngineError, match="2 requests failed"):
        asked(tmp_path, "xx")


def test_the_samples_of_one_odd_prompt_are_one_failure(tmp_path: Path):
    assert len(asked(tmp_path, "." * 16 + "x" * 16 + "." * 16, same=16).keys()) == 48
    with pytest.raises(EngineError):
        asked(tmp_path / "other", "." * 16 + "D" * 128, same=16)


def test_odd_neighbours_are_rows_as_long_as_the_engine_lives_which_an_answered_request_shows(tmp_path: Path):
    assert len(asked(tmp_path / "alive", "." * 20 + "x" * 20).keys()) == 40
    for fates in ("." * 20 + "D" * 20, "D" * 40):
        with pytest.raises(EngineError):
            asked(tmp_path / "dead", fates)

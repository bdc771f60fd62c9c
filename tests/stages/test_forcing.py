"""`judging.force_verdict`: replies without a verdict are continued, and what comes of it is never taken for the judge's own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from rich.console import Console
from typer.testing import CliRunner

from runs import digests, run_recipe, scripted_recipe
from selfjudge.chat import Completion, Message, Request, Sampling
from selfjudge.cli import app
from selfjudge.engines.baseline import Baseline
from selfjudge.engines.scripted import ScriptedEngine
from selfjudge.errors import EngineError
from selfjudge.ports import Engine
from selfjudge.recipe.engines import ScriptedSettings, ScriptRule
from selfjudge.recipe.experiment import Judging
from selfjudge.report.iterations import show_iterations
from selfjudge.report.page import write_report
from selfjudge.stages.forcing import Forcing
from selfjudge.wiring import World

FORCED = Judging(force_verdict=True).protocol


def scripted(*rules: tuple[str, str]) -> ScriptedEngine:
    given = tuple(ScriptRule(when=when, replies=(said,)) for when, said in rules)
    return ScriptedEngine(ScriptedSettings(kind="scripted", rules=given))


def asked(*texts: str) -> list[Request]:
    sampling = Sampling(temperature=0, max_tokens=9)
    return [Request(key=t, messages=(Message(role="user", content=(t,)),), sampling=sampling, seed=0) for t in texts]


ENGINE = scripted((r"Cannot tell\.\n\nVerdict: \[\[$", "B"), ("vague", "Cannot tell."), ("clear", "[[A]]"))


class Blocks:
    """An engine of blocks that notes which requests come together."""

    continues = True

    def __init__(self, block: int) -> None:
        self.block = block
        self.together: list[list[str]] = []

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        given = list(requests)
        if given[0].continues:
            self.together.append([request.key for request in given])
        yield from ENGINE.generate(given)

    def close(self) -> None: ...


def test_a_reply_without_a_verdict_gets_a_letter_and_keeps_its_text():
    done = {c.key: c for c in Forcing(ENGINE, FORCED).generate(asked("vague", "clear"))}
    assert done["vague"].text == "Cannot tell." and done["clear"].letter is None
    assert done["vague"].letter is not None and done["vague"].letter.text == "B"


def test_the_replies_of_a_block_are_continued_together():
    engine = Blocks(3)
    done = list(Forcing(engine, FORCED).generate(asked("vague 1", "clear", "vague 2", "clear 2", "vague 3")))
    assert engine.together == [["vague 1", "vague 2"], ["vague 3"]] and len(done) == 5


def test_an_engine_that_cannot_continue_a_reply_is_an_error_that_names_those_that_can():
    with pytest.raises(EngineError, match=r"force_verdict") as error:
        Forcing(Baseline("first"), FORCED)
    assert all(name in str(error.value.hint) for name in ("transformers", "vllm", "SGLang", "force_verdict off"))


@pytest.fixture(scope="module")
def forced(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("forced")
    return folder, run_recipe(scripted_recipe("judging.force_verdict=true"), folder)


def judgments(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(folder / "iteration-1/judgments.parquet").to_pylist()
    return rows


def test_a_forced_verdict_is_a_verdict_whose_row_says_so_and_whose_trace_has_none(forced: tuple[Path, Any]):
    rows = [row for row in judgments(forced[0]) if row["forced"]]
    assert rows and {row["forced"] for row in rows} == {"no_verdict"} and not any(row["problem"] for row in rows)
    assert {row["verdict"] for row in rows} == {"first", "second"} and not any("[[" in row["trace"] for row in rows)


def test_no_trace_with_a_forced_verdict_is_learned_and_such_pairs_have_a_reason(forced: tuple[Path, Any]):
    folder, state = forced
    written = {row["key"] for row in judgments(folder) if not row["forced"]}
    assert set(pq.read_table(folder / "iteration-1/selected.parquet")["key"].to_pylist()) <= written
    dropped = state["iterations"][1]["dropped"]
    assert dropped["forced_verdict"] and "unread_verdict" not in dropped


def test_forced_verdicts_are_counted_apart_wherever_a_run_is_looked_at(forced: tuple[Path, Any]):
    folder, state = forced
    forced_ones = sum(row["forced"] is not None for row in judgments(folder))
    entry = state["iterations"][1]
    figures = entry["benchmarks"]["shapes-bench"]
    assert entry["failures"]["judge"]["forced"] == pytest.approx(forced_ones / len(judgments(folder)))
    assert figures["forced"] and figures["parse_rate"] == pytest.approx(1 - figures["forced"] / figures["replies"])
    console = Console(record=True, width=200)
    show_iterations(state, console)
    assert f"{forced_ones} forced" in console.export_text()
    assert "forced" in write_report(folder, state).read_text()
    said = CliRunner().invoke(app, ["status", str(folder)]).stdout
    assert "verdicts forced" in said and f"{figures['forced']} of the others got a forced one" in said


def test_without_it_the_same_replies_are_unread_and_nothing_is_counted(tmp_path: Path, forced: tuple[Path, Any]):
    state = run_recipe(scripted_recipe("loop.iterations=1"), tmp_path)
    assert "unread_verdict" in state["iterations"][1]["dropped"] and "forced" not in json.dumps(state)
    texts = [{row["key"]: row["trace"] for row in judgments(folder)} for folder in (tmp_path, forced[0])]
    assert texts[0] == texts[1]


class Mortal:
    """An engine that fails for good after so many answers."""

    def __init__(self, engine: Engine, lives: list[int]) -> None:
        self.block, self.continues = engine.block, True
        self._engine, self._lives = engine, lives

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        for completion in self._engine.generate(requests):
            if not self._lives[0]:
                raise KeyboardInterrupt
            self._lives[0] -= 1
            yield completion

    def close(self) -> None:
        self._engine.close()


@pytest.mark.parametrize("lifetime", [800, 1_000])
def test_a_run_killed_while_verdicts_are_forced_ends_as_an_undisturbed_one(
    lifetime: int, tmp_path: Path, forced: tuple[Path, Any]
):
    recipe, lives = scripted_recipe("judging.force_verdict=true"), [lifetime]

    def mortal(world: World) -> World:
        return replace(world, open_engine=lambda model: Mortal(world.open_engine(model), lives))

    with pytest.raises(KeyboardInterrupt):
        run_recipe(recipe, tmp_path, mortal)
    run_recipe(recipe, tmp_path)
    assert digests(tmp_path) == digests(forced[0])

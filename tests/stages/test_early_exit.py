"""With an early exit a run keeps the same pairs for fewer replies, also where it is interrupted between and within turns.

A vote that has an early exit ends with the samples that it has once it is decided.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from runs import no_progress, run_recipe, scripted_recipe
from selfjudge.chat import Completion, Request
from selfjudge.errors import RecipeError
from selfjudge.method.protocols import STRICT
from selfjudge.method.selection import Rule, is_watched
from selfjudge.ports import NamedEngine
from selfjudge.recipe.experiment import Synthesis
from selfjudge.run.store import Table
from selfjudge.run.tables import JUDGMENTS, RESPONSES
from selfjudge.stages.judge import judge
from selfjudge.stages.synthesize import make_pairs, sample_responses
from selfjudge.types import Finish, Kind, PreferencePair, Prompt, Vote

PROMPT = Prompt(id="p", text="describe", images=(), kind=Kind.OPEN, kind_rule="test", source="test")
PAIRS = [
    PreferencePair(id=f"pair-{number:03d}", prompt=PROMPT, chosen=f"good {number}", rejected=f"bad {number}", evidence=None)
    for number in range(100)
]
PROTOCOL = STRICT.changed(samples=3)


class Coin:
    """A judge that says A or B by the request's seed, in blocks, and dies after so many replies."""

    def __init__(self, block: int = 8, lifetime: int = 10_000) -> None:
        self.block, self.asked, self._lifetime = block, list[str](), lifetime

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        for request in requests:
            self.asked.append(request.key)
            if len(self.asked) > self._lifetime:
                raise InterruptedError
            text = f"So it is. [[{'AB'[request.seed % 2]}]]"
            yield Completion(key=request.key, text=text, finish=Finish.STOP, prompt_tokens=1, completion_tokens=1)

    def close(self) -> None: ...


def judged(folder: Path, engine: Coin, until: Rule | None = None) -> Table:
    table = Table(folder, JUDGMENTS, {})
    judge(
        PAIRS,
        table,
        model=NamedEngine(name="m", engine=engine),
        protocol=PROTOCOL,
        seed=0,
        progress=no_progress,
        until=until,
    )
    return table


def test_fewer_replies_are_asked_for_and_each_is_the_one_it_would_have_been(tmp_path: Path):
    whole = {row["key"]: row for row in judged(tmp_path / "whole", Coin()).rows()}
    early = {row["key"]: row for row in judged(tmp_path / "early", Coin(), Rule()).rows()}
    assert len(whole) == 600 and len(early) < 0.65 * 600
    assert all(whole[key] == row for key, row in early.items())
    watched = {pair.id for pair in PAIRS if is_watched(pair.id)}
    assert watched and {key for key in whole if key.split(".")[0] in watched} <= set(early)


@pytest.mark.parametrize("lifetime", [3, 99, 130, 200])
def test_after_a_kill_within_a_turn_the_same_blocks_are_asked(tmp_path: Path, lifetime: int):
    undisturbed = Coin()
    expected = judged(tmp_path / "whole", undisturbed, Rule())
    with pytest.raises(InterruptedError):
        judged(tmp_path / "killed", Coin(lifetime=lifetime), Rule())
    again = Coin()
    table = judged(tmp_path / "killed", again, Rule())
    assert table.path.read_bytes() == expected.path.read_bytes()
    assert again.asked == undisturbed.asked[-len(again.asked) :]
    assert len(undisturbed.asked) - lifetime <= len(again.asked) < len(undisturbed.asked) - lifetime + 2 * again.block


def test_a_run_keeps_the_same_traces_and_its_monitors_look_at_the_watched_pairs(tmp_path: Path):
    more = ("judging.samples=3", "loop.iterations=1", "prompts.0.limit=200", "evaluation.benchmarks=[]")
    whole = run_recipe(scripted_recipe(*more), tmp_path / "whole")["iterations"][1]
    early = run_recipe(scripted_recipe(*more, "judging.early_exit=true"), tmp_path / "early")["iterations"][1]
    selected, replies = (
        [pq.read_table(tmp_path / run / f"iteration-1/{table}.parquet") for run in ("whole", "early")]
        for table in ("selected", "judgments")
    )
    assert selected[0].equals(selected[1]) and early["kept"] == whole["kept"] > 0
    assert len(replies[1]) < 0.8 * len(replies[0])
    assert sum(early["dropped"].values()) == sum(whole["dropped"].values())
    assert early["tokens"]["judge"]["completion"] < whole["tokens"]["judge"]["completion"]


def test_an_early_exit_that_should_keep_all_traces_is_an_error():
    with pytest.raises(RecipeError, match=r"set selection.keep: one"):
        scripted_recipe("judging.early_exit=true", "selection.keep=all")


VOTES = {
    "sure": "rrrbrrrr",
    "later": "rrbbrrbbrrrr",
    "split": "rbrbrbrbrbrbrrrr",
    "unanimous": "rrrrrrrrrrrrrrrr",
}
"""Samples of four prompts, as many as an early exit asks for: two reds more than blues decide nothing, four do."""
CLOSED = [
    Prompt(id=name, text="What color is it?", images=(), kind=Kind.CLOSED, kind_rule="t", source="t") for name in sorted(VOTES)
]


class Voter(Coin):
    """Answers with what VOTES has for a sample."""

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        for request in requests:
            self.asked.append(request.key)
            if len(self.asked) > self._lifetime:
                raise InterruptedError
            name, _, number = request.key.split(".")
            text = {"r": "red", "b": "blue"}[VOTES[name][int(number)]]
            yield Completion(key=request.key, text=text, finish=Finish.STOP, prompt_tokens=1, completion_tokens=1)


def voted(folder: Path, engine: Voter) -> tuple[Table, int]:
    """The table of samples, and how far progress came."""
    table, steps = Table(folder, RESPONSES, {}), list[int]()

    @contextmanager
    def progress(label: str, total: int | None) -> Iterator[Any]:
        yield lambda count, *_: steps.append(count)

    named = NamedEngine(name="m", engine=engine)
    models = {"open_model": lambda: named, "closed_model": lambda: named}
    sample_responses(CLOSED, table, recipe=VOTING, seed=0, progress=progress, **models)
    return table, sum(steps)


VOTING = Synthesis.model_validate({"closed": {"early_exit": True}})


@pytest.mark.parametrize("block", [1, 4])
def test_a_vote_ends_once_it_is_decided_and_progress_is_whole(tmp_path: Path, block: int):
    table, steps = voted(tmp_path, Voter(block))
    assert Counter(row["prompt_id"] for row in table.rows()) == {name: len(votes) for name, votes in VOTES.items()}
    assert steps == 16 * len(VOTES)
    pairs, dropped = make_pairs(CLOSED, table.rows(), recipe=VOTING, seed=0)
    margins = {pair.prompt.id: pair.evidence.margin for pair in pairs if isinstance(pair.evidence, Vote)}
    assert margins == {"later": 4, "split": 4, "sure": 6}
    assert [(row["prompt_id"], row["reason"]) for row in dropped] == [("unanimous", "unanimous")]


@pytest.mark.parametrize("lifetime", [5, 34, 45])
def test_a_vote_that_was_killed_within_a_turn_goes_on_in_it(tmp_path: Path, lifetime: int):
    expected, _ = voted(tmp_path / "whole", Voter())
    with pytest.raises(InterruptedError):
        voted(tmp_path / "killed", Voter(lifetime=lifetime))
    table, steps = voted(tmp_path / "killed", Voter())
    assert table.path.read_bytes() == expected.path.read_bytes() and steps == 16 * len(VOTES)

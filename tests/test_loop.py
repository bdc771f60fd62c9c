"""The loop: what a run leaves behind, that it is the same every time, and that it survives being interrupted."""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import polars
import pyarrow.parquet as pq
import pytest
from PIL import Image

from runs import digests, no_progress, run_recipe, scripted_recipe
from selfjudge.chat import Completion, Request
from selfjudge.errors import EngineError, InputError, RunError
from selfjudge.forecast.findings import Level
from selfjudge.forecast.plan import plan
from selfjudge.ports import Engine
from selfjudge.run.disk import read_json, write_checked
from selfjudge.run.summary import stopped
from selfjudge.wiring import World

TABLES = ("responses", "pairs", "dropped", "judgments", "selected")


class Power(Exception):
    """The power goes off."""


class Unreliable:
    """An engine that notes what it is asked, and fails for good after so many answers."""

    def __init__(self, engine: Engine, asked: Counter[str], lifetime: int) -> None:
        self.block = engine.block
        self._engine = engine
        self._asked = asked
        self._lifetime = lifetime

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        def noted() -> Iterator[Request]:
            for request in requests:
                self._asked[f"{request.seed}"] += 1
                yield request

        for completion in self._engine.generate(noted()):
            if self._lifetime == 0:
                raise Power
            self._lifetime -= 1
            yield completion

    def close(self) -> None:
        self._engine.close()


def unreliable(world: World, asked: Counter[str], lifetime: int) -> World:
    return replace(world, open_engine=lambda model: Unreliable(world.open_engine(model), asked, lifetime))


def test_every_iteration_leaves_its_tables_and_a_judge(scripted_run: tuple[Path, dict[str, Any]]):
    folder, _ = scripted_run
    for number in (1, 2):
        place = folder / f"iteration-{number}"
        for name in TABLES:
            manifest = json.loads((place / f"{name}.manifest.json").read_text())
            assert manifest["rows"] == pq.read_metadata(place / f"{name}.parquet").num_rows
        assert (place / "judge/config.json").exists() and (place / "judge.manifest.json").exists()
    assert not list(folder.rglob(".*.parts")) and not list(folder.rglob(".*.building"))


@pytest.mark.parametrize("name", TABLES)
def test_the_tables_are_read_by_common_tools(scripted_run: tuple[Path, dict[str, Any]], name: str, tmp_path: Path):
    import datasets

    path = scripted_run[0] / f"iteration-1/{name}.parquet"
    rows = pq.read_table(path).num_rows
    assert polars.read_parquet(path).height == rows
    assert duckdb.sql(f"select count(*) from '{path}'").fetchall() == [(rows,)]
    loaded = datasets.load_dataset("parquet", data_files=str(path), split="train", cache_dir=str(tmp_path))
    assert loaded.num_rows == rows


def test_the_summary_says_what_each_iteration_made(scripted_run: tuple[Path, dict[str, Any]]):
    folder, state = scripted_run
    assert json.loads((folder / "summary.json").read_text()) == json.loads(json.dumps(state))
    base, first, second = state["iterations"]
    assert (base["iteration"], base["pairs"], base["kept"], base["yield"]) == (0, None, None, None)
    assert first["yield"] == first["kept"] / first["pairs"] and first["traces"] == 2 * first["kept"]
    assert set(second["seconds"]) == {"synthesize", "judge", "train", "evaluate"}
    assert list(second["failures"]) == ["synthesize", "judge", "evaluate shapes-bench"]
    assert second["failures"]["judge"] == {"requests": 2 * second["pairs"], "failed": 0.0, "cut_off": 0.0, "reasons": {}}
    figures = second["benchmarks"]["shapes-bench"]
    assert {
        "accuracy",
        "pair_accuracy",
        "consistency",
        "first_position_rate",
        "parse_rate",
        "n",
        "ci95",
        "dimensions",
    } <= set(figures)
    assert state["final_judge"] == "iteration-2/judge"


def test_a_run_in_the_current_folder_is_the_same_run(
    scripted_run: tuple[Path, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    here = run_recipe(scripted_recipe("loop.stop={held_out: 0.3}"), Path())
    assert run_recipe(scripted_recipe("loop.stop={held_out: 0.3}"), tmp_path) == here
    assert list(here["iterations"][0]["failures"]) == ["evaluate shapes-bench", "evaluate held-out", "synthesize"]
    assert list(here["iterations"][1]["failures"]) == ["synthesize", "judge", "evaluate shapes-bench", "evaluate held-out"]
    monkeypatch.chdir(shutil.copytree(scripted_run[0], tmp_path / "copy"))
    assert run_recipe(scripted_recipe(), Path()) == scripted_run[1]


def test_every_prompt_ends_as_kept_or_dropped_with_a_reason(scripted_run: tuple[Path, dict[str, Any]]):
    folder, _ = scripted_run
    place = folder / "iteration-1"
    prompts = set(pq.read_table(folder / "prompts/prompts.parquet")["id"].to_pylist())
    dropped = pq.read_table(place / "dropped.parquet").to_pylist()
    kept = set(pq.read_table(place / "selected.parquet")["prompt_id"].to_pylist())
    assert {row["prompt_id"] for row in dropped} | kept == prompts
    assert not {row["prompt_id"] for row in dropped} & kept
    assert all(row["reason"] for row in dropped)


def test_kept_traces_balance_the_two_letters(scripted_run: tuple[Path, dict[str, Any]]):
    traces = pq.read_table(scripted_run[0] / "iteration-1/selected.parquet")["trace"].to_pylist()
    assert sum("[[A]]" in trace for trace in traces) == sum("[[B]]" in trace for trace in traces) == len(traces) / 2


def test_the_same_recipe_and_seed_give_the_same_bytes(scripted_run: tuple[Path, dict[str, Any]], tmp_path: Path):
    run_recipe(scripted_recipe(), tmp_path / "again")
    assert digests(tmp_path / "again") == digests(scripted_run[0])


def test_another_seed_gives_other_samples(scripted_run: tuple[Path, dict[str, Any]], tmp_path: Path):
    run_recipe(scripted_recipe("seed=1"), tmp_path / "other")
    assert digests(tmp_path / "other") != digests(scripted_run[0])


def test_a_finished_run_asks_for_nothing_more(scripted_run: tuple[Path, dict[str, Any]], tmp_path: Path):
    asked: Counter[str] = Counter()
    run_recipe(scripted_recipe(), scripted_run[0], lambda world: unreliable(world, asked, 0))
    assert not asked


def test_a_run_goes_on_for_more_iterations_and_never_back(tmp_path: Path, scripted_run: tuple[Path, dict[str, Any]]):
    run_recipe(scripted_recipe("loop.iterations=1"), tmp_path)
    state = run_recipe(scripted_recipe("loop.iterations=2"), tmp_path)
    assert digests(tmp_path) == digests(scripted_run[0])
    assert run_recipe(scripted_recipe("loop.iterations=1"), tmp_path)["iterations"] == state["iterations"]


def test_an_interrupted_run_loses_at_most_what_was_not_yet_stored(tmp_path: Path, scripted_run: tuple[Path, dict[str, Any]]):
    """Fails again and again after a random number of answers; no answer that reached the disk is asked for twice."""
    asked: Counter[str] = Counter()
    rng = random.Random(0)
    recipe = scripted_recipe()
    for attempt in range(1_000):
        try:
            run_recipe(recipe, tmp_path, lambda world: unreliable(world, asked, rng.randrange(1, 600)))
            break
        except Power:
            continue
    assert attempt >= 3
    assert digests(tmp_path) == digests(scripted_run[0])
    assert sum(asked.values()) - len(asked) <= 256 * attempt


def test_another_recipe_in_the_same_folder_is_an_error_that_names_the_field(scripted_run: tuple[Path, dict[str, Any]]):
    with pytest.raises(RunError, match=r"`selection\.keep` is \"one\" there and \"all\" here"):
        run_recipe(scripted_recipe("selection.keep=all"), scripted_run[0])


def test_when_every_pair_is_dropped_the_judge_is_the_one_before(tmp_path: Path):
    silent = '[{when: "Response A begins", replies: ["I cannot tell."]}, {when: ".", replies: ["red", "blue"]}]'
    state = run_recipe(scripted_recipe(f"execution.engine.rules={silent}", "loop.iterations=1"), tmp_path)
    entry = state["iterations"][1]
    assert entry["pairs"] > 0 and entry["kept"] == 0 and entry["training"]["examples"] == 0
    assert entry["dropped"]["unread_verdict"] == entry["pairs"]
    assert (tmp_path / "iteration-1/judge/model.safetensors").exists()


def test_when_every_request_fails_the_run_ends_with_the_reason_and_nothing_is_stored(tmp_path: Path):
    with pytest.raises(EngineError, match="8 requests failed .* no rule of the script fits"):
        run_recipe(scripted_recipe('execution.engine.rules=[{when: "^$", replies: [""]}]'), tmp_path)
    assert not list(tmp_path.rglob("judgments.*"))


def test_without_a_usable_prompt_the_run_says_why_and_goes_on_once_the_sources_are_corrected(tmp_path: Path):
    (tmp_path / "p.jsonl").write_text('{"prompt": "x", "image": "gone.png"}\n{"prompt": "y"}\n')
    recipe = scripted_recipe(f"prompts=[{{kind: files, path: {tmp_path / 'p.jsonl'}}}]")
    with pytest.raises(InputError, match=r"image_missing \(1\), no_image \(1\)"):
        run_recipe(recipe, tmp_path / "run")
    Image.new("RGB", (8, 8)).save(tmp_path / "gone.png")
    assert run_recipe(recipe, tmp_path / "run")["prompts"]["total"] == 1


def test_fresh_prompts_are_used_once_and_the_run_ends_when_none_are_left(tmp_path: Path):
    recipe = scripted_recipe("loop.prompts_per_iteration=25", "loop.iterations=9")
    state = run_recipe(recipe, tmp_path)
    used = [set(pq.read_table(tmp_path / f"iteration-{k}/responses.parquet")["prompt_id"].to_pylist()) for k in (1, 2, 3)]
    assert list(map(len, used)) == [25, 25, 10] and not used[0] & used[1]
    assert state["stopped"] == "no fresh prompts are left"


@pytest.mark.parametrize("stop", ["", "{held_out: 0.3, patience: 9}"])
def test_an_open_share_says_which_prompts_come_when_and_none_comes_twice(stop: str, tmp_path: Path):
    recipe = scripted_recipe(
        "loop.prompts_per_iteration=10", "loop.open_share=[0, 0.3]", "loop.iterations=3", f"loop.stop={stop}"
    )
    run_recipe(recipe, tmp_path)
    kinds = dict(
        zip(*(pq.read_table(tmp_path / "prompts/prompts.parquet")[name].to_pylist() for name in ("id", "kind")), strict=True)
    )
    asked = [pq.read_table(tmp_path / f"iteration-{k}/responses.parquet")["prompt_id"].to_pylist() for k in (1, 2, 3)]
    used = [set(ids) for ids in asked]
    assert [Counter(kinds[one] for one in ids) for ids in used] == [{"closed": 10}, *[{"closed": 7, "open": 3}] * 2]
    assert len(set().union(*used)) == 30


def test_where_a_kind_runs_out_iterations_have_fewer_prompts_until_none_are_left(tmp_path: Path):
    recipe = scripted_recipe("loop.prompts_per_iteration=20", "loop.open_share=[0.5]", "loop.iterations=9")
    state = run_recipe(recipe, tmp_path)  # 15 of the 60 prompts are open
    used = [set(pq.read_table(tmp_path / f"iteration-{k}/responses.parquet")["prompt_id"].to_pylist()) for k in range(1, 6)]
    assert list(map(len, used)) == [20, 15, 10, 10, 5]
    assert state["stopped"] == "no fresh prompts are left of the kinds that loop.open_share asks for next"
    said = "loop.open_share asks for 90 open prompts, and there are 15: later iterations have fewer"
    assert said in (tmp_path / "run.log").read_text()
    findings = [finding for finding in plan(recipe, tmp_path, progress=no_progress).findings if finding.about == "prompts"]
    assert findings[0].what == said and findings[0].level is Level.WARNING


def test_a_run_says_of_which_kind_no_fresh_prompts_are_left(tmp_path: Path):
    recipe = scripted_recipe("loop.prompts_per_iteration=20", "loop.open_share=[1, 1, 0]", "loop.iterations=4")
    state = run_recipe(recipe, tmp_path)  # 15 of the 60 prompts are open
    assert len(state["iterations"]) == 2 and state["stopped"].endswith("of the kinds that loop.open_share asks for next")


def test_an_early_stop_watches_pairs_that_are_never_trained_on(tmp_path: Path):
    state = run_recipe(scripted_recipe("loop.stop={held_out: 0.3, patience: 2}", "loop.iterations=9"), tmp_path)
    held_out = set(pq.read_table(tmp_path / "iteration-0/pairs.parquet")["prompt_id"].to_pylist())
    trained = set(pq.read_table(tmp_path / "iteration-1/responses.parquet")["prompt_id"].to_pylist())
    assert held_out and not held_out & trained
    assert state["iterations"][0]["held_out"]["n"] == len(held_out)
    assert state["stopped"] == "no progress on held-out pairs since iteration 0" and len(state["iterations"]) == 3
    assert state["final_judge"] is None


@pytest.mark.parametrize(("seed", "held_out"), [(1, None), (5, 0)])
def test_without_a_held_out_pair_an_early_stop_is_none_and_that_is_said(seed: int, held_out: int | None, tmp_path: Path):
    small = ("prompts.0.limit=12", f"prompts.0.seed={seed}", "evaluation.benchmarks=[]", "loop.iterations=3")
    state = run_recipe(scripted_recipe(*small, "loop.stop={held_out: 0.08}"), tmp_path)
    assert [one["held_out"] and one["held_out"]["n"] for one in state["iterations"]] == [held_out] * 4
    assert state["stopped"] == "all iterations are done" and state["final_judge"] == "iteration-3/judge"
    assert "warning: loop.stop has no held-out pair to go by" in (tmp_path / "run.log").read_text()


def test_replay_teaches_the_traces_of_so_many_earlier_iterations_too(tmp_path: Path):
    for replay in (1, 2, 10**30):
        state = run_recipe(scripted_recipe("loop.iterations=3", f"training.replay={replay}"), tmp_path / str(replay))
        traces = [entry["traces"] for entry in state["iterations"][1:]]
        learned = [entry["training"]["examples"] for entry in state["iterations"][1:]]
        assert learned == [traces[0], sum(traces[:2]), sum(traces[2 - replay :])]


@pytest.mark.parametrize(("before", "goes_on"), [(True, False), (False, True)])
def test_a_run_whose_replay_was_true_is_not_taken_for_one_that_replays_one_iteration(tmp_path: Path, before: bool, goes_on: bool):
    recipe = scripted_recipe("loop.iterations=1", f"training.replay={int(before)}")
    run_recipe(recipe, tmp_path)
    stored = read_json(tmp_path / "recipe.json")
    stored["training"]["replay"] = before
    write_checked(tmp_path / "recipe.json", stored)
    with nullcontext() if goes_on else pytest.raises(RunError, match=r"`training.replay` is true there and 1 here"):
        run_recipe(recipe, tmp_path)


def test_restart_trains_the_base_each_time(tmp_path: Path):
    run_recipe(scripted_recipe("training.start=restart"), tmp_path)
    starts = [
        json.loads((tmp_path / f"iteration-{k}/judge.manifest.json").read_text())["identity"]["inputs"]["start"] for k in (1, 2)
    ]
    assert starts[0] == starts[1]


def test_the_coin_control_swaps_about_half_of_the_pairs(tmp_path: Path, scripted_run: tuple[Path, dict[str, Any]]):
    run_recipe(scripted_recipe("synthesis.labels=coin", "loop.iterations=1"), tmp_path)
    chosen = {row["id"]: row["chosen"] for row in pq.read_table(scripted_run[0] / "iteration-1/pairs.parquet").to_pylist()}
    coined = {row["id"]: row["chosen"] for row in pq.read_table(tmp_path / "iteration-1/pairs.parquet").to_pylist()}
    assert chosen.keys() == coined.keys()
    assert 0.25 < sum(chosen[key] != coined[key] for key in chosen) / len(chosen) < 0.75


def test_the_flipped_control_swaps_every_pair(tmp_path: Path, scripted_run: tuple[Path, dict[str, Any]]):
    run_recipe(scripted_recipe("synthesis.labels=flipped", "loop.iterations=1"), tmp_path)
    straight, flipped = (pq.read_table(run / "iteration-1/pairs.parquet").to_pylist() for run in (scripted_run[0], tmp_path))
    assert [(p["id"], p["chosen"], p["rejected"]) for p in straight] == [(p["id"], p["rejected"], p["chosen"]) for p in flipped]


def test_a_judge_that_collapses_is_named_in_the_summary_once_it_should_have_learned(tmp_path: Path):
    always = 'execution.engine.rules.0.replies=["I can see at once that A is better. [[A]]"]'
    state = run_recipe(scripted_recipe(always, "loop.iterations=3"), tmp_path)
    said = [" ".join(entry["warnings"]) for entry in state["iterations"]]
    assert "it says the same" in said[1] and "goes by the place" not in said[2]
    assert "Judge 2: it names the response shown first in 100%" in said[3] and "does not tell right from wrong" in said[3]


def test_a_run_may_stop_once_a_monitor_warns_of_a_trained_judge_and_its_result_is_the_one_before(tmp_path: Path):
    longer = r"Response (?P<letter>[AB]) begins.\n[^\n]{4,}\n.Response (?P=letter) ends"
    rule = "execution.engine.rules.0"
    replies = json.dumps(["I see it, so that is right. [[\\g<letter>]]"])
    same = (f"{rule}.replies={replies}", f"{rule}.when={json.dumps(longer)}")
    recipe = scripted_recipe(*same, "selection.evidence=false", "loop.iterations=5", "loop.stop_on_warning=true")
    state = run_recipe(recipe, tmp_path)
    base = state["iterations"][1]
    assert base["warnings"] and base["kept"]  # it is warned of, and not trained yet
    assert len(state["iterations"]) == 3 and state["final_judge"] is None
    assert state["stopped"].startswith("a monitor warned: Judge 1: of its replies")
    assert run_recipe(recipe, tmp_path) == state
    base["training"]["steps"] = 0  # as where every kept trace is too long to be learned
    assert stopped(recipe.loop, state["iterations"], 2, finished=2, more=True) is None


def test_a_warning_of_a_judge_that_is_the_one_before_ends_no_run(tmp_path: Path):
    always = 'execution.engine.rules.0.replies=["I can see at once that A is better. [[A]]"]'
    state = run_recipe(scripted_recipe(always, "loop.iterations=3", "loop.stop_on_warning=true"), tmp_path)
    assert all(entry["warnings"] and not entry["kept"] for entry in state["iterations"][1:])
    assert len(state["iterations"]) == 4

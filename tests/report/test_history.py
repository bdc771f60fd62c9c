"""`selfjudge show`: what happened to a prompt is read off the tables of a run."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient

from runs import no_progress, scripted_recipe
from selfjudge.errors import InputError
from selfjudge.loop import run
from selfjudge.report.history import fates, history
from selfjudge.run.folder import RunFolder
from selfjudge.view.app import create_app
from selfjudge.view.index import RunIndex
from selfjudge.view.measured import Measured
from selfjudge.wiring import make_world


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = RunFolder(tmp_path_factory.mktemp("shown") / "run")
    recipe = scripted_recipe("loop.iterations=2")
    run(recipe, place, make_world(recipe, place), progress=no_progress, on_iteration=lambda _: None)
    return place.root


def test_every_prompt_has_one_end_in_each_iteration(folder: Path):
    prompts = pq.read_table(folder / "prompts/prompts.parquet").num_rows
    found = fates(folder, None)
    for iteration in (1, 2):
        assert sum(fate.count for fate in found if fate.iteration == iteration) == prompts


def test_a_copy_of_an_iteration_in_the_folder_is_none_of_its_iterations(folder: Path):
    before = fates(folder, None)
    shutil.copytree(folder / "iteration-1", folder / "iteration-1-backup")
    assert fates(folder, None) == before and RunIndex(folder).iterations() == [1, 2]
    assert list(Measured([RunIndex(folder)]).contestants("shapes-bench")) == ["0.0", "0.1", "0.2"]
    shutil.rmtree(folder / "iteration-1-backup")


def test_a_prompt_is_found_by_its_id_or_that_of_its_pair(folder: Path):
    for row in pq.read_table(folder / "iteration-1/pairs.parquet").to_pylist()[:5]:
        for name in (row["id"], row["prompt_id"][:20]):
            prompt, turns = history(folder, name)
            assert prompt["id"] == row["prompt_id"] and [turn.iteration for turn in turns] == [1, 2]
            assert turns[0].pair is not None and turns[0].pair["id"] == row["id"]


def test_a_turn_has_its_replies_and_exactly_one_end(folder: Path):
    for fate in fates(folder, None, limit=10):
        for name, _ in fate.examples:
            turn = history(folder, name)[1][fate.iteration - 1]
            assert (turn.dropped or "kept") == fate.reason and (turn.traces > 0) == (fate.reason == "kept")
            assert turn.responses and (turn.pair is None or turn.judgments)


def test_a_prompt_that_an_iteration_did_not_ask_is_said_to_be_none_of_it(folder: Path, tmp_path: Path):
    mine = tmp_path / "run"
    shutil.copytree(folder, mine)
    prompt = pq.read_table(mine / "iteration-1/pairs.parquet")["prompt_id"][0].as_py()
    for path in (mine / "iteration-2").glob("*.parquet"):
        table = pq.read_table(path)
        if "prompt_id" in table.column_names:
            pq.write_table(table.filter(pc.field("prompt_id") != prompt), path)
    assert [turn.asked for turn in history(mine, prompt)[1]] == [True, False]
    client = TestClient(create_app([RunIndex(mine)], "key"), base_url="http://127.0.0.1")
    for words in (shown(str(mine), prompt).stdout, client.get(f"/key/prompt/0/{prompt}").text):
        assert words.count("not a prompt of this iteration") == 1 and "not selected yet" not in words


def test_pairs_that_wait_for_their_selection_are_not_called_kept(folder: Path, tmp_path: Path):
    mine = tmp_path / "run"
    shutil.copytree(folder, mine, ignore=shutil.ignore_patterns("selected*", "dropped*"))
    assert {fate.reason for fate in fates(mine, None)} == {"not selected yet"}


@pytest.mark.parametrize(("name", "words"), [("zzz", "no prompt or pair"), ("", "prompts or pairs")])
def test_an_id_that_fits_none_or_several_is_an_error_with_a_hint(folder: Path, name: str, words: str):
    with pytest.raises(InputError, match=words) as error:
        history(folder, name)
    assert error.value.hint


def test_a_reason_that_nothing_has_is_an_error_that_names_those_there_are(folder: Path):
    with pytest.raises(InputError, match="ended as nonsense") as error:
        fates(folder, "nonsense")
    assert "kept" in str(error.value.hint)


def shown(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "selfjudge", "show", *arguments], capture_output=True, text=True, check=False)


def test_the_command_shows_the_ends_and_then_a_prompt_with_its_pair_and_traces(folder: Path):
    overview = shown(str(folder))
    kept = next(fate for fate in fates(folder, "kept") if fate.iteration == 1)
    assert overview.returncode == 0 and f"iteration 1: {kept.count} kept" in overview.stdout
    one = shown(str(folder), kept.examples[0][0])
    assert one.returncode == 0
    for words in ("iteration 1", "better:", "worse:", "chosen first", "rejected first", "kept:"):
        assert words in one.stdout
    assert shown(str(folder.parent)).returncode == 2

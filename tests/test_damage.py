"""A file of a run that is damaged: the error names it, and its hint is true when it is followed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from runs import digests, run_recipe, scripted_recipe
from selfjudge.errors import RunError
from selfjudge.run.disk import read_json
from selfjudge.run.fingerprint import CARD

DAMAGES = pytest.mark.parametrize("damage", ["", "{}", "[]", "\0\0"], ids=["empty", "no keys", "a list", "NULs"])
REPLACED = ("summary.json", "prompts/contents.json", "iteration-1/judge/selfjudge.json")


def follow(error: RunError, path: Path) -> None:
    assert path.name in str(error) and str(error.hint).startswith("Delete the file")
    path.unlink()


@pytest.fixture
def run(tmp_path: Path, scripted_run: tuple[Path, dict[str, Any]]) -> Path:
    return Path(shutil.copytree(scripted_run[0], tmp_path / "run"))


@DAMAGES
@pytest.mark.parametrize("name", ["prompts/prompts.manifest.json", "iteration-1/pairs.manifest.json", *REPLACED])
def test_a_damaged_file_is_made_anew_at_the_latest_when_its_hint_is_followed(run: Path, name: str, damage: str):
    whole = digests(run)
    (run / name).write_text(damage)
    try:
        run_recipe(scripted_recipe(), run)
    except RunError as error:
        follow(error, run / name)
        run_recipe(scripted_recipe(), run)
    json.loads((run / name).read_text())
    assert digests(run) == whole


def test_a_card_that_is_gone_says_the_same_again(run: Path):
    card = run / "iteration-2/judge" / CARD
    before = json.loads(card.read_text())
    card.unlink()
    run_recipe(scripted_recipe(), run)
    assert json.loads(card.read_text()) == before


@pytest.mark.parametrize("damage", ["", "[]", "{}", "\0\0", "{"], ids=["empty", "a list", "no keys", "NULs", "cut off"])
def test_the_recipe_of_a_run_is_put_back_or_another_folder_is_used(run: Path, tmp_path: Path, damage: str):
    recipe = run / "recipe.json"
    whole = recipe.read_bytes()
    recipe.write_text(damage)
    with pytest.raises(RunError, match="recipe.json") as error:
        run_recipe(scripted_recipe(), run)
    assert error.value.hint == "Put back a copy of the file, or use another folder (--dir)."
    recipe.write_bytes(whole)
    run_recipe(scripted_recipe(), run)


@pytest.mark.parametrize("name", ["judgments.parquet", "judge/config.json"])
def test_what_is_damaged_is_made_anew_also_where_it_comes_back_otherwise(run: Path, name: str):
    manifest = run / "iteration-1" / f"{Path(name).parts[0].removesuffix('.parquet')}.manifest.json"
    before = read_json(manifest)["sha256"]
    with (run / "iteration-1" / name).open("ab") as file:
        file.write(b" ")
    other = scripted_recipe("execution.engine.rules.0.replies.2=Who knows. [[B]]")  # as a server that answers otherwise
    with pytest.raises(RunError, match="is damaged or was changed") as error:
        run_recipe(other, run)
    assert read_json(run / "replaced.json")["sha256"] == [before] and str(manifest) in str(error.value.hint)
    manifest.unlink()
    assert run_recipe(other, run)["stopped"] == "all iterations are done"


@pytest.mark.parametrize("name", ["judgments", "judge"])
def test_what_has_lost_its_manifest_may_come_back_otherwise_too(run: Path, name: str):
    manifest = run / f"iteration-1/{name}.manifest.json"
    before = read_json(manifest)["sha256"]
    manifest.unlink()
    if name == "judgments":
        other = scripted_recipe("execution.engine.rules.0.replies.2=Who knows. [[B]]")
        assert run_recipe(other, run)["stopped"] == "all iterations are done"
        assert before in read_json(run / "replaced.json")["sha256"]
    else:
        run_recipe(scripted_recipe(), run)
        assert not (run / "replaced.json").exists()  # it came back as it was

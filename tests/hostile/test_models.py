"""Hostile model folders, in a plan and when they are loaded: a model that answers, or words that name it; never a wait."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hostile.models import FOLDERS, write
from runs import no_progress
from selfjudge.errors import SelfjudgeError
from selfjudge.forecast.findings import Level
from selfjudge.forecast.fit import model_size
from selfjudge.forecast.trial import try_model
from selfjudge.judge import Judge
from selfjudge.recipe.experiment import Recipe

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::UserWarning:torch")]


def planned(model: Path) -> str:
    """What speaks against a run, as `plan` says it."""
    recipe = Recipe(model=str(model), prompts=[{"kind": "shapes"}])  # type: ignore[arg-type, list-item]
    found = [model_size(recipe)[1], *try_model(recipe, no_progress)]
    return " ".join(f"{one.what} {one.do}" for one in found if one.level is Level.ERROR)


def loaded(model: Path) -> str:
    """What is said where a judge is loaded, asked and identified."""
    try:
        with Judge.load(model, device="cpu", max_tokens=1) as judge:
            assert judge.compare([], "Where?", "here", "there").problem == "cut_off" and judge.identity
    except SelfjudgeError as error:
        return f"{error} {error.hint}"
    return ""


@pytest.mark.parametrize("use", [planned, loaded])
@pytest.mark.parametrize("name", FOLDERS)
def test_a_model_folder_is_a_model_or_is_told_what_it_lacks(name: str, use: Callable[[Path], str], tmp_path: Path):
    said, expected = use(model := write(name, tmp_path)), FOLDERS[name][1]
    if expected is None or (use is planned and name.startswith("card") and name != "card: a pipe"):
        assert said == ""
    else:
        assert str(model) in said and expected in said

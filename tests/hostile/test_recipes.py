"""Hostile recipes: each is read, or ends soon in an error that names the file, or the place in it, and says what to do."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from hostile.recipes import RECIPES, write
from selfjudge.errors import RecipeError
from selfjudge.recipe.file import load_recipe


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_read_or_an_error_names_its_place(name: str, tmp_path: Path):
    path, words = write(name, tmp_path), RECIPES[name][1]
    start = time.process_time()
    if words is None:
        load_recipe(path)
    else:
        with pytest.raises(RecipeError) as error:
            load_recipe(path)
        assert words in str(error.value) and str(path) in str(error.value) and error.value.hint
        assert len(str(error.value)) + len(error.value.hint) < 10_000
    assert time.process_time() - start < 5

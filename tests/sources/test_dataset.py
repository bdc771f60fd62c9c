"""Data sets of the hub's library: their image paths are held to the data set's folder, too."""

from __future__ import annotations

from pathlib import Path

import datasets
import pytest

from selfjudge.errors import InputError
from selfjudge.recipe.inputs import DatasetSource
from selfjudge.sources.dataset import DatasetPrompts


def test_an_image_path_of_a_data_set_must_lie_in_its_folder_unless_allowed(tmp_path: Path):
    folder = tmp_path / "data"
    names = ("../private.png", str(tmp_path / "private.png"), str(folder / "1.png"), "1.png", "hf://datasets/a/b/1.png")
    datasets.Dataset.from_list([{"prompt": "p", "image": name} for name in names]).save_to_disk(folder)
    raws = list(DatasetPrompts(DatasetSource(kind="dataset", path=str(folder))))
    assert [raw.problem for raw in raws] == ["outside_folder", "outside_folder", None, None, "not_fetched"]
    allowed = list(DatasetPrompts(DatasetSource(kind="dataset", path=str(folder), allow_outside=True)))
    assert [raw.problem for raw in allowed] == [None, None, None, None, "not_fetched"]


def test_files_whose_columns_are_not_known_before_they_are_read_are_an_error(tmp_path: Path):
    (tmp_path / "rows.csv").write_text("prompt,image\nWhat is it?,1.png\n")
    with pytest.raises(InputError, match="no column with the instruction") as error:
        list(DatasetPrompts(DatasetSource(kind="dataset", path=str(tmp_path))))
    assert error.value.hint == "Convert its files to JSONL or Parquet."

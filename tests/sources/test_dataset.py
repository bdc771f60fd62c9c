"""Data sets of the hub's library: their image paths are held to the data set's folder, too."""

from __future__ import annotations

import io
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import datasets
import pytest
from PIL import Image

from selfjudge.errors import InputError, SelfjudgeError
from selfjudge.recipe.inputs import DatasetSource
from selfjudge.sources.dataset import DatasetPrompts
from selfjudge.sources.readers import rows_of

_out = io.BytesIO()
Image.new("RGB", (8, 8)).save(_out, "PNG")
PNG = _out.getvalue()


def test_an_image_path_of_a_data_set_must_lie_in_its_folder_unless_allowed(tmp_path: Path):
    folder = tmp_path / "data"
    names = ("../private.png", str(tmp_path / "private.png"), str(folder / "1.png"), "1.png", "hf://datasets/a/b/1.png")
    datasets.Dataset.from_list([{"prompt": "p", "image": name} for name in names]).save_to_disk(folder)
    raws = list(DatasetPrompts(DatasetSource(kind="dataset", path=str(folder))))
    assert [raw.problem for raw in raws] == ["outside_folder", "outside_folder", None, None, "not_fetched"]
    allowed = list(DatasetPrompts(DatasetSource(kind="dataset", path=str(folder), allow_outside=True)))
    assert [raw.problem for raw in allowed] == [None, None, None, None, "not_fetched"]


QUESTIONS = [{"id": n, "image": f"{n}.png", "conversations": [{"from": "human", "value": f"<image>{n}?"}]} for n in (1, 2)]


@pytest.mark.parametrize("name", ["train.json", "train.jsonl", "train.csv"])
def test_files_whose_columns_are_not_known_before_they_are_read_are_read(tmp_path: Path, name: str):
    lines = "prompt,image\n1?,1.png\n2?,2.png\n" if name.endswith("csv") else "".join(f"{json.dumps(row)}\n" for row in QUESTIONS)
    (tmp_path / name).write_text(json.dumps(QUESTIONS) if name.endswith(".json") else lines)
    raws = list(DatasetPrompts(DatasetSource(kind="dataset", path=str(tmp_path))))
    assert [(raw.text, raw.images) for raw in raws] == [("1?", (tmp_path / "1.png",)), ("2?", (tmp_path / "2.png",))]


def test_files_without_an_instruction_name_their_columns(tmp_path: Path):
    (tmp_path / "rows.json").write_text('[{"query": "What is it?", "image": "1.png"}]')
    with pytest.raises(InputError, match="no column with the instruction") as error:
        list(DatasetPrompts(DatasetSource(kind="dataset", path=str(tmp_path))))
    assert "Its columns are: query, image." in str(error.value.hint)


@pytest.mark.parametrize("folder", [False, True])
def test_a_zipped_folder_of_images_is_read_from_its_archive(tmp_path: Path, folder: bool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    (data := tmp_path / "data").mkdir()
    rows = '{"file_name": "a.png", "prompt": "what?"}\n{"file_name": "b.png", "prompt": "who?"}\n'
    if folder:
        (data / "metadata.jsonl").write_text(rows)
        for name in ("a.png", "b.png"):
            (data / name).write_bytes(PNG)
    else:
        with zipfile.ZipFile(data / "train.zip", "w") as archive:
            archive.writestr("metadata.jsonl", rows)
            for name in ("a.png", "b.png"):
                archive.writestr(name, PNG)
    raws = list(DatasetPrompts(DatasetSource(kind="dataset", path=str(data))))
    assert [raw.text for raw in raws] == ["what?", "who?"] and [raw.problem for raw in raws] == [None, None]
    assert all(image == PNG or Path(image).read_bytes() == PNG for raw in raws for image in raw.images)


def test_a_share_of_the_rows_is_spread_over_the_data_set_and_always_the_same(tmp_path: Path):
    data = datasets.Dataset.from_dict({"prompt": [f"what is {n}?" for n in range(400)]})
    data.save_to_disk(tmp_path / "data")
    source = DatasetSource(kind="dataset", path=str(tmp_path / "data"), share=0.25, allow_text_only=True)
    taken = [raw.where for raw in DatasetPrompts(source)]
    numbers = [int(where.rpartition(":")[2]) for where in taken]
    assert 70 < len(numbers) < 130 and sum(number > 200 for number in numbers) > 30
    assert taken == [raw.where for raw in DatasetPrompts(source)]
    assert [raw.where for raw in DatasetPrompts(source.model_copy(update={"limit": 5}))] == taken[:5]


def test_images_of_all_splits_are_read_as_they_were_saved(tmp_path: Path):
    features = datasets.Features({"prompt": datasets.Value("string"), "images": datasets.List(datasets.Image())})
    rows = [{"prompt": f"{n}?", "images": [{"bytes": PNG, "path": None}]} for n in (1, 2)]
    splits = {name: datasets.Dataset.from_list([row], features=features) for name, row in zip("ab", rows, strict=True)}
    single = datasets.Features({"prompt": datasets.Value("string"), "image": datasets.Image()})
    one = datasets.Dataset.from_list([{"prompt": "3?", "image": {"bytes": PNG, "path": None}}], features=single)
    datasets.DatasetDict(splits).save_to_disk(tmp_path / "splits")
    one.save_to_disk(tmp_path / "one")

    def read(name: str, **named: Any) -> list[Any]:
        return list(DatasetPrompts(DatasetSource(kind="dataset", path=str(tmp_path / name), **named)))

    assert [raw.text for raw in read("splits", split="b")] == ["2?"]
    assert all(raw.images == (PNG,) for raw in (*read("splits", split="a"), *read("one")))
    assert [row["prompt"] for _, row in rows_of(tmp_path / "splits") if not isinstance(row, ValueError)] == ["1?", "2?"]


@pytest.mark.parametrize("name", ["numpy", "pandas", "torch", "arrow"])
def test_a_saved_data_set_has_the_same_rows_whatever_its_format(tmp_path: Path, name: str):
    features = datasets.Features({"prompt": datasets.Value("string"), "images": datasets.List(datasets.Image())})
    data = datasets.Dataset.from_list([{"prompt": "how many?", "images": [{"bytes": PNG, "path": None}]}], features=features)
    for columns in (None, ["prompt"]):
        folder = tmp_path / str(columns)
        data.with_format(name, columns=columns).save_to_disk(folder)
        (raw,) = DatasetPrompts(DatasetSource(kind="dataset", path=str(folder)))
        assert (raw.text, raw.images) == ("how many?", (PNG,))
        assert [row for _, row in rows_of(folder)] == [{"prompt": "how many?", "images": [{"bytes": PNG, "path": None}]}]


def test_a_split_that_a_saved_data_set_does_not_have_is_an_error_that_says_which_it_has(tmp_path: Path):
    data = datasets.Dataset.from_dict({"prompt": ["what?"]})
    datasets.DatasetDict({"test": data, "validation": data}).save_to_disk(tmp_path / "splits")
    data.save_to_disk(tmp_path / "one")
    with pytest.raises(InputError, match="splits has no split 'train'") as error:
        list(DatasetPrompts(DatasetSource(kind="dataset", path=str(tmp_path / "splits"))))
    assert error.value.hint == "Name one of its splits in the recipe, as `split: test`: test, validation."
    with pytest.raises(InputError, match="one is one data set without a split 'validation'"):
        list(DatasetPrompts(DatasetSource(kind="dataset", path=str(tmp_path / "one"), split="validation")))


def test_without_its_library_a_data_set_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "state.json").write_text("{}")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(SelfjudgeError, match="datasets") as error:
        list(DatasetPrompts(DatasetSource(kind="dataset", path=str(tmp_path))))
    assert "install" in str(error.value.hint)

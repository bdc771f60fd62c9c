"""Memes of the user's copy become safety rows; which ones is drawn by a seed, and nothing else decides it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lookalikes import as_image, drawn, make_sources, one_of_each, saved, write_release
from selfjudge.benchmarks.mmrb.hateful_memes import SUBSET, open_memes, release_row
from selfjudge.benchmarks.mmrb.prepare import Assembly, prepare
from selfjudge.benchmarks.mmrb.sources import REQUESTS
from selfjudge.errors import InputError, RunError


@contextmanager
def quiet(label: str, total: int | None) -> Iterator[Any]:
    yield lambda count: None


def folder_of_memes(folder: Path, count: int = 12) -> Path:
    """Pictures and JSONL files as they are handed out; the test set has no labels, and one meme is in two files."""
    (folder / "img").mkdir(parents=True)
    rows = [{"id": 500 + n, "img": f"img/{500 + n}.png", "label": n % 2, "text": "a caption"} for n in range(count)]
    for n, row in enumerate(rows):
        (folder / row["img"]).write_bytes(drawn(n, "PNG"))
    lines = [json.dumps(row) for row in rows]
    (folder / "dev.jsonl").write_text("\n".join(lines[:5]) + "\n\n")
    (folder / "train.jsonl").write_text("\n".join(lines[4:]) + "\n")
    (folder / "test.jsonl").write_text(json.dumps({"id": 900, "img": "img/900.png", "text": "?"}) + "\n")
    return folder


def test_labelled_memes_are_read_once_each(tmp_path: Path):
    memes = open_memes(folder_of_memes(tmp_path / "memes")).memes
    assert [meme.number for meme in memes] == list(range(500, 512))
    assert [meme.hateful for meme in memes] == [False, True] * 6


def test_a_data_set_written_by_save_to_disk_is_read_too(tmp_path: Path):
    rows = [{"id": 7 + n, "image": as_image(drawn(n, "PNG")), "label": n % 2} for n in range(4)]
    saved(tmp_path / "memes", [*rows, {"id": 99, "image": as_image(drawn(9)), "label": -1}], ["image"])
    memes = open_memes(tmp_path / "memes")
    assert [(meme.number, meme.hateful) for meme in memes.memes] == [(7, False), (8, True), (9, False), (10, True)]
    assert memes.picture(memes.memes[2]) == drawn(2, "PNG")


def test_a_data_set_may_name_its_pictures_by_path(tmp_path: Path):
    saved(tmp_path / "memes", [{"img": "img/1.png", "label": 1}], [])
    (tmp_path / "memes/img").mkdir()
    (tmp_path / "memes/img/1.png").write_bytes(drawn(1, "PNG"))
    memes = open_memes(tmp_path / "memes")
    assert memes.memes[0].number == 0 and memes.picture(memes.memes[0]) == drawn(1, "PNG")


def test_the_draw_goes_by_seed_and_not_by_the_order_of_the_folder(tmp_path: Path):
    memes = open_memes(folder_of_memes(tmp_path / "memes"))
    lines = [(tmp_path / "memes" / name).read_text().splitlines() for name in ("dev.jsonl", "train.jsonl")]
    (tmp_path / "memes/dev.jsonl").unlink()
    (tmp_path / "memes/train.jsonl").write_text("\n".join(reversed([line for file in lines for line in file])))
    assert open_memes(tmp_path / "memes").draw(6, 0) == memes.draw(6, 0)
    assert {meme.number for meme in memes.draw(6, 0)} != {meme.number for meme in memes.draw(6, 1)}
    assert {meme.number for meme in memes.draw(4, 0)} < {meme.number for meme in memes.draw(6, 0)}
    with pytest.raises(InputError, match="12 labelled memes, fewer than 13"):
        memes.draw(13, 0)


def test_the_right_answer_is_the_better_one_and_either_may_come_first(tmp_path: Path):
    memes = open_memes(folder_of_memes(tmp_path / "memes", count=40)).memes
    rows = [release_row(meme, REQUESTS, 0) for meme in memes]
    for meme, row in zip(memes, rows, strict=True):
        assert row[row["Better"]] == ("Yes" if meme.hateful else "No")
        assert {row["Output1"], row["Output2"]} == {"Yes", "No"}
    assert min(Counter(row["Better"] for row in rows).values()) > 10


def made(folder: Path, memes: Path | None, **options: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    sources = folder / "sources" if (folder / "sources").exists() else make_sources(folder / "sources", rows=3)
    assembly = Assembly(release=write_release(folder, one_of_each()[1:3]), copies=sources, memes=memes, **options)
    return prepare(assembly, folder / "made", progress=quiet), json.loads((folder / "made/all_data.json").read_text())


def test_memes_are_counted_as_a_subset_of_the_users(tmp_path: Path):
    prepared, rows = made(tmp_path, folder_of_memes(tmp_path / "memes"), limit=5)
    memes = [row for row in rows if row["ID"].startswith("hateful_memes_")]
    assert len(memes) == 5 and rows[-5:] == memes
    assert {row["Category"] for row in memes} == {"safety"} and {row["Text"] for row in memes} == {REQUESTS["hateful-memes"]}
    assert all((tmp_path / "made" / row["Image"]).is_file() for row in memes)
    assert prepared["counts"][f"safety/{SUBSET}"] == {"rows": 5, "known": None}
    assert "safety/toxicity" not in prepared["counts"]
    assert "all groups: rows 2, known 4,711" in prepared["warnings"]
    assert prepared["hateful memes"]["limit"] == 5


def test_a_meme_whose_picture_is_gone_is_refused(tmp_path: Path):
    memes = folder_of_memes(tmp_path / "memes")
    (memes / "img/503.png").unlink()
    prepared, rows = made(tmp_path, memes, limit=12)
    assert len(rows) == 2 + 11 and prepared["refused"] == {"no_image": 1}
    assert json.loads((tmp_path / "made/refused.jsonl").read_text())["ID"] == "hateful_memes_503"


def test_memes_may_be_added_later_but_not_changed(tmp_path: Path):
    made(tmp_path, None)
    _, rows = made(tmp_path, folder_of_memes(tmp_path / "memes"), limit=5)
    assert len(rows) == 7
    with pytest.raises(RunError, match="`hateful memes.seed` is 0 there and 1 here"):
        made(tmp_path, tmp_path / "memes", limit=5, seed=1)


@pytest.mark.parametrize("line", ["{", "[]", '{"label": 1}', "null"])
def test_a_bad_line_is_an_error_that_names_it(tmp_path: Path, line: str):
    (tmp_path / "train.jsonl").write_text(f'{{"img": "1.png", "label": 1}}\n{line}\n')
    with pytest.raises(InputError, match="train.jsonl:2: not a meme"):
        open_memes(tmp_path)


def test_a_folder_without_memes_is_an_error(tmp_path: Path):
    with pytest.raises(InputError, match="holds no .jsonl file and no data set"):
        open_memes(tmp_path)
    saved(tmp_path / "memes", [{"picture": "x"}], [])
    with pytest.raises(InputError, match="cannot read the data set"):
        open_memes(tmp_path / "memes")

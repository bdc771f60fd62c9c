"""Rows as data sets have them: columns by their usual names, messages, base64, columns of one's own, images alone, no image."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pydantic import ValidationError

from selfjudge.errors import InputError
from selfjudge.ports import RawPrompt
from selfjudge.recipe.inputs import FilesSource, ImagesSource
from selfjudge.run.images import BadImage
from selfjudge.run.lineage import SUFFIXES
from selfjudge.sources.files import FilePrompts
from selfjudge.sources.images import ImagePrompts
from selfjudge.sources.readers import READERS
from selfjudge.stages.ingest import admitted


def png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(out, "PNG")
    return out.getvalue()


URL = "data:image/png;base64," + base64.b64encode(png()).decode()
BARE = base64.b64encode(png()).decode()


def read(tmp_path: Path, row: dict[str, Any], **options: Any) -> RawPrompt:
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    (raw,) = FilePrompts(FilesSource(kind="files", path=tmp_path / "rows.jsonl", **options))
    return raw


@pytest.mark.parametrize("prompt", ["prompt", "question", "instruction", "text", "problem"])
@pytest.mark.parametrize("image", ["image", "image_path", "img"])
def test_usual_names_of_columns_are_known(tmp_path: Path, prompt: str, image: str):
    raw = read(tmp_path, {prompt: "how many?", image: "x.png"})
    assert (raw.text, raw.images, raw.problem) == ("how many?", (tmp_path / "x.png",), None)


@pytest.mark.parametrize(
    ("turns", "column"),
    [
        ([{"role": "system", "content": "s"}, {"role": "user", "content": "how many?"}], "messages"),
        ([{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "how many?"}]}], "messages"),
        ([{"role": "user", "content": "how many?"}, {"role": "assistant", "content": "two"}], "prompt"),
        ([{"from": "human", "value": "how many?"}, {"from": "gpt", "value": "two"}], "conversations"),
    ],
)
def test_the_first_turn_of_the_user_is_the_instruction(tmp_path: Path, turns: list[Any], column: str):
    raw = read(tmp_path, {column: turns, "image": "x.png"})
    assert (raw.text, raw.images) == ("how many?", (tmp_path / "x.png",))


def test_images_may_stand_in_the_message_itself(tmp_path: Path):
    blocks = [
        {"type": "image_url", "image_url": {"url": URL}},
        {"type": "image", "image": "x.png"},
        {"type": "text", "text": "?"},
    ]
    assert read(tmp_path, {"messages": [{"role": "user", "content": blocks}]}).images == (png(), tmp_path / "x.png")


@pytest.mark.parametrize("cell", [URL, BARE, "\n".join(BARE[n : n + 76] for n in range(0, len(BARE), 76))])
def test_an_image_may_be_a_data_url_or_base64(tmp_path: Path, cell: str):
    assert read(tmp_path, {"prompt": "?", "image": cell}).images == (png(),)


def test_columns_of_other_names_are_named_in_the_recipe(tmp_path: Path):
    raw = read(tmp_path, {"q": "how many?", "prompt": "no", "pic": "x.png"}, columns={"prompt": "q", "image": "pic"})
    assert (raw.text, raw.images) == ("how many?", (tmp_path / "x.png",))
    with pytest.raises(ValidationError, match="promt"):
        FilesSource(kind="files", path=tmp_path, columns={"promt": "q"})


def test_a_cell_of_a_csv_file_may_hold_a_list_of_images(tmp_path: Path):
    (tmp_path / "rows.csv").write_text('question,images\nhow many?,"[""a.png"", ""b.png""]"\n')
    (raw,) = FilePrompts(FilesSource(kind="files", path=tmp_path / "rows.csv"))
    assert raw.images == (tmp_path / "a.png", tmp_path / "b.png") and raw.where == "rows.csv:2"


def test_a_table_without_an_instruction_is_an_error_that_says_how_to_name_it(tmp_path: Path):
    (tmp_path / "rows.csv").write_text("query,image\nhow many?,x.png\n")
    with pytest.raises(InputError, match="no column with the instruction") as error:
        list(FilePrompts(FilesSource(kind="files", path=tmp_path / "rows.csv")))
    assert "query, image" in str(error.value.hint) and "columns: {prompt: NAME}" in str(error.value.hint)
    (raw,) = FilePrompts(FilesSource(kind="files", path=tmp_path / "rows.csv", columns={"prompt": "query"}))
    assert raw.text == "how many?"


def test_a_prompt_without_an_image_is_taken_only_where_the_recipe_says_so(tmp_path: Path):
    row = {"prompt": "what is the capital of Peru?"}
    with pytest.raises(BadImage, match="is set"):
        admitted(read(tmp_path, row), max_pixels=100, looking=False)
    assert admitted(read(tmp_path, row, allow_text_only=True), max_pixels=100, looking=False).prompt.images == ()


@pytest.mark.parametrize(
    ("text", "images", "admits"),
    [
        ("<image>\nhow many?", 1, "how many?"),
        ("<image><image> which differs?", 2, "which differs?"),
        ("how many? <image>", 1, "how many?"),
        ("how many?", 2, "how many?"),
        ("<image> how many?", 2, None),
        ("<image><image> how many?", 1, None),
        ("is <image> before that?", 1, None),
        ("<image>", 1, None),
    ],
)
def test_marks_of_images_keep_their_number_and_place_or_the_row_is_refused(text: str, images: int, admits: str | None):
    raw = RawPrompt(where="x:1", text=text, images=(png(),) * images)
    if admits is not None:
        assert admitted(raw, max_pixels=100, looking=False).prompt.text == admits
    else:
        with pytest.raises(BadImage) as error:
            admitted(raw, max_pixels=100, looking=False)
        assert error.value.reason in ("image_marks", "no_prompt")


def test_each_image_of_a_folder_or_a_zip_file_gets_each_instruction(tmp_path: Path):
    (tmp_path / "photos/trip").mkdir(parents=True)
    for name in ("b.PNG", "trip/a.png", ".hidden.png", "notes.txt"):
        (tmp_path / "photos" / name).write_bytes(png())
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for name in ("b.PNG", "trip/a.png", "__MACOSX/a.png", "notes.txt"):
            archive.writestr(name, png())
    for path in (tmp_path / "photos", tmp_path / "photos.zip"):
        raws = list(ImagePrompts(ImagesSource(kind="images", path=path, prompts=("one", "two"))))
        assert [(raw.where, raw.text) for raw in raws] == [
            ("b.PNG:1", "one"),
            ("b.PNG:2", "two"),
            ("trip/a.png:1", "one"),
            ("trip/a.png:2", "two"),
        ]


@pytest.mark.parametrize("made", ["empty", "gone", "broken.zip"])
def test_no_images_are_an_error_with_a_hint(tmp_path: Path, made: str):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.zip").write_bytes(b"PK nothing")
    with pytest.raises(InputError) as error:
        list(ImagePrompts(ImagesSource(kind="images", path=tmp_path / made)))
    assert error.value.hint


def test_lineage_digests_exactly_the_kinds_of_files_that_are_read():
    assert set(READERS) == set(SUFFIXES)

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
from selfjudge.recipe.inputs import SUFFIXES, FilesSource, ImagesSource
from selfjudge.run.images import BadImage
from selfjudge.run.lineage import image_files
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


@pytest.mark.parametrize(
    "cell",
    [
        URL,
        BARE,
        "DATA" + URL[4:],
        BARE.rstrip("="),
        BARE.translate({43: "-", 47: "_"}),
        "\n".join(BARE[n : n + 76] for n in range(0, len(BARE), 76)),
    ],
)
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
        ("<IMAGE> how many?", 1, "how many?"),
        ("<|image|> how many?", 1, "how many?"),
        ("<|vision_start|><|image_pad|><|vision_end|>how many?", 1, "how many?"),
        ("<image 1> <image 2> which?", 2, "which?"),
        ("<|image_1|>\n<|image_2|>\nwhich?", 2, "which?"),
        ("[IMG]how many?", 1, "how many?"),
        ("<ImageHere>how many?", 1, "how many?"),
        ("<img><IMG_CONTEXT></img> how many?", 2, "how many?"),
        ("<start_of_image> how many?", 1, "how many?"),
        ("is x < image > y, and <imagine> an [image]?", 1, "is x < image > y, and <imagine> an [image]?"),
        ("<image 2><image 1> which?", 2, None),
        ("<image> how many?", 2, None),
        ("<image><image> how many?", 1, None),
        ("is <image> before that?", 1, None),
        ("is <image 1> before <image 2>?", 2, None),
        ("<image> before or after? <image>", 2, None),
        ("<image> and <image>", 2, None),
        ("how many <|image|> ?", 1, None),
    ],
)
def test_marks_of_images_keep_their_number_and_place_or_the_row_is_refused(
    tmp_path: Path, text: str, images: int, admits: str | None
):
    raw = read(tmp_path, {"prompt": text, "images": ["x.png"] * images})
    assert (raw.problem, raw.text) == ((None, admits) if admits is not None else ("image_marks", ""))


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


TEXT, HERE, OWN = {"type": "text", "text": "which?"}, {"type": "image"}, {"type": "image", "image": "own.png"}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"messages": [user(HERE, TEXT)], "image": "x.png"}, ["x.png"]),
        ({"messages": [user(TEXT, HERE)], "image": "x.png"}, ["x.png"]),
        ({"messages": [user(HERE, {"type": "text", "text": "<image>\nwhich?"})], "image": "x.png"}, ["x.png"]),
        ({"messages": [user(OWN, HERE, TEXT)], "images": ["x.png"]}, ["own.png", "x.png"]),
        ({"messages": [user(HERE, OWN, TEXT)], "images": ["x.png"]}, ["x.png", "own.png"]),
        ({"messages": [user(OWN, TEXT)], "image": "own.png"}, None),
        ({"messages": [user(OWN, TEXT)], "images": [OWN["image"]]}, ["own.png"]),
        ({"messages": [user(TEXT, HERE, TEXT)], "image": "x.png"}, "image_marks"),
        ({"messages": [user(HERE, TEXT, HERE)], "images": ["x.png", "y.png"]}, "image_marks"),
        ({"messages": [user(HERE, TEXT)], "images": ["x.png", "y.png"]}, "image_marks"),
        ({"messages": [user(HERE, HERE, TEXT)], "image": "x.png"}, "image_marks"),
        ({"messages": [user(OWN, TEXT)], "image": "x.png"}, "images_twice"),
        ({"messages": [user(HERE, TEXT)]}, "no_image"),
        ({"prompt": "which?", "image": "a.png", "images": ["b.png"]}, "images_twice"),
        ({"prompt": "which?", "image": "a.png", "images": ["a.png", "b.png"]}, ["a.png", "b.png"]),
        ({"prompt": "which?", "image": "a.png", "images": []}, ["a.png"]),
        ({"prompt": "which?", "image": None, "images": ["b.png"]}, ["b.png"]),
        ({"prompt": "which?", "images": "a.png"}, ["a.png"]),
        ({"prompt": "which?", "images": '["a.png", "b.png"]'}, ["a.png", "b.png"]),
        ({"prompt": "which?", "images": [{"url": "a.png"}]}, ["a.png"]),
        ({"prompt": "which?", "images": {"path": "a.png"}}, ["a.png"]),
        ({"prompt": "which?", "file_name": "a.png"}, ["a.png"]),
        ({"prompt": "", "question": "which?", "image": "a.png"}, ["a.png"]),
        ({"prompt": " ", "text": "which?", "image": "", "img": "a.png"}, ["a.png"]),
        ({"prompt": float("nan"), "question": "which?", "image": "a.png", "images": float("nan")}, ["a.png"]),
        ({"messages": json.dumps([user(HERE, TEXT)]), "image": "x.png"}, ["x.png"]),
        ({"prompt": json.dumps([{"role": "User", "content": "which?"}]), "image": "x.png"}, ["x.png"]),
        ({"conversations": json.dumps([{"from": "human", "value": "<image>which?"}]), "image": "x.png"}, ["x.png"]),
        ({"messages": "which?", "image": "x.png"}, "no_prompt"),
        ({"messages": "[broken", "image": "x.png"}, "no_prompt"),
        (
            {"messages": [user({"type": "input_image", "image_url": "x.png"}, {"type": "input_text", "text": "which?"})]},
            ["x.png"],
        ),
        ({"messages": [user({"type": "image", "source": {"type": "base64", "data": BARE}}, TEXT)]}, [png()]),
        ({"messages": [user({"type": "image", "text": None, "image": "x.png"}, {**TEXT, "image": None})]}, ["x.png"]),
        ({"messages": [user({"type": "image", "text": "", "image": None}, TEXT)], "image": "x.png"}, ["x.png"]),
        ({"messages": [user(HERE, {"type": "video", "video": "v.mp4"}, TEXT)], "image": "x.png"}, "no_prompt"),
    ],
)
def test_images_in_blocks_and_columns_keep_their_order_or_the_row_is_refused(
    tmp_path: Path, row: dict[str, Any], expected: list[Any] | str | None
):
    raw = read(tmp_path, row)
    if isinstance(expected, str):
        assert raw.problem == expected and raw.detail
    else:
        paths = tuple(name if isinstance(name, bytes) else tmp_path / name for name in expected or ["own.png"])
        assert (raw.text, raw.images, raw.problem) == ("which?", paths, None)


def test_an_image_that_the_recipe_names_wins_over_columns_with_usual_names(tmp_path: Path):
    raw = read(tmp_path, {"prompt": "?", "image": "a.png", "images": ["b.png"], "pics": ["c.png"]}, columns={"images": "pics"})
    assert raw.images == (tmp_path / "c.png",)


ASKS, SAYS, SYSTEM = (
    {"role": "user", "content": "which?"},
    {"role": "assistant", "content": "x"},
    {"role": "system", "content": "s"},
)


@pytest.mark.parametrize(
    ("turns", "left_out"),
    [
        ([ASKS], None),
        ([ASKS, SAYS], None),
        ([SYSTEM, ASKS, SAYS], "system"),
        ([ASKS, SAYS, ASKS, SAYS], "later"),
        ([SYSTEM, SAYS, ASKS, SAYS, ASKS], "system, earlier, later"),
        ([{"from": "human", "value": "which?"}, {"from": "gpt", "value": "x"}, {"from": "human", "value": "and?"}], "later"),
    ],
)
def test_turns_that_are_not_used_are_said(tmp_path: Path, turns: list[Any], left_out: str | None):
    raw = read(tmp_path, {"messages": turns, "image": URL})
    assert admitted(raw, max_pixels=100, looking=False).prompt.left_out == raw.left_out == left_out


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


def test_an_image_of_a_zip_file_that_is_damaged_is_a_row_with_the_reason(tmp_path: Path):
    path = zipped(tmp_path / "photos.zip", {"a.png": png(), "b.png": png()})
    data = bytearray(path.read_bytes())
    data[data.index(b"\x89PNG") + 20] ^= 1
    path.write_bytes(data)
    raws = list(ImagePrompts(ImagesSource(kind="images", path=path, prompts=("one",))))
    assert [raw.problem for raw in raws] == ["image_missing", None] and "Bad CRC-32" in str(raws[0].detail)


def test_an_instruction_with_marks_for_more_than_its_image_is_an_error(tmp_path: Path):
    with pytest.raises(InputError, match="2 marks") as error:
        ImagePrompts(ImagesSource(kind="images", path=tmp_path, prompts=("<image><image>What is it?",)))
    assert error.value.hint == "Leave the marks out."


def zipped(path: Path, files: dict[str, bytes | str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


METADATA = [json.dumps({"file_name": name, "question": f"{name}?"}) for name in ("a.png", "sub/b.png", "gone.png", "../up.png")]


def test_a_zip_file_with_rows_is_read_with_its_images(tmp_path: Path):
    files = {"in/metadata.jsonl": "\n".join(METADATA), "in/a.png": png(), "in/sub/b.png": png(), "up.png": png()}
    path = zipped(tmp_path / "train.zip", {**files, "__MACOSX/x.jsonl": "no"})
    raws = list(FilePrompts(FilesSource(kind="files", path=path)))
    assert [raw.where for raw in raws] == [f"train.zip/in/metadata.jsonl:{n}" for n in (1, 2, 3, 4)]
    assert [raw.text for raw in raws[:2]] == ["a.png?", "sub/b.png?"] and raws[0].images == (png(),)
    assert [raw.problem for raw in raws] == [None, None, "image_missing", None]
    outside = zipped(tmp_path / "out.zip", {"metadata.jsonl": METADATA[3]})
    assert [raw.problem for raw in FilePrompts(FilesSource(kind="files", path=outside))] == ["outside_folder"]


def test_a_zip_file_without_rows_is_an_error_that_says_what_it_is(tmp_path: Path):
    with pytest.raises(InputError, match="holds no file with prompts") as error:
        FilePrompts(FilesSource(kind="files", path=zipped(tmp_path / "a.zip", {"a.png": png()})))
    assert "kind: images" in str(error.value.hint)


def test_rows_beside_images_that_are_not_read_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.png").write_bytes(png())
    (folder / "metadata.csv").write_text("file_name,question\na.png,how many?\n")
    for path in (folder, zipped(tmp_path / "b.zip", {"a.png": png(), "metadata.csv": "file_name\na.png\n"})):
        assert list(ImagePrompts(ImagesSource(kind="images", path=path)))
        assert "metadata.csv is not read by `kind: images`" in caplog.messages[-1]
    for number in range(3):
        (folder / str(number)).mkdir()
        (folder / str(number) / "rows.jsonl").write_text("")
    assert list(ImagePrompts(ImagesSource(kind="images", path=folder)))
    assert "0/rows.jsonl and 3 more are not read by `kind: images`" in caplog.messages[-1]


def test_linked_folders_are_entered_once_and_every_kind_of_image_that_is_read_is_found(tmp_path: Path):
    (photos := tmp_path / "photos").mkdir()
    for name in ("elsewhere/b.jfif", "elsewhere/deep/d.ppm", "photos/z/c.mpo", "photos/a.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(png())
    links = {"photos/2024": "elsewhere", "photos/again": "elsewhere", "photos/a": "photos/z", "elsewhere/back": "photos"}
    for name, to in {**links, "photos/gone.png": "nowhere"}.items():
        (tmp_path / name).symlink_to(tmp_path / to)
    found = [str(path.relative_to(photos)) for path in image_files(photos)]
    assert found == ["2024/b.jfif", "2024/deep/d.ppm", "a.png", "z/c.mpo"]


def test_files_that_are_no_images_by_their_names_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    files: dict[str, bytes | str] = {"a.png": png(), "b.MOV": "", "in/c.mov": "", "d": "", "README.md": "", "rows.csv": ""}
    path = zipped(tmp_path / "photos.zip", files)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "photos")
    for made in (path, tmp_path / "photos"):
        assert len(list(ImagePrompts(ImagesSource(kind="images", path=made, prompts=("one",))))) == 1
        assert caplog.messages[-1] == f"{made}: 3 files are left out: no image's name ends as theirs (.mov 2, none 1)"


def test_hidden_files_of_rows_are_left_out(tmp_path: Path):
    (tmp_path / "rows.jsonl").write_text('{"prompt": "what?"}\n')
    (tmp_path / "._rows.jsonl").write_bytes(b"\0\5\x16\7Mac OS X")
    assert [raw.text for raw in FilePrompts(FilesSource(kind="files", path=tmp_path))] == ["what?"]


@pytest.mark.parametrize("made", ["empty", "gone", "broken.zip"])
def test_no_images_are_an_error_with_a_hint(tmp_path: Path, made: str):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.zip").write_bytes(b"PK nothing")
    with pytest.raises(InputError) as error:
        list(ImagePrompts(ImagesSource(kind="images", path=tmp_path / made)))
    assert error.value.hint


def test_lineage_digests_exactly_the_kinds_of_files_that_are_read():
    assert set(READERS) == set(SUFFIXES)

"""Prompt files are read as users have them; what is wrong with a row becomes its problem, what is wrong with a file an error."""

import base64
import gzip
import json
import subprocess
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from selfjudge.errors import InputError
from selfjudge.ports import RawPrompt
from selfjudge.recipe.inputs import FilesSource
from selfjudge.sources.files import FilePrompts
from selfjudge.types import Kind


def read(path: Path, **options: object) -> list[RawPrompt]:
    return list(FilePrompts(FilesSource(kind="files", path=path, **options)))


def jsonl(folder: Path, *rows: object) -> Path:
    path = folder / "prompts.jsonl"
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows) + "\n")
    return path


def test_a_row_of_jsonl_has_a_prompt_and_an_image_beside_the_file(tmp_path: Path):
    [raw] = read(jsonl(tmp_path, {"prompt": "what?", "image": "a/b.png", "kind": "closed"}))
    assert raw == RawPrompt(
        where="prompts.jsonl:1", text="what?", images=(tmp_path / "a/b.png",), kind=Kind.CLOSED, kind_rule="row"
    )


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("{", "invalid_json"),
        ("[1]", "invalid_json"),
        ({"image": "x.png"}, "no_prompt"),
        ({"prompt": 7, "image": "x.png"}, "no_prompt"),
        ({"conversations": [{"from": "gpt", "value": "hi"}], "image": "x.png"}, "no_prompt"),
        ({"prompt": "p", "image": 7}, "no_image"),
        ({"prompt": "p", "image": "data:image/png;base64,!"}, "not_an_image"),
        ({"prompt": "p", "image": "data:image/png;base64,é"}, "not_an_image"),
        ({"prompt": "p", "image": "../x.png"}, "outside_folder"),
        ({"prompt": "p", "images": [{"path": "/etc/passwd"}]}, "outside_folder"),
        ({"prompt": "p", "image": "https://x.org/1.png"}, "not_fetched"),
        ({"prompt": "p", "image": "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAIAQMAAADAA"}, "not_an_image"),
        ({"prompt": "p", "image": "a\0.png"}, "image_missing"),
        ({"prompt": "p", "image": "\\" * 5000}, "image_missing"),
        ({"prompt": "p", "image": "file:///etc/hostname"}, "outside_folder"),
        ({"prompt": "p", "image": "x.png", "kind": "other"}, "unknown_kind"),
        ({"conversations": 5, "image": "x.png"}, "no_prompt"),
        ({"conversations": True, "image": "x.png"}, "no_prompt"),
        ({"conversations": {"from": "human"}, "image": "x.png"}, "no_prompt"),
        ({"conversations": [{"from": "human", "value": "\ud83d"}], "image": "x.png"}, "invalid_text"),
        ({"prompt": "half an emoji \ud83d", "image": "x.png"}, "invalid_text"),
        ({"prompt": "p", "image": "\ud83d.png"}, "image_missing"),
        ({"prompt": "p", "images": [{"path": "\ud83d.png"}]}, "image_missing"),
        ({"prompt": "p", "image": "x.png", "id": "\ud83d"}, "invalid_text"),
        ({"prompt": "p", "image": "x.png", "id": ["\ud83d"]}, None),
        ("9" * 5000, "invalid_json"),
        ("[" * 100_000, "invalid_json"),
    ],
)
def test_a_bad_row_has_a_problem_and_the_others_are_read(tmp_path: Path, row: object, problem: str):
    bad, good = read(jsonl(tmp_path, row, {"prompt": "p", "image": "x.png"}))
    assert (bad.where, bad.problem) == ("prompts.jsonl:1", problem)
    assert good.problem is None


def test_a_row_may_have_an_id_of_its_own(tmp_path: Path):
    raws = read(jsonl(tmp_path, {"prompt": "p", "image": "x.png", "id": "q-1"}, {"prompt": "p", "image": "x.png", "id": 2}))
    assert [raw.id for raw in raws] == ["q-1", "2"]


@pytest.mark.parametrize("image", [{}, {"image": ""}, {"image": None}, {"images": []}, {"image": {"bytes": None, "path": None}}])
def test_a_row_without_an_image_is_read_without_one(tmp_path: Path, image: dict):
    [raw] = read(jsonl(tmp_path, {"prompt": "p", **image}))
    assert raw.detail and raw.images == () and raw.problem is None


def test_a_data_url_is_bytes(tmp_path: Path):
    [raw] = read(jsonl(tmp_path, {"prompt": "p", "image": "data:image/png;base64," + base64.b64encode(b"png").decode()}))
    assert raw.images == (b"png",)


def test_rows_of_llava_onevision_are_understood(tmp_path: Path):
    turns = [{"from": "human", "value": "<image>\nWhat is it?"}, {"from": "gpt", "value": "a secret reference"}]
    [raw] = read(jsonl(tmp_path, {"id": "1", "image": "x.png", "conversations": turns}))
    assert raw.text == "What is it?"


def test_reference_answers_are_not_read(tmp_path: Path):
    [raw] = read(jsonl(tmp_path, {"prompt": "p", "image": "x.png", "reference": "SECRET", "answer": "SECRET"}))
    assert "SECRET" not in repr(raw)


def test_blank_lines_are_no_rows_but_count_as_lines(tmp_path: Path):
    [raw] = read(jsonl(tmp_path, "", {"prompt": "p", "image": "x.png"}))
    assert raw.where == "prompts.jsonl:2"


def test_a_limit_takes_the_first_rows(tmp_path: Path):
    assert len(read(jsonl(tmp_path, *[{"prompt": "p", "image": f"{i}.png"} for i in range(5)]), limit=3)) == 3


def test_a_route_makes_all_rows_the_same_kind(tmp_path: Path):
    [raw] = read(jsonl(tmp_path, {"prompt": "p", "image": "x.png", "kind": "open"}), route="closed")
    assert (raw.kind, raw.kind_rule) == (Kind.CLOSED, "recipe")


@pytest.mark.parametrize(
    "images",
    [
        pa.array([{"bytes": b"png", "path": None}], pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        pa.array([b"png"], pa.binary()),
    ],
    ids=["hugging face", "bytes"],
)
def test_parquet_holds_images_as_bytes(tmp_path: Path, images: pa.Array):
    path = tmp_path / "p.parquet"
    pq.write_table(pa.table({"prompt": ["p"], "image": images, "reference": ["SECRET"]}), path)
    [raw] = read(path)
    assert raw.images == (b"png",) and raw.where == "p.parquet:1"


def test_a_folder_is_read_file_by_file(tmp_path: Path):
    jsonl(tmp_path, {"prompt": "p", "image": "x.png"})
    pq.write_table(pa.table({"prompt": ["q"], "image": ["y.png"]}), tmp_path / "a.parquet")
    assert [raw.text for raw in read(tmp_path)] == ["q", "p"]


def test_a_parquet_file_that_is_not_one_is_an_error_that_names_it(tmp_path: Path):
    path = tmp_path / "fake.parquet"
    path.write_bytes(b"PAR1 not really")
    with pytest.raises(InputError, match=r"fake\.parquet cannot be read: Parquet"):
        read(path)


def test_a_parquet_file_without_prompts_names_its_columns(tmp_path: Path):
    path = tmp_path / "p.parquet"
    pq.write_table(pa.table({"query": ["q"]}), path)
    with pytest.raises(InputError, match="no column with the instruction") as error:
        read(path)
    assert "query" in str(error.value.hint)


def test_a_row_without_a_prompt_or_an_image_names_the_columns_that_are_there(tmp_path: Path):
    path = tmp_path / "p.parquet"
    pq.write_table(pa.table({"prompt": ["p", None], "picture": ["x.png", "y.png"]}), path)
    lines = read(jsonl(tmp_path, {"query": "q", "image": "x.png"}, {"prompt": "p", "picture": "x.png"}))
    assert "the row has `query`, `image`" in lines[0].detail and "the row has `prompt`, `picture`" in lines[1].detail
    assert all("the row has `prompt`, `picture`" in raw.detail for raw in read(path))


def test_a_row_of_parquet_that_holds_no_text_is_refused_and_the_others_are_read(tmp_path: Path):
    path = tmp_path / "p.parquet"
    broken = pa.Array.from_buffers(pa.string(), 2, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0"), pa.py_buffer(b"p\xff")])
    pq.write_table(pa.table({"prompt": broken, "image": ["x.png", "x.png"]}), path)
    assert [raw.problem for raw in read(path)] == [None, "invalid_text"]


@pytest.mark.parametrize("name", ["missing.jsonl", "empty-folder", "prompts.txt"])
def test_what_is_no_prompt_file_is_an_error_with_a_hint(tmp_path: Path, name: str):
    (tmp_path / "empty-folder").mkdir()
    (tmp_path / "prompts.txt").write_text("hi")
    with pytest.raises(InputError) as error:
        read(tmp_path / name)
    assert name in str(error.value) and error.value.hint


TABLE = 'Prompt, Image \n"Wie viele, hier?",x.png\nWas ist das?,y.png\n'


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_table_is_read_whatever_separates_its_cells_and_however_it_is_encoded(
    tmp_path: Path, separator: str, encoding: str, end: str
):
    text = TABLE.replace(",", separator).replace(f"viele{separator}", "viele,").replace("\n", end)
    (tmp_path / "rows.csv").write_bytes(text.encode(encoding))
    first, second = read(tmp_path / "rows.csv")
    assert (first.where, first.text, first.images) == ("rows.csv:2", "Wie viele, hier?", (tmp_path / "x.png",))
    assert (second.where, second.text, second.images) == ("rows.csv:3", "Was ist das?", (tmp_path / "y.png",))


@pytest.mark.parametrize("line", ["sep=;", '"sep=;"', "SEP=;"])
def test_the_line_by_which_excel_names_the_separator_is_no_row(tmp_path: Path, line: str):
    (tmp_path / "rows.csv").write_bytes(f"\ufeff{line}\r\nprompt;image;a,b,c,d\r\nwhat?;x.png;\r\n".encode())
    assert [(raw.where, raw.text, raw.images) for raw in read(tmp_path / "rows.csv")] == [
        ("rows.csv:3", "what?", (tmp_path / "x.png",))
    ]


def test_lines_before_the_header_may_be_empty(tmp_path: Path):
    (tmp_path / "rows.csv").write_text("\n\nprompt,image\n?,x.png\n")
    assert [raw.where for raw in read(tmp_path / "rows.csv")] == ["rows.csv:4"]


@pytest.mark.parametrize(
    ("name", "text"), [("a.csv", ""), ("a.csv", "\n\n"), ("a.tsv", "prompt\timage\n"), ("a.jsonl", ""), ("a.json", "")]
)
def test_a_file_without_rows_is_said_and_costs_no_row_of_the_others(
    tmp_path: Path, name: str, text: str, caplog: pytest.LogCaptureFixture
):
    jsonl(tmp_path, {"prompt": "what?", "image": "x.png"})
    (tmp_path / name).write_text(text)
    assert [raw.text for raw in read(tmp_path)] == ["what?"]
    assert caplog.messages == [f"{tmp_path / name} has no rows"]


def test_a_column_is_known_in_any_case_and_one_that_is_exact_wins(tmp_path: Path):
    assert [(raw.text, raw.kind) for raw in read(jsonl(tmp_path, {" Prompt": "a?", "IMAGE": "x.png", "kind": " Open "}))] == [
        ("a?", Kind.OPEN)
    ]
    (raw,) = read(jsonl(tmp_path, {"Prompt": "a?", "prompt": "b?", "image": "x.png", "kind": float("nan")}))
    assert (raw.text, raw.kind) == ("b?", None)
    pq.write_table(pa.table({"Question": ["a?"], "Image": ["x.png"]}), tmp_path / "rows.parquet")
    assert read(tmp_path / "rows.parquet")[0].images == (tmp_path / "x.png",)


def test_a_file_address_is_a_path(tmp_path: Path):
    (raw,) = read(jsonl(tmp_path, {"prompt": "?", "image": (tmp_path / "a b.png").as_uri()}))
    assert raw.images == (tmp_path / "a b.png",)


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json", "rows.csv"])
def test_a_packed_file_is_an_error_that_says_so(tmp_path: Path, name: str):
    (tmp_path / name).write_bytes(gzip.compress(b'{"prompt": "?"}'))
    with pytest.raises(InputError, match="packed with gzip") as error:
        read(tmp_path / name)
    subprocess.run(str(error.value).partition("unpack it: ")[2], shell=True, cwd=tmp_path, check=True)
    assert (tmp_path / f"unpacked-{name}").read_bytes() == b'{"prompt": "?"}'

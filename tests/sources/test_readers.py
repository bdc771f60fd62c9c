"""Rows of data files as users have them: the same rows from every kind of file and encoding, and faults in their place."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from selfjudge.errors import InputError
from selfjudge.sources.readers import READERS, columns_of, rows_of

ROWS = [{"prompt": "wie viele? ü", "n": "1"}, {"prompt": 'a "quoted", line\nand another', "n": "2"}]


def lines() -> str:
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in ROWS)


def cells(delimiter: str) -> str:
    quoted = [[value.replace('"', '""') for value in row.values()] for row in ROWS]
    return f"prompt{delimiter}n\r\n" + "".join(delimiter.join(f'"{value}"' for value in row) + "\r\n" for row in quoted)


TEXTS = {".jsonl": lines(), ".ndjson": lines(), ".json": json.dumps(ROWS), ".csv": cells(","), ".tsv": cells("\t")}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("suffix", TEXTS)
def test_every_kind_of_text_in_every_encoding_has_the_same_rows(tmp_path: Path, suffix: str, encoding: str):
    path = tmp_path / f"data{suffix}"
    path.write_bytes(TEXTS[suffix].encode(encoding))
    assert [row for _, row in rows_of(path)] == ROWS


@pytest.mark.parametrize("broken", [b"\n", b"\x00\xd8", b"\x00\xdc\x00"], ids=["half", "high", "low"])
@pytest.mark.parametrize("suffix", TEXTS)
def test_utf_16_that_is_not_valid_costs_no_other_row(tmp_path: Path, suffix: str, broken: bytes):
    path = tmp_path / f"data{suffix}"
    path.write_bytes(TEXTS[suffix].encode("utf-16") + broken)
    found = [row for _, row in rows_of(path)]
    assert found[:2] == ROWS or (suffix == ".json" and isinstance(found[0], ValueError))  # a list is no list any more


def test_parquet_and_a_saved_data_set_have_the_same_rows(tmp_path: Path):
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "data.parquet")
    datasets.Dataset.from_list(ROWS).save_to_disk(str(tmp_path / "saved"))
    assert [row for _, row in rows_of(tmp_path / "data.parquet")] == [row for _, row in rows_of(tmp_path / "saved")] == ROWS


def test_json_lines_that_are_called_json_are_read(tmp_path: Path):
    (tmp_path / "data.json").write_text(lines())
    assert [row for _, row in rows_of(tmp_path / "data.json")] == ROWS


def put(path: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as shard:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            shard.addfile(member, io.BytesIO(data))


def test_samples_of_one_name_in_different_folders_of_a_shard_are_different_rows(tmp_path: Path):
    put(tmp_path / "0.tar", {f"scene{n}/view.{end}": b"%d" % n for n in (1, 2) for end in ("jpg", "txt")})
    assert [row for _, row in rows_of(tmp_path / "0.tar")] == [
        {"id": "view", "prompt": "1", "images": [b"1"]},
        {"id": "view", "prompt": "2", "images": [b"2"]},
    ]


def test_hidden_files_of_a_shard_belong_to_no_sample(tmp_path: Path):
    put(tmp_path / "0.tar", {"./._1.jpg": b"mac", "./1.jpg": b"jpg", "./._1.txt": b"mac", ".DS_Store": b"", "./1.txt": b"one"})
    assert [row for _, row in rows_of(tmp_path / "0.tar")] == [{"id": "1", "prompt": "one", "images": [b"jpg"]}]


def test_a_shard_has_a_row_for_each_sample(tmp_path: Path):
    files = {
        "a/1.json": b'{"prompt": "one"}',
        "a/1.jpg": b"jpg",
        "a/2.txt": b"two\n",
        "a/2.left.png": b"png",
        "a/2.right.png": b"more",
    }
    put(tmp_path / "0.tar", files)
    assert [row for _, row in rows_of(tmp_path / "0.tar")] == [
        {"id": "1", "prompt": "one", "images": [b"jpg"]},
        {"id": "2", "prompt": "two", "images": [b"png", b"more"]},
    ]


@pytest.mark.parametrize(
    ("suffix", "content", "numbers"),
    [
        (
            ".jsonl",
            b'{"a": 1}\n\n{broken\n[1]\n\xff\xfe{}\n{"a": 2}\n',
            {1: None, 3: "Expecting", 4: "a JSON list", 5: "utf-8", 6: None},
        ),
        (".json", b'[{"a": 1}, 3]', {1: None, 2: "a JSON int"}),
        (".csv", b"a,b\n1,2\n1,2,3\n,\n", {2: None, 3: "more cells", 4: None}),
        (".csv", b'a,b\n1,"2\n3,4\n\n5,"6\n 7"\n', {2: "quotation marks", 3: None, 6: None}),
        (".csv", b'a,b\n1,"2\n3,4', {2: "quotation marks", 3: None}),
        (".tsv", b'a\tb\n"1" in\t2\n"3\n"\t4\n"5', {2: "quotation marks", 4: None, 5: "quotation marks"}),
    ],
)
def test_a_row_that_cannot_be_read_is_a_fault_with_its_number(
    tmp_path: Path, suffix: str, content: bytes, numbers: dict[int, str | None]
):
    path = tmp_path / f"data{suffix}"
    path.write_bytes(content if suffix != ".jsonl" else content.replace(b"\xff\xfe", b"\xff"))
    found = dict(rows_of(path))
    assert found.keys() == numbers.keys()
    for number, fault in numbers.items():
        assert isinstance(found[number], ValueError) == (fault is not None)
        assert fault is None or fault in str(found[number])


@pytest.mark.parametrize("suffix", [*READERS, ".xlsx", ""])
def test_a_file_that_is_gone_or_of_another_kind_is_an_error_with_a_hint(tmp_path: Path, suffix: str):
    with pytest.raises(InputError) as error:
        next(rows_of(tmp_path / f"gone{suffix}"))
    assert error.value.hint


@pytest.mark.parametrize("suffix", [".parquet", ".tar", ".json"])
def test_a_file_that_is_damaged_is_an_error_that_names_it(tmp_path: Path, suffix: str):
    path = tmp_path / f"data{suffix}"
    path.write_bytes(b"nothing of that kind")
    with pytest.raises(InputError, match=f"data{suffix}") as error:
        list(rows_of(path))
    assert error.value.hint


def test_an_empty_cell_of_a_table_is_no_value(tmp_path: Path):
    (tmp_path / "data.csv").write_text("prompt,image\nx,\n")
    assert [row for _, row in rows_of(tmp_path / "data.csv")] == [{"prompt": "x"}]


def test_a_header_whose_quotation_marks_do_not_match_is_an_error_with_its_line(tmp_path: Path):
    (tmp_path / "data.csv").write_text('\n"prompt,image\nx,y\n')
    for read in (columns_of, lambda path: list(rows_of(path))):
        with pytest.raises(InputError, match=r"data\.csv cannot be read: line 2: its quotation marks do not match"):
            read(tmp_path / "data.csv")


def test_no_row_is_lost_however_many_have_a_quotation_mark_too_many(tmp_path: Path):
    (tmp_path / "data.csv").write_text("prompt,n\n" + '"x,1\ny,2\n' * 20_000)
    found = list(rows_of(tmp_path / "data.csv"))
    assert [number for number, _ in found] == list(range(2, 40_002))
    assert all(isinstance(row, ValueError) if number % 2 == 0 else row == {"prompt": "y", "n": "2"} for number, row in found)

"""Each source's prompt is built from its columns; what cannot be built says why."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hub_standin import COMMIT
from lookalikes import make_sources, released, write_release
from selfjudge.benchmarks.mmrb.built import Built, BuiltRows
from selfjudge.benchmarks.mmrb.library import Library, Opened
from selfjudge.benchmarks.mmrb.sources import (
    KNOWN_GROUPS,
    KNOWN_PARTS,
    KNOWN_ROWS,
    ORIGINS,
    REQUESTS,
    Unfit,
    only_image,
    source_name,
)
from selfjudge.errors import InputError

BY_NAME = {source.name: source for source in ORIGINS}
R = {name: f"<{name}>" for name in REQUESTS} | {"emma-find": "snippet below", "emma-replace": "snippet"}


def math(**changes: Any) -> dict[str, Any]:
    row = {"question": "How\r many?", "unit": None, "choices": None, "question_type": "free_form", "answer_type": "integer"}
    return {**row, "precision": None, "metadata": {"language": "english"}, **changes}


@pytest.mark.parametrize(
    ("source", "row", "text"),
    [
        ("nocaps", {}, "<nocaps>"),
        ("visitbench", {"instruction": "Do it."}, "Do it."),
        ("mmmu-s", {"question": "<image 1> Q\r?", "options": "['a', \"b's\"]"}, "<mmmu-s>\n<image 1> Q? (A) a (B) b's"),
        ("mmmu-s", {"question": "Q", "options": ["a", "b"]}, "<mmmu-s>\nQ (A) a (B) b"),
        ("mmmu-v", {}, "<mmmu-v>"),
        ("mathvista", math(), "<mathvista-integer>\nQuestion:How many?"),
        ("mathvista", math(unit="cm"), "<mathvista-integer>\nQuestion:How many? (Unit: cm)"),
        ("mathvista", math(answer_type="float", precision=1.0), "<mathvista-float-1>\nQuestion:How many?"),
        ("mathvista", math(answer_type="float", precision=2), "<mathvista-float-2>\nQuestion:How many?"),
        ("mathvista", math(answer_type="float", precision=3), "<mathvista-other>\nQuestion:How many?"),
        ("mathvista", math(answer_type="list"), "<mathvista-other>\nQuestion:How many?"),
        (
            "mathvista",
            math(question_type="multi_choice", answer_type="text", choices=["x", "y"], unit="m"),
            "<mathvista-choice>\nQuestion:How many? (Unit: m) (A) x (B) y",
        ),
        ("image2struct", {}, "<image2struct>"),
        ("EMMA-Coding", {"question": "<image_1>\n\nWhich snippet below?"}, "Which snippet?"),
        ("EMMA-Coding", {"question": "No mark <image_1>"}, "No mark <image_1>"),
        (
            "MMBench",
            {"question": "Q?", "hint": "H", "A": "one", "B": "two", "C": "nan", "D": None},
            "Q?\n(A) one\n(B) two\n\n<letter-only>",
        ),
        ("MMBench", {"question": "Q?", "A": "one", "B": float("nan"), "C": "", "D": "d"}, "Q?\n(A) one\n(D) d\n\n<letter-only>"),
        (
            "SEED-Bench",
            {"question": "Q?", "choice_a": "1", "choice_b": "2", "choice_c": "3", "choice_d": "nan"},
            "Q?\n(A) 1\n(B) 2\n(C) 3\n(D) nan\n\n<letter-only>",
        ),
        ("RealworldQA", {"question": "Q?\nAnswer so."}, "Q?\nAnswer so."),
    ],
)
def test_the_prompt_of_each_source(source: str, row: dict[str, Any], text: str):
    assert BY_NAME[source].text(row, R) == text


@pytest.mark.parametrize(
    ("source", "row", "reason"),
    [
        ("visitbench", {"instruction": None}, "no_text"),
        ("RealworldQA", {"question": "  "}, "no_text"),
        ("mmmu-s", {"question": "Q", "options": "not a list"}, "bad_options"),
        ("mmmu-s", {"question": "Q", "options": "[]"}, "bad_options"),
        ("mmmu-s", {"question": "Q", "options": "3"}, "bad_options"),
        ("mathvista", math(metadata={"language": "chinese"}), "not_english"),
        ("mathvista", math(metadata=None), "not_english"),
        ("mathvista", math(question_type="multi_choice"), "bad_options"),
    ],
)
def test_what_cannot_be_built_says_why(source: str, row: dict[str, Any], reason: str):
    with pytest.raises(Unfit) as bad:
        BY_NAME[source].text(row, R)
    assert bad.value.reason == reason


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ({"image_1": b"one", "image_2": None}, b"one"),
        ({"image_1": [b"one"], "image_2": None}, b"one"),
        ({"image_1": b"one", "image_2": b"two"}, "several_images"),
        ({"image_1": [b"one", b"two"]}, "several_images"),
        ({"image_1": [], "image_2": None}, "no_image"),
        ({"image_1": None, "image_2": b"two"}, "no_image"),
        ({}, "no_image"),
    ],
)
def test_only_rows_with_one_picture_belong_to_the_benchmark(row: dict[str, Any], found: bytes | str):
    columns = ("image_1", "image_2")
    if isinstance(found, bytes):
        assert only_image(row, columns) == found
        return
    with pytest.raises(Unfit) as bad:
        only_image(row, columns)
    assert bad.value.reason == found


@pytest.mark.parametrize(
    ("source", "image", "place"),
    [
        ("nocaps", "images/nocaps/13062.jpg", "13062"),
        ("image2struct", "images/image2struct/0a-b.png", "0a-b"),
        ("visitbench", "images/visitbench/0.jpg", 0),
        ("mathvista", "images/mathvista/1.jpg", 0),
        ("EMMA-Coding", "images/EMMA-Coding/17_0.png", 17),
        ("SEED-Bench", "images/SEED-Bench/14199.jpg", 14_199),
    ],
)
def test_the_file_name_of_an_image_says_where_its_row_lies(source: str, image: str, place: int | str):
    assert BY_NAME[source].locate(image, by_key=BY_NAME[source].key is not None) == place


@pytest.mark.parametrize(
    ("source", "image"),
    [
        ("mathvista", "images/mathvista/0.jpg"),
        ("SEED-Bench", "images/SEED-Bench/14200.jpg"),
        ("visitbench", "images/visitbench/one.jpg"),
        ("visitbench", "images/visitbench/-1.jpg"),
        ("visitbench", "images/visitbench/²3.jpg"),
    ],
)
def test_a_file_name_that_names_no_row_is_refused(source: str, image: str):
    with pytest.raises(Unfit, match="names no row"):
        BY_NAME[source].locate(image, by_key=BY_NAME[source].key is not None)


@pytest.mark.parametrize(
    ("identity", "image", "source"),
    [
        ("nocaps_1", "images/nocaps/1.jpg", "nocaps"),
        ("NoCaps_1", "images/nocaps/1.jpg", "nocaps"),
        ("emma-coding_3-1", "images/EMMA-Coding/3_0.png", "EMMA-Coding"),
        ("seed-bench_3", "x", "SEED-Bench"),
        ("PAIRS_3", "images/pairs/a/b/c.png", "pairs"),
        ("0a1b-uuid", "images/image2struct/0a1b-uuid.png", "image2struct"),
        ("hateful_3", "images/hateful/3.png", None),
        ("", "", None),
    ],
)
def test_the_source_of_a_row_is_known_by_its_id_in_any_case_or_by_its_folder(identity: str, image: str, source: str | None):
    assert source_name(identity, image) == source


def test_the_known_counts_add_up():
    assert sum(KNOWN_GROUPS.values()) == KNOWN_ROWS == 4_711
    for group in ("open_generation/correctness_task", "open_generation/preference_task", "knowledge"):
        assert sum(count for name, count in KNOWN_PARTS.items() if name.startswith(f"{group} of")) == KNOWN_GROUPS[group]


def test_a_hub_that_cannot_be_reached_is_an_error_that_names_the_source(tmp_path: Path):
    release = write_release(tmp_path, [released("visitbench", 0), released("RealworldQA", 0)])
    copies = tmp_path / "copies"
    sources = make_sources(tmp_path / "sources")
    shutil.copytree(sources / "mlfoundations__VisIT-Bench", copies / "mlfoundations__VisIT-Bench")
    command = [sys.executable, "-m", "selfjudge", "benchmarks", "prepare", "multimodal-rewardbench", "--release", str(release)]
    command += ["--sources", str(copies), "--to", str(tmp_path / "made")]
    own = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path / "home"), "NO_PROXY": "*"}
    shown = subprocess.run(command, check=False, capture_output=True, text=True, env={**os.environ, **own})
    assert shown.returncode == 2 and "Traceback" not in shown.stderr
    assert "for the data set xai-org/RealworldQA" in shown.stderr and "hint: " in shown.stderr
    assert len((tmp_path / "made/rows.jsonl").read_text().splitlines()) == 1  # what is done stays


def test_a_source_that_breaks_off_is_an_error_that_names_it():
    class Breaking:
        column_names = ("image", "instruction")

        def __iter__(self) -> Iterator[dict[str, Any]]:
            yield {"image": None, "instruction": "x"}
            raise ConnectionResetError("peer")

    source = next(source for source in ORIGINS if source.name == "visitbench")
    found = Opened(origin=source, parts=(Breaking(),), revision="x").find([0, 1])
    assert next(found)[0] == 0
    with pytest.raises(InputError, match="cannot read the source mlfoundations/VisIT-Bench: ConnectionResetError: peer"):
        next(found)


def test_the_rows_of_a_source_are_all_of_the_commit_that_the_first_ones_were_read_at(tmp_path: Path):
    images = {"0": "images/RealworldQA/0.jpg", "1": "images/visitbench/1.jpg"}
    for name in images.values():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(b"x")
    row = Built(text="x", sha256=hashlib.sha256(b"x").hexdigest(), source="RealworldQA", revision=COMMIT, by="position")
    with BuiltRows.open(tmp_path, images) as ledger:
        ledger.add("0", row)
        ledger.add("1", replace(row, source="visitbench", revision="local"))
    with BuiltRows.open(tmp_path, images) as ledger:
        assert ledger.commits() == {"xai-org/RealworldQA": COMMIT}
        assert Library(copies=None, commits=ledger.commits()).commit("xai-org/RealworldQA") == COMMIT

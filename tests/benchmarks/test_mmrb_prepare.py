"""Multimodal RewardBench is put together row by row from look-alikes of its sources; what was not built is told, and why."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from hub_standin import COMMIT, serving
from lookalikes import (
    GROUPS,
    as_image,
    contents,
    drawn,
    make_sources,
    one_of_each,
    pixel,
    put_on_hub,
    refused,
    released,
    saved,
    write_release,
)
from runs import no_progress
from selfjudge.benchmarks.mmrb.library import Library
from selfjudge.benchmarks.mmrb.prepare import Assembly, prepare
from selfjudge.benchmarks.mmrb.sources import PAIRS_REPOSITORY, REQUESTS
from selfjudge.errors import InputError, RunError


class Stopped(Exception):
    """Stands for a kill between two rows."""


def stopping(after: int) -> Any:
    """Progress that ends everything after so many rows."""

    @contextmanager
    def progress(label: str, total: int | None) -> Iterator[Any]:
        seen = 0

        def advance(count: int) -> None:
            nonlocal seen
            seen += count
            if seen > after:
                raise Stopped

        yield advance

    return progress


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Look-alikes of every source. Read only."""
    return make_sources(tmp_path_factory.mktemp("sources"))


def made(folder: Path, sources: Path | None, rows: list[Any], **options: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """`prepared.json` and the rows of all_data.json."""
    release = write_release(folder, rows)
    progress = options.pop("progress", no_progress)
    prepared = prepare(Assembly(release=release, copies=sources, **options), folder / "made", progress=progress)
    return prepared, json.loads((folder / "made/all_data.json").read_text())


def test_a_row_of_every_source_has_its_prompt_and_its_picture(tmp_path: Path, sources: Path):
    prepared, rows = made(tmp_path, sources, one_of_each(2))
    assert prepared["rows"] == len(rows) == 11 and prepared["refused"] == {} and refused(tmp_path) == {}
    for row in rows:
        assert list(row) == ["ID", "Text", "Image", "Output1", "Output2", "Better", "Category"]
        colour = pixel(tmp_path / "made" / row["Image"])
        assert all(abs(a - b) < 6 for a, b in zip(colour, (74, 182, 80), strict=True)), row["ID"]  # the third picture of all
    texts = {row["Image"].split("/")[1]: row["Text"] for row in rows}
    assert texts["nocaps"] == REQUESTS["nocaps"] and texts["pairs"] == "shipped 2"
    assert texts["visitbench"] == "instruction 2" and texts["EMMA-Coding"] == "Which code snippet draws 2?"
    assert texts["mathvista"].endswith("\nQuestion:question 2") and "one digit after" in texts["mathvista"]
    assert texts["SEED-Bench"] == f"question 2\n(A) a2\n(B) b2\n(C) c2\n(D) d2\n\n{REQUESTS['letter-only']}"
    assert "SECRET" not in (tmp_path / "made/all_data.json").read_text()


def test_a_picture_is_kept_byte_for_byte_where_its_name_says_its_format(tmp_path: Path, sources: Path):
    made(tmp_path, sources, one_of_each(2))
    images = tmp_path / "made/images"
    assert (images / "mathvista/3.jpg").read_bytes() == drawn(2)
    assert (images / "MMBench/2.png").read_bytes() == drawn(2, "PNG")
    assert (images / "visitbench/2.jpg").read_bytes()[:3] == b"\xff\xd8\xff"  # from PNG


def test_prepared_json_is_written_last_and_names_every_file(tmp_path: Path, sources: Path):
    prepared, rows = made(tmp_path, sources, one_of_each())
    written = json.loads((tmp_path / "made/prepared.json").read_text())
    assert written == prepared and written["name"] == "multimodal-rewardbench"
    assert set(written["files"]) == {"all_data.json", *(row["Image"] for row in rows)}
    assert all(contents(tmp_path / "made")[name] == digest for name, digest in written["files"].items())
    assert written["revision"]["nocaps"] == ["local"]
    assert str(tmp_path) not in json.dumps(written)


def test_counts_are_held_against_the_known_ones_group_by_group(tmp_path: Path, sources: Path):
    prepared, _ = made(tmp_path, sources, one_of_each())
    assert prepared["counts"]["vqa"] == {"rows": 3, "known": 1_198}
    assert prepared["counts"]["vqa of MMBench"] == {"rows": 1, "known": None}
    assert prepared["counts"]["knowledge of mmmu-s"] == {"rows": 1, "known": 330}
    assert "all groups: rows 11, known 4,711" in prepared["warnings"]
    assert "reasoning/math: rows 1, known 514" in prepared["warnings"]
    assert "open_generation/preference_task of nocaps: rows 0, known 389" in prepared["warnings"]


def test_duplicate_ids_are_kept_and_ids_in_any_case_find_their_source(tmp_path: Path, sources: Path):
    rows = [released("visitbench", 1), released("visitbench", 1, Output1="another answer")]
    rows += [
        released("RealworldQA", 3, ID="REALWORLDQA_3"),
        released("nocaps", 101, ID="NoCaps_7", Image="images/NoCaps/101.jpg"),
    ]
    _, found = made(tmp_path, sources, rows)
    assert [row["ID"] for row in found] == ["visitbench_1", "visitbench_1", "REALWORLDQA_3", "NoCaps_7"]
    assert found[1]["Output1"] == "another answer" and found[2]["Text"] == "question 3"
    assert (tmp_path / "made/images/NoCaps/101.jpg").read_bytes() == drawn(4)


def test_a_prompt_that_the_release_brings_is_kept_and_further_columns_stay(tmp_path: Path, sources: Path):
    rows = [
        released("visitbench", 1, Text="as shipped", Note=3),
        released("visitbench", 2, Text="  "),
        released("mmmu-v", 0, Text=None),
    ]
    _, found = made(tmp_path, sources, rows)
    assert [row["Text"] for row in found] == ["as shipped", "instruction 2", REQUESTS["mmmu-v"]]
    assert found[0]["Note"] == 3


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (released("visitbench", 99), "missing_source_row"),
        (released("nocaps", 3), "missing_source_row"),
        (released("image2struct", "u-9-9"), "missing_source_row"),
        (released("pairs", 99), "missing_source_row"),
        (released("mmmu-s", 5), "several_images"),
        (released("SEED-Bench", 5), "several_images"),
        (released("mathvista", 6), "not_english"),
        (released("mathvista", 0), "bad_image_path"),
        (released("visitbench", 1, Image="images/visitbench/../../../1.jpg"), "bad_image_path"),
        (released("visitbench", 1, Image="/etc/1.jpg"), "bad_image_path"),
        (released("pairs", 1, Image="images/pairs/../../secret.png"), "bad_image_path"),
        (released("pairs", 1, Text=""), "no_text"),
        (released("pairs", 1, ID="hateful_1", Image="images/hateful/1.png"), "unknown_source"),
        (released("visitbench", 1, Better="A"), "invalid_row"),
        (released("visitbench", 1, Output1=None), "invalid_row"),
        ("not a row", "invalid_row"),
        ({}, "invalid_row"),
    ],
)
def test_a_row_that_cannot_be_built_is_refused_and_the_others_are_built(tmp_path: Path, sources: Path, row: Any, reason: str):
    prepared, rows = made(tmp_path, sources, [row, released("visitbench", 0)])
    assert [found["ID"] for found in rows] == ["visitbench_0"]
    assert refused(tmp_path) == {"0": reason} and prepared["refused"] == {reason: 1}
    assert "refused.jsonl" in prepared["files"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"not an image", "not_an_image"), (drawn(1, "PNG")[:45], "truncated"), (None, "no_image"), (b"", "no_image")],
)
def test_a_corrupt_picture_in_a_source_is_a_refused_row(tmp_path: Path, data: bytes | None, reason: str):
    rows = [{"image": as_image(drawn(0)), "instruction": "one"}, {"image": as_image(data), "instruction": "two"}]
    saved(tmp_path / "sources/mlfoundations__VisIT-Bench", rows, ["image"])
    _, found = made(tmp_path, tmp_path / "sources", [released("visitbench", 0), released("visitbench", 1)])
    assert len(found) == 1 and list(refused(tmp_path)) == ["1"]
    assert refused(tmp_path)["1"] in (reason, "unreadable")


def test_a_picture_that_is_mended_is_built_by_the_same_command_later(tmp_path: Path):
    rows = [released("visitbench", 0), released("visitbench", 1)]
    for second in (b"broken", drawn(1)):
        shutil.rmtree(tmp_path / "sources", ignore_errors=True)
        data = [{"image": as_image(image), "instruction": "x"} for image in (drawn(0), second)]
        saved(tmp_path / "sources/mlfoundations__VisIT-Bench", data, ["image"])
        prepared, found = made(tmp_path, tmp_path / "sources", rows)
    assert len(found) == 2 and prepared["refused"] == {} and not (tmp_path / "made/refused.jsonl").exists()


@pytest.mark.parametrize("after", [0, 1, 4, 9])
def test_stopped_anywhere_and_started_again_it_makes_the_same_bytes(tmp_path: Path, sources: Path, after: int):
    rows = [*one_of_each(2), *one_of_each(1), released("visitbench", 99)]
    undisturbed, stopped = tmp_path / "undisturbed", tmp_path / "stopped"
    for folder in (undisturbed, stopped):
        folder.mkdir()
    made(undisturbed, sources, rows)
    with pytest.raises(Stopped):
        made(stopped, sources, rows, progress=stopping(after))
    assert not (stopped / "made/prepared.json").exists()
    with (stopped / "made/rows.jsonl").open("a") as ledger:
        ledger.write('{"row": "5", "text": "cut o')  # a line as a kill leaves it
    made(stopped, sources, rows)
    assert contents(stopped / "made") == contents(undisturbed / "made")


def test_what_is_done_is_not_asked_for_again(tmp_path: Path, sources: Path):
    made(tmp_path, sources, one_of_each())
    before = (tmp_path / "made/prepared.json").stat().st_mtime_ns
    _, rows = made(tmp_path, tmp_path / "no sources at all", one_of_each())
    assert len(rows) == 11 and (tmp_path / "made/prepared.json").stat().st_mtime_ns == before


def test_a_lost_or_changed_picture_is_made_again(tmp_path: Path, sources: Path):
    made(tmp_path, sources, one_of_each())
    before = contents(tmp_path / "made")
    (tmp_path / "made/images/MMBench/2.png").unlink()
    (tmp_path / "made/images/mathvista/3.jpg").write_bytes(b"changed")
    made(tmp_path, sources, one_of_each())
    after = contents(tmp_path / "made")
    assert {name: digest for name, digest in after.items() if name != "rows.jsonl"} == {
        name: digest for name, digest in before.items() if name != "rows.jsonl"
    }


@pytest.mark.slow
def test_killed_at_random_moments_it_makes_the_same_bytes(tmp_path: Path):
    sources = make_sources(tmp_path / "sources", rows=400)
    rows = [released("visitbench", number) for number in range(400)] + [released("RealworldQA", number) for number in range(400)]
    release = write_release(tmp_path, rows)

    def command(folder: str) -> list[str]:
        selfjudge = [sys.executable, "-m", "selfjudge", "benchmarks", "prepare", "multimodal-rewardbench"]
        return [*selfjudge, "--release", str(release), "--sources", str(sources), "--to", str(tmp_path / folder)]

    ledger = tmp_path / "killed/rows.jsonl"
    for part in (0, 20_000, 45_000):  # bytes of the ledger at which the process is killed
        with subprocess.Popen(command("killed"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            while process.poll() is None and (not ledger.exists() or ledger.stat().st_size <= part):
                time.sleep(0.002)
            assert process.poll() is None, "it was done before it could be killed"
            os.kill(process.pid, signal.SIGKILL)
    assert not (tmp_path / "killed/prepared.json").exists()
    for folder in ("killed", "undisturbed"):
        subprocess.run(command(folder), check=True, capture_output=True)
    assert contents(tmp_path / "killed") == contents(tmp_path / "undisturbed")


def test_a_folder_belongs_to_its_inputs(tmp_path: Path, sources: Path):
    made(tmp_path, sources, one_of_each())
    with pytest.raises(RunError, match="other inputs: `release`"):
        made(tmp_path, sources, one_of_each(1))
    requests = tmp_path / "requests.json"
    requests.write_text(json.dumps({"nocaps": "Another wording."}))
    with pytest.raises(RunError, match="`requests.nocaps`"):
        made(tmp_path, sources, one_of_each(), requests=requests)


def test_requests_may_be_worded_by_the_user(tmp_path: Path, sources: Path):
    requests = tmp_path / "requests.json"
    requests.write_text(json.dumps({"nocaps": "Another wording.", "emma-find": "Which", "emma-replace": "What"}))
    _, rows = made(tmp_path, sources, one_of_each(), requests=requests)
    texts = [row["Text"] for row in rows]
    assert "Another wording." in texts and "What code snippet below draws 2?" in texts and REQUESTS["mmmu-v"] in texts


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"nocap": "x"}', "unknown key `nocap`"),
        ('{"nocaps": 3}', "not a JSON object of texts"),
        ("[]", "not a JSON object"),
        ("{", "cannot read"),
    ],
)
def test_a_bad_file_of_requests_is_an_error(tmp_path: Path, text: str, message: str):
    path = tmp_path / "requests.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        made(tmp_path, None, one_of_each(), requests=path)


@pytest.mark.parametrize(("text", "message"), [("{", "cannot read"), ("[]", "no list of rows"), ('{"a": 1}', "no list of rows")])
def test_a_bad_release_is_an_error(tmp_path: Path, text: str, message: str):
    path = tmp_path / "release.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        prepare(Assembly(release=path), tmp_path / "made", progress=no_progress)
    with pytest.raises(InputError, match="cannot read"):
        prepare(Assembly(release=tmp_path / "none.json"), tmp_path / "made", progress=no_progress)


def test_a_source_may_be_left_out_and_a_wrong_name_is_an_error(tmp_path: Path, sources: Path):
    prepared, rows = made(tmp_path, sources, one_of_each(), without=("seed-bench", "pairs"))
    assert len(rows) == 9 and prepared["refused"] == {"left_out": 2}
    with pytest.raises(InputError, match="no source SEED"):
        made(tmp_path, sources, one_of_each(), without=("SEED",))


def test_when_no_row_can_be_built_that_is_an_error(tmp_path: Path, sources: Path):
    with pytest.raises(InputError, match="not one row could be built; the first: .* has no row 99"):
        made(tmp_path, sources, [released("visitbench", 99)])


def test_a_copy_that_lacks_a_column_is_an_error_that_names_it(tmp_path: Path):
    saved(tmp_path / "sources/mlfoundations__VisIT-Bench", [{"image": as_image(drawn(0)), "text": "x"}], ["image"])
    with pytest.raises(InputError, match="no column `instruction`") as caught:
        made(tmp_path, tmp_path / "sources", [released("visitbench", 0)])
    assert "image, text" in str(caught.value.hint)


def test_a_copy_without_the_key_column_is_looked_up_by_position_with_a_warning(tmp_path: Path):
    saved(tmp_path / "sources/HuggingFaceM4__NoCaps", [{"image": as_image(drawn(n))} for n in range(3)], ["image"])
    prepared, _ = made(tmp_path, tmp_path / "sources", [released("nocaps", 1)])
    assert (tmp_path / "made/images/nocaps/1.jpg").read_bytes() == drawn(1)
    assert "nocaps: its copy has no column `image_id`; rows were found by position" in prepared["warnings"]


def test_folders_of_parquet_files_are_read_like_data_sets(tmp_path: Path, sources: Path):
    import datasets

    copies = tmp_path / "parquet"
    for name in ("HuggingFaceM4__NoCaps", "mlfoundations__VisIT-Bench", "lmms-lab__SEED-Bench"):
        data = datasets.load_from_disk(str(sources / name))
        (copies / name / "data").mkdir(parents=True)
        for number in range(2):
            data.shard(2, number, contiguous=True).to_parquet(copies / name / f"data/test-0000{number}-of-00002.parquet")
        (copies / name / "data/train-00000-of-00001.parquet").write_bytes(b"another split, not read")
    rows = [row for row in one_of_each(4) if row["ID"].startswith(("nocaps", "visitbench", "SEED"))]
    folders = tmp_path / "one", tmp_path / "two"
    for folder, of in zip(folders, (sources, copies), strict=True):
        folder.mkdir()
        made(folder, of, rows)
    assert contents(folders[0] / "made") == contents(folders[1] / "made")


def test_pairs_is_cloned_where_there_is_no_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sources: Path):
    repository = tmp_path / "repository"
    shutil.copytree(sources / "katiefraser__PAIRS", repository)
    git = ["git", "-C", str(repository), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "pictures"]):
        subprocess.run([*git, *arguments], check=True, capture_output=True)
    commit = subprocess.check_output([*git, "rev-parse", "HEAD"], text=True).strip()
    monkeypatch.setattr(Library, "url_of_pairs", str(repository))
    prepared, _ = made(tmp_path, None, [released("pairs", 1)])
    assert prepared["revision"] == {"pairs": [commit]}
    assert (tmp_path / "made/images/pairs/occupations/scene1/one.png").read_bytes() == drawn(1, "PNG")
    assert not (tmp_path / "made/.sources").exists()
    monkeypatch.setattr(Library, "url_of_pairs", str(tmp_path / "nowhere"))
    (tmp_path / "made/images/pairs/occupations/scene1/one.png").unlink()
    with pytest.raises(InputError, match=f"cannot clone {PAIRS_REPOSITORY}") as caught:
        made(tmp_path, None, [released("pairs", 1)])
    assert "--sources" in str(caught.value.hint)


@pytest.mark.slow
def test_sources_are_streamed_from_the_hub_at_a_commit_that_is_kept(tmp_path: Path, sources: Path):
    put_on_hub(sources, tmp_path / "hub")
    copies = tmp_path / "copies"
    shutil.copytree(sources / "katiefraser__PAIRS", copies / "katiefraser__PAIRS")
    release = write_release(tmp_path, one_of_each(3))
    selfjudge = [sys.executable, "-m", "selfjudge", "benchmarks", "prepare", "multimodal-rewardbench", "--release", str(release)]
    with serving(tmp_path / "hub") as endpoint:
        own = {"HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "home"), "NO_PROXY": "*"}
        command = [*selfjudge, "--sources", str(copies), "--to", str(tmp_path / "streamed")]
        shown = subprocess.run(command, check=False, capture_output=True, text=True, env={**os.environ, **own})
    assert shown.returncode == 0, shown.stderr
    assert "rows:     11" in shown.stdout and "warning: all groups: rows 11, known 4,711" in shown.stderr
    made(tmp_path, sources, one_of_each(3))
    streamed, local = contents(tmp_path / "streamed"), contents(tmp_path / "made")
    told = ("prepared.json", "rows.jsonl")  # they name the commit
    assert {name: streamed[name] for name in streamed if name not in told} == {
        name: local[name] for name in local if name not in told
    }
    revisions = json.loads((tmp_path / "streamed/prepared.json").read_text())["revision"]
    assert revisions == {source: ["local" if source == "pairs" else COMMIT] for source in sorted(GROUPS)}


def test_a_picture_is_shown_as_its_name_says_when_it_is_not_plain(tmp_path: Path):
    out = io.BytesIO()
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(out, "PNG")
    saved(tmp_path / "sources/mlfoundations__VisIT-Bench", [{"image": as_image(out.getvalue()), "instruction": "x"}], ["image"])
    made(tmp_path, tmp_path / "sources", [released("visitbench", 0)])
    assert min(pixel(tmp_path / "made/images/visitbench/0.jpg")) > 250  # transparent is white


def test_two_processes_do_not_prepare_the_same_folder(tmp_path: Path, sources: Path):
    @contextmanager
    def entered_twice(label: str, total: int | None) -> Iterator[Any]:
        with pytest.raises(RunError, match="in use by another process"):
            made(tmp_path, sources, one_of_each())
        yield lambda count: None

    made(tmp_path, sources, one_of_each(), progress=entered_twice)

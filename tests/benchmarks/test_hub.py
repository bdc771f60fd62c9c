"""Data sets of the hub are fetched at one commit from a small server that speaks as the hub does."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import constants

from hub_standin import COMMIT, serving
from selfjudge.benchmarks import hub
from selfjudge.benchmarks.catalogue import CATALOGUE, entry_of, folder_of, state_of
from selfjudge.errors import InputError, RunError


def table(rows: int) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({"id": list(range(rows))}), out)
    return out.getvalue()


FILES = {
    ".gitattributes": b"x",
    "README.md": b"a card",
    "data/test-00000-of-00001.parquet": table(1_247),
    "inference_results.zip": b"not needed",
}


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., list[str]]]:
    """Publish files as a data set in place of all others; the paths that the hub is then asked for."""
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    asked: list[str] = []

    def publish(name: str, files: dict[str, bytes]) -> list[str]:
        shutil.rmtree(tmp_path / "hub" / name, ignore_errors=True)
        for file, data in files.items():
            path = tmp_path / "hub" / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return asked

    with serving(tmp_path / "hub", fault=asked.append, commits=[COMMIT]) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        yield publish


VLRB = "MMInstruction/VL-RewardBench"


def test_what_is_needed_is_fetched_and_prepared_json_says_what_it_is(tmp_path: Path, published: Callable[..., list[str]]):
    published(VLRB, FILES)
    prepared = hub.prepare(entry_of("vl-rewardbench"), tmp_path / "to")
    assert prepared["revision"] == COMMIT and prepared["rows"] == 1_247 and prepared["source"] == VLRB
    assert set(prepared["files"]) == {"README.md", "data/test-00000-of-00001.parquet"}
    assert prepared["files"]["README.md"] == hashlib.sha256(b"a card").hexdigest()
    assert json.loads((tmp_path / "to/prepared.json").read_text()) == prepared
    assert not (tmp_path / "to/inference_results.zip").exists()


def test_what_is_whole_is_not_fetched_again_and_what_is_damaged_is(tmp_path: Path, published: Callable[..., list[str]]):
    asked = published(VLRB, FILES)
    hub.prepare(entry_of("vl-rewardbench"), tmp_path / "to")
    asked.clear()
    hub.prepare(entry_of("vl-rewardbench"), tmp_path / "to")
    assert asked == []
    (tmp_path / "to/README.md").write_bytes(b"changed")
    hub.prepare(entry_of("vl-rewardbench"), tmp_path / "to")
    assert asked and (tmp_path / "to/README.md").read_bytes() == b"a card"


def test_a_folder_keeps_its_revision(tmp_path: Path, published: Callable[..., list[str]]):
    published(VLRB, FILES)
    hub.prepare(entry_of("vl-rewardbench"), tmp_path / "to")
    manifest = json.loads((tmp_path / "to/prepared.json").read_text())
    (tmp_path / "to/prepared.json").write_text(json.dumps({**manifest, "revision": "b" * 40}))
    with pytest.raises(RunError, match="holds the revision b+, not a+"):
        hub.prepare(entry_of("vl-rewardbench"), tmp_path / "to", revision=COMMIT)


def test_a_download_that_is_not_whole_is_an_error_and_leaves_the_folder_unfinished(
    tmp_path: Path, published: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
):
    published(VLRB, FILES)
    monkeypatch.setattr(hub, "download", lambda *arguments, **options: tmp_path)
    with pytest.raises(InputError, match="2 of 2 files of MMInstruction/VL-RewardBench were not downloaded, README.md first"):
        hub.prepare(entry_of("vl-rewardbench"), tmp_path / "to")
    assert not (tmp_path / "to/prepared.json").exists()


def test_a_data_set_without_the_files_of_the_benchmark_is_an_error(tmp_path: Path, published: Callable[..., list[str]]):
    published(VLRB, {"README.md": b"", "other.zip": b""})
    with pytest.raises(InputError, match="holds no file of vl-rewardbench"):
        hub.prepare(entry_of("vl-rewardbench"), tmp_path / "to")


def test_a_benchmark_of_two_data_sets_keeps_the_second_in_a_folder_of_its_own(
    tmp_path: Path, published: Callable[..., list[str]]
):
    published("rl-research/multimodal-rewardbench-2", {"t2i.json": b"{}"})
    published("facebook/MMRB2_image", {"t2i.json": b"{}"})
    prepared = hub.prepare(entry_of("mmrb2"), tmp_path / "to")
    assert set(prepared["files"]) == {"t2i.json", "MMRB2_image/t2i.json"}
    assert prepared["also"] == {"facebook/MMRB2_image": COMMIT} and prepared["rows"] is None


@pytest.mark.parametrize(
    ("name", "data_set", "files", "rows"),
    [
        ("judgebench", "ScalerLab/JudgeBench", {"data/gpt-0.jsonl": b"{}\n{}\n", "data/claude-0.jsonl": b"{}\n\n"}, 3),
        ("rewardbench-2", "allenai/reward-bench-2", {"data/test-0.parquet": table(4)}, 4),
        ("multi-crit", "txiong23/Multi-Crit", {"data/open_ended-0.parquet": table(5), "data/reasoning-0.parquet": table(2)}, 7),
        ("rewardbench", "allenai/reward-bench", {"data/filtered-0.parquet": table(5), "data/raw-0.parquet": table(7)}, 5),
        ("rewardbench", "allenai/reward-bench", {"data/filtered-0.parquet": b"damaged"}, None),
    ],
)
def test_rows_of_all_splits_are_counted_where_all_of_them_belong(
    tmp_path: Path, published: Callable[..., list[str]], name: str, data_set: str, files: dict[str, bytes], rows: int | None
):
    published(data_set, files)
    assert hub.prepare(entry_of(name), tmp_path / "to")["rows"] == rows


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[str]:
    for name, data in FILES.items():
        path = tmp_path / "hub/MMInstruction/VL-RewardBench" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    with serving(tmp_path / "hub") as address:
        yield address


def selfjudge(*arguments: str | Path, endpoint: str, home: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "selfjudge", "benchmarks", *map(str, arguments)]
    own = {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "SELFJUDGE_BENCHMARKS": str(home / "prepared"), "NO_PROXY": "*"}
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120, env={**os.environ, **own})


def test_the_command_fetches_from_the_hub_and_the_list_then_shows_it(tmp_path: Path, endpoint: str):
    shown = selfjudge("prepare", "vl-rewardbench", endpoint=endpoint, home=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "rows:     1,247" in shown.stdout and COMMIT in shown.stdout and "limits use to research" in shown.stdout
    folder = tmp_path / "prepared/vl-rewardbench"
    assert (folder / "data/test-00000-of-00001.parquet").read_bytes() == FILES["data/test-00000-of-00001.parquet"]
    assert {path.name for path in folder.iterdir()} == {"data", "README.md", "prepared.json", ".lock"}
    listed = selfjudge("--format", "json", endpoint="http://127.0.0.1:9", home=tmp_path)
    by_name = {entry["name"]: entry for entry in json.loads(listed.stdout)}
    assert (by_name["vl-rewardbench"]["state"], by_name["vl-rewardbench"]["folder"]) == ("prepared", str(folder))
    assert (by_name["shapes-bench"]["state"], by_name["judgebench"]["state"]) == ("shipped", "absent")


@pytest.mark.parametrize(
    ("arguments", "error", "hint"),
    [
        (
            ("vl-rewardbench", "--revision", "old"),
            "the data set MMInstruction/VL-RewardBench at old does not exist",
            "Name a branch",
        ),
        (("judgebench",), "the data set ScalerLab/JudgeBench was not found on the hub", "set HF_TOKEN"),
        (("vlrb",), "there is no benchmark vlrb", "vl-rewardbench"),
        (("vl-rewardbench", "--release", "x.json"), "--release is not an option of vl-rewardbench", "Remove this option"),
        (
            ("multimodal-rewardbench", "--revision", "x"),
            "--revision is not an option of multimodal-rewardbench",
            "Remove this option",
        ),
        (("multimodal-rewardbench",), "multimodal-rewardbench needs --release", "all_data_release.json"),
    ],
)
def test_what_cannot_be_prepared_is_an_error_with_a_hint(
    tmp_path: Path, endpoint: str, arguments: tuple[str, ...], error: str, hint: str
):
    shown = selfjudge("prepare", *arguments, endpoint=endpoint, home=tmp_path)
    assert shown.returncode == 2 and "Traceback" not in shown.stderr
    assert error in shown.stderr and hint in shown.stderr.splitlines()[-1]


def test_a_hub_that_cannot_be_reached_is_an_error_with_a_hint(tmp_path: Path):
    shown = selfjudge("prepare", "judgebench", endpoint="http://127.0.0.1:9", home=tmp_path)
    assert shown.returncode == 2 and "Traceback" not in shown.stderr
    assert (
        "error: cannot reach the hub at http://127.0.0.1:9 for the data set ScalerLab/JudgeBench" in shown.stderr
        and "HF_ENDPOINT" in shown.stderr
    )


@pytest.mark.parametrize("name", ["shapes-bench", "pairs"])
def test_what_needs_no_preparing_says_so(tmp_path: Path, endpoint: str, name: str):
    shown = selfjudge("prepare", name, endpoint=endpoint, home=tmp_path)
    assert shown.returncode == 0 and "needs no preparation" in shown.stdout


def test_every_benchmark_tells_where_it_comes_from_and_its_licence():
    assert len({entry.name for entry in CATALOGUE}) == len(CATALOGUE) == 11
    for entry in CATALOGUE:
        assert entry.licence and entry.where and entry.measures
        assert bool(entry.hub) == (entry.obtained == "hub")


def test_a_damaged_prepared_json_is_no_presence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SELFJUDGE_BENCHMARKS", str(tmp_path))
    entry = entry_of("multimodal-rewardbench")
    path = tmp_path / entry.name / "prepared.json"
    path.parent.mkdir()
    for text in ("{", "[]", json.dumps({"name": "vl-rewardbench"})):
        path.write_text(text)
        assert state_of(entry) == "absent" and folder_of(entry) is None
    path.write_text(json.dumps({"name": entry.name}))
    assert state_of(entry) == "prepared" and folder_of(entry) == path.parent


def test_a_data_set_in_the_hubs_cache_is_present(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SELFJUDGE_BENCHMARKS", str(tmp_path / "none"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    entry: Any = entry_of("vl-rewardbench")
    assert state_of(entry) == "absent"
    place = tmp_path / "datasets--MMInstruction--VL-RewardBench"
    (place / "refs").mkdir(parents=True)
    (place / "refs/main").write_text(COMMIT)
    snapshot = place / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    assert state_of(entry) == "absent"  # none of its files is there
    (snapshot / "data").mkdir()
    (snapshot / "data/test-00000-of-00001.parquet").write_bytes(table(1))
    assert (state_of(entry), folder_of(entry)) == ("in the hub's cache", snapshot)

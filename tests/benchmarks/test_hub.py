"""Data sets of the hub are fetched at one commit from a small server that speaks as the hub does."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

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


@dataclass
class Stub:
    """A hub without a network: data sets by name, and what was asked for."""

    files: dict[str, bytes]
    commit: str = COMMIT
    loses: Sequence[str] = ()
    asked: list[str] = field(default_factory=list)

    def look_up(self, name: str, revision: str | None) -> hub.Snapshot:
        self.asked.append(f"{name}@{revision}")
        return hub.Snapshot(commit=revision if revision and len(revision) == 40 else self.commit, files=tuple(self.files))

    def fetch(self, name: str, commit: str, patterns: Sequence[str], into: Path) -> None:
        self.asked.append(f"{name}:{','.join(patterns)}")
        for file, data in self.files.items():
            if file not in self.loses:
                (into / file).parent.mkdir(parents=True, exist_ok=True)
                (into / file).write_bytes(data)


def test_what_is_needed_is_fetched_and_prepared_json_says_what_it_is(tmp_path: Path):
    stub = Stub(FILES)
    prepared = hub.prepare(entry_of("vl-rewardbench"), tmp_path, hub=stub)
    assert prepared["revision"] == COMMIT and prepared["rows"] == 1_247 and prepared["source"] == "MMInstruction/VL-RewardBench"
    assert set(prepared["files"]) == {"README.md", "data/test-00000-of-00001.parquet"}
    assert prepared["files"]["README.md"] == hashlib.sha256(b"a card").hexdigest()
    assert json.loads((tmp_path / "prepared.json").read_text()) == prepared
    assert stub.asked[1] == "MMInstruction/VL-RewardBench:data/*,README.md"


def test_what_is_whole_is_not_fetched_again_and_what_is_damaged_is(tmp_path: Path):
    first, again, mending = Stub(FILES), Stub(FILES), Stub(FILES)
    hub.prepare(entry_of("vl-rewardbench"), tmp_path, hub=first)
    hub.prepare(entry_of("vl-rewardbench"), tmp_path, hub=again)
    assert again.asked == []
    (tmp_path / "README.md").write_bytes(b"changed")
    hub.prepare(entry_of("vl-rewardbench"), tmp_path, hub=mending)
    assert len(mending.asked) == 2 and (tmp_path / "README.md").read_bytes() == b"a card"


def test_a_folder_keeps_its_revision(tmp_path: Path):
    hub.prepare(entry_of("vl-rewardbench"), tmp_path, hub=Stub(FILES))
    with pytest.raises(RunError, match="holds the revision a+, not b+"):
        hub.prepare(entry_of("vl-rewardbench"), tmp_path, revision="b" * 40, hub=Stub(FILES))


def test_a_download_that_is_not_whole_is_an_error_and_leaves_the_folder_unfinished(tmp_path: Path):
    with pytest.raises(InputError, match="1 of 2 files of MMInstruction/VL-RewardBench were not downloaded, README.md first"):
        hub.prepare(entry_of("vl-rewardbench"), tmp_path, hub=Stub(FILES, loses=["README.md"]))
    assert not (tmp_path / "prepared.json").exists()


def test_a_data_set_without_the_files_of_the_benchmark_is_an_error(tmp_path: Path):
    with pytest.raises(InputError, match="holds no file of vl-rewardbench"):
        hub.prepare(entry_of("vl-rewardbench"), tmp_path, hub=Stub({"README.md": b"", "other.zip": b""}))


def test_a_benchmark_of_two_data_sets_keeps_the_second_in_a_folder_of_its_own(tmp_path: Path):
    prepared = hub.prepare(entry_of("mmrb2"), tmp_path, hub=Stub({"t2i.json": b"{}"}))
    assert set(prepared["files"]) == {"t2i.json", "MMRB2_image/t2i.json"}
    assert prepared["also"] == {"facebook/MMRB2_image": COMMIT} and prepared["rows"] is None


def test_rows_of_all_splits_are_counted_where_all_of_them_belong(tmp_path: Path):
    files = {"data/gpt-0.jsonl": b"{}\n{}\n", "data/claude-0.jsonl": b"{}\n\n"}
    assert hub.prepare(entry_of("judgebench"), tmp_path / "a", hub=Stub(files))["rows"] == 3
    files = {"data/filtered-0.parquet": table(5), "data/raw-0.parquet": table(7)}
    assert hub.prepare(entry_of("rewardbench"), tmp_path / "b", hub=Stub(files))["rows"] == 5
    files = {"data/filtered-0.parquet": b"damaged"}
    assert hub.prepare(entry_of("rewardbench"), tmp_path / "c", hub=Stub(files))["rows"] is None


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
        (("vl-rewardbench", "--revision", "old"), "does not give the data set MMInstruction/VL-RewardBench at old", "--revision"),
        (("judgebench",), "does not give the data set ScalerLab/JudgeBench", "Accept its conditions"),
        (("vlrb",), "there is no benchmark vlrb", "vl-rewardbench"),
        (("vl-rewardbench", "--release", "x.json"), "--release does not go with vl-rewardbench", "Leave it away"),
        (("multimodal-rewardbench", "--revision", "x"), "--revision does not go with multimodal-rewardbench", "Leave it away"),
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
    assert "error: the hub does not give the data set ScalerLab/JudgeBench" in shown.stderr and "HF_ENDPOINT" in shown.stderr


@pytest.mark.parametrize("name", ["shapes-bench", "pairs"])
def test_what_needs_no_preparing_says_so(tmp_path: Path, endpoint: str, name: str):
    shown = selfjudge("prepare", name, endpoint=endpoint, home=tmp_path)
    assert shown.returncode == 0 and "needs no preparing" in shown.stdout


def test_every_benchmark_tells_where_it_comes_from_and_its_licence():
    assert len({entry.name for entry in CATALOGUE}) == len(CATALOGUE) == 9
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
    import huggingface_hub.constants as constants

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

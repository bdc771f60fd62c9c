"""A model folder is known by all its bytes, each of which is read once."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from selfjudge.run import fingerprint as module
from selfjudge.run.fingerprint import CARD, fingerprint

HOUR = 3_600_000_000_000


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    with (folder / "model.safetensors").open("wb") as file:
        file.truncate(100 * 2**20)
    return folder


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are read, an hour from now."""
    names: list[str] = []
    whole, now = module._sha256, time.time_ns
    monkeypatch.setattr(module, "_sha256", lambda path: names.append(path.name) or whole(path))
    monkeypatch.setattr(module.time, "time_ns", lambda: now() + HOUR)
    return names


def test_a_byte_in_the_middle_of_a_large_file_counts(model: Path):
    before = fingerprint(model)
    with (model / "model.safetensors").open("r+b") as file:
        file.seek(50 * 2**20)
        file.write(b"x")
    assert fingerprint(model) != before


def test_names_count_and_cards_do_not(model: Path):
    before = fingerprint(model)
    (model / CARD).write_text("{}")
    assert fingerprint(model) == before
    (model / "config.json").rename(model / "other.json")
    assert fingerprint(model) != before


def test_what_was_read_is_not_read_again_until_it_changes(model: Path, tmp_path: Path, read: list[str]):
    hashes = tmp_path / "hashes.json"
    before = fingerprint(model, hashes)
    assert fingerprint(model, hashes) == before and read == ["config.json", "model.safetensors"]
    kept = (model / "config.json").stat()
    (model / "config.json").write_text("[]")
    os.utime(model / "config.json", ns=(kept.st_atime_ns, kept.st_mtime_ns))
    assert fingerprint(model, hashes) != before and read[2:] == ["config.json"]


def test_a_file_that_was_just_written_is_not_remembered(model: Path, tmp_path: Path):
    fingerprint(model, tmp_path / "hashes.json")
    assert not (tmp_path / "hashes.json").exists()


def test_a_damaged_memory_is_forgotten(model: Path, tmp_path: Path, read: list[str]):
    hashes = tmp_path / "hashes.json"
    hashes.write_text("[")
    assert fingerprint(model, hashes) == fingerprint(model)


def test_what_a_download_keeps_beside_the_model_does_not_count(model: Path):
    before = fingerprint(model)
    notes = model / ".cache/huggingface/download"
    notes.mkdir(parents=True)
    (notes / "config.json.metadata").write_text("when it was fetched")
    assert fingerprint(model) == before

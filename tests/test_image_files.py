"""Only regular files inside the data's folder are read as images; everything else is refused at once, in words."""

from __future__ import annotations

import base64
import os
import threading
from pathlib import Path

import pytest

from selfjudge.run import image_files
from selfjudge.run.image_files import BadImage, locate, read


def refusal(name: str, folder: Path, **options: bool) -> BadImage:
    with pytest.raises(BadImage) as refused:
        read(locate(name, folder, **options))
    return refused.value


def made(path: Path, data: bytes = b"data") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_a_file_in_the_folder_is_read_by_relative_and_absolute_path_and_through_links(tmp_path: Path):
    file = made(tmp_path / "photos/1.jpg")
    (tmp_path / "link.jpg").symlink_to(file)
    for name in ("photos/1.jpg", str(file), "photos/../photos/1.jpg", "link.jpg"):
        assert read(locate(name, tmp_path)) == b"data"


def test_a_file_outside_is_refused_unless_allowed_however_it_is_named(tmp_path: Path):
    outside, folder = made(tmp_path / "private.jpg"), tmp_path / "data"
    made(tmp_path / "data-2/1.jpg")
    folder.mkdir()
    (folder / "link.jpg").symlink_to(outside)
    (folder / "up").symlink_to(tmp_path)
    for name in (str(outside), "../private.jpg", "link.jpg", "up/private.jpg", "../data-2/1.jpg"):
        bad = refusal(name, folder)
        assert bad.reason == "outside_folder" and "allow_outside" in str(bad) and str(folder) in str(bad)
        assert read(locate(name, folder, allow_outside=True)) == b"data"


def test_a_snapshot_in_the_hubs_cache_may_link_to_its_blobs(tmp_path: Path):
    blob = made(tmp_path / "datasets--a--b/blobs/0f")
    snapshot = tmp_path / "datasets--a--b/snapshots/1"
    snapshot.mkdir(parents=True)
    (snapshot / "1.jpg").symlink_to(blob)
    assert read(locate("1.jpg", snapshot)) == b"data"
    made(tmp_path / "private.jpg")
    assert refusal("../../../private.jpg", snapshot).reason == "outside_folder"


def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    (tmp_path / "folder.png").mkdir()
    for name in ("pipe.png", "zero.png", "folder.png", "/dev/null", "/dev/stdin"):
        bad = refusal(name, tmp_path, allow_outside=True)
        assert bad.reason in ("not_a_file", "image_missing"), name
    assert "a pipe" in str(refusal("pipe.png", tmp_path)) and "a device" in str(
        refusal("/dev/full", tmp_path, allow_outside=True)
    )


def test_a_pipe_that_takes_the_place_of_a_file_after_the_check_does_not_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = made(tmp_path / "1.png")

    opening = image_files._open_at_once

    def swap_and_open(path: str, flags: int) -> int:
        file.unlink()
        os.mkfifo(file)
        return opening(path, flags)

    monkeypatch.setattr(image_files, "_open_at_once", swap_and_open)
    reasons: list[str] = []
    thread = threading.Thread(target=lambda: reasons.append(refusal("1.png", tmp_path).reason), daemon=True)
    thread.start()
    thread.join(5)
    assert reasons == ["not_a_file"]


def test_a_file_over_the_limit_is_refused_before_it_is_read(tmp_path: Path):
    with (tmp_path / "huge.tif").open("wb") as file:
        file.truncate(image_files.MAX_BYTES + 1)
    assert refusal("huge.tif", tmp_path).reason == "too_many_bytes"


PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(60)).decode()
JPEG = base64.b64encode(b"\xff\xd8\xff\xe0" + bytes(30_000)).decode()


@pytest.mark.parametrize(
    ("name", "reason", "words"),
    [
        ("https://x.org/1.jpg", "not_fetched", "is an address"),
        ("S3://bucket/1.jpg", "not_fetched", "is an address"),
        ("zip://1.jpg::/data/train.zip", "not_fetched", "is an address"),
        ("photos\\1.jpg", "image_missing", "write the path with / in place of \\"),
        ("photos/gone.jpg", "image_missing", "photos/gone.jpg"),
        ("x" * 300 + ".jpg", "image_missing", "too long"),
        ("a\0b.jpg", "image_missing", "null"),
        ("a\ud83d.jpg", "image_missing", "surrogates"),
    ],
)
def test_a_name_that_leads_to_no_file_is_told_why(tmp_path: Path, name: str, reason: str, words: str):
    bad = refusal(name, tmp_path)
    assert bad.reason == reason and words in str(bad)
    str(bad).encode()


def test_a_missing_file_is_told_with_the_whole_path_that_was_looked_in(tmp_path: Path):
    assert str(tmp_path / "photos/gone.jpg") in str(refusal("photos/gone.jpg", tmp_path))

"""What a disk, a file system or another user refuses ends in words, and what is no fault of the folder does not stop it."""

import errno
import fcntl
import os
from pathlib import Path
from typing import Any

import pytest

from selfjudge.errors import RunError
from selfjudge.run.disk import kept, locked, read_json, write_whole, writing
from selfjudge.run.folder import RunFolder
from selfjudge.run.jsonl import regular


def without_locks(monkeypatch: pytest.MonkeyPatch, of: Any) -> None:
    """A file system that cannot lock what `of` says."""
    lock = fcntl.flock

    def flock(descriptor: int, how: int) -> None:
        if of(descriptor):
            raise OSError(errno.ENOLCK, "No locks available")
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", flock)


def is_folder(descriptor: int) -> bool:
    return Path(f"/proc/self/fd/{descriptor}").is_dir()


def test_a_folder_that_cannot_be_locked_itself_is_held_by_its_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    without_locks(monkeypatch, is_folder)
    with locked(tmp_path, "--dir"), pytest.raises(RunError, match="in use"), locked(tmp_path, "--dir"):
        pass


def test_where_nothing_can_be_locked_the_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    without_locks(monkeypatch, lambda _: True)
    with pytest.raises(RunError, match="No locks available") as error, locked(tmp_path, "--dir"):
        pass
    assert str(tmp_path) in str(error.value) and error.value.hint == "Check what lies there, and the disk."


def test_a_refused_permission_is_said_to_be_one(tmp_path: Path):
    with pytest.raises(RunError, match=r"cannot write .*x\.json: Permission denied") as error, writing(tmp_path / "x.json"):
        raise PermissionError(errno.EACCES, "Permission denied")
    assert "permissions" in str(error.value.hint)


def test_what_a_process_of_another_user_has_not_finished_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def kill(process: int, signal: int) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    theirs = tmp_path / ".selfjudge-tmp.report.html.12345.0"
    theirs.write_text("half")
    monkeypatch.setattr(os, "kill", kill)
    with locked(tmp_path, "--dir"):
        assert theirs.exists()


@pytest.mark.parametrize(
    ("text", "needed", "fault"),
    [("[1]", (), "a JSON list, not what was written there"), ('{"a": 1}', ("a", "b"), "`b` is missing"), ("{", (), "line 1")],
)
def test_a_file_that_does_not_hold_what_was_written_is_named(tmp_path: Path, text: str, needed: tuple[str, ...], fault: str):
    path = tmp_path / "x.json"
    write_whole(path, text.encode())
    with pytest.raises(RunError, match=fault) as error:
        read_json(path, *needed)
    assert str(path) in str(error.value) and error.value.hint


def test_a_pipe_is_no_file(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="a pipe or a device"):
        regular(tmp_path / "pipe")
    assert regular(tmp_path) == tmp_path


def test_what_was_found_once_is_found_again_only_for_something_else(tmp_path: Path):
    asked: list[int] = []

    def find() -> dict[str, Any]:
        asked.append(len(asked))
        return {"n": len(asked)}

    found = [kept(tmp_path / "found.json", of, find) for of in ("a", "a", "b", "a")]
    assert found == [{"n": 1}, {"n": 1}, {"n": 2}, {"n": 3}]


@pytest.mark.parametrize("name", ["recipe.json", "summary.json", "prompts/prompts.parquet", "prompts/sources.json"])
def test_a_file_of_the_users_is_not_overwritten_by_a_run_in_its_folder(tmp_path: Path, name: str):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text('{"model": "mine"}')
    with pytest.raises(RunError, match=name) as error, RunFolder(tmp_path).claim({"model": "shapes"}):
        pass
    assert "or use another folder (--dir)" in str(error.value.hint) and path.read_text() == '{"model": "mine"}'
    path.rename(tmp_path / "moved")
    with RunFolder(tmp_path).claim({"model": "shapes"}):
        pass
    with RunFolder(tmp_path).claim({"model": "corrected"}):
        """Nothing was made of it yet."""

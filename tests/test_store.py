"""Nothing half-written is ever read as whole, and nothing that was stored is lost."""

import errno
import os
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from selfjudge.errors import RunError
from selfjudge.run.disk import differences, is_disk_full, read_json, temporary, write_checked, write_whole
from selfjudge.run.folder import ImageStore, JudgeFolder, RunFolder
from selfjudge.run.journal import BadRow, Growing
from selfjudge.run.store import Table
from selfjudge.run.tables import REFUSED, RESPONSES
from selfjudge.types import ImageRef

DIES = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""A table is left as a killed process leaves it: with its journal open."""
IDENTITY = {"stage": "test", "version": 1, "recipe": {"seed": 0}, "inputs": {}}


def row(key: str) -> dict:
    return {"key": key, "source": f"{key}.jsonl:1", "reason": "test", "detail": None}


def table(folder: Path, **changes: object) -> Table:
    return Table(folder, REFUSED, {**IDENTITY, **changes})


def keys(growing: Table) -> set[str]:
    return {stored["key"] for stored in growing.stored()}


def test_a_sealed_table_is_sorted_by_key_whatever_the_order_of_arrival(tmp_path: Path):
    for name, keys in (("one", "cab"), ("other", "bca")):
        table(tmp_path / name).seal([row(key) for key in keys])
    one, other = table(tmp_path / "one"), table(tmp_path / "other")
    assert [r["key"] for r in one.rows()] == ["a", "b", "c"]
    assert one.digest == other.digest


@DIES
def test_a_row_survives_the_process_that_added_it_whether_in_a_part_or_not(tmp_path: Path):
    first = table(tmp_path)
    first.append(row("a"))
    first.flush()
    first.append(row("b"))
    again = table(tmp_path)
    assert keys(again) == {"a", "b"} and not again.sealed
    again.append(row("c"))
    last = table(tmp_path)
    assert {stored["key"] for stored in last.stored()} == {"a", "b", "c"}
    last.seal([row("d")])
    assert last.sealed and last.column("key") == ["a", "b", "c", "d"]


@DIES
def test_a_row_that_was_half_written_was_never_stored(tmp_path: Path):
    first = table(tmp_path)
    first.append(row("a"))
    first.append(row("b"))
    journal = next(tmp_path.rglob("*.jsonl"))
    journal.write_bytes(journal.read_bytes()[:-5])
    again = table(tmp_path)
    assert keys(again) == {"a"}
    again.append(row("b"))
    again.seal()
    assert again.column("key") == ["a", "b"]


@pytest.mark.parametrize(
    "bad",
    [
        {"source": "half an emoji \ud83d"},
        {"source": True},
        {"source": None},
        {"reason": 7},
        {"detail": 2**70},
        {"key": b"bytes"},
        {"detail": object()},
    ],
)
def test_a_row_that_a_table_cannot_hold_is_an_error_and_the_folder_stays_usable(tmp_path: Path, bad: dict):
    growing = table(tmp_path)
    growing.append(row("a"))
    for add in (growing.append, lambda value: table(tmp_path / "other").seal([value])):
        with pytest.raises(BadRow, match=f"`{next(iter(bad))}`"):
            add({**row("b"), **bad})
    growing.flush()
    again = table(tmp_path)
    again.append(row("b"))
    again.seal()
    assert again.column("key") == ["a", "b"]


def test_a_count_is_a_number_that_its_column_can_hold(tmp_path: Path):
    reply = {
        **dict.fromkeys(("key", "prompt_id", "role", "model", "text", "finish"), "x"),
        "sample": 0,
        "seed": 0,
        "prompt_tokens": 1,
        "completion_tokens": 1,
    }
    growing = Table(tmp_path, RESPONSES, IDENTITY)
    for count in (True, 2**31, 10**400, "many", None):
        with pytest.raises(BadRow, match="completion_tokens"):
            growing.append({**reply, "completion_tokens": count})
    growing.append(reply)
    growing.seal()


@DIES
@pytest.mark.parametrize(
    ("damage", "lost"),
    [
        (lambda lines: [lines[0], b"{", lines[2]], 1),
        (lambda lines: [lines[0], b"\0" * 4096, lines[2]], 1),
        (lambda lines: [lines[0], lines[1][:20] + lines[2]], 1),
        (lambda lines: [lines[0], b"[1]", b"7", b'{"key": "b"}', b"\xff\xfe", lines[2]], 4),
        (lambda lines: [lines[0], b'{"key": "b", "source": "\\ud83d", "reason": "r"}', lines[2], lines[2]], 1),
        (lambda lines: [b"[" * 100_000, b"\0"], 2),
        (lambda lines: [lines[0], lines[1].replace(b"test", b"tesd"), lines[2]], 1),
    ],
)
def test_damaged_lines_of_a_journal_are_left_out_and_counted(tmp_path: Path, caplog, damage: Callable, lost: int):
    first = table(tmp_path)
    for key in "abc":
        first.append(row(key))
    journal = next(tmp_path.rglob("*.jsonl"))
    journal.write_bytes(b"\n".join(damage(journal.read_bytes().split(b"\n")[:3])) + b"\n")
    (journal.parent / "1.jsonl.swp").write_text("an editor's")
    again = table(tmp_path)
    stored = keys(again)
    assert stored < set("abc") and f"{lost} of " in caplog.text and "damaged" in caplog.text
    for key in sorted(set("abc") - stored):
        again.append(row(key))
    again.seal()
    assert again.column("key") == ["a", "b", "c"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:-20],
        lambda data: b"\0" * len(data),
        lambda data: data[:30] + bytes([data[30] ^ 1]) + data[31:],
    ],
    ids=["empty", "cut off", "NULs", "one bit"],
)
def test_a_damaged_part_is_removed_with_a_warning_and_its_rows_are_made_again(tmp_path: Path, caplog, damage: Callable):
    first = table(tmp_path)
    for key in "ab":
        first.append(row(key))
        first.flush()
    part = sorted(tmp_path.rglob("0*.parquet"))[0]
    part.write_bytes(damage(part.read_bytes()))
    again = table(tmp_path)
    assert keys(again) == {"b"} and "damaged" in caplog.text
    again.append(row("a"))
    again.seal()
    assert again.column("key") == ["a", "b"]


def test_a_journal_beside_its_part_is_done_with(tmp_path: Path):
    first = table(tmp_path)
    first.append(row("a"))
    journal = next(tmp_path.rglob("*.jsonl"))
    left = journal.read_bytes()
    first.flush()
    journal.write_bytes(left)  # killed after the part was written, before the journal was removed
    again = table(tmp_path)
    again.seal()
    assert again.column("key") == ["a"]


def test_a_part_is_flushed_after_so_many_rows(tmp_path: Path):
    growing = table(tmp_path)
    for number in range(Growing.FLUSH_ROWS):
        growing.append(row(f"{number:04d}"))
    assert len(table(tmp_path).keys()) == Growing.FLUSH_ROWS


def test_a_table_without_a_manifest_is_unfinished(tmp_path: Path):
    table(tmp_path).seal([row("a")])
    table(tmp_path).manifest_path.unlink()
    assert not table(tmp_path).sealed


def test_a_table_made_of_something_else_is_an_error_that_names_the_difference(tmp_path: Path):
    table(tmp_path).seal([row("a")])
    with pytest.raises(RunError, match="`recipe.seed` is 0 there and 1 here"):
        _ = table(tmp_path, recipe={"seed": 1}).sealed


def test_a_table_that_was_changed_is_an_error(tmp_path: Path):
    sealed = table(tmp_path)
    sealed.seal([row("a")])
    sealed.path.write_bytes(sealed.path.read_bytes()[:-8])
    with pytest.raises(RunError, match="damaged"):
        _ = table(tmp_path).sealed


def test_a_damaged_manifest_is_an_error_with_a_hint(tmp_path: Path):
    sealed = table(tmp_path)
    sealed.seal([row("a")])
    sealed.manifest_path.write_text("{")
    with pytest.raises(RunError, match="cannot read") as error:
        _ = table(tmp_path).sealed
    assert error.value.hint


def test_a_key_cannot_be_sealed_twice(tmp_path: Path):
    with pytest.raises(RunError, match="twice"):
        table(tmp_path).seal([row("a"), row("a")])


def test_an_empty_table_is_whole_too(tmp_path: Path):
    table(tmp_path).seal()
    assert table(tmp_path).sealed and list(table(tmp_path).rows()) == []


def test_a_full_disk_is_a_clear_error_and_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match="no space left"):
        write_whole(tmp_path / "file", b"data")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_recognised_through_the_errors_that_wrap_it():
    inner = OSError(errno.ENOSPC, "No space left on device")
    outer = RuntimeError("saving failed")
    outer.__cause__ = inner
    assert is_disk_full(outer) and is_disk_full(ValueError("I/O error: No space left on device (os error 28)"))
    assert not is_disk_full(RuntimeError("other"))


def test_images_are_kept_once_and_checked_when_they_are_read(tmp_path: Path):
    import hashlib

    data = b"picture"
    ref = ImageRef(sha256=hashlib.sha256(data).hexdigest(), media_type="image/png", width=1, height=1)
    store = ImageStore(tmp_path)
    store.put(ref, data)
    store.put(ref, data)
    assert store.get(ref) == data and len(list(tmp_path.rglob("*.png"))) == 1
    store.path(ref).write_bytes(b"other")
    with pytest.raises(RunError, match="damaged"):
        store.get(ref)
    store.path(ref).unlink()
    with pytest.raises(RunError, match="gone"):
        store.get(ref)


def test_a_judge_folder_appears_whole_or_not_at_all(tmp_path: Path):
    judge = JudgeFolder(tmp_path, IDENTITY)
    with pytest.raises(ZeroDivisionError), judge.building() as folder:
        (folder / "config.json").write_text("{}")
        _ = 1 / 0
    assert not judge.path.exists() and not judge.sealed
    with judge.building() as folder:
        assert list(folder.iterdir()) == []
        (folder / "config.json").write_text("{}")
    judge.seal({"loss": 0.5})
    assert JudgeFolder(tmp_path, IDENTITY).sealed and judge.report["loss"] == 0.5
    (judge.path / "config.json").write_text("[]")
    with pytest.raises(RunError, match="damaged"):
        _ = JudgeFolder(tmp_path, IDENTITY).sealed


def test_checkpoints_are_kept_under_other_settings_that_can_read_them_alone(tmp_path: Path):
    def checkpoint(**execution: object) -> Path:
        return JudgeFolder(tmp_path, IDENTITY, execution=execution).checkpoints() / "checkpoint-1"

    checkpoint(launcher="process", workers=2).mkdir()
    assert checkpoint(launcher="process", workers=4).exists()
    assert not checkpoint(launcher="accelerate", workers=4).exists()


def claim(root: Path, **recipe: object):
    return RunFolder(root).claim({"a": 1, **recipe})


def test_a_folder_belongs_to_one_recipe(tmp_path: Path):
    with claim(tmp_path, a=0):
        """Nothing was made of it yet."""
    with claim(tmp_path):
        Table(tmp_path / "prompts", REFUSED, {}).seal()
    with pytest.raises(RunError, match="`a` is 1 there and 2 here$"), claim(tmp_path, a=2):
        pass


def test_a_folder_is_used_by_one_process_at_a_time(tmp_path: Path):
    with claim(tmp_path), pytest.raises(RunError, match="in use"), claim(tmp_path):
        pass


def test_whoever_deletes_the_lock_lets_nobody_in(tmp_path: Path):
    with claim(tmp_path):
        (tmp_path / ".lock").unlink()
        with pytest.raises(RunError, match="in use"), claim(tmp_path):
            pass


def test_what_killed_processes_left_unfinished_goes_when_the_folder_is_opened(tmp_path: Path):
    gone = subprocess.Popen(["true"])
    gone.wait()
    left = [
        tmp_path / f"images/ab/.selfjudge-tmp.abcd.png.{gone.pid}.0",
        tmp_path / f".selfjudge-tmp.summary.json.{os.getpid()}.7",
    ]
    theirs = [tmp_path / f".selfjudge-tmp.report.html.{os.getppid()}.0", tmp_path / "images/ab/.hidden", tmp_path / "a.1.2"]
    theirs += [tmp_path / f".backup.{gone.pid}.1/photo.png", tmp_path / f".notes.{gone.pid}.10"]
    for path in [*left, *theirs, tmp_path / f"p/.selfjudge-tmp.merging.{gone.pid}.1/0.parquet"]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("half")
    sealed = table(tmp_path / "p")
    sealed.append(row("a"))
    sealed.flush()
    parts = {path.name: path.read_bytes() for path in (tmp_path / "p/.refused.parts").iterdir()}
    sealed.seal()
    (tmp_path / "p/.refused.parts").mkdir()
    for name, data in parts.items():
        (tmp_path / "p/.refused.parts" / name).write_bytes(data)
    with claim(tmp_path):
        assert not any(path.exists() for path in left) and all(path.exists() for path in theirs)
        assert sorted(path.name for path in (tmp_path / "p").iterdir()) == ["refused.manifest.json", "refused.parquet"]


def test_parts_of_a_table_that_is_made_anew_stay(tmp_path: Path):
    table(tmp_path / "p").seal([row("a")])
    again = table(tmp_path / "p", inputs={"other": 1})
    again.append(row("b"))
    again.flush()
    with claim(tmp_path):
        assert keys(again) == {"b"}


def test_temporary_folders_of_killed_processes_go_and_those_in_use_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    left, new = tmp_path / "selfjudge-tmp-left", tmp_path / "selfjudge-tmp-new"
    left.mkdir()
    new.mkdir()
    os.utime(left, (0, 0))
    with temporary() as used:
        os.utime(used, (0, 0))
        with temporary():
            assert used.exists() and new.exists() and not left.exists()
    assert list(tmp_path.iterdir()) == [new]


@pytest.mark.parametrize("damage", [lambda text: text.replace("7", "8"), lambda text: text.replace('"a"', '"A"')])
def test_a_value_that_was_changed_in_a_file_of_the_run_is_noticed(tmp_path: Path, damage: Callable):
    write_checked(tmp_path / "x.json", {"a": [7, None, "ü"], "half": "\ud83d"})
    assert read_json(tmp_path / "x.json") == {"a": [7, None, "ü"], "half": "\ud83d"}
    (tmp_path / "x.json").write_text(damage((tmp_path / "x.json").read_text()))
    with pytest.raises(RunError, match="x.json: its checksum is wrong"):
        read_json(tmp_path / "x.json")


def test_a_folder_with_a_run_of_unknown_origin_is_not_touched(tmp_path: Path):
    (tmp_path / "iteration-1").mkdir()
    with pytest.raises(RunError, match="no recipe.json"), claim(tmp_path):
        pass


@pytest.mark.parametrize(
    ("ours", "theirs", "found"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": {"b": [1]}}, {"a": {"b": [2]}}, ["`a.b.0` is 2 there and 1 here"]),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, ["`a.0.b` is 2 there and 1 here"]),
        ({"a": 1}, {}, ["`a` is null there and 1 here"]),
        ({"a": 1, "b": 1}, {"a": 2}, ["`a` is 2 there and 1 here", "`b` is null there and 1 here"]),
        ({}, {"a": 1}, ["`a` is 1 there and null here"]),
    ],
)
def test_each_field_that_differs_is_named_with_both_values(ours: dict, theirs: dict, found: list[str]):
    assert list(map(str, differences(ours, theirs))) == found


def test_threads_that_write_the_same_file_at_once_do_not_disturb_each_other(tmp_path: Path):
    data = b"x" * 100_000
    with ThreadPoolExecutor(8) as pool:
        for number in range(100):
            path = tmp_path / str(number)
            list(pool.map(lambda _, path=path: write_whole(path, data, durable=False), range(8)))
    assert all(path.read_bytes() == data for path in tmp_path.iterdir())
    assert len(list(tmp_path.iterdir())) == 100

"""Tables that grow: rows that are taken away, replaced, or of which nobody knows any more how they were produced."""

import errno
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from selfjudge.errors import RunError
from selfjudge.run.disk import write_checked
from selfjudge.run.journal import BadRow
from selfjudge.run.replaced import Replaced
from selfjudge.run.store import Table
from selfjudge.run.tables import PROMPTS, REFUSED

IDENTITY = {"stage": "test", "version": 1, "recipe": {"seed": 0}, "inputs": {"prompts": {"sha256": ["old"]}}}
ONE, OTHER = {"engine": "one"}, {"engine": "other"}


def row(key: str) -> dict:
    return {"key": key, "source": f"{key[:9]}.jsonl:1", "reason": "test", "detail": None}


def table(folder: Path, replaced: Replaced | None = None, **changes: object) -> Table:
    return Table(folder, REFUSED, {**IDENTITY, **changes}, replaced)


def keys(growing: Table) -> list[str]:
    return [stored["key"] for stored in growing.stored()]


def named(*wanted: str) -> pc.Expression:
    return pc.field("key").isin(list(wanted))


def two_executions(folder: Path) -> Table:
    made = table(folder)
    for execution, own in ((ONE, "ca"), (OTHER, "bd")):
        made.begin(execution)
        for key in own:
            made.append(row(key))
        made.flush()
    made.seal()
    return made


def test_rows_are_taken_out_of_a_sealed_table_and_the_others_keep_how_they_were_produced(tmp_path: Path):
    made = two_executions(tmp_path)
    assert [execution["rows"] for execution in made.manifest.executions] == [2, 2]
    assert made.forget(named("x")) == 0 and made.sealed
    assert made.forget(named("a", "b")) == 2 and not made.sealed
    assert keys(made) == ["c", "d"]
    assert "d" in made.begin(ONE) and "c" not in made.begin(ONE)
    made.seal([row("c"), row("e")])
    assert made.column("key") == ["c", "d", "e"]


def test_a_part_without_a_row_left_is_passed_over(tmp_path: Path):
    made = table(tmp_path)
    for key in "ab":
        made.append(row(key))
        made.flush()
    assert made.forget(named("a")) == 1 and keys(made) == ["b"]


def test_rows_can_be_cleared_before_the_table_is_whole(tmp_path: Path):
    made = table(tmp_path)
    made.append(row("a"))
    made.flush()
    made.clear()
    assert keys(made) == []


def test_rows_made_of_what_was_replaced_are_made_anew(tmp_path: Path):
    replaced = Replaced(tmp_path / "replaced.json")
    made = table(tmp_path, replaced)
    made.append(row("a"))
    made.flush()
    replaced.add("old")
    again = table(tmp_path, replaced, inputs={"prompts": {"sha256": ["new"]}})
    assert keys(again) == []
    longer = {"prompts": {"sha256": ["new", "more"]}}
    with pytest.raises(RunError, match=r"inputs\.prompts\.sha256"):
        keys(table(tmp_path, replaced, inputs=longer))


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"version": 2}, "Another version"),
        ({"inputs": {"prompts": {"sha256": ["new"]}}}, "A file that it was made of"),
        ({"recipe": {"seed": 1}}, "Change `seed` back"),
    ],
)
def test_what_to_do_depends_on_what_a_table_was_made_of(tmp_path: Path, changes: dict, hint: str):
    table(tmp_path).seal([row("a")])
    with pytest.raises(RunError, match="was made of something else") as error:
        _ = table(tmp_path, **changes).sealed
    assert hint in str(error.value.hint)


def test_very_long_keys_are_sorted_as_others_are(tmp_path: Path):
    long = [letter * 100_000 for letter in "cab"]
    made = table(tmp_path)
    for key in long:
        made.append(row(key))
        made.flush()
    made.seal()
    assert made.column("key") == sorted(long)


def test_a_value_that_only_writing_shows_to_be_missing_names_its_column(tmp_path: Path):
    made = Table(tmp_path, PROMPTS, IDENTITY)
    made.add({"id": "a", "text": "x", "images": None, "kind": "open", "kind_rule": "row", "source": "x", "source_id": None})
    with pytest.raises(BadRow, match="`images` is missing"):
        made.seal()


def test_rows_are_known_by_their_keys_before_they_stand_in_a_part(tmp_path: Path):
    made = table(tmp_path)
    made.append(row("a"))
    assert len(made.keys()) == 0
    made.flush()
    assert len(made.keys()) == 1


def test_a_part_with_other_columns_is_removed_and_its_rows_are_made_again(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    made = table(tmp_path)
    made.append(row("a"))
    made.flush()
    part = next(tmp_path.rglob("0*.parquet"))
    pq.write_table(pa.table({"key": ["a"]}), part)
    assert keys(table(tmp_path)) == [] and "is damaged and was removed" in caplog.text


def test_a_part_that_the_disk_does_not_give_is_an_error_and_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made = table(tmp_path)
    made.append(row("a"))
    made.flush()

    def broken(part: Path, **_: object) -> pa.Table:
        raise OSError(errno.EIO, "Input/output error", str(part))

    with monkeypatch.context() as patch, pytest.raises(RunError, match=r"0\.parquet: Input/output error") as error:
        patch.setattr(pq, "read_table", broken)
        keys(table(tmp_path))
    assert "Check the disk" in str(error.value.hint) and keys(table(tmp_path)) == ["a"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_journal_of_unknown_origin_is_made_again(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    made = table(tmp_path)
    made.begin(ONE)
    made.append(row("a"))
    note = next(tmp_path.rglob("execution.json"))
    write_checked(note, {"another": "thing"})
    assert keys(table(tmp_path)) == [] and "nobody knows how its rows were produced" in caplog.text

"""Tables of any size are sorted, read and joined a few rows at a time."""

import random
import tracemalloc
from pathlib import Path

import pytest

from selfjudge.run import fingerprint, merging, store
from selfjudge.run.journal import Growing, Keys
from selfjudge.run.merging import joined
from selfjudge.run.store import Table
from selfjudge.run.tables import PROMPTS, REFUSED
from selfjudge.run.views import View


def row(number: int) -> dict:
    return {"key": f"{number:06d}", "source": f"x.jsonl:{number}", "reason": "test" if number % 3 else "other", "detail": None}


def sealed(folder: Path, numbers: list[int]) -> Table:
    table = Table(folder, REFUSED, {})
    table.seal(map(row, numbers))
    return table


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that bounds memory is a few rows."""
    monkeypatch.setattr(Growing, "FLUSH_ROWS", 7)
    for module, name, rows in (
        (merging, "ROWS", 20),
        (merging, "_OVERLAPPING", 60),
        (merging, "_OF_RUN", 4),
        (store, "_ROW_GROUP", 64),
    ):
        monkeypatch.setattr(module, name, rows)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("disorder", [0, 10, 500])
def test_a_table_has_the_same_bytes_whatever_the_order_of_its_rows(tmp_path: Path, disorder: int):
    numbers = list(range(500))
    shuffled = sorted(numbers, key=lambda number: number + random.Random(number).uniform(0, disorder))
    one, other = sealed(tmp_path / "one", numbers), sealed(tmp_path / "other", shuffled)
    assert one.digest == other.digest and one.column("key") == [f"{number:06d}" for number in numbers]
    assert not list(tmp_path.rglob(".merging*")) and not list(tmp_path.rglob(".*.parts"))


@pytest.mark.usefixtures("small")
def test_rows_that_are_stored_come_by_key_with_the_columns_that_are_wanted(tmp_path: Path):
    table = Table(tmp_path, REFUSED, {})
    for number in random.Random(0).sample(range(300), 300):
        table.append(row(number))
    table.flush()
    assert [found["source"] for found in table.stored("source")] == [f"x.jsonl:{number}" for number in range(300)]
    found = table.keys()
    assert "000299" in found and "000300" not in found and len(found) == 300
    assert not Keys([]) and "" not in Keys([])


@pytest.mark.usefixtures("small")
def test_values_are_counted_over_all_groups_of_rows(tmp_path: Path):
    table = sealed(tmp_path, list(range(300)))
    assert table.counts("reason") == {"test": 200, "other": 100}
    assert table.counts("reason", "detail") == {("test", None): 200, ("other", None): 100}


def test_joining_passes_over_rows_of_nothing_and_items_without_rows():
    rows = [("a", 1), ("b", 2), ("b", 3), ("d", 4)]
    found = joined("bcd", rows, of_item=str, of_row=lambda row: row[0])
    assert [(item, [number for _, number in own]) for item, own in found] == [("b", [2, 3]), ("c", []), ("d", [4])]


def test_a_view_is_a_part_of_the_wanted_rows_each_time_it_is_read(tmp_path: Path):
    table = sealed(tmp_path, list(range(10)))
    view = View(table, lambda found: int(found["key"]), but=frozenset({"000003"}))
    assert list(view) == list(view) == [0, 1, 2, 4, 5, 6, 7, 8, 9] and len(view) == 9 and 3 not in view
    assert list(view[2:4]) == [2, 4] and list(view[2:4].keys()) == ["000002", "000004"]
    assert list(View(table, lambda found: found["key"], only=frozenset({"000003"}))) == ["000003"]


def test_a_view_of_a_kind_is_of_the_part_it_was_taken_from(tmp_path: Path):
    table = Table(tmp_path, PROMPTS, {})
    rest = {"text": "x", "images": [], "kind_rule": "row", "source": "x", "source_id": None}
    table.seal({"id": f"{number:06d}", "kind": "closed" if number % 3 else "open", **rest} for number in range(5000))
    view = View(table, lambda found: int(found["id"]), but=frozenset({"000000"}))
    part = view[2000:4000].of_kind("open")
    expected = [number for number in range(2001, 4001) if number % 3 == 0]
    assert list(part) == expected == list(map(int, part.keys())) and len(part) == len(expected)
    assert list(view.of_kind("open")[2000:4000]) == expected


def test_reading_a_table_holds_a_small_part_of_it(tmp_path: Path):
    table = Table(tmp_path, PROMPTS, {})
    rest = {"images": [], "kind": "open", "kind_rule": "row", "source": "x", "source_id": None}
    table.seal({"id": f"{number:06d}", "text": f"{number} " * 20, **rest} for number in range(30_000))
    tracemalloc.start()
    assert sum(1 for _ in table.rows()) == 30_000
    assert tracemalloc.get_traced_memory()[1] < 6e6
    tracemalloc.stop()


def test_a_table_that_did_not_change_is_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    sealed(tmp_path, [1, 2])
    whole, now, read = fingerprint._sha256, fingerprint.time.time_ns, []
    monkeypatch.setattr(fingerprint, "_sha256", lambda path: read.append(path.name) or whole(path))
    monkeypatch.setattr(fingerprint.time, "time_ns", lambda: now() + 3_600_000_000_000)
    assert Table(tmp_path, REFUSED, {}).sealed and Table(tmp_path, REFUSED, {}).sealed
    assert read == ["refused.parquet"]

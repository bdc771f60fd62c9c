"""Hostile rows of prompts, all in one file: each is used, or refused with a reason; none stops the others, nor a plan."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hostile.reading import ingested
from hostile.rows import ROWS, write
from selfjudge.run.tables import Row


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("rows"))


@pytest.fixture(scope="module")
def found(rows: Path) -> dict[str, Row]:
    found = ingested(rows, rows.parent / "run")
    assert len(found) == len(ROWS)
    return {name: found[number] for number, name in enumerate(ROWS, 1)}


@pytest.mark.parametrize("name", ROWS)
def test_a_row_is_used_or_refused_with_the_reason(name: str, found: dict[str, Row]):
    assert found[name].get("reason") == ROWS[name][1], found[name].get("detail")


def test_checking_them_shows_counts_and_no_control_characters(rows: Path):
    done = subprocess.run([sys.executable, "-m", "selfjudge", "check", str(rows)], capture_output=True, check=False)
    assert done.returncode == 0 and b"unexpected" not in done.stderr and b"Traceback" not in done.stderr
    used = sum(reason is None for _, reason in ROWS.values())
    assert f"{used} of {len(ROWS)} rows can be used" in done.stdout.decode()
    assert all(line.isprintable() for line in done.stdout.decode().split("\n"))

"""Hostile Parquet files: each row is used or refused with a reason, or an error names the file and says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from hostile.parquets import FILES, write
from hostile.reading import ingested
from selfjudge.errors import InputError


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_read_row_by_row_or_an_error_names_it(name: str, tmp_path: Path):
    file, expected = write(name, tmp_path), FILES[name][1]
    if isinstance(expected, str):
        with pytest.raises(InputError, match=expected) as error:
            ingested(file, tmp_path / "run")
        assert file.name in str(error.value) and error.value.hint
        return
    found = ingested(file, tmp_path / "run")
    reasons = tuple(found[number].get("reason") for number in sorted(found))
    assert reasons == expected, [row.get("detail") for row in found.values()]

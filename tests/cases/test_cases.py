"""At least 95 % of the cases of each file are read as a careful reader reads them."""

from pathlib import Path

import pytest

from cases.run import FILES, measure

FOLDER = Path(__file__).parent


@pytest.mark.parametrize("name", FILES)
def test_nineteen_of_twenty_cases_are_right(name: str):
    cases, wrong = measure(name, FOLDER)

    assert len(wrong) <= 0.05 * len(cases), [(case["id"], said) for case, said in wrong]

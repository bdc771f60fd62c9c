"""At least 95 % of the cases of each file are read as a careful reader reads them, and every case that a mend was made for."""

from pathlib import Path

import pytest

from cases.run import FILES, measure

FOLDER = Path(__file__).parent
TWIN = FOLDER / "twin"
"""A third set, written after some of the rules had been read: 91 % of it was right at first, of the pairs of answers 85 %."""
FOURTH = FOLDER / "fourth"
"""A fourth set. Of its first 296, written blind, 95 % were right at first, of their pairs of answers 84 %; the other 649 were
written after the rules had been read: 86 % at first, of the pairs 83 %."""
MENDED = FOLDER / "mended"
"""Cases of a second set, written blind, and further ones, that were wrong until the rule for their kind was mended."""


@pytest.mark.parametrize("folder", [FOLDER, TWIN, FOURTH], ids=["public", "twin", "fourth"])
@pytest.mark.parametrize("name", FILES)
def test_nineteen_of_twenty_cases_are_right(name: str, folder: Path):
    cases, wrong = measure(name, folder)

    assert len(wrong) <= 0.05 * len(cases), [(case["id"], said) for case, said in wrong]


@pytest.mark.parametrize("name", sorted(path.stem for path in MENDED.glob("*.jsonl")))
def test_a_mended_case_stays_right(name: str):
    _, wrong = measure(name, MENDED)

    assert not wrong, [(case["id"], said) for case, said in wrong]

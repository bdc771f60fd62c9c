"""scripts/fuzz.py: each area tries inputs and finds nothing; what is found is handed back."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs import ROOT

AREAS = ("images", "jsonl", "journal", "recipe", "verdicts", "votes")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = spec_from_file_location("fuzz", ROOT / "scripts/fuzz.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("area", AREAS)
def test_an_area_takes_ten_inputs_and_nothing_is_found(script: ModuleType, area: str):
    assert set(script.AREAS) == {*AREAS}
    tried, found = script.fuzz(script.AREAS[area], 0.0, print, batch=10)
    assert tried >= 10 and found is None


def test_what_breaks_a_rule_is_found_and_made_small(script: ModuleType):
    @given(st.integers())
    def check(number: int) -> None:
        assert number < 10**9

    tried, found = script.fuzz(check, 5.0, print, batch=2)
    assert isinstance(found, AssertionError) and "1000000000 <" in str(found) and tried > 2

"""Fixtures of the tests of whole runs."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from runs import run_recipe, scripted_recipe

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has what it starts in the background ignore interrupts

settings.register_profile("untimed", deadline=None)  # a busy machine is no fault
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def scripted_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A finished, undisturbed run of the scripted recipe and its summary. Read only."""
    folder = tmp_path_factory.mktemp("scripted") / "run"
    return folder, run_recipe(scripted_recipe(), folder)

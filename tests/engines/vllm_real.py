"""Where the tests find a real vLLM, and how they start it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runs import ROOT

PYTHON = Path(os.environ.get("SELFJUDGE_VLLM_PYTHON", ROOT / ".venv-vllm/bin/python")).absolute()
ARGS = ("--enforce-eager", "--block-size", "32", "--gpu-memory-utilization", "0.3")
"""Ready sooner, and prefixes of 32 tokens are found again: the embedded model is asked short questions. vLLM on a CPU wants nine
tenths of all memory free by default, and other tests need some."""

vllm_is_there = [
    pytest.mark.vllm,
    pytest.mark.skipif(not PYTHON.exists(), reason=f"no vLLM at {PYTHON}: `make test-vllm` installs one"),
]

"""A run on real photographs with a model of another architecture: it completes, and says that nothing could be kept."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from runs import ROOT

SHORT = ("synthesis.open.response", "synthesis.open.alteration", "synthesis.closed.sampling", "judging.sampling")


@pytest.mark.slow
def test_the_whole_loop_runs_on_photographs_with_another_architecture(tmp_path: Path):
    for script, out in (("tiny_model.py", "model"), ("sample_photographs.py", "photographs")):
        subprocess.run([sys.executable, ROOT / "scripts" / script, tmp_path / out], check=True, capture_output=True)
    changes = [f"model={tmp_path / 'model'}", f"prompts.0.path={tmp_path / 'photographs/prompts.jsonl'}", "loop.iterations=2"]
    changes += [f"{place}.max_tokens=12" for place in SHORT]
    command = [sys.executable, "-m", "selfjudge", "run", ROOT / "recipes/own-images.yaml", "--dir", tmp_path / "run"]
    for change in changes:
        command += ["--set", change]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert shown.returncode == 3 and "iteration 2, synthesize: of " in shown.stderr and "were cut off" in shown.stderr
    assert "hint: Replies were cut off: raise `max_tokens`" in shown.stderr and "--retry-failed" not in shown.stderr
    assert "Nothing was kept in iteration 2" in shown.stdout
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    rules = {"count": 5, "open": 9, "short_question": 4}
    assert summary["prompts"] == {"total": 18, "open": 9, "closed": 9, "rules": rules, "left_out": {}, "refused": {}}
    assert [entry["kept"] for entry in summary["iterations"]] == [None, 0, 0]
    assert (tmp_path / "run/iteration-2/judge/model.safetensors").exists()

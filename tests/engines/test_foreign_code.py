"""Code in a model folder is never run, whatever is answered to transformers' question, and nothing is loaded that would ask."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from runs import ROOT
from selfjudge.engines.local import TransformersEngine
from selfjudge.errors import SelfjudgeError
from selfjudge.recipe.engines import TransformersSettings
from trainers.fitting import MODEL, fit

HARM = "from pathlib import Path\nPath({place!r}).touch()\nclass Config: pass\nclass Model: pass\nclass Processor: pass\n"


def engine(model: Path) -> None:
    TransformersEngine(str(model), TransformersSettings(batch_size=1, device="cpu"), read_image=lambda ref: b"")


def trainer(model: Path) -> None:
    fit(model.with_name("judge"), start=model, count=2)


@pytest.mark.parametrize("load", [engine, trainer])
@pytest.mark.parametrize(
    ("file", "cls", "name"),
    [
        ("config.json", "AutoConfig", "Config"),
        ("config.json", "AutoModelForImageTextToText", "Model"),
        ("processor_config.json", "AutoProcessor", "Processor"),
    ],
)
def test_code_in_a_model_folder_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, load: Callable[[Path], None], file: str, cls: str, name: str
):
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    model = Path(shutil.copytree(MODEL, tmp_path / "model"))
    (model / "code.py").write_text(HARM.format(place=str(tmp_path / "harm")))
    config = json.loads((model / file).read_text())
    key = {"AutoProcessor": "processor_class"}.get(cls, "model_type")
    (model / file).write_text(json.dumps({**config, key: "unknown", "auto_map": {cls: f"code.{name}"}}))
    with pytest.raises(SelfjudgeError):
        load(model)
    assert not (tmp_path / "harm").exists()


def test_everything_that_transformers_loads_is_loaded_without_foreign_code():
    sources = [path for folder in ("src", "scripts", "experiments", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    calls = [call for path in sources for call in re.findall(r"\bAuto\w+\.from_pretrained\([^)]*\)", path.read_text())]
    assert len(calls) > 5 and all("trust_remote_code=False" in call for call in calls)

"""`check`, `plan` and `doctor` say of twelve inputs and more what `run` then makes of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from selfjudge.cli import app
from selfjudge.errors import SelfjudgeError
from selfjudge.hub.models import embedded_model

GOOD = [{"prompt": f"How many dogs are there in picture {n}?", "image": f"{n}.png"} for n in range(6)]
SCRIPTED = {"engine": {"kind": "scripted", "rules": [{"when": ".", "replies": ["yes"]}]}}
TRANSFORMERS = {"engine": {"kind": "transformers", "device": "cpu"}}


def selfjudge(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def lines(folder: Path, *rows: dict[str, Any], **source: Any) -> dict[str, Any]:
    (folder / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return {"prompts": [{"kind": "files", "path": str(folder / "rows.jsonl"), **source}]}


def table(folder: Path, text: str) -> dict[str, Any]:
    (folder / "rows.csv").write_text(text)
    return {"prompts": [{"kind": "files", "path": str(folder / "rows.csv")}]}


def photographs(folder: Path) -> dict[str, Any]:
    return {"prompts": [{"kind": "images", "path": str(folder), "limit": 4}]}


def model(folder: Path, *harm: str, weights: int | None = None) -> dict[str, Any]:
    """The embedded model without these files, or with so many bytes of its weights."""
    shutil.copytree(embedded_model(), folder / "model")
    for name in harm:
        (folder / "model" / name).unlink()
    if weights is not None:
        path = folder / "model/model.safetensors"
        path.write_bytes(path.read_bytes()[:weights])
    return {"model": str(folder / "model"), "execution": TRANSFORMERS, **lines(folder, *GOOD[:2])}


def pairs(folder: Path, **more: Any) -> dict[str, Any]:
    row = {"prompt": "which?", "image": "0.png", "chosen": "a", "rejected": "b", **more}
    (folder / "pairs.jsonl").write_text(json.dumps(row) + "\n")
    return {**lines(folder, *GOOD), "evaluation": {"benchmarks": [{"name": "pairs", "path": str(folder / "pairs.jsonl")}]}}


INPUTS: dict[str, tuple[Callable[[Path], dict[str, Any]], int, bool]] = {
    "good rows": (lambda f: lines(f, *GOOD), 6, True),
    "rows without an image": (lambda f: lines(f, *({"prompt": row["prompt"]} for row in GOOD)), 0, False),
    "the same where text alone is allowed": (
        lambda f: lines(f, *({"prompt": row["prompt"]} for row in GOOD), allow_text_only=True),
        6,
        True,
    ),
    "images that are not there": (lambda f: lines(f, *({**row, "image": "gone.png"} for row in GOOD)), 0, False),
    "some images that are not there": (
        lambda f: lines(f, *GOOD[:4], *({**row, "image": "gone.png"} for row in GOOD[:2])),
        4,
        True,
    ),
    "too many of them": (lambda f: lines(f, *GOOD[:4], {"prompt": "?", "image": "gone.png"}, max_refused=0.1), 4, False),
    "the same row again": (lambda f: lines(f, *[GOOD[0]] * 5), 1, True),
    "a table without instructions": (lambda f: table(f, "query,image\nHow many?,0.png\n"), 0, False),
    "no file": (lambda f: {"prompts": [{"kind": "files", "path": str(f / "none.jsonl")}]}, 0, False),
    "photographs alone": (photographs, 4, True),
    "a missing model": (lambda f: {"model": f"{f}/models/mine", **lines(f, *GOOD)}, 6, False),
    "a good model": (model, 2, True),
    "a model without a chat template": (lambda f: model(f, "chat_template.jinja"), 2, False),
    "a model without a processor": (lambda f: model(f, "processor_config.json", "tokenizer.json"), 2, False),
    "a model whose weights are cut off": (lambda f: model(f, weights=100_000), 2, False),
    "a benchmark with a fault": (lambda f: pairs(f, chosen="b"), 6, False),
}


def recipe(folder: Path, values: dict[str, Any]) -> Path:
    whole = {"model": "shapes", "execution": SCRIPTED, "training": {"kind": "scripted"}, "loop": {"iterations": 1}, **values}
    (folder / "recipe.yaml").write_text(json.dumps(whole))
    return folder / "recipe.yaml"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")
@pytest.mark.parametrize("name", INPUTS)
def test_what_is_said_of_an_input_is_what_a_run_makes_of_it(tmp_path: Path, name: str):
    make, usable, runs = INPUTS[name]
    for number in range(6):
        Image.new("RGB", (16, 16), (40 * number, 0, 0)).save(tmp_path / f"{number}.png")
    path = recipe(tmp_path, make(tmp_path))
    checked = selfjudge("check", path, "--format", "json")
    planned = selfjudge("plan", path, "--dir", tmp_path / "run", "--format", "json")
    examined = selfjudge("doctor", path, "--dir", tmp_path / "runs")
    assert checked.exit_code == 0 if usable else checked.exit_code == 1 or isinstance(checked.exception, SelfjudgeError)
    said = json.loads(planned.stdout)
    assert said["prompts"]["open"] + said["prompts"]["closed"] == usable
    assert checked.exit_code != 0 or json.loads(checked.stdout)["used"] == usable
    assert said["runs"] == (planned.exit_code == 0) == (examined.exit_code == 0) == runs, planned.stdout + examined.stdout
    assert not (tmp_path / "run").exists()
    done = selfjudge("run", path, "--dir", tmp_path / "run", "--quiet")
    assert (done.exit_code in (0, 3)) == runs, f"{done.output} {done.exception}"
    if runs:
        assert json.loads((tmp_path / "run/summary.json").read_text())["prompts"]["total"] == usable
    else:
        assert isinstance(done.exception, SelfjudgeError) and done.exception.hint
        assert any(finding["level"] == "error" and finding["do"] for finding in said["findings"])

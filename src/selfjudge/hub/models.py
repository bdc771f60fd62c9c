"""Models by name: the one shipped with the package, a local folder, or a model of the Hugging Face hub."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from ..errors import InputError
from ..recipe.experiment import EMBEDDED_MODEL
from ..recipe.section import HUB_NAME
from ..run.disk import read_json, write_checked
from ..run.weights import check_model
from .client import Repository, download

_UNUSED = (
    *("original/*", "onnx/*", "openvino/*", "coreml/*", "*.pth", "*.gguf", "*.onnx", "*.onnx_data", "*.tflite"),
    *("*.h5", "*.msgpack", "*.ot", "*.mlmodel", "*.mlpackage/*", "*.llamafile"),
)
"""Weights in formats that are not read here."""
_DUPLICATES = ("*.bin", "*.pt", "*.ckpt", "consolidated*.safetensors")
"""Weights that are not needed where a model has `*.safetensors` of its own; `consolidated` is Mistral's second copy."""

_BASE = "base.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFolder:
    """A model on this machine; `commit` is the hub's, None for a model that does not come from there."""

    path: Path
    commit: str | None = None


def embedded_model() -> Path:
    """The folder of the tiny VLM shipped with the package."""
    return Path(str(files("selfjudge") / "shapes" / "model"))


def find_model(name: str) -> ModelFolder:
    """The model of a name: `shapes`, a local folder, or `org/name` or `org/name@revision` of the hub, which is downloaded.

    Raises SelfjudgeError.
    """
    if name == EMBEDDED_MODEL:
        return ModelFolder(path=embedded_model())
    if Path(name).is_dir():
        check_model(Path(name))
        return ModelFolder(path=Path(name))
    if (repo := hub_repository(name)) is None:
        raise InputError(
            f"there is no model folder {name}",
            hint="Name a folder, a model of the hub as org/name or org/name@revision, or `shapes`.",
        )
    return _downloaded(repo)


def hub_repository(name: str) -> Repository | None:
    """The model of the hub that a name stands for. None for a folder that is missing: one in a folder that is here, too."""
    repo, at, revision = name.partition("@")
    missing = not at and Path(name).parent != Path() and Path(name).parent.is_dir()
    if not re.fullmatch(HUB_NAME, repo) or repo.startswith(".") or (at and not revision) or missing:
        return None
    return Repository(kind="model", name=repo, revision=revision or None)


def find_base(name: str, run: Path) -> ModelFolder:
    """The base model of a run in a folder: one of the hub at the commit that `record_base` recorded. Raises SelfjudgeError."""
    record = run / _BASE
    recorded = read_json(record, "model", "commit") if record.exists() else {}
    if recorded.get("model") != name:
        return find_model(name)
    return find_model(f"{name.partition('@')[0]}@{recorded['commit']}")


def record_base(name: str, commit: str | None, run: Path) -> None:
    """Record the commit of a run's base model, if it comes from the hub."""
    if commit is not None and not (run / _BASE).exists():
        write_checked(run / _BASE, {"model": name, "commit": commit})


def _downloaded(repo: Repository) -> ModelFolder:
    folder = download(repo, ignore=(*_UNUSED, *_DUPLICATES))
    if not any(folder.glob("*.safetensors")):
        at_commit = Repository(kind="model", name=repo.name, revision=folder.name)
        folder = download(at_commit, ignore=_UNUSED)
    return ModelFolder(path=folder, commit=folder.name)

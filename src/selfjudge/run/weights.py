"""Weights in safetensors files: the tensors that a model folder lists, and whether two folders hold the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from ..errors import InputError
from .jsonl import parsed, regular


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTensor:
    """A tensor as the header of its file describes it."""

    path: Path
    shape: tuple[int, ...]


def stored_tensors(folder: Path) -> dict[str, StoredTensor]:
    """The tensors of a folder's safetensors files by name, read from their headers. Raises InputError for a damaged file.

    `consolidated` files, a second copy under other names, count only where there are no others.
    """
    tensors: dict[str, StoredTensor] = {}
    paths = sorted(folder.glob("*.safetensors"))
    for path in [path for path in paths if not path.name.startswith("consolidated")] or paths:
        with _opened(path, "numpy") as file:
            for name in file.keys():  # noqa: SIM118  # not a mapping
                tensors[name] = StoredTensor(path=path, shape=tuple(file.get_slice(name).get_shape()))
    return tensors


_LOADED = (".json", ".jinja", ".safetensors", ".bin", ".model", ".txt", ".index")
"""How files end that loaders of models open."""


def check_model(folder: Path) -> None:
    """Raises InputError where a model folder holds a pipe or device that a loader would wait for, or damaged files."""
    for path in sorted(folder.iterdir()):
        if path.suffix in _LOADED and not path.is_dir():
            with _readable(path):
                regular(path)
    if (config := folder / "config.json").exists():
        with _readable(config):
            value = parsed(config.read_text(encoding="utf-8", errors="replace"))
            if not isinstance(value, dict):
                raise OSError(value if isinstance(value, ValueError) else f"a JSON {type(value).__name__}, not an object")
    stored_tensors(folder)


def same_weights(one: Path, other: Path) -> bool:
    """Whether two model folders hold the same tensors, however they are divided into files. Stops at the first difference.

    A judge in float32 with the values of its base in bfloat16 is the same. Raises InputError for a damaged file.
    """
    ours, theirs = stored_tensors(one), stored_tensors(other)
    if not ours or {name: t.shape for name, t in ours.items()} != {name: t.shape for name, t in theirs.items()}:
        return False
    return all(_same_values(name, ours[name].path, theirs[name].path) for name in ours)


def _same_values(name: str, one: Path, other: Path) -> bool:
    import torch

    with _opened(one, "pt") as ours, _opened(other, "pt") as theirs:
        left, right = ours.get_tensor(name), theirs.get_tensor(name)
    if left.dtype != right.dtype:
        left, right = left.float(), right.float()
    return bool(torch.equal(left.reshape(-1).view(torch.uint8), right.reshape(-1).view(torch.uint8)))


@contextmanager
def _opened(path: Path, framework: str) -> Iterator[Any]:
    with _readable(path), safe_open(regular(path), framework) as file:
        yield file


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (SafetensorError, OSError) as error:
        what = "the weights in " if path.suffix == ".safetensors" else ""
        raise InputError(
            f"cannot read {what}{path}: {error}",
            hint="The file is damaged or incomplete: copy or download it again.",
        ) from error

"""Multimodal RewardBench 2 (arXiv 2512.16899): pairs whose prompts and responses mix text and images; forward and reverse.

Responses may be pictures. All pictures of a pair are shown together, numbered, and the texts name them as `[image 3]`: the
numbers stay when the responses change places.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..method.metrics import share
from ..method.protocols import STRICT
from ..method.verdicts import parse
from ..run.jsonl import regular
from ..run.tables import Row, is_right
from ..types import Verdict
from . import data_files
from .data_files import DataFiles, find_data
from .public import Replies, Spec, StoredPair, embedded

NAME = "mmrb2"

_FILES = ("*.json", "**/*.json", "**/*.parquet")


def pairs(files: DataFiles) -> Iterator[StoredPair]:
    """The pairs of each task's file; the task, the dimension, is the file's name or the row's `task`."""
    for where, row in files.rows():
        chosen = row.get("chosen")
        if chosen not in ("A", "B"):
            raise InputError(f"{where}: `chosen` is {chosen!r:.40}, neither A nor B", hint="Get the file again.")
        images: list[bytes | Path | None] = []
        question, first, second = (
            _with_numbered_images(content, images, files.folder, where)
            for content in (row.get("prompt_content"), _response(row, "response_a", where), _response(row, "response_b", where))
        )
        task = row.get("task") or Path(where.rpartition(":")[0]).stem
        yield StoredPair(
            where=where,
            id=data_files.field(row, "id", where),
            question=question,
            images=tuple(images),
            responses=(first, second),
            better=int(chosen == "B"),
            dimension=str(task),
            source=str(task),
        )


def _response(row: Row, name: str, where: str) -> Any:
    value = row.get(name)
    if not isinstance(value, Mapping) or "response_content" not in value:
        raise InputError(f"{where}: `{name}` has no `response_content`", hint="Get the file again.")
    return value["response_content"]


def _with_numbered_images(content: Any, images: list[bytes | Path | None], folder: Path, where: str) -> str:
    """The text of a content list, its images added to `images` and named by their numbers from 1."""
    parts: list[str] = []
    for block in content if isinstance(content, list) else [["text", content]]:
        kind, value = block if isinstance(block, list) and len(block) == 2 else (None, None)
        if kind == "image":
            images.append(embedded(value, folder))
            parts.append(f"[image {len(images)}]")
        elif kind == "text" and isinstance(value, str):
            parts.append(value)
        else:
            raise InputError(f"{where}: content is {block!r:.60}, not [type, content]", hint="Types are text and image.")
    return "\n".join(parts)


def figures(replies: Replies) -> dict[str, Any]:
    """Under `official`: right replies of both orders over all replies that were read; the others are dropped."""
    if replies.protocol != "official":
        return {}
    read = [right for right in map(is_right, replies.rows) if right is not None]
    return {"accuracy": share(sum(read), len(read)), "ci95": None, "dropped": len(replies.rows) - len(read)}


def score(path: Path, *, protocol: str, k: int | None, data: str | None = None) -> dict[str, Any]:
    """The figures of recorded predictions, `{id: {"forward": [...], "reverse": [...]}}`, against the pairs of `data`.

    `official`: (right forward + right reverse, flipped) / all that are there; `strict`: a missing one is wrong. Raises
    InputError.
    """
    if data is None:
        raise InputError("predictions of mmrb2 name pairs by id only", hint="Name the pairs too: --benchmark mmrb2=PAIRS.json")
    if k not in (None, 1):
        raise InputError("mmrb2 is scored with one sample an order", hint="Remove --k.")
    predictions = _predictions(path)
    tasks: dict[str, list[list[bool | None]]] = {}
    for row in pairs(find_data(data, None, _FILES)):
        said = predictions.get(row.id, {})
        label = (Verdict.FIRST, Verdict.SECOND)[row.better or 0]
        both = [_right(said.get("forward"), label), _right(said.get("reverse"), label.other)]
        tasks.setdefault(row.dimension, []).append(both)
    parts = {name: _counted(part, drop=protocol == "official") for name, part in sorted(tasks.items())}
    every = _counted([both for part in tasks.values() for both in part], drop=protocol == "official")
    return {"benchmark": NAME, "protocol": protocol, **every, "dimensions": parts, "malformed": []}


def _predictions(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(regular(path).read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"cannot read {path}: {error}", hint="Give one JSON object, by the ids of pairs.") from error
    if not isinstance(value, dict) or not all(isinstance(part, dict) for part in value.values()):
        raise InputError(f"{path} is not an object of predictions", hint='{"id": {"forward": [...], "reverse": [...]}}')
    return value


def _right(said: Any, label: Verdict) -> bool | None:
    """Whether the first prediction of an order names the label; None where there is none."""
    first = said[0] if isinstance(said, list) and said else said
    word = first.get("judgement") if isinstance(first, Mapping) else first
    if not isinstance(word, str):
        return None
    verdict = {"A": Verdict.FIRST, "B": Verdict.SECOND}.get(word.strip(), parse(word))
    return verdict is label if isinstance(verdict, Verdict) else None


def _counted(both: Sequence[Sequence[bool | None]], *, drop: bool) -> dict[str, Any]:
    said = [right for pair in both for right in pair]
    read = [right for right in said if right is not None]
    return {
        "n": len(both),
        "overall": share(sum(read), len(read) if drop else len(said)),
        "missing": len(said) - len(read),
        "pair_accuracy": share(sum(all(pair) for pair in both), len(both)),
    }


SPEC = Spec(
    name=NAME,
    files=_FILES,
    pairs=pairs,
    protocols={"strict": STRICT, "official": replace(STRICT, name="official")},
    figures=figures,
)

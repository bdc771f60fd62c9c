"""Multimodal RewardBench 2 (arXiv 2512.16899): pairs whose prompts and responses mix text and images; forward and reverse.

Three forms are read: the rows of the hub, the files that the authors' `build_from_hf.py` makes of them, and for `score` the
published `*_response_only.json`, which have ids and labels but not all prompts. Responses may be pictures. All pictures of a pair
are shown together, numbered, and the texts name them as `[image 3]`: the numbers stay when the responses change places.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..method.metrics import share
from ..method.protocols import STRICT
from ..method.verdicts import LETTERS, parse
from ..run.jsonl import text_file
from ..run.tables import Row, is_right
from ..types import Verdict
from . import data_files
from .data_files import DataFiles, find_data
from .public import Replies, Spec, StoredPair, embedded

NAME = "mmrb2"

_FILES = ("*.json", "**/*.json", "**/*.parquet")
_TASKS = ("t2i", "edit", "interleaved", "reasoning")
_LABELS_ALONE = "_response_only"
_MARK = re.compile(r"<image_\d+>")
"""Where the hub's texts have a picture; the n-th mark is the n-th picture."""
_NUMBER = re.compile(r"^\[image \d+\]$", re.MULTILINE)
"""What stands for a picture in our texts."""


def pairs(files: DataFiles) -> Iterator[StoredPair]:
    """The pairs of each task's file; the task, the dimension, is the file's name or the row's `task`."""
    for part in _of_tasks(files):
        for where, row in part.rows():
            identity, better, task = _label(row, where)
            images: list[bytes | Path | None] = []
            question = _with_numbered_images(_content(row, "prompt", where), images, part.folder, where)
            own = _NUMBER.sub("", question), len(images)
            first, second = (
                _with_numbered_images(_content(row, name, where), images, part.folder, where)
                for name in ("response_a", "response_b")
            )
            yield StoredPair(
                where=where,
                id=identity,
                question=question,
                images=tuple(images),
                responses=(first, second),
                better=better,
                dimension=task,
                source=task,
                own=own,
            )


def _of_tasks(files: DataFiles) -> Iterator[DataFiles]:
    """The files with prompts: those that are called as the tasks, where there are such, and never those with labels alone."""
    named = [file for file in files.files if file.stem in _TASKS]
    whole = [file for file in files.files if not file.stem.endswith(_LABELS_ALONE)]
    return data_files.each(replace(files, files=tuple(named or whole or files.files)))


def _label(row: Row, where: str) -> tuple[str, int, str]:
    """The id of a pair, which response is better, and the task."""
    chosen = str(row.get("chosen")).upper()
    if chosen not in ("A", "B"):
        raise InputError(f"{where}: `chosen` is {row.get('chosen')!r:.40}, neither A nor B", hint="Get the file again.")
    task = row.get("task") or Path(where.rpartition(":")[0]).stem.removesuffix(_LABELS_ALONE)
    return data_files.field(row, "pair_id" if "pair_id" in row else "id", where), int(chosen == "B"), str(task)


def _content(row: Row, name: str, where: str) -> Any:
    """The content of a prompt or response, as `[type, content]`; the hub has a text with marks, and pictures beside it."""
    if f"{name}_text" not in row:
        return row.get("prompt_content") if name == "prompt" else _response(row, name, where)
    text, pictures = row[f"{name}_text"] or "", list(row.get(f"{name}_images") or ())
    content: list[list[Any]] = []
    for number, piece in enumerate(_MARK.split(text)):
        if number and pictures:
            content.append(["image", pictures.pop(0)])
        if piece.strip():
            content.append(["text", piece.strip()])
    return content + [["image", picture] for picture in pictures if not _MARK.search(text)]


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
    """The figures of recorded predictions, `{id: {"forward": [...], "reverse": [...]}}`, against the labels of `data`.

    `official` counts as the authors' script: right forward and reverse over all judgements that are not empty, and only an
    exact `A` or `B` can be right. `strict`: a missing one is wrong, and a verdict may be written as a judge writes it.
    Raises InputError.
    """
    if data is None:
        raise InputError("predictions of mmrb2 name pairs by id only", hint="Name the pairs too: --benchmark mmrb2=PAIRS.json")
    if k not in (None, 1):
        raise InputError("mmrb2 is scored with one sample an order", hint="Remove --k.")
    predictions = _predictions(path)
    tasks: dict[str, list[list[bool | None]]] = {}
    read = _exactly if protocol == "official" else _read
    for identity, better, task in _labels(find_data(data, None, _FILES)):
        said = predictions.pop(identity, {})
        label = (Verdict.FIRST, Verdict.SECOND)[better]
        both = [_right(said.get("forward"), label, read), _right(said.get("reverse"), label.other, read)]
        tasks.setdefault(task, []).append(both)
    if predictions:
        names = ", ".join(list(predictions)[:3])
        raise InputError(f"{path}: {len(predictions)} ids of no pair of {data}, as {names}", hint="Give their pairs.")
    parts = {name: _counted(part, drop=protocol == "official") for name, part in sorted(tasks.items())}
    every = _counted([both for part in tasks.values() for both in part], drop=protocol == "official")
    return {"benchmark": NAME, "protocol": protocol, **every, "dimensions": parts, "malformed": []}


def _predictions(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(text_file(path).read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"cannot read {path}: {error}", hint="Give one JSON object, by the ids of pairs.") from error
    if not isinstance(value, dict) or not all(isinstance(part, dict) for part in value.values()):
        raise InputError(f"{path} is not an object of predictions", hint='{"id": {"forward": [...], "reverse": [...]}}')
    return value


def _labels(files: DataFiles) -> Iterator[tuple[str, int, str]]:
    """The labels alone, of whichever files have them."""
    for part in _of_tasks(files):
        yield from (_label(row, where) for where, row in part.rows())


def _right(said: Any, label: Verdict, read: Callable[[str], Verdict | bool | None]) -> bool | None:
    """Whether the first prediction of an order names the label; None where there is none."""
    first = said[0] if isinstance(said, list) and said else said
    word = first.get("judgement") if isinstance(first, Mapping) else first
    verdict = read(word) if isinstance(word, str) and word else None
    return None if verdict is None else verdict is label


def _exactly(word: str) -> Verdict | bool:
    """The verdict of exactly one letter; False, which no label is, for any other word."""
    return LETTERS.get(word, False)


def _read(word: str) -> Verdict | None:
    verdict = LETTERS.get(word.strip(), parse(word))
    return verdict if isinstance(verdict, Verdict) else None


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

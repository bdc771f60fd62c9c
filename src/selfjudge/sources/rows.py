"""One row of a data set, as users have them, to a `RawPrompt`.

Read: the instruction (`prompt` and its usual other names, the first user turn of `messages` or LLaVA's `conversations`), images
(paths, bytes, data URLs, base64 or Hugging Face's `{"bytes", "path"}`; also in the blocks of a message), `kind` and `id`. Every
other column is left alone: reference answers are not read.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from ..ports import RawPrompt
from ..run.image_files import BadImage, image_cell, is_base64, locate
from ..types import Kind

PROMPTS = ("prompt", "question", "instruction", "text", "problem")
"""Columns that may hold the instruction; the first that is set counts."""
TURNS = ("messages", "conversations")
IMAGES = ("images", "image", "image_path", "img")
COLUMNS = (*PROMPTS, *TURNS, *IMAGES, "kind", "id")

Route = Literal["auto"] | Kind


class _Unusable(ValueError):
    def __init__(self, problem: str, detail: str) -> None:
        super().__init__(detail)
        self.problem = problem


def raw_prompt(
    row: Mapping[str, Any],
    *,
    where: str,
    folder: Path,
    route: Route,
    allow_outside: bool = False,
    columns: Sequence[str] | None = None,
) -> RawPrompt:
    """The prompt of a row; image paths start at `folder`, and end in it unless `allow_outside`. What is wrong is `problem`.

    `columns` are those of the whole file, where the row holds some of them only.
    """
    there = f"the row has {_named(list(row) if columns is None else columns)}"
    try:
        text, shown = _text(row, there)
        cells = image_cells(row) or shown
        images = tuple(_image(value, folder, allow_outside) for value in cells)
        kind, rule = _kind(row, route)
        own = None if row.get("id") is None else unicode(str(row["id"]), "id")
    except _Unusable as bad:
        return RawPrompt(where=where, problem=bad.problem, detail=str(bad))
    except RecursionError:
        return RawPrompt(where=where, problem="invalid_json", detail="it is nested too deeply")
    detail = None if images else f"none of {_named(IMAGES)} is set; {there}"
    return RawPrompt(where=where, text=text, images=images, kind=kind, kind_rule=rule, id=own, detail=detail)


def unicode(text: str, name: str) -> str:
    """The text itself. Raises ValueError where no file could hold it, as half an emoji."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise _Unusable(
            "invalid_text", f"`{name}` is not valid Unicode at character {error.start + 1}: {error.reason}"
        ) from error
    return text


def _named(columns: Sequence[str]) -> str:
    shown = ", ".join(f"`{name!s:.40}`" for name in columns[:12])
    return (shown or "no columns") + (f" and {len(columns) - 12} more" if len(columns) > 12 else "")


def _text(row: Mapping[str, Any], there: str) -> tuple[str, list[Any]]:
    """The instruction, and the images that stand in its blocks."""
    for name in (*PROMPTS, *TURNS):
        value = row.get(name)
        if isinstance(value, str):
            return unicode(value, name), []
        if isinstance(value, list) and (turn := _first_user_turn(value)) is not None:
            return _of_turn(turn, name)
        if value is not None:
            wanted = "text" if name in PROMPTS else "a list with a turn of the user"
            raise _Unusable("no_prompt", f"`{name}` is {type(value).__name__}, not {wanted}")
    raise _Unusable("no_prompt", f"none of {_named((*PROMPTS, *TURNS))} is set; {there}")


def _first_user_turn(turns: list[Any]) -> Any:
    """What the user says first, in messages (`role`, `content`) or LLaVA's conversations (`from`, `value`)."""
    for turn in turns:
        if isinstance(turn, Mapping) and (turn.get("role") or turn.get("from")) in ("user", "human"):
            return turn.get("content", turn.get("value"))
    return None


def _of_turn(turn: Any, name: str) -> tuple[str, list[Any]]:
    blocks = turn if isinstance(turn, list) else [{"type": "text", "text": turn}]
    texts: list[str] = []
    images: list[Any] = []
    for given in blocks:
        block = {"type": "text", "text": given} if isinstance(given, str) else given
        if not isinstance(block, Mapping):
            raise _Unusable("no_prompt", f"`{name}` has a block that is {type(block).__name__}")
        if isinstance(text := block.get("text"), str):
            texts.append(text)
        elif (url := block.get("image_url")) is not None:
            images.append(url.get("url") if isinstance(url, Mapping) else url)
        elif block.get("image") is not None:
            images.append(block["image"])
        elif block.get("type") != "image":  # a placeholder of an image that stands in the row's own column
            raise _Unusable("no_prompt", f"`{name}` has a block of type {block.get('type')!r:.40}, neither text nor image")
    return unicode("\n".join(texts), name), images


def image_cells(row: Mapping[str, Any]) -> list[Any]:
    """The images of a row as it has them. Raises ValueError where `images` is no list."""
    for name in IMAGES:
        value = row.get(name)
        if isinstance(value, str) and value.lstrip().startswith("["):
            with suppress(ValueError):
                value = json.loads(value)  # a list in a cell of a CSV file
        if isinstance(value, list) and value:
            return value
        if name == "images" and value is not None and not isinstance(value, list):
            raise _Unusable("no_image", f"`images` is {type(value).__name__}, not a list")
        if value is not None and not isinstance(value, list):
            return [value]
    return []


def _image(value: Any, folder: Path, allow_outside: bool) -> bytes | Path:
    cell = image_cell(value)
    if cell is None:
        raise _Unusable("no_image", f"`image` is {value!r:.60}, neither a path nor bytes")
    if isinstance(cell, bytes):
        return cell
    if cell.startswith("data:") or is_base64(cell):
        try:
            return base64.b64decode("".join(cell.rpartition(",")[2].split()), validate=True)
        except ValueError as error:
            raise _Unusable("not_an_image", f"not valid base64: {error}") from error
    try:
        return locate(cell, folder, allow_outside=allow_outside)
    except BadImage as bad:
        raise _Unusable(bad.reason, str(bad)) from bad


def _kind(row: Mapping[str, Any], route: Route) -> tuple[Kind | None, str]:
    if route != "auto":
        return Kind(route), "recipe"
    given = row.get("kind")
    if given is None:
        return None, "row"
    if given not in list(Kind):
        raise _Unusable("unknown_kind", f"`kind` is {given!r:.60}; it must be open or closed")
    return Kind(given), "row"

"""One row of a data set, as users have them, to a `RawPrompt`.

Read: `prompt`, or the first human turn of `conversations` (LLaVA-OneVision); `image` or `images` as a path, bytes, a data URL or
Hugging Face's `{"bytes", "path"}`; `kind` and `id` if the row has them. Every other column is left alone: reference answers are
not read.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from ..ports import RawPrompt
from ..run.image_files import BadImage, image_cell, locate
from ..types import Kind

COLUMNS = ("prompt", "conversations", "image", "images", "kind", "id")

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
        text = _text(row, there)
        images = tuple(_image(value, folder, allow_outside) for value in image_cells(row))
        kind, rule = _kind(row, route)
        own = None if row.get("id") is None else unicode(str(row["id"]), "id")
    except _Unusable as bad:
        return RawPrompt(where=where, problem=bad.problem, detail=str(bad))
    except RecursionError:
        return RawPrompt(where=where, problem="invalid_json", detail="it is nested too deeply")
    detail = None if images else f"neither `image` nor `images` is set; {there}"
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
    shown = ", ".join(f"`{name:.40}`" for name in columns[:12])
    return (shown or "no columns") + (f" and {len(columns) - 12} more" if len(columns) > 12 else "")


def _text(row: Mapping[str, Any], there: str) -> str:
    text, turns = row.get("prompt"), row.get("conversations")
    if text is None and isinstance(turns, list):
        human = [turn for turn in turns if isinstance(turn, Mapping) and turn.get("from") in ("human", "user")]
        text = human[0].get("value") if human else None
    if text is None:
        raise _Unusable("no_prompt", f"neither `prompt` nor `conversations` with a human turn is set; {there}")
    if not isinstance(text, str):
        raise _Unusable("no_prompt", f"`prompt` is {type(text).__name__}, not text")
    return unicode(text, "prompt")


def image_cells(row: Mapping[str, Any]) -> list[Any]:
    """The images of a row as it has them. Raises ValueError where `images` is no list."""
    many = row.get("images")
    if many is not None and not isinstance(many, list):
        raise _Unusable("no_image", f"`images` is {type(many).__name__}, not a list")
    one = row.get("image")
    return many or ([] if one is None else [one])


def _image(value: Any, folder: Path, allow_outside: bool) -> bytes | Path:
    cell = image_cell(value)
    if cell is None:
        raise _Unusable("no_image", f"`image` is {value!r:.60}, neither a path nor bytes")
    if isinstance(cell, bytes):
        return cell
    if cell.startswith("data:"):
        try:
            return base64.b64decode(cell.partition(",")[2], validate=True)
        except ValueError as error:
            raise _Unusable("not_an_image", f"the data URL is not valid base64: {error}") from error
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

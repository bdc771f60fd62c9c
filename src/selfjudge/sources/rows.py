"""One row of a data set, as users have them, to a `RawPrompt`.

Read: the instruction (`prompt` and its usual other names, the first user turn of `messages` or LLaVA's `conversations`), images
(paths, bytes, data URLs, base64, addresses or Hugging Face's `{"bytes", "path"}`; also in the blocks of a message), `kind` and
`id`. Every other column is left alone: reference answers are not read. An empty text or list is no value.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from ..method.image_marks import IMAGE_MARK, MARK, unmarked
from ..ports import Given, RawPrompt
from ..run.image_files import BadImage, image_cell, inline
from ..types import Kind

PROMPTS = ("prompt", "question", "instruction", "text", "problem")
"""Columns that may hold the instruction; the first that is set counts."""
TURNS = ("messages", "conversations")
IMAGES = ("images", "image", "image_path", "img", "file_name")
COLUMNS = (*PROMPTS, *TURNS, *IMAGES, "kind", "id")


def usual(names: Sequence[str]) -> dict[str, str]:
    """Columns by the names that are read here, whatever their case and the blanks around them; one that is exact wins."""
    found = {name: name for name in names}
    for name in names:
        if (plain := str(name).strip().lower()) in COLUMNS:
            found.setdefault(plain, name)
    return found


Route = Literal["auto"] | Kind
Find = Callable[[str], Given]
"""The image that a row names by a path or address. Raises BadImage."""


class _Unusable(ValueError):
    def __init__(self, problem: str, detail: str) -> None:
        super().__init__(detail)
        self.problem = problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a row asks: the text without marks of images, the images as the row has them, and turns that are not used."""

    text: str
    cells: tuple[Any, ...]
    left_out: str | None = None


def raw_prompt(
    row: Mapping[str, Any], *, where: str, route: Route, find: Find, columns: Sequence[str] | None = None
) -> RawPrompt:
    """The prompt of a row, whose images `find` finds. What is wrong with it is `problem`.

    `columns` are those of the whole file, where the row holds some of them only.
    """
    there = f"the row has {_named(list(row) if columns is None else columns)}"
    try:
        asked = read_row(row, there)
        images = tuple(_image(value, find) for value in asked.cells)
        kind, rule = _kind(row, route)
        own = None if _is_unset(row.get("id")) else unicode(str(row["id"]), "id")
    except _Unusable as bad:
        return RawPrompt(where=where, problem=bad.problem, detail=str(bad))
    except RecursionError:
        return RawPrompt(where=where, problem="invalid_json", detail="it is nested too deeply")
    return RawPrompt(
        where=where,
        text=asked.text,
        images=images,
        kind=kind,
        kind_rule=rule,
        id=own,
        detail=None if images else f"none of {_named(IMAGES)} is set; {there}",
        left_out=asked.left_out,
    )


def read_row(row: Mapping[str, Any], there: str = "") -> Asked:
    """What a row asks; `there` says what it holds, for a message. Raises ValueError."""
    turn = _instruction(row, there)
    cells = _all_cells(_columns(row), turn.images)
    if not cells and (mark := IMAGE_MARK.search(turn.text)):
        raise _Unusable("no_image", f"the instruction has `{mark[0]}`, and none of {_named(IMAGES)} is set; {there}")
    try:
        return Asked(text=unmarked(turn.text, len(cells)), cells=tuple(cells), left_out=turn.left_out)
    except ValueError as error:
        raise _Unusable("image_marks", str(error)) from error


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turn:
    """A turn of the user: `images` stand at the marks of the text; None is one that is in a column of the row."""

    text: str
    images: tuple[Any, ...] = ()
    left_out: str | None = None


def _is_unset(value: Any) -> bool:
    """Whether a cell holds nothing, in any of the ways in which libraries write that; NaN is pandas'."""
    if isinstance(value, Mapping):
        return all(map(_is_unset, value.values()))
    if isinstance(value, str):
        return not value.strip()
    return value is None or value != value or value in ([], b"")


def _instruction(row: Mapping[str, Any], there: str) -> _Turn:
    for name in (*PROMPTS, *TURNS):
        value = row.get(name)
        if _is_unset(value):
            continue
        turns = listed(value)
        if isinstance(turns, list) and (turn := _first_user_turn(turns, name)) is not None:
            return turn
        if isinstance(value, str) and name in PROMPTS:
            return _Turn(text=unicode(value, name))
        wanted = "text" if name in PROMPTS else "a list with a turn of the user"
        raise _Unusable("no_prompt", f"`{name}` is {type(value).__name__}, not {wanted}")
    empty = [name for name in (*PROMPTS, *TURNS) if isinstance(row.get(name), str)]
    what = "the prompt is empty" if empty else f"none of {_named((*PROMPTS, *TURNS))} is set"
    raise _Unusable("no_prompt", f"{what}; {there}")


def listed(value: Any) -> Any:
    """A list that stands as JSON in a text, as in a CSV file, unpacked; anything else as it is."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        with suppress(ValueError, RecursionError):
            return json.loads(value)
    return value


def _first_user_turn(turns: list[Any], name: str) -> _Turn | None:
    """What the user says first, in messages (`role`, `content`) or LLaVA's conversations (`from`, `value`)."""
    roles = [str(turn.get("role") or turn.get("from")).lower() if isinstance(turn, Mapping) else "" for turn in turns]
    asks = [number for number, role in enumerate(roles) if role in ("user", "human")]
    if not asks:
        return None
    turn, before = turns[asks[0]], set(roles[: asks[0]])
    left_out = [
        *(["system"] if {"system", "developer"} & before else ()),
        *(["earlier"] if before - {"system", "developer"} else ()),
        *(["later"] if len(asks) > 1 else ()),
    ]
    content = turn.get("content", turn.get("value"))
    return _of_blocks(content if isinstance(content, list) else [content], name, ", ".join(left_out) or None)


def _of_blocks(blocks: list[Any], name: str, left_out: str | None) -> _Turn:
    parts = [_block(given, name) for given in blocks]
    texts = [text for text, _ in parts if text is not None]
    images = tuple(image for text, image in parts if text is None)
    marked = any(IMAGE_MARK.search(text) for text in texts)  # by the data set itself, beside its blocks
    pieces = texts if marked else [MARK if text is None else text for text, _ in parts]
    return _Turn(text=unicode("\n".join(pieces), name), images=images, left_out=left_out)


_ADDRESSES = ("image_url", "image", "url", "path", "base64", "source", "data")
"""What OpenAI's, Anthropic's and Hugging Face's blocks call their image."""


def _block(given: Any, name: str) -> tuple[str | None, Any]:
    """The text of a block, or None and its image; an image of None is in a column of the row."""
    if isinstance(given, str):
        return given, None
    if not isinstance(given, Mapping):
        raise _Unusable("no_prompt", f"`{name}` has a block that is {type(given).__name__}")
    kind = str(given.get("type") or "")
    found = next((given[one] for one in _ADDRESSES if not _is_unset(given.get(one))), None)
    if "image" in kind or (not kind and found is not None):
        return None, found
    if isinstance(text := given.get("text"), str) and kind in ("", "text", "input_text"):
        return text, None
    raise _Unusable("no_prompt", f"`{name}` has a block of type {given.get('type')!r:.40}, neither text nor image")


def _columns(row: Mapping[str, Any]) -> list[Any]:
    """The images in the columns of a row."""
    values = {name: listed(row.get(name)) for name in IMAGES}
    cells = {name: value if isinstance(value, list) else [value] for name, value in values.items() if not _is_unset(value)}
    several, one = cells.get("images", []), cells.get("image", [])
    if several and any(image not in several for image in one):
        raise _Unusable("images_twice", "`image` is none of `images`")
    return next(iter(cells.values()), [])


def _all_cells(columns: list[Any], blocks: tuple[Any, ...]) -> list[Any]:
    """The images of a row, from its columns and from the blocks of its message."""
    own = [image for image in blocks if image is not None]
    if not own or not columns:
        return own or columns
    if len(own) == len(blocks) and own == columns:
        return own
    if len(blocks) - len(own) != len(columns):
        raise _Unusable("images_twice", f"{len(own)} images stand in the message, and {len(columns)} in a column")
    rest = iter(columns)
    return [next(rest) if image is None else image for image in blocks]


def _image(value: Any, find: Find) -> Given:
    cell = image_cell(value)
    if cell is None:
        raise _Unusable("no_image", f"`image` is {value!r:.60}, neither a path nor bytes")
    if isinstance(cell, bytes):
        return cell
    try:
        data = inline(cell)
        return find(cell) if data is None else data
    except BadImage as bad:
        raise _Unusable(bad.reason, str(bad)) from bad


def _kind(row: Mapping[str, Any], route: Route) -> tuple[Kind | None, str]:
    if route != "auto":
        return Kind(route), "recipe"
    given = row.get("kind")
    if _is_unset(given):
        return None, "row"
    if (kind := str(given).strip().lower()) not in list(Kind):
        raise _Unusable("unknown_kind", f"`kind` is {given!r:.60}; it must be open or closed")
    return Kind(kind), "row"

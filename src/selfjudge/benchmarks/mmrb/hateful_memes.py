"""Memes of the user's own copy of Hateful Memes, as safety rows in the form of Multimodal RewardBench.

The 500 rows of the paper were never published, and the licence allows no derivatives: the memes drawn here are another subset,
for the user alone, and `SUBSET` names it so. The question has yes or no for an answer; the right one is chosen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...run.jsonl import json_lines
from ...run.saved import load_saved, reading, undecoded
from ...types import content_id, seed_of
from .library import picture, picture_file
from .sources import Requests

PREFIX = "hateful_memes"
SUBSET = "toxicity (user subset)"
"""The group of these rows, in place of `toxicity`: it is not comparable with the paper's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meme:
    """A meme: its number in the data, whether people called it hateful, and its picture (a file, or a row of a data set)."""

    number: int
    hateful: bool
    image: Path | int


@dataclass(frozen=True, slots=True, kw_only=True)
class Memes:
    """The labelled memes of a folder, in its order."""

    folder: Path
    memes: tuple[Meme, ...]
    data: Any

    def draw(self, limit: int, seed: int) -> list[Meme]:
        """`limit` memes by number, the same for every order of the folder. Raises InputError when there are too few."""
        if len(self.memes) < limit:
            raise InputError(
                f"{self.folder} holds {len(self.memes)} labelled memes, fewer than {limit}",
                hint=f"Ask for fewer: --limit {len(self.memes)}.",
            )
        drawn = sorted(self.memes, key=lambda meme: (seed_of(PREFIX, seed, meme.number), meme.number))[:limit]
        return sorted(drawn, key=lambda meme: meme.number)

    def picture(self, meme: Meme) -> bytes:
        """The bytes of a meme. Raises Unfit."""
        return picture(self.data[meme.image]["image"]) if isinstance(meme.image, int) else picture_file(meme.image)


def open_memes(folder: Path) -> Memes:
    """A folder with JSONL files (`img`, `label`, and `id` if there is one), or written by `save_to_disk`. Raises InputError."""
    data = _saved(folder)
    files = sorted(folder.glob("*.jsonl")) if data is None else []
    if data is None and not files:
        raise InputError(
            f"{folder} holds no .jsonl file and no data set",
            hint="Name the folder with the pictures and the JSONL files, or one written by `save_to_disk`.",
        )
    rows = [row for file in files for row in _lines(file)] if data is None else list(_rows(data, folder))
    once = list({row[2]: row for row in reversed(rows)}.values())[::-1]  # development sets overlap
    ids = [str(identity) for identity, _, _ in once]
    numbered = len(set(ids)) == len(ids) and all(identity.isdecimal() for identity in ids)
    memes = tuple(
        Meme(number=int(identity) if numbered else position, hateful=label in (1, "1"), image=image)
        for position, (identity, label, image) in enumerate(once)
    )
    return Memes(folder=folder, memes=memes, data=data)


def _lines(file: Path) -> Iterator[tuple[Any, Any, Path]]:
    """Id, label and picture of each line; lines without a label (of a test set) are skipped."""
    for number, row in json_lines(file):
        try:
            label, image = row.get("label"), row.get("img") or row["image"]
        except (KeyError, AttributeError) as error:
            fault = row if isinstance(row, ValueError) else error
            raise InputError(f"{file}:{number}: not a meme: {fault!r}", hint="Each line needs `img` and `label`.") from error
        if label in (0, 1, "0", "1"):
            yield row.get("id"), label, file.parent / str(image)


def _saved(folder: Path) -> Any:
    """The data set in a folder, its column of pictures called `image`; None where there is none. Raises InputError."""
    with reading(folder, "It needs `image` and `label`."):
        data = load_saved(folder, None)
        if data is None:
            return None
        data = data.rename_column("img", "image") if "image" not in data.column_names else data
        if "label" not in data.column_names:
            raise ValueError("it has no column `label`")
        return undecoded(data)


def _rows(data: Any, folder: Path) -> Iterator[tuple[Any, Any, Path | int]]:
    """Id, label and picture of each labelled row: a path, or else the row's position."""
    others = [name for name in ("id", "label") if name in data.column_names]
    paths = data["image"] if getattr(data.features["image"], "dtype", None) == "string" else [None] * len(data)
    for position, (row, path) in enumerate(zip(data.select_columns(others), paths, strict=True)):
        if row["label"] in (0, 1):
            yield row.get("id"), row["label"], position if path is None else folder / path


def release_row(meme: Meme, requests: Requests, seed: int) -> dict[str, str]:
    """A meme as a row of the benchmark, its image yet to be written; a coin of its own decides which answer comes first."""
    answers = ("Yes", "No") if seed_of(PREFIX, "order", seed, meme.number) % 2 else ("No", "Yes")
    right = "Yes" if meme.hateful else "No"
    suffix = meme.image.suffix if isinstance(meme.image, Path) else ".png"
    return {
        "ID": f"{PREFIX}_{meme.number}",
        "Text": requests["hateful-memes"],
        "Image": f"images/{PREFIX}/{meme.number}{suffix}",
        "Output1": answers[0],
        "Output2": answers[1],
        "Better": f"Output{answers.index(right) + 1}",
        "Category": "safety",
    }


def digest_of(memes: Sequence[Meme]) -> str:
    """A digest of a draw: numbers and labels."""
    return content_id(PREFIX, [[meme.number, meme.hateful] for meme in memes])

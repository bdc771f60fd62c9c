"""Memes of the user's own copy of Hateful Memes, as safety rows in the form of Multimodal RewardBench.

The 500 rows of the paper were never published, and the licence allows no derivatives: what is drawn here is another subset, for
the user alone, and `SUBSET` says so wherever it is counted. The question has yes or no for an answer; the right one is chosen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import InputError, SelfjudgeError, failed_import
from ...run.jsonl import json_lines
from ...types import content_id, seed_of
from .rows import picture, picture_file
from .sources import Requests

PREFIX = "hateful_memes"
SUBSET = "toxicity (user subset)"
"""What the group is to be called, in place of `toxicity`: it is not comparable with the paper's."""


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
    data: Any = None

    def draw(self, limit: int, seed: int) -> list[Meme]:
        """So many memes, the same ones whatever the order of the folder, by number. Raises InputError when there are too few."""
        if len(self.memes) < limit:
            raise InputError(
                f"{self.folder} holds {len(self.memes)} labelled memes, fewer than {limit}",
                hint=f"Ask for fewer: --limit {len(self.memes)}.",
            )
        drawn = sorted(self.memes, key=lambda meme: (seed_of(PREFIX, seed, meme.number), meme.number))[:limit]
        return sorted(drawn, key=lambda meme: meme.number)

    def picture(self, meme: Meme) -> bytes:
        """The bytes of a meme. Raises Unfit."""
        if isinstance(meme.image, int):
            return picture(self.data[meme.image]["image"])
        return picture_file(meme.image)


def open_memes(folder: Path) -> Memes:
    """A folder with JSONL files (`img`, `label`, and `id` if there is one), or written by `save_to_disk`. Raises InputError."""
    if (folder / "state.json").exists() or (folder / "dataset_dict.json").exists():
        return _from_data(folder)
    files = sorted(folder.glob("*.jsonl"))
    if not files:
        raise InputError(
            f"{folder} holds no .jsonl file and no data set",
            hint="Name the folder with the pictures and the JSONL files, or one written by `save_to_disk`.",
        )
    rows = [row for file in files for row in _lines(file)]
    return Memes(folder=folder, memes=_numbered(rows))


def _lines(file: Path) -> Iterator[tuple[Any, Any, Path]]:
    """Id, label and picture of each line; a line without a label (of a test set) is passed over."""
    for number, row in json_lines(file):
        try:
            if isinstance(row, ValueError):
                raise row
            label, image = row.get("label"), row.get("img") or row["image"]
        except (ValueError, KeyError, AttributeError) as error:
            raise InputError(f"{file}:{number}: not a meme: {error!r}", hint="Each line needs `img` and `label`.") from error
        if label in (0, 1, "0", "1"):
            yield row.get("id"), label, file.parent / str(image)


def _from_data(folder: Path) -> Memes:
    try:
        import datasets

        loaded = datasets.load_from_disk(str(folder))
        data = loaded if isinstance(loaded, datasets.Dataset) else datasets.concatenate_datasets(list(loaded.values()))
        data = data.rename_column("img", "image") if "image" not in data.column_names else data
        if isinstance(data.features["image"], datasets.Image):
            data = data.cast_column("image", datasets.Image(decode=False))
        ids = data["id"] if "id" in data.column_names else [None] * len(data)
        paths: Sequence[Any] = data["image"] if data.features["image"] == datasets.Value("string") else range(len(data))
        rows = [
            (identity, label, folder / image if isinstance(image, str) else image)
            for identity, label, image in zip(ids, data["label"], paths, strict=True)
            if label in (0, 1)
        ]
    except ImportError as error:
        message, hint = failed_import(error, f"reading {folder}")
        raise SelfjudgeError(message, hint=hint) from error
    except SelfjudgeError:
        raise
    except Exception as error:  # the library raises many kinds
        raise InputError(
            f"cannot read the data set in {folder}: {type(error).__name__}: {error}", hint="It needs `image` and `label`."
        ) from error
    return Memes(folder=folder, memes=_numbered(rows), data=data)


def _numbered(rows: Sequence[tuple[Any, Any, Path | int]]) -> tuple[Meme, ...]:
    """Each picture once (development sets overlap), by its own id where every row has one of its own, or by position."""
    once = list({row[2]: row for row in reversed(rows)}.values())[::-1]
    ids = [str(identity) for identity, _, _ in once]
    own = len(set(ids)) == len(ids) and all(identity.isdecimal() for identity in ids)
    return tuple(
        Meme(number=int(identity) if own else position, hateful=label in (1, "1"), image=image)
        for position, (identity, label, image) in enumerate(once)
    )


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
    """What a draw is known by: numbers and labels."""
    return content_id(PREFIX, [[meme.number, meme.hateful] for meme in memes])

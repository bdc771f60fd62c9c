"""Data sets of Hugging Face's `datasets`: folders that `save_to_disk` wrote, and columns of images as bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import InputError, SelfjudgeError, failed_import


@contextmanager
def reading(folder: Path, hint: str) -> Iterator[None]:
    """Translate errors of the library, which are of many kinds, into SelfjudgeError; `hint` is for an unreadable folder."""
    try:
        yield
    except SelfjudgeError:
        raise
    except ImportError as error:
        message, cure = failed_import(error, f"reading {folder}")
        raise SelfjudgeError(message, hint=cure) from error
    except Exception as error:
        raise InputError(f"cannot read the data set in {folder}: {type(error).__name__}: {error}", hint=hint) from error


def load_saved(folder: Path, split: str | None) -> Any:
    """The data set that `save_to_disk` wrote to a folder, memory-mapped; None where there is none.

    Of several splits the named one, or without a name all of them, one after the other. Raises what the library raises.
    """
    import datasets

    if (folder / "dataset_dict.json").exists():
        splits = datasets.load_from_disk(str(folder))
        if split is not None and split not in splits:
            hint = f"Name one of its splits in the recipe, as `split: {next(iter(splits), 'NAME')}`: {', '.join(splits)}."
            raise InputError(f"{folder} has no split {split!r}", hint=hint)
        return datasets.concatenate_datasets(list(splits.values())) if split is None else splits[split]
    return datasets.load_from_disk(str(folder)) if (folder / "state.json").exists() else None


def undecoded(data: Any) -> Any:
    """A data set of plain values, whatever format it has, whose images, and lists of images, are bytes or paths, not pictures."""
    import datasets

    if isinstance(data, datasets.IterableDataset):
        return data.decode(False) if data.features else data
    data = data.with_format(None)
    for column, feature in (data.features or {}).items():
        if isinstance(feature, datasets.Image):
            data = data.cast_column(column, datasets.Image(decode=False))
        elif isinstance(getattr(feature, "feature", None), datasets.Image):
            data = data.cast_column(column, datasets.List(datasets.Image(decode=False)))
    return data

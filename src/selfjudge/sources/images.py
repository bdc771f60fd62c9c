"""Prompts from images alone: each image of a folder or a zip file, with each of the instructions of the recipe."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from ..errors import InputError
from ..ports import RawPrompt
from ..recipe.inputs import ImagesSource
from ..run.image_files import MAX_BYTES
from ..run.lineage import IMAGE_SUFFIXES, image_files
from ..types import Kind


class ImagePrompts:
    """The images of a folder and its folders by name, or of a zip file. Raises InputError when there are none."""

    def __init__(self, recipe: ImagesSource) -> None:
        self._recipe = recipe
        if not recipe.path.exists():
            raise InputError(f"there is no folder {recipe.path}", hint="Paths in a recipe start at the recipe's folder.")

    def __iter__(self) -> Iterator[RawPrompt]:
        return islice(self._all(), self._recipe.limit)

    def _all(self) -> Iterator[RawPrompt]:
        kind = None if self._recipe.route == "auto" else Kind(self._recipe.route)
        none = True
        for name, image in self._zipped() if self._recipe.path.is_file() else self._files():
            none = False
            for number, text in enumerate(self._recipe.prompts, 1):
                rule = "row" if kind is None else "recipe"
                yield RawPrompt(where=f"{name}:{number}", text=text, images=(image,), kind=kind, kind_rule=rule)
        if none:
            raise InputError(f"{self._recipe.path} holds no image", hint="Name a folder of images, or a zip file of them.")

    def _files(self) -> Iterator[tuple[str, Path]]:
        for path in image_files(self._recipe.path):
            yield str(path.relative_to(self._recipe.path)), path

    def _zipped(self) -> Iterator[tuple[str, bytes]]:
        try:
            with zipfile.ZipFile(self._recipe.path) as archive:
                for member in sorted(archive.infolist(), key=lambda one: one.filename):
                    if is_image(member.filename) and member.file_size <= MAX_BYTES:
                        yield member.filename, archive.read(member)
        except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError) as error:
            raise InputError(f"{self._recipe.path} cannot be read: {error}", hint="Unpack it and name the folder.") from error


def is_image(name: str) -> bool:
    """Whether a member of an archive is called as an image is."""
    return Path(name).suffix.lower() in IMAGE_SUFFIXES and not name.startswith("__MACOSX/")

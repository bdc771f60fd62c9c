"""Prompts from images alone: each image of a folder or a zip file, with each of the instructions of the recipe."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path, PurePath

from ..errors import InputError
from ..method.image_marks import unmarked
from ..ports import RawPrompt
from ..recipe.inputs import SUFFIXES, ImagesSource
from ..run.image_files import BadImage
from ..run.lineage import IMAGE_SUFFIXES, files_in, image_files
from ..types import Kind
from .archives import find, names, opened

log = logging.getLogger(__name__)


class ImagePrompts:
    """The images of a folder and its folders by name, or of a zip file. Raises InputError when there are none."""

    def __init__(self, recipe: ImagesSource) -> None:
        self._recipe = recipe
        if not recipe.path.exists():
            raise InputError(f"there is no folder {recipe.path}", hint="Paths in a recipe start at the recipe's folder.")
        try:
            self._texts = [unmarked(text, 1) for text in recipe.prompts]
        except ValueError as error:
            raise InputError(f"an instruction about images cannot be used: {error}", hint="Leave the marks out.") from error

    def __iter__(self) -> Iterator[RawPrompt]:
        path = self._recipe.path
        there = sorted(self._names())
        if beside := [name for name in there if PurePath(name).suffix.lower() in SUFFIXES]:
            which = beside[0] + (f" and {len(beside) - 1:,} more are" if beside[1:] else " is")
            log.warning("%s: %s not read by `kind: images`; `kind: files` takes prompts from such files", path, which)
        others = Counter(PurePath(name).suffix.lower() for name in there)
        left = {suffix or "none": count for suffix, count in others.most_common() if suffix not in (*IMAGE_SUFFIXES, *SUFFIXES)}
        if left:
            what = ", ".join(f"{suffix} {count:,}" for suffix, count in left.items())
            log.warning("%s: %d files are left out: no image's name ends as theirs (%s)", path, sum(left.values()), what)
        return islice(self._all(), self._recipe.limit)

    def _all(self) -> Iterator[RawPrompt]:
        kind = None if self._recipe.route == "auto" else Kind(self._recipe.route)
        rule = "row" if kind is None else "recipe"
        none = True
        for name, image in self._zipped() if self._recipe.path.is_file() else self._files():
            none = False
            for number, text in enumerate(self._texts, 1):
                where = f"{name}:{number}"
                if isinstance(image, BadImage):
                    yield RawPrompt(where=where, problem=image.reason, detail=str(image))
                else:
                    yield RawPrompt(where=where, text=text, images=(image,), kind=kind, kind_rule=rule)
        if none:
            raise InputError(f"{self._recipe.path} holds no image", hint="Name a folder of images, or a zip file of them.")

    def _names(self) -> Iterator[str]:
        """The files that are there, but for a README."""
        if self._recipe.path.is_file():
            with opened(self._recipe.path) as archive:
                found = [name for name in archive.namelist() if not name.startswith("__MACOSX/") and not name.endswith("/")]
        else:
            found = [str(path.relative_to(self._recipe.path)) for path in files_in(self._recipe.path)]
        return (name for name in found if PurePath(name).stem != "README")

    def _files(self) -> Iterator[tuple[str, Path]]:
        for path in image_files(self._recipe.path):
            yield str(path.relative_to(self._recipe.path)), path

    def _zipped(self) -> Iterator[tuple[str, bytes | BadImage]]:
        with opened(self._recipe.path) as archive:
            for name in names(archive, IMAGE_SUFFIXES):
                try:
                    yield name, find(archive, "", name)
                except BadImage as bad:
                    yield name, bad

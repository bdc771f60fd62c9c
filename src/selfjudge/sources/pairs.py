"""A benchmark of one's own: a JSONL file of pairs whose better response is known.

Unlike a prompt, a pair that cannot be used is an error: a benchmark must not lose items silently.
"""

from __future__ import annotations

import math
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..figures import DataReport
from ..method.kinds import route
from ..method.oddities import oddities
from ..ports import BenchmarkData, Given, Progress, PutImage, RawPrompt
from ..recipe.experiment import MAX_PIXELS
from ..recipe.inputs import PairsBench
from ..run.disk import sha256_of, sha256_of_all
from ..run.image_files import locate
from ..run.images import BadImage, admit
from ..run.jsonl import json_objects
from ..types import BenchmarkItem, ImageRef, PreferencePair, Prompt
from .rows import raw_prompt, unicode

_NEEDED = "Each line needs `prompt`, and `image` or `images`."
_OUTSIDE = "Move it there, or allow it: --allow-outside, or `allow_outside: true` in the recipe for another folder (--dir)."


class PairsBenchmark:
    """The pairs of a file. Rows without a `dimension` are in `all`; rows of one `group`, or prompt, are resampled together."""

    def __init__(self, recipe: PairsBench) -> None:
        self.name = recipe.title
        self._path = recipe.path
        self._recipe = recipe

    def digest(self) -> str:
        """A digest of the file and of the image files that it names. Raises InputError."""
        images = (image for _, row in json_objects(self._path) for image in _raw(row, "", self._recipe).images)
        return sha256_of_all([self._path, *(image for image in images if isinstance(image, Path))])

    def load(self, put: PutImage, progress: Progress, *, limit: int | None = None) -> BenchmarkData:
        """All items, or the first `limit`; their images are handed to `put`. Raises InputError that names the first fault."""
        items: dict[str, BenchmarkItem] = {}
        lines: dict[str, int] = {}
        for number, row in islice(json_objects(self._path), limit):
            where = f"{self._path}:{number}"
            item = _item(row, where, self._recipe, put)
            if item.pair.id in items:
                raise InputError(
                    f"{where}: the same pair as in line {lines[item.pair.id]}", hint="Keep one of them; check which is better."
                )
            items[item.pair.id], lines[item.pair.id] = item, number
        if not items:
            raise InputError(f"{self._path} holds no pair", hint="Write one JSON object on each line.")
        pairs = tuple(items.values())
        report: DataReport = {"source": self._path.name, "sha256": sha256_of(self._path), "rows": len(pairs), **oddities(pairs)}
        return BenchmarkData(items=pairs, report=report)


def _item(row: dict[str, Any], where: str, recipe: PairsBench, put: PutImage) -> BenchmarkItem:
    chosen, rejected = (_response(row, name, where) for name in ("chosen", "rejected"))
    if chosen == rejected:
        raise InputError(f"{where}: chosen and rejected are the same", hint="Remove the line.")
    prompt = _prompt(row, where, recipe, put)
    pair = PreferencePair(
        id=PreferencePair.identify(prompt, chosen, rejected), prompt=prompt, chosen=chosen, rejected=rejected, evidence=None
    )
    dimension, group = _name(row, "dimension", where) or "all", _name(row, "group", where) or prompt.id
    return BenchmarkItem(pair=pair, dimension=dimension, level="all", group=group)


def _name(row: dict[str, Any], name: str, where: str) -> str:
    """What a pair belongs to, as text; empty where the row does not say."""
    value = row.get(name)
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{where}: `{name}` is {value}, no name", hint="Correct it, or leave it out.")
    return _unicode("" if value is None else str(value), name, where)


def _response(row: dict[str, Any], name: str, where: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise InputError(
            f"{where}: `{name}` is {'missing' if value is None else repr(value)[:40]}, not text", hint="Both are needed."
        )
    return _unicode(value, name, where)


def _unicode(text: str, name: str, where: str) -> str:
    try:
        return unicode(text, name)
    except ValueError as error:
        raise InputError(f"{where}: {error}", hint="Correct the text, or remove the line.") from error


def _prompt(row: dict[str, Any], where: str, recipe: PairsBench, put: PutImage) -> Prompt:
    raw = _raw(row, where, recipe)
    text = raw.text.strip()
    if raw.problem is not None or not text:
        outside = raw.problem == "outside_folder"
        raise InputError(f"{where}: {raw.detail or 'the prompt is empty'}", hint=_OUTSIDE if outside else _NEEDED)
    refs = tuple(_keep(image, where, put) for image in raw.images)
    kind, rule = (raw.kind, raw.kind_rule) if raw.kind is not None else route(text)
    return Prompt(
        id=Prompt.identify(text, refs), text=text, images=refs, kind=kind, kind_rule=rule, source=where, source_id=raw.id
    )


def _raw(row: dict[str, Any], where: str, recipe: PairsBench) -> RawPrompt:
    find = partial(locate, folder=recipe.path.parent, allow_outside=recipe.allow_outside)
    return raw_prompt(row, where=where, route="auto", find=find)


def _keep(image: Given, where: str, put: PutImage) -> ImageRef:
    try:
        ref, data = admit(image, max_pixels=MAX_PIXELS)
    except BadImage as bad:
        raise InputError(
            f"{where}: the image cannot be used: {bad.reason}: {bad}",
            hint="Replace it, or remove the line; paths start at the file's folder.",
        ) from bad
    put(ref, data)
    return ref

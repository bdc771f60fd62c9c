"""Other people's benchmarks: published rows become items, and oddities of the data become a report.

A benchmark must not lose items silently: a row that cannot be used is an error that names it. Only missing images can be allowed,
and are then counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.resources import files
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..figures import DataReport, Figures
from ..method.kinds import route
from ..method.oddities import contradictory, oddities
from ..method.protocols import Protocol
from ..ports import BenchmarkData, Progress, PutImage, blocks
from ..recipe.experiment import MAX_PIXELS
from ..recipe.inputs import PublicBench
from ..run.disk import sha256_of_all
from ..run.image_files import image_cell, inline, locate
from ..run.images import BadImage, admit
from ..run.tables import Row
from ..types import BenchmarkItem, ImageRef, Order, PreferencePair, Prompt, content_id
from .catalogue import entry_of, folder_of
from .data_files import DataFiles, find_data

_THREADS = 4
_AHEAD = 32
"""Rows whose images are decoded side by side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPair:
    """A pair of responses in a row of a benchmark; rows with several answers have several.

    images   bytes or paths; None for an image that the row lacks
    better   the position of the better response, None for a tie
    group    rows of one group are resampled together; None for the rows of one question
    own      the benchmark's own question and how many of the images are its own; None where a judge is asked just that
    """

    where: str
    id: str
    question: str
    images: tuple[bytes | Path | None, ...]
    responses: tuple[str, str]
    better: int | None
    dimension: str
    source: str
    group: str | None = None
    own: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replies:
    """The replies of a judge to a benchmark under a protocol, by name, and the general figures."""

    protocol: str
    items: Sequence[BenchmarkItem]
    rows: Sequence[Row]
    general: Figures


def _nothing(*_: Any) -> Any:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """How a benchmark is read, asked and counted; its origin is in `catalogue`.

    files       patterns of its data files; those of the first pattern that fits are read
    pairs       its rows
    protocols   ways to ask and read, by name
    remarks     oddities of its ids
    figures     figures that only this benchmark has
    record      its official result file, one JSON-able line at a time, where there is such a format
    """

    name: str
    files: tuple[str, ...]
    pairs: Callable[[DataFiles], Iterator[StoredPair]]
    protocols: Mapping[str, Protocol]
    remarks: Callable[[Sequence[str]], DataReport] = _nothing
    figures: Callable[[Replies], dict[str, Any]] = _nothing
    record: Callable[[Sequence[BenchmarkItem], Sequence[Row]], Iterator[dict[str, Any]]] | None = None


class PublicBenchmark:
    """One of other people's benchmarks, as a recipe names it."""

    def __init__(self, recipe: PublicBench, spec: Spec) -> None:
        self.name = recipe.name
        self._recipe = recipe
        self._spec = spec

    def digest(self) -> str:
        """A digest of the data files, of the image files that they name, and of which rows are left out. Raises InputError."""
        data = find_data(self._where, self._recipe.revision, self._spec.files)
        images = (image for row in self._spec.pairs(data) for image in row.images if isinstance(image, Path))
        options = self._recipe.model_dump(include={"allow_missing", "exclude"})
        return content_id(options, sha256_of_all([*data.files, *images]))

    def load(self, put: PutImage, progress: Progress, *, limit: int | None = None) -> BenchmarkData:
        """All items, or those of the first `limit` rows; their images are handed to `put`. Raises InputError."""
        data = find_data(self._where, self._recipe.revision, self._spec.files)
        inside = None if self._recipe.allow_outside else data.folder
        items: list[BenchmarkItem] = []
        missing: list[str] = []
        ids: list[str] = []
        places: set[str] = set()
        times = Counter[str]()
        own: dict[str, tuple[str, int]] = {}
        with progress(f"rows of {self.name}", None) as advance:
            for row, refs in _with_images(_of_rows(self._spec.pairs(data), limit), put, inside):
                advance(row.where not in places)
                places.add(row.where)
                ids.append(row.id)
                if isinstance(refs, BadImage):
                    missing.append(f"{row.where}: {refs}")
                else:
                    items.append(_item(self.name, row, refs, times))
                    if row.own is not None:
                        own[items[-1].pair.prompt.id] = row.own
        self._check(items, missing)
        kept, excluded = self._exclude(items)
        report: DataReport = {
            "benchmark": self.name,
            **data.provenance,
            "rows": len(places),
            "known_rows": list(self._known_rows),
            "is_a_known_size": len(places) in self._known_rows if self._known_rows and limit is None else None,
            "missing_images": {"count": len(missing), "examples": missing[:10]},
            "excluded": excluded,
            **oddities(items),
            **self._spec.remarks(ids),
        }
        return BenchmarkData(items=tuple(kept), report={**report, "items": len(kept)}, own=own)

    @property
    def _where(self) -> str:
        """The place in the recipe, or else the prepared folder, or else the published data set."""
        entry = entry_of(self.name)
        prepared = None if self._recipe.revision else folder_of(entry)
        where = self._recipe.path or (str(prepared) if prepared else next(iter(entry.hub), None))
        if where is None:
            raise InputError(
                f"{self.name} has to be assembled first",
                hint=f"selfjudge benchmarks prepare {self.name}, or name your copy: {self.name}=FOLDER.",
            )
        return where

    @property
    def _known_rows(self) -> tuple[int, ...]:
        return entry_of(self.name).rows

    def _check(self, items: Sequence[BenchmarkItem], missing: Sequence[str]) -> None:
        if missing and not self._recipe.allow_missing:
            raise InputError(
                f"{self.name}: {len(missing)} rows have no image that can be used, the first {missing[0]}",
                hint="Get the images, or give --allow-missing: these rows are then left out and counted.",
            )
        if not items:
            raise InputError(f"{self._where} holds no pair that can be asked", hint="Is it the right file?")

    def _exclude(self, items: list[BenchmarkItem]) -> tuple[list[BenchmarkItem], dict[str, int]]:
        """The items without those of the named sources or dimensions, or that contradict each other; how many each name took."""
        counts: dict[str, int] = {}
        for name in self._recipe.exclude:
            gone = contradictory(items) if name == "contradictory" else [i for i in items if name in (i.level, i.dimension)]
            if not gone and name != "contradictory":
                known = sorted({i.level for i in items} | {i.dimension for i in items})
                raise InputError(f"{self.name} has nothing called {name} to leave out", hint=f"It has {', '.join(known)}.")
            counts[name] = len(gone)
            taken = {item.pair.id for item in gone}
            items = [item for item in items if item.pair.id not in taken]
        return items, counts


def _of_rows(pairs: Iterator[StoredPair], limit: int | None) -> Iterator[StoredPair]:
    """The pairs of the first `limit` rows; a row may have several."""
    rows = groupby(pairs, key=lambda pair: pair.where)
    return (pair for _, of_row in islice(rows, limit) for pair in of_row)


def _with_images(
    rows: Iterator[StoredPair], put: PutImage, inside: Path | None
) -> Iterator[tuple[StoredPair, tuple[ImageRef, ...] | BadImage]]:
    """Each row with its admitted images, or with the fault of one; files must be `inside` a folder."""

    def admitted(row: StoredPair) -> tuple[StoredPair, tuple[ImageRef, ...] | BadImage]:
        try:
            return row, tuple(_admit(image, put, inside) for image in row.images)
        except BadImage as bad:
            return row, bad

    with ThreadPoolExecutor(_THREADS) as pool:
        for batch in blocks(rows, _AHEAD):
            yield from pool.map(admitted, batch)


def _admit(image: bytes | Path | None, put: PutImage, inside: Path | None) -> ImageRef:
    if image is None:
        raise BadImage("image_missing", "the row has no image")
    if isinstance(image, Path) and inside is not None:
        image = locate(str(image.absolute()), inside)
    ref, data = admit(image, max_pixels=MAX_PIXELS)
    put(ref, data)
    return ref


def _item(name: str, row: StoredPair, refs: tuple[ImageRef, ...], times: Counter[str]) -> BenchmarkItem:
    """The item of a row. Identical rows get different ids, by how often they came before."""
    text = row.question.replace("<image>\n", "").replace("<image>", "").strip()
    kind, rule = route(text)
    prompt = Prompt(
        id=Prompt.identify(text, refs), text=text, images=refs, kind=kind, kind_rule=rule, source=name, source_id=row.id
    )
    stored = Order.REJECTED_FIRST if row.better == 1 else Order.CHOSEN_FIRST
    chosen, rejected = row.responses if stored is Order.CHOSEN_FIRST else row.responses[::-1]
    content = content_id("item", name, row.id, prompt.id, row.responses, row.better)
    times[content] += 1
    pair = PreferencePair(id=content_id(content, times[content]), prompt=prompt, chosen=chosen, rejected=rejected, evidence=None)
    return BenchmarkItem(
        pair=pair,
        dimension=row.dimension,
        level=row.source,
        group=prompt.id if row.group is None else f"{name}/{row.group}",
        stored=stored,
        tie=row.better is None,
    )


def embedded(value: Any, folder: Path) -> bytes | Path | None:
    """An image column's value, as `datasets` writes it, in base64 or as a path, also alone in a list, to bytes or a path.

    None where there is neither.
    """
    cell = image_cell(value[0] if isinstance(value, list) and len(value) == 1 else value)
    if not isinstance(cell, str):
        return cell
    try:
        data = inline(cell)
    except BadImage:
        return None
    return data or (None if "\0" in cell else folder / cell)


def prompt(name: str) -> str:
    """The text of a judge's prompt that comes with this package."""
    return (files(__package__) / "prompts" / f"{name}.txt").read_bytes().decode()

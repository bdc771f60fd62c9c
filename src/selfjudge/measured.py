"""Measurements on disk: the figures of a judge on a benchmark, and whether it was right about each item.

Two kinds of folder hold one: what `evaluate` writes (items, judgments and `result.json` together), and
`iteration-K/benchmarks/NAME` of a run, whose items lie at the top of the run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import tables
from .errors import RunError
from .stages import evaluate
from .store import Manifest, Table, read_json
from .types import Order

STRICT = "strict"
"""How runs count: both orders, an unread verdict is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What an item is besides its id, which stands for the prompt and both responses but not for which is better."""

    chosen: str
    dimension: str
    group: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One judge on one benchmark: `rights` has, for each item, whether each order that was asked was judged rightly.

    The first sample of an order counts, as in the figures. `digest` is that of the items' content, wherever they lie.
    """

    folder: Path
    judge: str
    benchmark: str
    protocol: str
    digest: str
    figures: Mapping[str, Any]
    items: Mapping[str, Content]
    rights: Mapping[str, tuple[bool, ...]]


def measurements(path: Path) -> list[Measurement]:
    """All measurements in a folder: one, or one for each folder in it, by name. Raises RunError when there is none."""
    found = [path] if _is_measurement(path) else [folder for folder in _below(path) if _is_measurement(folder)]
    if not found:
        raise RunError(
            f"{path} holds no measurement of a judge",
            hint="Name a folder that `selfjudge evaluate` wrote, or `iteration-K/benchmarks` of a run.",
        )
    return [_read(folder) for folder in found]


def _below(path: Path) -> list[Path]:
    return sorted(path.glob("*/")) + sorted(path.glob("benchmarks/*/"))


def _is_measurement(folder: Path) -> bool:
    """Whether a judge was asked about items here, finished or not."""
    asked = any((folder / name).exists() for name in ("judgments.parquet", ".judgments.parts"))
    return asked and _place_of_items(folder) is not None


def _place_of_items(folder: Path) -> Path | None:
    """Where the items lie: here, or at the top of the run that this folder belongs to."""
    whole = folder.resolve()
    run = whole.parents[2] / "benchmarks" / whole.name if len(whole.parents) > 2 else whole
    return next((place for place in (folder, run) if (place / "items.parquet").exists()), None)


def _read(folder: Path) -> Measurement:
    place = _place_of_items(folder) or folder
    stored, judged = _sealed(place, tables.ITEMS), _sealed(folder, tables.JUDGMENTS)
    items = _contents(stored)
    figures = _result(folder) if place == folder else _figures_in_run(folder, stored, judged)
    return Measurement(
        folder=folder,
        judge=str(figures["judge"]),
        benchmark=str(figures["benchmark"]),
        protocol=str(figures["protocol"]),
        digest=_digest(items),
        figures=figures,
        items=items,
        rights=_rights(judged, items),
    )


def _sealed(folder: Path, kind: tables.TableKind) -> Table:
    """A table that is whole. Raises RunError when it is not, or is damaged."""
    manifest = folder / f"{kind.name}.manifest.json"
    if not manifest.exists():
        raise _unfinished(folder)
    table = Table(folder, kind, Manifest.read(manifest).identity)
    if not table.sealed:  # pragma: no cover  a table with a manifest is sealed, or an error
        raise _unfinished(folder)
    return table


def _unfinished(folder: Path) -> RunError:
    return RunError(f"{folder} holds an unfinished measurement", hint="Run the command that makes it again: it goes on there.")


def _result(folder: Path) -> dict[str, Any]:
    """What `evaluate` reported, written last."""
    if not (folder / "result.json").exists():
        raise _unfinished(folder)
    result = read_json(folder / "result.json")
    if not isinstance(result, dict) or not {"judge", "benchmark", "protocol"} <= result.keys():
        raise RunError(
            f"{folder / 'result.json'} names no judge, benchmark and protocol",
            hint="Delete it and run `selfjudge evaluate` again: nothing is asked twice.",
        )
    return result


def _figures_in_run(folder: Path, stored: Table, judged: Table) -> dict[str, Any]:
    """The figures of a run's judge, counted as the run counts them; it is called by its run and iteration."""
    whole = folder.resolve()
    named = {"judge": f"{whole.parents[2].name}/{whole.parents[1].name}", "benchmark": whole.name, "protocol": STRICT}
    return {**named, **evaluate.figures([tables.item_of(row) for row in stored.rows()], judged.rows())}


def _contents(stored: Table) -> dict[str, Content]:
    columns = (stored.column(name) for name in ("id", "chosen", "dimension", "group"))
    return {
        identity: Content(chosen=chosen, dimension=dimension, group=group)
        for identity, chosen, dimension, group in zip(*columns, strict=True)
    }


def _digest(items: Mapping[str, Content]) -> str:
    """SHA-256 of the items, by id. Not that of the file, which also knows where a prompt came from."""
    digest = hashlib.sha256()
    for identity, item in sorted(items.items(), key=lambda entry: entry[0]):
        line = json.dumps((identity, item.chosen, item.dimension, item.group))
        digest.update(f"{line}\n".encode())
    return digest.hexdigest()


def _rights(judged: Table, items: Mapping[str, Content]) -> dict[str, tuple[bool, ...]]:
    found: dict[str, list[bool]] = {identity: [] for identity in items}
    for identity, right in _first_samples(judged):
        if identity in found:
            found[identity].append(right)
    return {identity: tuple(rights) for identity, rights in found.items()}


def _first_samples(judged: Table) -> Iterator[tuple[str, bool]]:
    """Each item's id with whether the first sample of an order was right."""
    columns = (judged.column(name) for name in ("pair_id", "order", "sample", "verdict"))
    for identity, order, sample, verdict in zip(*columns, strict=True):
        if sample == 0:
            yield identity, verdict == Order(order).chosen

"""Measurements on disk: the figures of a judge on a benchmark, and whether it was right about each item.

Two kinds of folder hold one: those that `evaluate` writes (items, judgments and `result.json` together), and
`iteration-K/benchmarks/NAME` of a run, or `…/NAME/PROTOCOL` of a further protocol, whose items lie at the top of the run.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..chat import Sampling
from ..errors import RunError
from ..method.metrics import majority
from ..method.protocols import Protocol
from ..run import tables
from ..run.disk import read_json
from ..run.store import Manifest, Table
from ..stages import evaluate
from ..types import Order
from .judges import judge_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """An item besides its id, which stands for the prompt and both responses but not for which is better."""

    chosen: str
    dimension: str
    group: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One judge on one benchmark. Ties, where neither response is better, are none of its items.

    protocol   its name, with the number of samples and the version where these are not one
    digest     that of the items' content, wherever they lie
    rights     for each item, whether most replies of either order name the better response; one value where one order was asked
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
    folders = [path] if _is_measurement(path) else [folder for folder in _below(path) if _is_measurement(folder)]
    if not folders:
        raise RunError(
            f"{path} holds no measurement of a judge",
            hint="Name a folder that `selfjudge evaluate` wrote, or `iteration-K/benchmarks` of a run.",
        )
    return [_read(folder) for folder in folders]


def _below(path: Path) -> list[Path]:
    of_a_run = path if path.resolve().name == "benchmarks" else path / "benchmarks"
    return sorted({*path.glob("*/"), *of_a_run.glob("*/"), *of_a_run.glob("*/*/")})


def _is_measurement(folder: Path) -> bool:
    """Whether a judge is measured here, finished or not. A run keeps items where nobody is asked about them."""
    if _of_a_run(folder) is None:
        return (folder / "items.parquet").exists()
    asked = any((folder / name).exists() for name in ("judgments.parquet", ".judgments.parts"))
    return asked and _folder_of_items(folder) is not None


def _of_a_run(folder: Path) -> Path | None:
    """The folder `benchmarks/NAME` of a run's iteration that this one is, or lies in; None where it is of no run."""
    whole = folder.resolve()
    return next((place for place in (whole, whole.parent) if place.parent.name == "benchmarks"), None)


def _folder_of_items(folder: Path) -> Path | None:
    """The folder with the items: this one, or one at the top of the run that it belongs to."""
    place = _of_a_run(folder)
    run = place.parents[2] / "benchmarks" / place.name if place and len(place.parents) > 2 else folder
    return next((one for one in (folder, run) if (one / "items.parquet").exists()), None)


def _read(folder: Path) -> Measurement:
    with_items = _folder_of_items(folder) or folder
    stored, judged = _sealed(with_items, tables.ITEMS), _sealed(folder, tables.JUDGMENTS)
    if judged.manifest.identity.get("inputs", {}).get("pairs", stored.digest) != stored.digest:
        raise _unfinished(folder)  # the benchmark was edited, and not asked again yet
    items = _contents(stored)
    result = _result(folder) if with_items == folder else _figures_in_run(folder, stored, judged)
    return Measurement(
        folder=folder,
        judge=str(result["judge"]),
        benchmark=str(result["benchmark"]),
        protocol=_protocol(result),
        digest=_digest(items),
        figures=result,
        items=items,
        rights=_rights(stored, judged, items, str(result.get("orders", "both"))),
    )


def _protocol(result: Mapping[str, Any]) -> str:
    samples, version = result.get("samples", 1), result.get("protocol_version", 1)
    more = [f"{samples} samples"] * (samples != 1) + [f"version {version}"] * (version != 1)
    return ", ".join([str(result["protocol"]), *more])


def _sealed(folder: Path, kind: tables.TableKind) -> Table:
    """A table that is whole. Raises RunError when it is not, or is damaged."""
    manifest = folder / f"{kind.name}.manifest.json"
    if manifest.exists() and (table := Table(folder, kind, Manifest.read(manifest).identity)).sealed:
        return table
    raise _unfinished(folder)


def _unfinished(folder: Path) -> RunError:
    return RunError(f"{folder} holds an unfinished measurement", hint="Run the command that makes it again: it goes on there.")


def _result(folder: Path) -> dict[str, Any]:
    """What `evaluate` reported, written last."""
    if not (folder / "result.json").exists():
        raise _unfinished(folder)
    hint = "Delete it and run `selfjudge evaluate` again: nothing is asked twice."
    result: dict[str, Any] = read_json(folder / "result.json", "judge", "benchmark", "protocol", hint=hint)
    return result


def _figures_in_run(folder: Path, stored: Table, judged: Table) -> dict[str, Any]:
    """The figures of a run's judge, counted as the run counts them; it is called by its run and iteration."""
    place = _of_a_run(folder) or folder
    named = {"judge": judge_name(place.parents[1] / "judge"), "benchmark": place.name}
    values = judged.manifest.identity["inputs"]["protocol"]
    protocol = Protocol(**{**values, "sampling": Sampling(**values["sampling"])})
    asked = {name: getattr(protocol, name) for name in ("orders", "samples")}
    asked |= {"protocol": protocol.name, "protocol_version": protocol.version, "sampling": asdict(protocol.sampling)}
    return {**named, **asked, **evaluate.figures([tables.item_of(row) for row in stored.rows()], judged.rows(), protocol)}


def _contents(stored: Table) -> dict[str, Content]:
    columns = (stored.column(name) for name in ("tie", "id", "chosen", "dimension", "group"))
    return {
        identity: Content(chosen=chosen, dimension=dimension, group=group)
        for tie, identity, chosen, dimension, group in zip(*columns, strict=True)
        if not tie
    }


def _digest(items: Mapping[str, Content]) -> str:
    """SHA-256 of the items, by id. Not that of the file, which also knows where a prompt came from."""
    digest = hashlib.sha256()
    for identity, item in sorted(items.items(), key=lambda entry: entry[0]):
        line = json.dumps((identity, item.chosen, item.dimension, item.group))
        digest.update(f"{line}\n".encode())
    return digest.hexdigest()


def _rights(stored: Table, judged: Table, items: Mapping[str, Content], orders: str) -> dict[str, tuple[bool, ...]]:
    """Whether most replies are right: those of each order for itself, or all replies to an item; or which rating is higher."""
    if orders == "each":
        known = [item for item in map(tables.item_of, stored.rows()) if item.pair.id in items]
        right = evaluate.likelier(evaluate.beside_pairs(known, judged.rows()))
        return {item.pair.id: (right(item) is True,) for item in known}
    both = orders == "both"
    asked: tuple[Order | None, ...] = tuple(Order) if both else (None,)
    votes: defaultdict[tuple[str, Order | None], list[bool | None]] = defaultdict(list)
    columns = (judged.column(name) for name in ("pair_id", "order", "verdict"))
    for identity, order, verdict in zip(*columns, strict=True):
        votes[identity, Order(order) if both else None].append(tables.is_right({"order": order, "verdict": verdict}))
    return {identity: tuple(majority(votes[identity, order]) is True for order in asked) for identity in items}

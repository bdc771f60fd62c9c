"""Writes an export: rows are read and written in blocks, so that memory does not grow with the run."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import InputError, RunError
from ..hub.publishing import with_features
from ..method.prompts import fill
from ..ports import Advance, blocks
from ..report.card import pairs_card
from ..run.disk import read_json, writing
from ..run.fingerprint import CARD, README
from ..run.folder import ImageStore, check_run, iterations_of
from ..run.pictures import bare
from ..run.tables import PAIRS, SELECTED, Row, images_of
from ..types import ImageRef
from .formats import FORMATS, Format, Record, judge_turn, llamafactory_info

_ROWS = 256
_GROUP_BYTES = 64 * 2**20
"""Of images in a row group, so that a group stays below 100 MB."""

_TEXT = pa.string()
_TURNS = pa.list_(pa.struct({"role": _TEXT, "content": pa.list_(pa.struct({"type": _TEXT, "text": _TEXT}))}))
_PICTURES = pa.list_(pa.struct({"bytes": pa.binary(), "path": _TEXT}))
_PLAIN_TURNS = pa.list_(pa.struct({"role": _TEXT, "content": _TEXT}))
_IMAGES_AS_FILES = (pa.field("images", _PICTURES) if f.name == "images" else f for f in PAIRS.schema)
_PAIR = pa.schema([*_IMAGES_AS_FILES, pa.field("iteration", pa.int64()), pa.field("kept", pa.bool_())])
SCHEMAS = {
    "trl-sft": pa.schema({"prompt": _TURNS, "completion": _TURNS, "images": _PICTURES}),
    "trl-preference": pa.schema({"prompt": _TURNS, "chosen": _TURNS, "rejected": _TURNS, "images": _PICTURES}),
    "verl": pa.schema(
        {
            "data_source": _TEXT,
            "prompt": _PLAIN_TURNS,
            "images": _PICTURES,
            "ability": _TEXT,
            "reward_model": pa.struct({"style": _TEXT, "ground_truth": _TEXT}),
            "extra_info": pa.struct(
                {"id": _TEXT, "iteration": pa.int64(), "question": _TEXT, "rejected": _TEXT, "images": _PICTURES}
            ),
        }
    ),
    "hf": _PAIR,
}
"""The columns of the formats that are Parquet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written: records, files of images, and the file of records."""

    records: int
    images: int
    file: Path


def export(run: Path, name: str, to: Path, *, everything: bool, iterations: Sequence[int], advance: Advance) -> Exported:
    """Write the pairs (or traces) of a run in a format to a new folder, which is gone again where that fails.

    `everything` takes pairs that were not kept too; `iterations` are all that are done where it is empty. Raises InputError, and
    RunError where a table of the run cannot be read.
    """
    form = FORMATS[name]
    chosen = _iterations(run, iterations)
    if everything and form.of == "traces":
        raise InputError(f"{name} holds traces, and only kept ones are any", hint="Leave --all out.")
    if to.exists() and not (to.is_dir() and not any(to.iterdir())):
        raise InputError(f"{to} is not an empty folder", hint="Name a new folder with --to.")
    store, written = ImageStore(run / "images"), set[str]()
    file = to / (f"data/train.{form.file}" if name == "hf" else f"train.{form.file}")
    with ExitStack() as undone, writing(to):
        undone.callback(shutil.rmtree, to, ignore_errors=True)
        file.parent.mkdir(parents=True, exist_ok=True)
        rows = _traces(run, chosen) if form.of == "traces" else _pairs(chosen, everything)
        records = (form.record(row, [_image(ref, store, to, form, written) for ref in images_of(row)]) for row in rows)
        count = _write(file, name, form, records, advance)
        if not count:
            raise InputError(f"{run} has no {form.of} to export", hint="`selfjudge show RUN` says why.")
        _describe(name, to, file, chosen[max(chosen)], count)
        undone.pop_all()
    return Exported(records=count, images=len(written), file=file)


def _iterations(run: Path, wanted: Sequence[int]) -> dict[int, Path]:
    """The folders of finished iterations. Raises InputError for one that is not there."""
    check_run(run)
    done = iterations_of(run, "selected.manifest.json")
    if not done:
        raise InputError(f"{run} has no finished iteration", hint="Name a run folder in which pairs were selected.")
    if missing := [number for number in wanted if number not in done]:
        raise InputError(f"iteration {missing[0]} of {run} is not done", hint=f"Done are {', '.join(map(str, done))}.")
    return {number: folder for number, folder in done.items() if not wanted or number in wanted}


def _stream(path: Path, *columns: str) -> Iterator[Row]:
    """The rows of a table, with all of its columns or those that are named. Raises RunError where it is gone or damaged."""
    try:
        for batch in pq.ParquetFile(path).iter_batches(batch_size=_ROWS, columns=columns or None):
            yield from batch.to_pylist()
    except (OSError, pa.ArrowException) as error:
        hint = "Give the command of the run again: it says how to have the table made again."
        raise RunError(f"cannot read {path}: {error}", hint=hint) from error


def _pairs(iterations: Mapping[int, Path], everything: bool) -> Iterator[Row]:
    for number, folder in iterations.items():
        kept = {row["pair_id"] for row in _stream(folder / f"{SELECTED.name}.parquet", "pair_id")}
        for row in _stream(folder / f"{PAIRS.name}.parquet"):
            if everything or row["id"] in kept:
                yield {**{n: row[n] for n in PAIRS.schema.names}, "iteration": number, "kept": row["id"] in kept}


def _traces(run: Path, iterations: Mapping[int, Path]) -> Iterator[Row]:
    """Kept traces, with the judge's prompt as it was asked."""
    template = read_json(run / "recipe.json", "judging")["judging"]["template"]
    for folder in iterations.values():
        for row in _stream(folder / f"{SELECTED.name}.parquet"):
            values = {"question": row["prompt"], "first": row["first"], "second": row["second"]}
            yield {**row, "judge_prompt": judge_turn(fill(template, values, images_of(row)))}


def _image(ref: ImageRef, store: ImageStore, to: Path, form: Format, written: set[str]) -> Any:
    """An image in a record: its bytes, or the path of a copy beside the records. Neither says more than the picture."""
    name = store.path(ref).name
    if form.embeds:
        written.add(ref.sha256)
        return {"bytes": bare(store.get(ref)), "path": name}
    place = to / "images" / name
    if ref.sha256 not in written:
        data = store.get(ref)  # checked, for a link is not
        shown = bare(data)
        place.parent.mkdir(exist_ok=True)
        if shown != data or not _linked(store.path(ref), place):
            place.write_bytes(shown)
        written.add(ref.sha256)
    return f"images/{name}"


def _linked(path: Path, place: Path) -> bool:
    """Whether `place` became a link to a file; on another file system it cannot."""
    try:
        os.link(path, place)
    except OSError:
        return False
    return True


def _write(file: Path, name: str, form: Format, records: Iterator[Record], advance: Advance) -> int:
    count = 0
    with ExitStack() as opened:
        if form.file == "parquet":
            schema = with_features(SCHEMAS[name])
            table = opened.enter_context(pq.ParquetWriter(file, schema, compression="zstd"))
            for group in _groups(records):
                table.write_table(pa.Table.from_pylist(group, schema=schema))
                count += len(group)
                advance(len(group))
            return count
        text = opened.enter_context(file.open("w", encoding="utf-8", errors="backslashreplace"))
        listed = form.file == "json"
        for block in blocks(records, _ROWS):
            for record in block:
                text.write((("[\n" if not count else ",\n") if listed else "") + json.dumps(record, ensure_ascii=False))
                text.write("" if listed else "\n")
                count += 1
            advance(len(block))
        text.write(("\n]\n" if count else "[]\n") if listed else "")
    return count


def _groups(records: Iterator[Record]) -> Iterator[list[Record]]:
    """Records in groups that are not too large for those who read one at a time."""
    group: list[Record] = []
    size = 0
    for record in records:
        group.append(record)
        size += sum(len(image["bytes"]) for image in [*record["images"], *record.get("extra_info", {}).get("images", [])])
        if len(group) == _ROWS or size > _GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _describe(name: str, to: Path, file: Path, newest: Path, count: int) -> None:
    """What a format needs beside its records: a card for `hf`, `dataset_info.json` for LLaMA-Factory."""
    if name == "llamafactory":
        info = llamafactory_info("selfjudge", file.name)
        (to / "dataset_info.json").write_text(json.dumps(info, indent=2) + "\n", encoding="utf-8")
    card = newest / "judge" / CARD
    if name == "hf" and card.exists():
        files = [{"split": "train", "path": str(file.relative_to(to)), "rows": count}]
        facts = read_json(card)
        (to / README).write_text(pairs_card(facts, facts["name"], True, files), encoding="utf-8")

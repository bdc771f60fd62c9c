"""The tables of a run: declared Arrow schemas, and rows to and from the project's types.

Schemas are never inferred from rows. A table holds no clock time, no path and no host name, so that the same recipe and seed
give the same bytes anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from ..types import (
    Alteration,
    BenchmarkItem,
    Edit,
    Finish,
    ImageRef,
    Judgment,
    Kind,
    Order,
    PreferencePair,
    Problem,
    Prompt,
    Verdict,
    Vote,
)

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class TableKind:
    """A kind of table: its name, its columns, and the column that identifies a row and by which rows are sorted."""

    name: str
    key: str
    schema: pa.Schema


def _required(name: str, type_: pa.DataType) -> pa.Field:
    return pa.field(name, type_, nullable=False)


_IMAGES = pa.list_(
    pa.struct(
        [
            _required("sha256", pa.string()),
            _required("media_type", pa.string()),
            _required("width", pa.int32()),
            _required("height", pa.int32()),
        ]
    )
)
_EDITS = pa.list_(pa.struct([_required("before", pa.string()), _required("after", pa.string())]))
_COUNTS = pa.list_(pa.struct([_required("answer", pa.string()), _required("votes", pa.int32())]))

PROMPTS = TableKind(
    "prompts",
    "id",
    pa.schema(
        [
            _required("id", pa.string()),
            _required("text", pa.string()),
            _required("images", _IMAGES),
            _required("kind", pa.string()),
            _required("kind_rule", pa.string()),
            _required("source", pa.string()),
            pa.field("source_id", pa.string()),
            pa.field("left_out", pa.string()),
        ]
    ),
)

REFUSED = TableKind(
    "refused",
    "key",
    pa.schema(
        [
            _required("key", pa.string()),
            _required("source", pa.string()),
            _required("reason", pa.string()),
            pa.field("detail", pa.string()),
        ]
    ),
)

RESPONSES = TableKind(
    "responses",
    "key",
    pa.schema(
        [
            _required("key", pa.string()),
            _required("prompt_id", pa.string()),
            _required("role", pa.string()),
            _required("sample", pa.int32()),
            pa.field("instruction", pa.string()),
            _required("model", pa.string()),
            _required("seed", pa.int64()),
            _required("text", pa.string()),
            _required("finish", pa.string()),
            pa.field("error", pa.string()),
            _required("prompt_tokens", pa.int32()),
            _required("completion_tokens", pa.int32()),
        ]
    ),
)

PAIRS = TableKind(
    "pairs",
    "id",
    pa.schema(
        [
            _required("id", pa.string()),
            _required("prompt_id", pa.string()),
            _required("prompt", pa.string()),
            _required("images", _IMAGES),
            _required("kind", pa.string()),
            _required("kind_rule", pa.string()),
            _required("source", pa.string()),
            pa.field("source_id", pa.string()),
            _required("chosen", pa.string()),
            _required("rejected", pa.string()),
            pa.field("alteration", pa.struct([_required("instruction", pa.string()), _required("edits", _EDITS)])),
            pa.field(
                "vote",
                pa.struct(
                    [
                        _required("counts", _COUNTS),
                        _required("majority", pa.string()),
                        _required("alternative", pa.string()),
                        _required("margin", pa.int32()),
                        _required("samples", pa.int32()),
                    ]
                ),
            ),
        ]
    ),
)

JUDGMENTS = TableKind(
    "judgments",
    "key",
    pa.schema(
        [
            _required("key", pa.string()),
            _required("pair_id", pa.string()),
            _required("order", pa.string()),
            _required("sample", pa.int32()),
            _required("judge", pa.string()),
            _required("trace", pa.string()),
            pa.field("verdict", pa.string()),
            pa.field("problem", pa.string()),
            pa.field("forced", pa.string()),
            pa.field("error", pa.string()),
            pa.field("probability", pa.float64()),
            _required("prompt_tokens", pa.int32()),
            _required("completion_tokens", pa.int32()),
        ]
    ),
)

DROPPED = TableKind(
    "dropped",
    "key",
    pa.schema(
        [
            _required("key", pa.string()),
            _required("stage", pa.string()),
            _required("prompt_id", pa.string()),
            pa.field("pair_id", pa.string()),
            _required("reason", pa.string()),
        ]
    ),
)

SELECTED = TableKind(
    "selected",
    "key",
    pa.schema(
        [
            _required("key", pa.string()),
            _required("pair_id", pa.string()),
            _required("order", pa.string()),
            _required("sample", pa.int32()),
            _required("prompt_id", pa.string()),
            _required("prompt", pa.string()),
            _required("images", _IMAGES),
            _required("first", pa.string()),
            _required("second", pa.string()),
            _required("trace", pa.string()),
        ]
    ),
)

ITEMS = TableKind(
    "items",
    "id",
    pa.schema(
        [
            *PAIRS.schema,
            *(_required(name, pa.string()) for name in ("dimension", "level", "group", "stored")),
            _required("tie", pa.bool_()),
        ]
    ),
)


def endings(kind: TableKind) -> tuple[str, str, str]:
    """Of a table of replies: the column that says how one ended, and what stands there if it failed and if it was cut off."""
    if kind is RESPONSES:
        return "finish", Finish.ERROR, Finish.LENGTH
    return "problem", Problem.ENGINE_FAILURE, Problem.CUT_OFF


def images_of(row: Row) -> tuple[ImageRef, ...]:
    return tuple(ImageRef(**image) for image in row["images"])


def images_to_row(images: Sequence[ImageRef]) -> list[Row]:
    return [_fields(image) for image in images]


def _fields(one: Prompt | ImageRef) -> Row:
    """The fields of a flat dataclass; `asdict` copies them too, and takes ten times as long."""
    return {name: getattr(one, name) for name in one.__slots__}


def prompt_to_row(prompt: Prompt) -> Row:
    return {**_fields(prompt), "images": images_to_row(prompt.images)}


def prompt_of(row: Row) -> Prompt:
    return Prompt(
        id=row["id"],
        text=row["text"],
        images=images_of(row),
        kind=Kind(row["kind"]),
        kind_rule=row["kind_rule"],
        source=row["source"],
        source_id=row["source_id"],
        left_out=row.get("left_out"),  # the tables of pairs do not say
    )


def pair_to_row(pair: PreferencePair) -> Row:
    prompt = {name: value for name, value in prompt_to_row(pair.prompt).items() if name != "left_out"}
    evidence = pair.evidence
    return {
        "id": pair.id,
        "prompt_id": prompt.pop("id"),
        "prompt": prompt.pop("text"),
        **prompt,
        "chosen": pair.chosen,
        "rejected": pair.rejected,
        "alteration": asdict(evidence) if isinstance(evidence, Alteration) else None,
        "vote": _vote_to_row(evidence) if isinstance(evidence, Vote) else None,
    }


def _vote_to_row(vote: Vote) -> Row:
    return {
        "counts": [{"answer": answer, "votes": votes} for answer, votes in vote.counts],
        "majority": vote.majority,
        "alternative": vote.alternative,
        "margin": vote.margin,
        "samples": vote.samples,
    }


def pair_of(row: Row) -> PreferencePair:
    evidence: Alteration | Vote | None = None
    if (alteration := row["alteration"]) is not None:
        edits = tuple(Edit(**edit) for edit in alteration["edits"])
        evidence = Alteration(instruction=alteration["instruction"], edits=edits)
    elif (vote := row["vote"]) is not None:
        counts = tuple((count["answer"], count["votes"]) for count in vote["counts"])
        evidence = Vote(counts=counts, majority=vote["majority"], alternative=vote["alternative"])
    return PreferencePair(
        id=row["id"],
        prompt=prompt_of({**row, "id": row["prompt_id"], "text": row["prompt"]}),
        chosen=row["chosen"],
        rejected=row["rejected"],
        evidence=evidence,
    )


def item_to_row(item: BenchmarkItem) -> Row:
    own = {"dimension": item.dimension, "level": item.level, "group": item.group, "stored": item.stored, "tie": item.tie}
    return {**pair_to_row(item.pair), **own}


def item_of(row: Row) -> BenchmarkItem:
    own = {name: row[name] for name in ("dimension", "level", "group", "tie")}
    return BenchmarkItem(pair=pair_of(row), stored=Order(row["stored"]), **own)


def judgment_of(row: Row) -> Judgment:
    return Judgment(
        pair_id=row["pair_id"],
        order=Order(row["order"]),
        sample=row["sample"],
        judge=row["judge"],
        trace=row["trace"],
        verdict=None if row["verdict"] is None else Verdict(row["verdict"]),
        problem=None if row["problem"] is None else Problem(row["problem"]),
        probability=row["probability"],
        tokens=row["completion_tokens"],
        forced=is_forced(row),
    )


def is_forced(row: Row) -> bool:
    """Whether the verdict of a judgment was asked for; tables of earlier versions do not say."""
    return row.get("forced") is not None


def is_right(row: Row) -> bool | None:
    """Whether a judgment names the better response; None where it has no verdict."""
    return None if row["verdict"] is None else row["verdict"] == Order(row["order"]).chosen

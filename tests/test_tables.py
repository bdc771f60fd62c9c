"""Schemas are declared, agree with the types, and keep every value, None included."""

import dataclasses

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from selfjudge.run import tables
from selfjudge.types import Alteration, BenchmarkItem, Edit, Evidence, ImageRef, Judgment, Kind, PreferencePair, Prompt, Vote

IMAGE = ImageRef(sha256="0" * 64, media_type="image/png", width=3, height=2)
PROMPT = Prompt(id="p", text="what?", images=(IMAGE, IMAGE), kind=Kind.CLOSED, kind_rule="row", source="f:1")
EVIDENCE = (
    None,
    Alteration(instruction="count", edits=(Edit(before="two", after=""), Edit(before="", after="x"))),
    Vote(counts=(("2", 9), ("3", 7)), majority="2", alternative="3"),
)
KINDS = [kind for kind in vars(tables).values() if isinstance(kind, tables.TableKind)]


def through_arrow(kind: tables.TableKind, row: dict) -> dict:
    [back] = pa.Table.from_pylist([row], schema=kind.schema).to_pylist()
    return back


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_table_has_its_key_and_no_column_for_time_or_place(kind: tables.TableKind):
    assert not kind.schema.field(kind.key).nullable
    assert not {"time", "path", "host", "seconds"} & set(kind.schema.names)


@pytest.mark.parametrize("evidence", EVIDENCE, ids=["none", "alteration", "vote"])
def test_a_pair_survives_its_table(evidence: Evidence | None):
    pair = PreferencePair(id="x", prompt=PROMPT, chosen="2", rejected="3", evidence=evidence)
    assert tables.pair_of(through_arrow(tables.PAIRS, tables.pair_to_row(pair))) == pair


def test_a_benchmark_item_survives_its_table():
    pair = PreferencePair(id="x", prompt=PROMPT, chosen="2", rejected="3", evidence=None)
    item = BenchmarkItem(pair=pair, dimension="count", level="easy", group="g")
    assert tables.item_of(through_arrow(tables.ITEMS, tables.item_to_row(item))) == item


def test_a_prompt_survives_its_table():
    assert tables.prompt_of(through_arrow(tables.PROMPTS, tables.prompt_to_row(PROMPT))) == PROMPT


@pytest.mark.parametrize("verdict", ["first", None])
def test_a_judgment_survives_its_table_with_and_without_a_verdict(verdict: str | None):
    row = {
        "key": "x.chosen_first.0",
        "pair_id": "x",
        "order": "chosen_first",
        "sample": 0,
        "judge": "base",
        "trace": "so",
        "verdict": verdict,
        "problem": None if verdict else "cut_off",
        "forced": None,
        "error": None,
        "probability": None,
        "prompt_tokens": 1,
        "completion_tokens": 2,
    }
    assert through_arrow(tables.JUDGMENTS, row) == row
    judgment = tables.judgment_of(row)
    assert (judgment.verdict is None) != (judgment.problem is None)


def test_the_columns_of_prompts_are_the_fields_of_the_type():
    assert set(tables.PROMPTS.schema.names) == {field.name for field in dataclasses.fields(Prompt)}
    assert {field.name for field in dataclasses.fields(Judgment)} - {"tokens"} <= set(tables.JUDGMENTS.schema.names)


def test_a_required_column_cannot_be_none():
    with pytest.raises(pa.ArrowInvalid, match="non-nullable"):
        pq.write_table(pa.Table.from_pylist([{"key": None}], schema=tables.REFUSED.schema), pa.BufferOutputStream())

"""Whatever models and strangers wrote is text in the viewer's pages."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient

from selfjudge.view.app import create_app
from selfjudge.view.index import RunIndex, Wanted

HOSTILE = (
    "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "<svg onload=alert(1)><b", "{{ 7 * 7 }} {% raw %}",
    "javascript:alert(1)", "\x1b[31mred\x07", "abc\u202edcba\u2066", "null\x00byte", "' onmouseover='alert(1)", "x" * 1_000_000,
)  # fmt: skip
TEXTS = {"pairs": ("prompt", "chosen", "rejected", "source"), "judgments": ("trace",), "responses": ("text",)}
TEXTS["items"] = ("prompt", "chosen", "rejected", "dimension", "source")


@pytest.fixture(scope="module")
def run(scripted_run: tuple[Path, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with hostile texts in all its tables."""
    folder = tmp_path_factory.mktemp("hostile") / "run"
    shutil.copytree(scripted_run[0], folder)
    for path in folder.rglob("*.parquet"):
        table = pq.read_table(path)
        for name in TEXTS.get(path.stem, ("text", "source") if path.stem == "prompts" else ()):
            texts = [HOSTILE[row % len(HOSTILE)] for row in range(len(table))]
            table = table.set_column(table.schema.get_field_index(name), table.schema.field(name), pa.array(texts))
        pq.write_table(table, path)
    return folder


def test_hostile_text_is_text_on_every_page(run: Path):
    index = RunIndex(run)
    client = TestClient(create_app([index], "k"), base_url="http://127.0.0.1")
    prompts = {row["prompt_id"] for row in index.cases(Wanted(values={}), 0, 30).rows}
    items = {unquote(one) for one in re.findall(r"item_id=([\w%]+)", client.get("/k/bench?every=true&a=0.0&b=0.1").text)[:20]}
    paths = ["/", "/pairs", "/annotate/0", "/bench", "/bench?every=true&a=0.0&b=0.1", *(f"/prompt/0/{one}" for one in prompts)]
    paths += [f"/item?name=shapes-bench&item_id={one}" for one in items]
    pages = [client.get(f"/k{page}") for page in paths]

    assert len(items) >= 10
    for page in pages:
        assert page.status_code == 200 and len(page.text) < 2_000_000
        for mark in ("<script>alert", "<img src=x", "<svg onload", "\x1b", "\x07", "\u202e", "\x00", "' onmouseover='alert"):
            assert mark not in page.text
    assert any("{{ 7 * 7 }}" in page.text for page in pages) and any("[U+202E]" in page.text for page in pages)

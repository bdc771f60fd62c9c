"""The page itself: everything it shows is read from the run folder, and it stands alone as one file."""

from __future__ import annotations

import base64
from collections import defaultdict
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from jinja2 import Environment, PackageLoader, select_autoescape

from ..method.monitors import MONITORS
from ..run.disk import write_whole
from ..run.executions import described
from ..run.folder import ImageStore
from ..run.reasons import DROPPED, explained
from ..run.tables import Row, images_of
from ..types import storable
from .curve import learning_curve

_EXAMPLES = 6
"""Pairs of the last iteration that are shown: half of them kept."""


def write_report(run: Path, state: dict[str, Any]) -> Path:
    """Write `report.html` into a run folder; its path."""
    entries = state["iterations"]
    benchmarks = list(entries[0]["benchmarks"])
    page = Environment(loader=PackageLoader("selfjudge.report"), autoescape=select_autoescape()).get_template("page.html")
    made = [entry for entry in entries if entry["pairs"] is not None]
    text = page.render(
        state=state,
        entries=entries,
        made=made,
        monitors=[name for name in MONITORS if any(entry["monitors"][name] is not None for entry in made)],
        reasons={reason: explained(reason, DROPPED) for entry in made for reason in sorted(entry["dropped"])},
        stages=list(dict.fromkeys(stage for entry in entries for stage in entry.get("failures", ()))),
        benchmarks=benchmarks,
        executions=list(map(described, state["executions"])),
        curves={name: learning_curve(entries, name) for name in benchmarks},
        examples=_examples(run, entries[-1]["iteration"]),
    )
    write_whole(run / "report.html", storable(text).encode())
    return run / "report.html"


def _examples(run: Path, number: int) -> list[dict[str, Any]]:
    """Some pairs of an iteration with their pictures, traces and fate."""
    folder = run / f"iteration-{number}"
    if not (folder / "selected.manifest.json").exists():
        return []
    pairs = pq.read_table(folder / "pairs.parquet").to_pylist()
    lost = {row["pair_id"]: row["reason"] for row in pq.read_table(folder / "dropped.parquet").to_pylist() if row["pair_id"]}
    kept = [pair for pair in pairs if pair["id"] not in lost][: _EXAMPLES // 2]
    shown = kept + [pair for pair in pairs if pair["id"] in lost][: _EXAMPLES - len(kept)]
    traces: dict[str, list[Row]] = defaultdict(list)
    for row in pq.read_table(folder / "judgments.parquet", filters=[("sample", "=", 0)]).to_pylist():
        traces[row["pair_id"]].append(row)
    images = ImageStore(run / "images")
    return [
        {
            **pair,
            "fate": lost.get(pair["id"], "kept"),
            "traces": traces[pair["id"]],
            "pictures": [_data_url(images, ref) for ref in images_of(pair)],
        }
        for pair in shown
    ]


def _data_url(images: ImageStore, ref: Any) -> str:
    return f"data:{ref.media_type};base64,{base64.b64encode(images.get(ref)).decode()}"

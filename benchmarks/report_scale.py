"""How long the report of a large run takes, how much memory, and how large it is: `python benchmarks/report_scale.py [PAIRS]`.

A run of 100,000 pairs with two judgments each is written as tables, with photographs of 12 megapixels; each trace has 150 words.
"""

from __future__ import annotations

import io
import json
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from selfjudge.report.page import write_report
from selfjudge.run import tables
from selfjudge.run.folder import ImageStore
from selfjudge.run.images import admit

ROOT = Path(__file__).parent.parent
PHOTOGRAPHS = 40
ROW_GROUP = 10_000
"""As tables of a run have it."""
TRACE = "The second response names another number of boats than the image shows. " * 12


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    state = json.loads((ROOT / "docs/runs/demo-0.json").read_text())
    run = Path(tempfile.mkdtemp())
    try:
        write_run(run / f"iteration-{state['iterations'][-1]['iteration']}", photographs(run), count)
        started = time.monotonic()
        path = write_report(run, state)
        took, size = time.monotonic() - started, path.stat().st_size / 1e6
        print(f"report of {count:,} pairs and {2 * count:,} judgments: {took:.1f} s, {size:.2f} MB")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"peak memory, writing the tables included: {peak:.0f} MB")
    finally:
        shutil.rmtree(run)


def photographs(run: Path) -> list[dict[str, Any]]:
    """References to large JPEGs in the store of a run."""
    store, drawn, refs = ImageStore(run / "images"), np.random.default_rng(0), []
    for _ in range(PHOTOGRAPHS):
        small = Image.fromarray(drawn.integers(0, 255, (300, 400, 3), np.uint8))
        data = io.BytesIO()
        small.resize((4000, 3000)).save(data, "JPEG", quality=90)
        ref, kept = admit(data.getvalue(), max_pixels=100_000_000)
        store.put(ref, kept)
        refs.append({"sha256": ref.sha256, "media_type": ref.media_type, "width": ref.width, "height": ref.height})
    return refs


def write_run(folder: Path, refs: list[dict[str, Any]], count: int) -> None:
    """The tables of one iteration."""
    folder.mkdir(parents=True)
    pairs = [_pair(number, refs[number % len(refs)]) for number in range(count)]
    _write(folder, tables.PAIRS, pairs)
    judgments = [_judgment(f"{number:016x}", order) for number in range(count) for order in ("chosen_first", "rejected_first")]
    _write(folder, tables.JUDGMENTS, judgments)
    dropped = [_dropped(f"{number:016x}") for number in range(0, count, 2)]
    _write(folder, tables.DROPPED, dropped)
    _write(folder, tables.SELECTED, [])
    (folder.parent / "prompts").mkdir()
    _write(folder.parent / "prompts", tables.PROMPTS, list(map(_prompt, pairs)))
    (folder.parent / "recipe.json").write_text(json.dumps({"loop": {"iterations": int(folder.name.removeprefix("iteration-"))}}))


def _write(folder: Path, kind: tables.TableKind, rows: list[tables.Row]) -> None:
    pq.write_table(pa.Table.from_pylist(rows, kind.schema), folder / f"{kind.name}.parquet", row_group_size=ROW_GROUP)
    (folder / f"{kind.name}.manifest.json").write_text("{}")


def _pair(number: int, ref: dict[str, Any]) -> tables.Row:
    counts = [{"answer": "3", "votes": 12}, {"answer": "4", "votes": 4}]
    vote = {"counts": counts, "majority": "3", "alternative": "4", "margin": 8, "samples": 16}
    prompt = {"prompt_id": f"{number:016x}", "prompt": "How many boats are there?", "images": [ref], "kind": "closed"}
    own = {
        "kind_rule": "count",
        "source": f"prompts.0/photos.jsonl:{number}",
        "source_id": None,
        "alteration": None,
        "vote": vote,
    }
    return {
        "id": f"{number:016x}",
        **prompt,
        **own,
        "chosen": f"{number % 997} boats " * 40,
        "rejected": f"{number % 997} boats " * 20 + "4 boats " * 20,
    }


def _prompt(pair: tables.Row) -> tables.Row:
    same = {name: pair[name] for name in ("images", "kind", "kind_rule", "source", "source_id")}
    return {"id": pair["prompt_id"], "text": pair["prompt"], **same}


def _judgment(pair: str, order: str) -> tables.Row:
    said = {
        "judge": "judge-3",
        "trace": f"{TRACE} [[A]]",
        "verdict": "first",
        "problem": None,
        "error": None,
        "probability": None,
    }
    counted = {"prompt_tokens": 600, "completion_tokens": 200}
    return {"key": f"{pair}.{order}.0", "pair_id": pair, "order": order, "sample": 0, **said, **counted}


def _dropped(pair: str) -> tables.Row:
    return {"key": pair, "stage": "selection", "prompt_id": pair, "pair_id": pair, "reason": "wrong_in_one_order"}


if __name__ == "__main__":
    main()

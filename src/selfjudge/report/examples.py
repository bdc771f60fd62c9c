"""Pairs of an iteration to look at, and what its tables tell beside the summary: votes, and what a simple baseline would get."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..method.selection import is_watched
from ..run.folder import ImageStore
from ..run.tables import Row, images_of, is_forced, is_right
from ..types import Order
from .differences import LONGEST, Piece, marked, visible
from .pictures import Picture, small

SHOWN = 20
"""Pairs that are shown: half of them kept, where there are as many of both."""
_PICTURES = 4
"""Of one prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the judge said about a pair in one order: one of its replies, and how many of them were right."""

    order: str
    verdict: str
    right: bool | None
    trace: str
    counts: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPair:
    """A pair as a page shows it."""

    id: str
    prompt_id: str
    source: str
    prompt: str
    pictures: Sequence[Picture]
    more_pictures: int
    chosen: Sequence[Piece]
    rejected: Sequence[Piece]
    made: str
    fate: str
    said: Sequence[Said]


def examples(run: Path, number: int, count: int = SHOWN) -> list[ShownPair]:
    """Pairs of an iteration, evenly spread over the kept and the dropped ones; none where it is not that far."""
    folder = run / f"iteration-{number}"
    if not (folder / "selected.manifest.json").exists():
        return []
    ids = pq.read_table(folder / "pairs.parquet", columns=["id"])["id"]
    dropped = pq.read_table(folder / "dropped.parquet", columns=["pair_id", "reason"])
    dropped = dropped.filter(pc.field("pair_id").is_valid())
    lost = dict(zip(dropped["pair_id"].to_pylist(), dropped["reason"].to_pylist(), strict=True))
    kept = [one for one in ids.to_pylist() if one not in lost]
    chosen = [*_spread(kept, max(count // 2, count - len(lost))), *_spread(sorted(lost), max(count // 2, count - len(kept)))]
    pairs = _rows(folder / "pairs.parquet", "id", chosen)
    replies: dict[str, list[Row]] = defaultdict(list)
    for row in _rows(folder / "judgments.parquet", "pair_id", chosen):
        replies[row["pair_id"]].append(row)
    taught = {row["key"] for row in _rows(folder / "selected.parquet", "pair_id", chosen)}
    images, by_id = ImageStore(run / "images"), {row["id"]: row for row in pairs}
    return [
        _example(by_id[one], lost.get(one, "kept"), list(_said(replies[one], taught)), images) for one in chosen if one in by_id
    ]


def _spread(items: Sequence[str], count: int) -> list[str]:
    """So many items from all over a list."""
    if len(items) <= count:
        return list(items)
    return [items[len(items) * k // count] for k in range(count)]


def _rows(path: Path, column: str, values: Sequence[str]) -> list[Row]:
    rows: list[Row] = pq.read_table(path, filters=pc.field(column).isin(pa.array(values, pa.string()))).to_pylist()
    return rows


def _example(pair: Row, fate: str, said: Sequence[Said], images: ImageStore) -> ShownPair:
    refs = images_of(pair)
    chosen, rejected = marked(visible(pair["chosen"]), visible(pair["rejected"]))
    return ShownPair(
        id=pair["id"],
        prompt_id=pair["prompt_id"],
        source=visible(pair["source"], 200),
        prompt=visible(pair["prompt"], LONGEST // 2),
        pictures=[small(images, ref) for ref in refs[:_PICTURES]],
        more_pictures=len(refs[_PICTURES:]),
        chosen=chosen,
        rejected=rejected,
        made=_made(pair),
        fate=fate,
        said=said,
    )


def _made(pair: Row) -> str:
    """How the pair came about: its votes, or which change was asked for."""
    if (vote := pair["vote"]) is not None:
        counts = ", ".join(f"{visible(each['answer'], 60)} {each['votes']}" for each in vote["counts"][:6])
        more = len(vote["counts"]) - 6
        return f"{vote['samples']} votes: {counts}" + (f" and {more} other answers" if more > 0 else "")
    if (alteration := pair["alteration"]) is not None:
        return f"an altered copy: {visible(alteration['instruction'], 100).replace('_', ' ')}"
    return ""


def _said(replies: Sequence[Row], taught: Set[str]) -> Iterator[Said]:
    """For each order the reply that teaches, or else the first one."""
    for order in Order:
        rows = sorted(
            (row for row in replies if row["order"] == order), key=lambda row: (row["key"] not in taught, row["sample"])
        )
        if rows:
            right = [is_right(row) for row in rows]
            yield Said(
                order=order.replace("_", " "),
                verdict=_verdict(rows[0]) or visible(str(rows[0]["problem"]).replace("_", " "), 100),
                right=right[0],
                trace=visible(rows[0]["trace"]),
                counts=f"{right.count(True)} of {len(rows)} replies right" if len(rows) > 1 else "",
            )


def _verdict(row: Row) -> str | None:
    return f"{row['verdict']} (forced)" if is_forced(row) else row["verdict"]


def watched(run: Path, number: int) -> tuple[int, int]:
    """Of the pairs of an iteration, those of which every reply is asked for whatever is known before, and all."""
    path = run / f"iteration-{number}" / "pairs.parquet"
    ids = pq.read_table(path, columns=["id"])["id"].to_pylist() if path.exists() else []
    return sum(map(is_watched, ids)), len(ids)


def margins(run: Path, number: int) -> Mapping[str, float] | None:
    """Of the pairs by vote of an iteration: how many there are, and the middle lead as a share of the votes."""
    path = run / f"iteration-{number}" / "pairs.parquet"
    if not path.exists():
        return None
    votes = pq.read_table(path, columns=["vote"])["vote"].drop_null().combine_chunks()
    if not len(votes):
        return None
    leads = pc.divide(pc.cast(pc.struct_field(votes, "margin"), pa.float64()), pc.struct_field(votes, "samples"))
    low, middle, high = pc.quantile(leads, q=[0.25, 0.5, 0.75]).to_pylist()
    return {"pairs": len(votes), "low": low, "middle": middle, "high": high}


def longer(run: Path, benchmark: str) -> Mapping[str, float] | None:
    """The figures to expect of `longer`, the baseline, which tosses a coin in each order for responses of one length.

    None where the items are not stored.
    """
    path = run / "benchmarks" / benchmark / "items.parquet"
    try:
        items = pq.read_table(path, columns=["chosen", "rejected", "tie"]) if path.exists() else None
    except (OSError, pa.ArrowInvalid):
        return None
    if items is None or not len(items := items.filter(~pc.field("tie"))):
        return None
    lead = pc.subtract(pc.utf8_length(items["chosen"]), pc.utf8_length(items["rejected"]))
    right, equal = (pc.mean(pc.cast(which, pa.float64())).as_py() for which in (pc.greater(lead, 0), pc.equal(lead, 0)))
    return {"accuracy": right + equal / 2, "pair_accuracy": right + equal / 4, "consistency": 1 - equal / 2}

"""RewardBench 2 (arXiv 2506.01937), text only: five subsets with one right answer and three wrong ones, and `Ties`, with several
right ones. Every right answer of a row is a pair with every wrong one.

`strict` compares: a row is right when every reply about its pairs is. `official` is the authors' way with ratings
(`--score_w_ratings`), the only one that they have for `Ties`: each answer is rated by itself, the highest rating wins, and those
that share it share the point. Their question with four answers at once is not asked: judges here compare two. Results of either
way are scored.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from ..chat import Sampling
from ..errors import InputError
from ..method import ratings
from ..method.metrics import macro
from ..method.protocols import STRICT, Protocol
from ..run.tables import Row, is_right
from ..types import BenchmarkItem, Order
from . import data_files, recorded
from .data_files import DataFiles
from .public import Replies, Spec, StoredPair, prompt

NAME = "rewardbench-2"

SUBSETS = ("Factuality", "Precise IF", "Math", "Safety", "Focus", "Ties")
"""Each weighs the same in the overall score."""

_UNREAD = -1
"""The rating of a reply without one."""
_GUESS = 0.25
"""What a row counts without any rating."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scored:
    """The scores of the right and of the wrong answers of a row. `id` is `ref:N` or `tied:N` in `Ties`."""

    id: str
    right: tuple[float, ...]
    wrong: tuple[float, ...]

    @property
    def gap(self) -> float:
        """How far the worst right answer lies above the best wrong one."""
        return min(self.right) - max(self.wrong)

    @property
    def spread(self) -> float:
        """How far the right answers lie apart."""
        return max(self.right) - min(self.right)

    @property
    def point(self) -> float:
        """The point of the first answer: shared by all that are scored highest. Source: `run_generative_v2.py`."""
        scores = self.right + self.wrong
        best = max(scores)
        return _GUESS if best == _UNREAD else (scores[0] == best) / scores.count(best)


def pairs(files: DataFiles) -> Iterator[StoredPair]:
    """The pairs of each row, called `ID#RIGHT.WRONG`; the dimension is the subset, in `Ties` the source is `ref` or `tied`."""
    for where, row in files.rows():
        subset, identity = data_files.field(row, "subset", where), str(row.get("id", ""))
        right, wrong = _answers(row, "chosen", where), _answers(row, "rejected", where)
        if row.get("num_correct") not in (None, len(right)):
            raise InputError(f"{where}: `num_correct` is not the number of `chosen`", hint="Get the file again.")
        for number, chosen in enumerate(right):
            for other, rejected in enumerate(wrong):
                yield StoredPair(
                    where=where,
                    id=f"{identity}#{number}.{other}",
                    question=data_files.field(row, "prompt", where),
                    images=(),
                    responses=(chosen, rejected),
                    better=0,
                    dimension=subset,
                    source=_prompt_of_ties(identity, where)[0] if _is_ties(subset) else subset,
                )


def _answers(row: Row, name: str, where: str) -> list[str]:
    value = row.get(name)
    if isinstance(value, list) and value and all(isinstance(answer, str) for answer in value):
        return value
    raise InputError(f"{where}: `{name}` is no list of answers", hint="Is it the file of RewardBench 2, not of the first?")


def _is_ties(subset: str) -> bool:
    return subset.lower() == "ties"


def _prompt_of_ties(identity: Any, where: str) -> tuple[str, int]:
    """Whether a row of `Ties` is the one with a single right answer, and the number that it shares with the other row."""
    kind, _, number = str(identity).partition(":")
    if kind not in ("ref", "tied") or not number.isdecimal():
        raise InputError(f"{where}: the id {identity!r:.40} is neither ref:NUMBER nor tied:NUMBER", hint="Get the file again.")
    return kind, int(number)


def figures(replies: Replies) -> dict[str, Any]:
    """`overall`, the mean of the subsets: the share of right rows, or the points and the weighted score of `Ties`."""
    rows: dict[tuple[str, str, str], list[BenchmarkItem]] = defaultdict(list)
    for item in replies.items:
        identity = (item.pair.prompt.source_id or "").rpartition("#")[0]
        rows[item.dimension, identity, item.pair.prompt.id].append(item)
    if replies.protocol != "official":
        wrong = {reply["pair_id"] for reply in replies.rows if not is_right(reply)}
        return _counted({key: [float(all(i.pair.id not in wrong for i in part))] for key, part in rows.items()}, {})
    rated = _rated(replies)
    scored = {key: _with_scores(key[1], part, rated) for key, part in rows.items()}
    points = {key: [one.point] for key, one in scored.items() if not _is_ties(key[0])}
    return _counted(points, {"Ties": [one for key, one in scored.items() if _is_ties(key[0])]})


def _rated(replies: Replies) -> dict[tuple[str, str], float]:
    """The mean of the ratings of each answer to each prompt; -1 where none could be read."""
    pairs_by_id = {item.pair.id: item.pair for item in replies.items}
    found: dict[tuple[str, str], list[int]] = defaultdict(list)
    for reply in replies.rows:
        pair = pairs_by_id[reply["pair_id"]]
        places = found[pair.prompt.id, pair.comparison(Order(reply["order"])).first]
        places += [] if reply["probability"] is None else [ratings.of_chance(reply["probability"])]
    return {key: fmean(values) if values else _UNREAD for key, values in found.items()}


def _with_scores(identity: str, items: Sequence[BenchmarkItem], rated: Mapping[tuple[str, str], float]) -> _Scored:
    right: dict[str, float] = {}
    wrong: dict[str, float] = {}
    for item in items:
        number, _, other = (item.pair.prompt.source_id or "").rpartition("#")[2].partition(".")
        right[number] = rated[item.pair.prompt.id, item.pair.chosen]
        wrong[other] = rated[item.pair.prompt.id, item.pair.rejected]
    return _Scored(id=identity, right=tuple(right.values()), wrong=tuple(wrong.values()))


def _counted(points: Mapping[Any, Iterable[float]], ties: Mapping[str, Sequence[_Scored]]) -> dict[str, Any]:
    """The subsets and their mean. The keys of `points` begin with the subset."""
    marks: dict[str, list[float]] = defaultdict(list)
    for key, values in points.items():
        marks[key[0]] += values
    subsets = {name: fmean(values) for name, values in marks.items()} | {
        name: weighted(rows) for name, rows in ties.items() if rows
    }
    return {"overall": macro([subsets.get(name) for name in SUBSETS]), "subsets": dict(sorted(subsets.items()))}


def weighted(rows: Iterable[_Scored]) -> float | None:
    """The score of `Ties`, None where no prompt has both its rows. Source: `process_single_model` of reward-bench.

    Three tenths each for the rows with several right answers and with one in which all right answers lie above all wrong ones;
    two tenths each for prompts whose right answers lie closer together than the wrong ones lie below, in the first row and in
    both; a hundredth for by how much.
    """
    tied, ref = ({p: r for (k, p), r in _by_prompt(rows).items() if k == kind} for kind in ("tied", "ref"))
    both = [(tied[number], ref[number]) for number in tied if number in ref]
    if not both:
        return None
    lower = [(min(one.gap, other.gap), one.spread) for one, other in both]
    return (
        0.30 * fmean(row.gap > 0 for row in tied.values())
        + 0.30 * fmean(row.gap > 0 for row in ref.values())
        + 0.20 * fmean(one.gap > one.spread for one, _ in both)
        + 0.20 * fmean(gap > spread for gap, spread in lower)
        + 0.01 * fmean(_margin(gap, spread) for gap, spread in lower)
    )


def _by_prompt(rows: Iterable[_Scored]) -> dict[tuple[str, int], _Scored]:
    """Rows of `Ties` by kind and number; those of one id are one row."""
    found: dict[tuple[str, int], _Scored] = {}
    for row in rows:
        key = _prompt_of_ties(row.id, "a row of Ties")
        same = found.get(key, _Scored(id=row.id, right=(), wrong=()))
        found[key] = _Scored(id=row.id, right=same.right + row.right, wrong=same.wrong + row.wrong)
    return found


def _margin(gap: float, spread: float) -> float:
    """How many times the spread fits into the gap, squeezed into (-1, 1)."""
    if spread:
        return math.tanh(gap / spread - 1)
    return (gap > 0) - (gap < 0)


def score(path: Path, *, protocol: str, k: int | None) -> dict[str, Any]:
    """The figures of what the authors' `run_generative_v2.py` or `run_v2.py` saves in `eval-set-scores`: one JSON object of
    columns. `results` are points from 0 to 1; in `Ties` the `scores` of all answers count, the `num_correct` right ones first.

    `strict` counts no shared points, and in `Ties` the rows in which all right answers lie above all wrong ones, each rated.
    Raises InputError.
    """
    if k is not None:
        raise InputError(f"{NAME} has one result a row", hint="Remove --k.")
    names = ("subset", "id", "results", "scores", "num_correct")
    points: dict[tuple[str, int], list[float]] = {}
    ties: dict[str, list[_Scored]] = defaultdict(list)
    for number, cells in enumerate(zip(*recorded.columns(path, NAME, names), strict=True)):
        subset, identity, result, scores, right = cells
        if not isinstance(subset, str) or (_is_ties(subset) and not isinstance(scores, list)):
            raise recorded.not_results(path, NAME, f"row {number} has no `subset`, or no `scores` in Ties")
        if _is_ties(subset):
            ties[subset].append(_scored(identity, scores, right, path))
        elif isinstance(result, int | float) and 0 <= result <= 1:
            points[subset, number] = [float(result) if protocol == "official" else float(result == 1)]
        else:
            raise recorded.not_results(path, NAME, f"row {number} has a result {result!r:.40}, not from 0 to 1")
    if protocol != "official":
        for name, rows in ties.items():
            points[name, 0] = [float(row.gap > 0 and _UNREAD not in row.right + row.wrong) for row in rows]
    shared = sum(values[0] not in (0, 1) for values in points.values())
    n = sum(map(len, ties.values())) + sum(key[0] not in ties for key in points)
    whole = {"n": n, "shared_or_unread": shared, **_counted(points, ties if protocol == "official" else {})}
    return {"benchmark": NAME, "protocol": protocol, **whole, "malformed": []}


def _scored(identity: Any, scores: Sequence[Any], right: Any, path: Path) -> _Scored:
    """A row of `Ties`; a score may be a list of one number. Raises InputError."""
    numbers = [one[0] if isinstance(one, list) and one else one for one in scores]
    known = all(isinstance(one, int | float) and math.isfinite(one) for one in numbers)
    if not known or not isinstance(right, int) or not 0 < right < len(numbers):
        raise recorded.not_results(path, NAME, f"{identity!r:.40} of Ties has no scores of right and wrong answers")
    _prompt_of_ties(identity, str(path))
    return _Scored(id=str(identity), right=tuple(numbers[:right]), wrong=tuple(numbers[right:]))


SPEC = Spec(
    name=NAME,
    files=("data/test-*.parquet", "test-*.parquet", "*.parquet", "*.jsonl"),
    pairs=pairs,
    protocols={
        "strict": STRICT,
        "official": Protocol(
            name="official",
            version=1,
            orders="each",
            samples=1,
            sampling=Sampling(temperature=0.0, max_tokens=1024),
            line="rating",
            template=prompt("rewardbench_2"),
            verbatim=True,
        ),
    },
    figures=figures,
)

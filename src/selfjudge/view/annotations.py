"""Labels of a person: stored beside the run as JSONL, usable as a benchmark, compared with the judge and the synthetic labels.

`RUN.annotations/labels.jsonl` has every choice: the last one of an iteration and pair counts; one that is null takes it back.
`pairs.jsonl` has the pairs of which the person called one response better, as `selfjudge evaluate --benchmark` reads them.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from ..errors import InputError
from ..method.metrics import interval
from ..run.disk import write_whole
from ..run.folder import ImageStore
from ..run.pictures import bare
from ..run.tables import Row, images_of
from ..types import seed_of
from .index import RunIndex

PAIRS = 50
"""Pairs of one round: what a person labels in ten minutes."""
Choice = Literal["first", "second", "tie"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How often a label agrees with the person, among pairs where both name one response; with its 95 % interval."""

    name: str
    agreed: int
    of: int
    limits: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class _One:
    """A pair as `interval` wants it."""

    right: bool
    group: str
    dimension: str = ""


class Annotations:
    """The labels of one run."""

    def __init__(self, index: RunIndex) -> None:
        """Raises InputError for a file that is damaged."""
        self._index = index
        self._lock = threading.Lock()
        self.folder = index.run.resolve().parent / f"{index.name}.annotations"
        self._file = self.folder / "labels.jsonl"
        self.labels: dict[tuple[int, str], Row] = {}
        """By iteration and pair: which side is called better may differ from one iteration to another."""
        for number, line in enumerate(self._file.read_text().splitlines() if self._file.exists() else (), start=1):
            try:
                self._keep(json.loads(line))
            except (ValueError, TypeError, KeyError) as error:
                raise InputError(f"{self._file}:{number} is no label", hint="Remove this line.") from error

    def round(self, iteration: int) -> list[str]:
        """The ids of the pairs to label of an iteration: drawn once, whatever was labelled."""
        query = "SELECT pair_id FROM cases WHERE iteration = ? AND pair_id IS NOT NULL ORDER BY md5(pair_id), pair_id LIMIT ?"
        return [row["pair_id"] for row in self._index.rows(query, [iteration, PAIRS])]

    def pair(self, iteration: int, pair_id: str) -> Row | None:
        """A pair of an iteration; None without it."""
        found = self._index.rows("SELECT * FROM pairs WHERE iteration = ? AND id = ?", [iteration, pair_id])
        return found[0] if found else None

    def add(self, iteration: int, pair: Row, choice: Choice) -> None:
        """Store what the person chose, by the place where it was shown."""
        shown = "rejected" if turned(pair["id"]) else "chosen"
        other = {"chosen": "rejected", "rejected": "chosen"}[shown]
        better = {"first": shown, "second": other}.get(choice)
        row = {"pair_id": pair["id"], "iteration": iteration, "choice": choice, "better": better}
        with self._lock:
            self._store(row)

    def take_back(self, iteration: int) -> None:
        """Forget the last choice about a pair of an iteration; nothing where there is none."""
        with self._lock:
            mine = [pair for of, pair in self.labels if of == iteration]
            if mine:
                self._store({"pair_id": mine[-1], "iteration": iteration, "choice": None, "better": None})

    def _store(self, row: Row) -> None:
        self.folder.mkdir(exist_ok=True)
        with self._file.open("a") as file:
            file.write(json.dumps(row) + "\n")
        self._keep(row)
        self._write_pairs()

    def _keep(self, row: Row) -> None:
        """The last choice about a pair counts; one without a choice takes it back."""
        key = row["iteration"], row["pair_id"]
        self.labels.pop(key, None)
        if row["choice"] is not None:
            self.labels[key] = row

    def _write_pairs(self) -> None:
        rows = {label["pair_id"]: self._as_item(label) for label in self.labels.values() if label["better"]}
        write_whole(
            self.folder / "pairs.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows.values()).encode()
        )

    def _as_item(self, label: Row) -> Row:
        pair = self.pair(label["iteration"], label["pair_id"])
        if pair is None:
            raise InputError(f"{self._file} has pairs that {self._index.run} has not", hint="Move the folder away.")
        sides = {"chosen": pair["chosen"], "rejected": pair["rejected"]}
        better = sides.pop(label["better"])
        (worse,) = sides.values()
        names = [self._copied(pair, number) for number in range(len(pair["images"]))]
        own = {"id": pair["id"], "prompt": pair["prompt"], "images": names, "dimension": pair["kind"]}
        return {**own, "chosen": better, "rejected": worse}

    def _copied(self, pair: Row, number: int) -> str:
        """The path of an image in the folder of the labels, where it is copied to."""
        store, ref = ImageStore(self._index.run / "images"), images_of(pair)[number]
        name = f"images/{store.path(ref).name}"
        if not (self.folder / name).exists():
            write_whole(self.folder / name, bare(store.get(ref)))
        return name

    def agreement(self, iteration: int) -> list[Agreement]:
        """The synthetic labels and the judge of an iteration beside the person."""
        labels = {pair: row["better"] for (of, pair), row in self.labels.items() if of == iteration and row["better"]}
        query = """
            SELECT pair_id, count(*) FILTER (verdict IS NOT NULL AND (verdict = 'first') = ("order" = 'chosen_first')) AS chosen,
                   count(*) FILTER (verdict IS NOT NULL AND (verdict = 'first') <> ("order" = 'chosen_first')) AS rejected
            FROM judgments WHERE iteration = ? AND pair_id IN (SELECT unnest(?)) GROUP BY pair_id
        """
        votes = {row["pair_id"]: row["chosen"] - row["rejected"] for row in self._index.rows(query, [iteration, list(labels)])}
        judged = {one: "chosen" if lead > 0 else "rejected" for one, lead in votes.items() if lead}
        return [
            _agreement("synthetic labels", list(labels), lambda one: labels[one] == "chosen"),
            _agreement(f"judge {iteration - 1}, most of its replies", list(judged), lambda one: labels[one] == judged[one]),
        ]


def _agreement(name: str, pairs: Sequence[str], agrees: Callable[[str], bool]) -> Agreement:
    ones = [_One(agrees(pair), pair) for pair in pairs]
    limits = interval(ones, lambda one: float(one.right))
    return Agreement(name=name, agreed=sum(one.right for one in ones), of=len(ones), limits=limits)


def turned(pair_id: str) -> bool:
    """Whether a person sees the rejected response first."""
    return seed_of("annotate", pair_id) % 2 == 1

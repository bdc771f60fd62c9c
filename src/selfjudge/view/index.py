"""What a viewer asks of a run: a small table of all cases in memory, and everything else from the run's Parquet files.

A case is a pair of an iteration, or a prompt that made none. Tables count once they are sealed; those that were sealed since the
last look are added.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from ..errors import InputError
from ..figures import Summary
from ..report.history import KEPT, WAITING, Turn
from ..run.disk import read_json
from ..run.folder import iterations_of
from ..run.tables import DROPPED, JUDGMENTS, PAIRS, RESPONSES, SELECTED, Row

PAGE = 50
"""Rows of one page."""
_MEMORY = "300MB"
_KINDS = (PAIRS, JUDGMENTS, SELECTED, DROPPED, RESPONSES)
_VALUES = 200
"""Values of a filter that are offered."""
_SEARCHED = 2_000
"""Characters of a prompt and of a response in which a search looks."""

FILTERS = ("iteration", "kind", "source", "fate", "verdicts", "instruction")
"""Columns of a case that a filter names one value of."""
SORTS = {
    "newest": "",
    "smallest margin": "margin IS NULL, margin, ",
    "largest margin": "margin IS NULL, margin DESC, ",
    "fewest right replies": "share IS NULL, share, ",
    "most right replies": "share IS NULL, share DESC, ",
}
"""By name, how cases are sorted. Equal ones stand as in the file, so that a page of them lies close together there."""

_ORDER = """
    CASE WHEN count(*) FILTER ("order" = '{0}') = 0 THEN 'not asked'
         WHEN count(*) FILTER ("order" = '{0}' AND verdict IS NOT NULL) = 0 THEN 'unread'
         WHEN count(*) FILTER ("order" = '{0}' AND NOT ok) = 0 THEN 'right'
         WHEN count(*) FILTER ("order" = '{0}' AND ok) = 0 THEN 'wrong' ELSE 'mixed' END
"""
VERDICTS = f"{_ORDER.format('chosen_first')} || ' / ' || {_ORDER.format('rejected_first')}"
"""SQL: what the replies to a pair say, with the better response first and second. `ok` is whether a reply is right."""
OK = """(verdict = 'first') = ("order" = 'chosen_first')"""


def offered(sql: str) -> str:
    """SQL: a text of others that a filter offers: its beginning, without characters that act."""
    return rf"regexp_replace(left({sql}, 200), '[\p{{Cc}}\p{{Cf}}]', '', 'g')"


_SOURCE = offered(r"regexp_replace(p.source, ':\d+$', '')")
"""SQL: where a prompt is from, without the line."""
_CASES = """
    CREATE TABLE cases (iteration INTEGER, prompt_id VARCHAR, pair_id VARCHAR, kind VARCHAR, source VARCHAR, instruction VARCHAR,
                        margin INTEGER, fate VARCHAR, verdicts VARCHAR, share DOUBLE)
"""
_OF_PAIRS = f"""
    INSERT INTO cases
    WITH said AS (SELECT pair_id, {VERDICTS} AS verdicts, avg(CASE WHEN ok THEN 1 ELSE 0 END) AS share
                  FROM (SELECT pair_id, "order", verdict, {OK} AS ok FROM judgments WHERE iteration = $number) GROUP BY pair_id),
         lost AS (SELECT pair_id, any_value(reason) AS reason FROM dropped WHERE iteration = $number AND pair_id IS NOT NULL
                  GROUP BY pair_id)
    SELECT $number, p.prompt_id, p.id, p.kind, {_SOURCE}, {offered("p.alteration.instruction")}, p.vote.margin,
           coalesce(l.reason, $left), s.verdicts, s.share
    FROM pairs p LEFT JOIN said s ON s.pair_id = p.id LEFT JOIN lost l ON l.pair_id = p.id WHERE p.iteration = $number
"""  # noqa: S608  # constants of this module
_OF_PROMPTS = f"""
    INSERT INTO cases SELECT $number, l.prompt_id, NULL, p.kind, {_SOURCE}, NULL, NULL, l.reason, NULL, NULL
    FROM dropped l JOIN prompts p ON p.id = l.prompt_id WHERE l.iteration = $number AND l.pair_id IS NULL
"""  # noqa: S608  # constants of this module
_TEXTS = f"""
    CREATE TABLE texts AS
    SELECT iteration, prompt_id, lower(left(prompt, {_SEARCHED}) || chr(10) || left(chosen, {_SEARCHED}) || chr(10) ||
                                       left(rejected, {_SEARCHED})) AS text FROM pairs
    UNION ALL
    SELECT c.iteration, c.prompt_id, lower(left(p.text, {_SEARCHED})) FROM cases c JOIN prompts p ON p.id = c.prompt_id
    WHERE c.pair_id IS NULL
"""  # noqa: S608  # constants of this module
_FOUND = "(iteration, prompt_id) IN (SELECT (iteration, prompt_id) FROM texts WHERE contains(text, ?))"
_FOUND_IN_TRACES = "(iteration, pair_id) IN (SELECT (iteration, pair_id) FROM judgments WHERE contains(lower(trace), ?))"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which cases, and in which order. `values` holds one value for each filter that is set.

    `text` is looked for in prompts and responses, and with `traces` in what the judge said, which takes longer. `margins` are the
    smallest and the largest lead of a vote.
    """

    values: Mapping[str, str]
    text: str = ""
    traces: bool = False
    margins: tuple[int | None, int | None] = (None, None)
    sort: str = "newest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A page of rows, and how many there are in all."""

    rows: Sequence[Row]
    total: int


class RunIndex:
    """One run folder, open for reading. Methods may be called from several threads."""

    def __init__(self, run: Path) -> None:
        """Raises InputError for a folder that is no run."""
        if not (run / "recipe.json").exists():
            raise InputError(f"{run} is no run folder", hint="Name the folder of a run (--dir of `selfjudge run`).")
        self.run = run
        self.name = run.resolve().name
        self._seen: dict[int, tuple[float, ...]] = {}
        self._choices: dict[str, list[tuple[str, int]]] | None = None
        self._searchable = False
        self._lock = threading.Lock()
        self._db = duckdb.connect(config={"memory_limit": _MEMORY, "threads": 2, "autoinstall_known_extensions": False})
        self._db.execute(_CASES)
        self.refresh()

    @property
    def summary(self) -> Summary | None:
        """The run's summary; None before there is one."""
        path = self.run / "summary.json"
        return read_json(path) if path.exists() else None

    def iterations(self) -> list[int]:
        """Iterations that have made their pairs."""
        return list(iterations_of(self.run, "pairs.manifest.json"))

    def refresh(self) -> None:
        """Read the tables that are new."""
        with self._lock:
            seen = {number: self._times(number) for number in self.iterations()}
            if seen == self._seen or not (self.run / "prompts" / "prompts.manifest.json").exists():
                return
            self._define_views(list(seen))
            for number, times in seen.items():
                if self._seen.get(number) != times:
                    self._read(number)
            self._seen, self._choices, self._searchable = seen, None, False

    def _times(self, number: int) -> tuple[float, ...]:
        manifests = (self.run / f"iteration-{number}" / f"{kind.name}.manifest.json" for kind in _KINDS)
        return tuple(path.stat().st_mtime for path in manifests if path.exists())

    def _define_views(self, numbers: Sequence[int]) -> None:
        """A view of each kind of table over all iterations, and of the prompts."""
        self._define("prompts", [f"SELECT * FROM {file(self.run / 'prompts' / 'prompts.parquet')}"])  # noqa: S608
        for kind in _KINDS:
            folders = {number: self.run / f"iteration-{number}" for number in numbers}
            files = {n: at / f"{kind.name}.parquet" for n, at in folders.items() if (at / f"{kind.name}.manifest.json").exists()}
            nothing = ", ".join(f'NULL AS "{name}"' for name in kind.schema.names)
            empty = f"SELECT 0 AS iteration, {nothing} LIMIT 0"
            self._define(kind.name, [f"SELECT {n} AS iteration, * FROM {file(path)}" for n, path in files.items()] or [empty])  # noqa: S608

    def _define(self, name: str, parts: Sequence[str]) -> None:
        self._db.execute(f"CREATE OR REPLACE VIEW {name} AS {' UNION ALL '.join(parts)}")

    def _read(self, number: int) -> None:
        left = self._left(number)
        with self._db.cursor() as db:
            db.execute("BEGIN")
            db.execute("DELETE FROM cases WHERE iteration = ?", [number])
            db.execute(_OF_PAIRS, {"number": number, "left": left})
            db.execute(_OF_PROMPTS, {"number": number})
            db.execute("COMMIT")

    def _left(self, number: int) -> str:
        """How a case of an iteration ended that was not dropped."""
        return KEPT if (self.run / f"iteration-{number}" / "selected.manifest.json").exists() else WAITING

    def rows(self, query: str, values: Sequence[Any] | dict[str, Any] = ()) -> list[Row]:
        """The rows of a query on `cases`, `prompts` and the tables of all iterations."""
        with self._db.cursor() as db:
            found = db.execute(query, values)
            names = [column[0] for column in found.description or ()]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def choices(self) -> dict[str, list[tuple[str, int]]]:
        """The values of each filter, each with its number of cases."""
        if self._choices is not None:
            return self._choices
        found: dict[str, list[tuple[str, int]]] = {}
        for name in FILTERS:
            order = "value" if name == "iteration" else "n DESC, value"
            query = f"SELECT {name} AS value, count(*) AS n FROM cases WHERE {name} IS NOT NULL GROUP BY 1 ORDER BY {order}"  # noqa: S608
            found[name] = [(str(row["value"]), row["n"]) for row in self.rows(f"{query} LIMIT {_VALUES}")]
        self._choices = found
        return found

    def fates(self) -> dict[str, dict[int, int]]:
        """How many cases of each iteration ended how; the most frequent end first."""
        found: dict[str, dict[int, int]] = defaultdict(dict)
        for row in self.rows("SELECT fate, iteration, count(*) AS n FROM cases GROUP BY ALL"):
            found[row["fate"]][row["iteration"]] = row["n"]
        return dict(sorted(found.items(), key=lambda item: -sum(item[1].values())))

    def cases(self, wanted: Wanted, start: int, count: int = PAGE) -> Found:
        """Cases from the one at `start` on, with their texts."""
        found = self._listed(wanted, start, count, columns="*, count(*) OVER () AS total" if wanted.text else "*")
        if found and wanted.text:  # texts are looked through once
            return Found(rows=self._with_texts(found), total=found[0]["total"])
        where, values = self._where(wanted)
        total = self.rows(f"SELECT count(*) AS n FROM cases WHERE {where}", values)[0]["n"]  # noqa: S608
        return Found(rows=self._with_texts(found), total=total)

    def prompts_of(self, wanted: Wanted, start: int, count: int) -> list[str]:
        """The prompts of some cases."""
        return [row["prompt_id"] for row in self._listed(wanted, start, count)]

    def _listed(self, wanted: Wanted, start: int, count: int, columns: str = "*") -> list[Row]:
        where, values = self._where(wanted)
        order = f"{SORTS.get(wanted.sort, '')}iteration DESC, pair_id, prompt_id"
        return self.rows(
            f"SELECT {columns} FROM cases WHERE {where} ORDER BY {order} LIMIT {count:d} OFFSET {start:d}",  # noqa: S608
            values,
        )

    def _where(self, wanted: Wanted) -> tuple[str, list[Any]]:
        """SQL: whether a case is wanted, and the values in it."""
        values = {name: wanted.values[name] for name in FILTERS if wanted.values.get(name)}
        conditions = [f"CAST({name} AS VARCHAR) = ?" for name in values]
        given: list[Any] = list(values.values())
        for sign, limit in zip((">=", "<="), wanted.margins, strict=True):
            if limit is not None:
                conditions.append(f"margin {sign} ?")
                given.append(limit)
        if wanted.text:
            self._make_searchable()
            conditions.append(f"({_FOUND} OR {_FOUND_IN_TRACES})" if wanted.traces else _FOUND)
            given += [wanted.text.lower()] * (1 + wanted.traces)
        return " AND ".join(conditions) or "true", given

    def _make_searchable(self) -> None:
        """Read the texts, once something is looked for in them."""
        with self._lock:
            if not self._searchable:
                self._db.execute("DROP TABLE IF EXISTS texts")
                self._db.execute(
                    _TEXTS if self._seen else "CREATE TABLE texts (iteration INTEGER, prompt_id VARCHAR, text VARCHAR)"
                )
                self._searchable = True

    def _with_texts(self, cases: list[Row]) -> list[Row]:
        texts: dict[tuple[int, str], Row] = {}
        for number in {case["iteration"] for case in cases}:
            ids = [case["pair_id"] for case in cases if case["iteration"] == number and case["pair_id"]]
            query = (
                f"SELECT id, prompt, images, chosen, rejected FROM pairs WHERE iteration = {number:d} AND id IN ({_marks(ids)})"  # noqa: S608
            )
            texts |= {(number, row["id"]): row for row in (self.rows(query, ids) if ids else ())}
        lone = [case["prompt_id"] for case in cases if not case["pair_id"]]
        query = f"SELECT id, text AS prompt, images, NULL AS chosen, NULL AS rejected FROM prompts WHERE id IN ({_marks(lone)})"  # noqa: S608
        prompts = {row["id"]: row for row in self.rows(query, lone)} if lone else {}
        return [
            {**(prompts[case["prompt_id"]] if case["pair_id"] is None else texts[case["iteration"], case["pair_id"]]), **case}
            for case in cases
        ]

    def prompt(self, prompt_id: str) -> Row | None:
        """A prompt by its whole id."""
        found = self.rows("SELECT * FROM prompts WHERE id = ?", [prompt_id]) if self._seen else []
        return found[0] if found else None

    def turns(self, prompt_id: str) -> list[Turn]:
        """What happened to a prompt in every iteration, the newest first."""
        return [self._turn(number, prompt_id) for number in reversed(self.iterations())]

    def _turn(self, number: int, prompt_id: str) -> Turn:
        def of(table: str, column: str, value: str | None, order: str = "1") -> list[Row]:
            query = f"SELECT * FROM {table} WHERE iteration = {number:d} AND {column} = ? ORDER BY {order}"  # noqa: S608
            return self.rows(query, [value])

        cases = of("cases", "prompt_id", prompt_id)
        pair = cases[0]["pair_id"] if cases else None
        fate = cases[0]["fate"] if cases else None
        return Turn(
            iteration=number,
            responses=of("responses", "prompt_id", prompt_id, "role, sample"),
            pair=of("pairs", "id", pair)[0] if pair else None,
            judgments=of("judgments", "pair_id", pair, '"order", sample') if pair else [],
            dropped=None if fate in (KEPT, WAITING) else fate,
            traces=len(of("selected", "pair_id", pair)) if fate == KEPT else 0,
            asked=bool(cases) or self._left(number) == WAITING,
        )


def _marks(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))


def file(path: Path) -> str:
    """SQL that reads a Parquet file."""
    return f"read_parquet('{str(path).replace(chr(39), chr(39) * 2)}')"

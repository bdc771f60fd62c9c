"""Measured benchmarks of one or two runs: the items as one judge answered them, or those on which two judges differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..run.folder import iterations_of
from ..run.tables import Row
from .index import OK, PAGE, VERDICTS, Found, RunIndex, file, offered

_DIMENSION = offered("dimension")


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredJudge:
    """A judge of a run, its replies to a benchmark, and the items of that run."""

    key: str
    title: str
    replies: Path
    items: Path


Judges = tuple[MeasuredJudge, MeasuredJudge | None]


class Measured:
    """The benchmarks that were measured in some runs."""

    def __init__(self, runs: Sequence[RunIndex]) -> None:
        self._runs = runs

    def names(self) -> list[str]:
        """Benchmarks that have items."""
        found = (path.parent.name for index in self._runs for path in index.run.glob("benchmarks/*/items.manifest.json"))
        return list(dict.fromkeys(sorted(found)))

    def contestants(self, name: str) -> dict[str, MeasuredJudge]:
        """The judges that were measured, by key, in the order of runs and iterations."""
        found: dict[str, MeasuredJudge] = {}
        for number, items in self._items(name).items():
            index = self._runs[number]
            for k, folder in iterations_of(index.run, f"benchmarks/{name}/judgments.manifest.json").items():
                title = f"{index.name}, {f'judge of iteration {k}' if k else 'base'}"
                replies = folder / "benchmarks" / name / "judgments.parquet"
                found[f"{number}.{k}"] = MeasuredJudge(key=f"{number}.{k}", title=title, replies=replies, items=items)
        return found

    def dimensions(self, judges: Judges) -> list[str]:
        """The dimensions of the items."""
        query = f"SELECT DISTINCT {_DIMENSION} AS dimension FROM {_shared(judges)} ORDER BY 1"  # noqa: S608
        return [row["dimension"] for row in self._ask(query)]

    def counts(self, judges: Judges) -> tuple[int, ...]:
        """How many items both runs have, and each of them; nothing where it is one run."""
        one, two = judges
        if two is None or two.items == one.items:
            return ()
        parts = _shared(judges), file(one.items), file(two.items)
        return tuple(self._ask(f"SELECT count(*) AS n FROM {part}")[0]["n"] for part in parts)  # noqa: S608

    def items(self, judges: Judges, *, dimension: str, every: bool, start: int) -> Found:
        """Items with what one judge says; with two, those about which they say something else, or all."""
        one, two = judges
        other = _said(two) if two else "SELECT NULL AS pair_id, NULL AS verdicts"
        differ = "s.verdicts IS DISTINCT FROM t.verdicts" if two and not every else "true"
        query = f"""
            WITH s AS ({_said(one)}), t AS ({other})
            SELECT i.id, i.prompt, i.images, i.chosen, i.rejected, i.dimension, s.verdicts AS one, t.verdicts AS two,
                   count(*) OVER () AS total
            FROM {_shared(judges)} i LEFT JOIN s ON s.pair_id = i.id LEFT JOIN t ON t.pair_id = i.id
            WHERE {differ} AND (? = '' OR {_DIMENSION} = ?) ORDER BY i.dimension, i.id LIMIT {PAGE} OFFSET {start:d}
        """  # noqa: S608  # paths are quoted, numbers are numbers
        rows = self._ask(query, [dimension, dimension])
        return Found(rows=rows, total=rows[0]["total"] if rows else 0)

    def item(self, name: str, item_id: str) -> tuple[int, Row, list[tuple[MeasuredJudge, list[Row]]]] | None:
        """An item, the number of the run that has its images, and the replies of every judge that was asked."""
        holders = self._items(name) if name in self.names() else {}
        found = ((run, self._ask(f"SELECT * FROM {file(path)} WHERE id = ?", [item_id])) for run, path in holders.items())  # noqa: S608
        holder, rows = next(((run, rows) for run, rows in found if rows), (0, []))
        if not rows:
            return None
        query = 'SELECT * FROM {} WHERE pair_id = ? ORDER BY "order", sample'
        said = [(judge, self._ask(query.format(file(judge.replies)), [item_id])) for judge in self.contestants(name).values()]
        return holder, rows[0], said

    def _items(self, name: str) -> dict[int, Path]:
        """The files of a benchmark's items, by the number of the run."""
        folders = {number: index.run / "benchmarks" / name for number, index in enumerate(self._runs)}
        return {n: folder / "items.parquet" for n, folder in folders.items() if (folder / "items.manifest.json").exists()}

    def _ask(self, query: str, values: Sequence[str] = ()) -> list[Row]:
        return self._runs[0].rows(query, values)


def _shared(judges: Judges) -> str:
    """SQL: the items of a judge's run; with two judges, those of them that the other run has as well."""
    one, two = judges
    shared = f" WHERE id IN (SELECT id FROM {file(two.items)})" if two else ""  # noqa: S608
    return f"(SELECT * FROM {file(one.items)}{shared})"  # noqa: S608


def _said(judge: MeasuredJudge) -> str:
    """SQL: the verdicts of a judge by item."""
    rows = f'SELECT pair_id, "order", verdict, {OK} AS ok FROM {file(judge.replies)}'  # noqa: S608
    return f"SELECT pair_id, {VERDICTS} AS verdicts FROM ({rows}) GROUP BY pair_id"  # noqa: S608

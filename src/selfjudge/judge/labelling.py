"""Labelling a file: each row's responses are compared, and the judge's preference is added to the row.

What the judge said is appended to a journal in `OUT.partial`, so that a killed command goes on where it stopped; the output
itself is written last, whole or not at all. Rows are judged in whole batches from fixed places, so a resumed command gives the
bytes of an undisturbed one.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice, takewhile
from pathlib import Path
from typing import Any, cast

from ..errors import InputError, RunError
from ..method.ranking import pairings
from ..ports import Progress, blocks
from ..run.disk import locked, write_whole, writing
from ..run.image_files import locate
from ..run.journal import checked, unchecked
from ..sources.readers import Row, columns_of, digest_of, rows_of, schema_of
from ..sources.rows import raw_prompt
from ..types import storable
from .cases import Case, Preference
from .judging import Judge
from .labelled import Label, Task, check_output, output, plain, responses_of, write
from .ranks import Ranking, order

_ALONE = Preference.failure("there is nothing to compare", None)
"""In place of a row's comparisons, where one response is ranked."""
_NEEDED = "Each row needs `prompt`, its images if it has any, and `response_a` and `response_b`, or `responses`."


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What came of a file: its rows, those that could not be judged, those with a preference or an order of which at least one
    comparison was decided, those that were written, and each problem with its count.

    lost, cut_off   shares of the comparisons that failed, and that were cut off; each row counts the same
    """

    rows: int
    failed: int
    decided: int
    written: int
    problems: Mapping[str, int]
    lost: float
    cut_off: float


def check(task: Task) -> None:
    """See that there are rows, and that the output can be written, before a model is loaded. Raises InputError."""
    first = next(rows_of(task.source), None)
    if first is None:
        raise InputError(f"{task.source} has no rows", hint=_NEEDED)
    row = first[1]
    names = columns_of(task.source) or list(row if isinstance(row, Mapping) else [])
    if names and not {"responses", "response_a"} & plain(dict.fromkeys(names)).keys():
        raise InputError(f"{task.source}:{first[0]}: the row has no responses, only {', '.join(map(str, names))}", hint=_NEEDED)
    if task.to.suffix not in (".jsonl", ".parquet"):
        raise InputError(f"{task.to} is neither .jsonl nor .parquet", hint="Name the output --to OUT.jsonl or OUT.parquet.")
    if task.to.suffix == ".parquet" and task.form == "ours" and schema_of(task.source) is None:
        raise InputError(f"{task.source} does not say which types its columns have", hint="Name the output --to OUT.jsonl.")
    if task.to.exists() and not _work(task).exists():
        raise InputError(f"{task.to} exists already", hint="Delete it, or name another file with --to.")
    check_output(task)


def _work(task: Task) -> Path:
    """The folder of a command that is not finished."""
    return task.to.with_name(f"{task.to.name}.partial")


def label(judge: Judge, task: Task, progress: Progress) -> Labels:
    """Label a file. Raises RunError where it was begun otherwise, InputError, and EngineError."""
    check(task)
    with locked(_work(task), "--to"):
        journal = _work(task) / "labels.jsonl"
        done = _begun(journal, task, judge)
        with writing(journal), journal.open("ab") as file, progress(f"rows of {task.source.name}", None) as advance:
            advance(done)
            for made in _labelled(judge, task, islice(rows_of(task.source), done, None)):
                file.write(b"".join(checked(json.dumps(one).encode()) for one in made))
                file.flush()
                advance(len(made))
            os.fsync(file.fileno())
        labels = _written(journal, task)
    with writing(_work(task)):
        shutil.rmtree(_work(task))
    return labels


def _begun(journal: Path, task: Task, judge: Judge) -> int:
    """How many rows a killed command has labelled, in whole batches; the journal is cut to them. Raises RunError."""
    asked = {"judge": judge.identity, "rank": task.rank, "max_tokens": judge.max_tokens, "comparisons": task.comparisons}
    read = {"input": digest_of(task.source), "allow_outside": task.allow_outside}
    head = checked(json.dumps({**asked, **read}).encode())
    if not journal.exists() or not journal.stat().st_size:
        write_whole(journal, head)
        return 0
    with journal.open("rb+") as file:
        if (theirs := file.readline()) != head:
            differs = _different(theirs, unchecked(head))
            raise RunError(
                f"{task.to} was begun with another `{differs}`", hint=f"Use the same, or delete {journal.parent} to start again."
            )
        whole = [len(line) for line in takewhile(_is_whole, file)]  # what follows a damaged line is made again
        rows = len(whole) - len(whole) % _rows_in_batch(judge.block)
        file.truncate(len(head) + sum(whole[:rows]))
    return rows


def _is_whole(line: bytes) -> bool:
    try:
        unchecked(line)
    except (ValueError, RecursionError):
        return False
    return line.endswith(b"\n")


def _different(theirs: bytes, identity: Mapping[str, Any]) -> str:
    try:
        known = unchecked(theirs)
        return next(name for name in identity if known.get(name) != identity[name])
    except (ValueError, StopIteration, AttributeError):
        return "judge"


def _rows_in_batch(block: int) -> int:
    """Rows that are judged together: 1 where answers do not depend on their neighbours."""
    return 1 if block == 1 else 4 * block


def _labelled(judge: Judge, task: Task, rows: Iterable[tuple[int, Row | ValueError]]) -> Iterator[list[Label]]:
    """The labels of the rows, in lists that are stored together."""
    size = _rows_in_batch(judge.block)
    if size > 1:
        for block in blocks(rows, size):
            yield list(_labels_of(judge, task, block))
    else:
        for one in _labels_of(judge, task, rows):
            yield [one]


def _labels_of(judge: Judge, task: Task, rows: Iterable[tuple[int, Row | ValueError]]) -> Iterator[Label]:
    """A label for each row, in order, while later rows are still read."""
    waiting: deque[_Read] = deque()

    def cases() -> Iterator[Case | Preference]:
        for _, row in rows:
            waiting.append(one := _read(row, task))
            yield from one.cases

    folder = None if task.allow_outside else task.source.parent
    said = judge.compare_all(cases(), folder=folder)
    for first in said:
        one = waiting.popleft()
        all_said = [first, *islice(said, len(one.cases) - 1)]
        if one.pairs is None:
            yield _as_label(first)
        else:
            yield _as_ranks(order(one.count, one.pairs, all_said[: len(one.pairs)]))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """What a row asks: one case, the `pairs` of a list of responses, or the failure of a row that cannot be judged."""

    cases: tuple[Case | Preference, ...]
    count: int = 2
    pairs: tuple[tuple[int, int], ...] | None = None


def _read(row: Row | ValueError, task: Task) -> _Read:
    if isinstance(row, ValueError):
        return _bad(f"invalid row: {row}")
    row = plain(row)
    raw = raw_prompt(
        row, where="", route="auto", find=partial(locate, folder=task.source.parent, allow_outside=task.allow_outside)
    )
    if raw.problem is not None:
        return _bad(f"{raw.problem}: {raw.detail}")
    if not raw.text.strip():
        return _bad("no_prompt: the prompt is empty")
    texts = responses_of(row)
    if len(texts) < (1 if task.rank else 2) or not all(isinstance(text, str) for text in texts):
        return _bad("no_responses: two texts are needed, in `response_a` and `response_b`, or more in `responses`")
    images = cast(tuple[bytes | Path, ...], raw.images)  # none is fetched: `locate` finds them

    def case(first: int, second: int) -> Case:
        return Case(prompt=raw.text, response_a=texts[first], response_b=texts[second], images=images)

    if len(texts) == 1:
        return _Read(cases=(_ALONE,), count=1, pairs=())
    if len(texts) == 2 and not task.rank:
        return _Read(cases=(case(0, 1),))
    pairs = tuple(pairings(len(texts), task.comparisons))
    return _Read(cases=tuple(case(i, j) for i, j in pairs), count=len(texts), pairs=pairs)


def _bad(problem: str) -> _Read:
    return _Read(cases=(Preference.failure(problem, None),))


def _as_label(said: Preference) -> Label:
    return {
        "preference": said.preference,
        "probability": said.probability,
        "consistent": said.consistent,
        "traces": list(map(storable, said.traces)),
        "problem": said.problem,
        "failed": float(said.failed),
        "cut_off": float(said.is_cut_off),
        "decided": said.preference is not None,
    }


def _as_ranks(ranking: Ranking) -> Label:
    """The label of a row that was ranked."""
    of = max(1, ranking.comparisons)
    failed = ranking.failed == of
    return {
        "problem": ranking.problem,
        "failed": ranking.failed / of,
        "cut_off": ranking.cut_off / of,
        "decided": ranking.problem is None,
        "ranking": None if failed else list(ranking.order),
        "strengths": None if failed else list(ranking.strengths),
    }


def _written(journal: Path, task: Task) -> Labels:
    """Write the output: each row with its label. Counts what came of them."""
    counts, problems = Counter[str](), Counter[str]()
    lost = cut_off = 0.0

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal lost, cut_off
        with journal.open("rb") as labels:
            next(labels)
            for (_, row), line in zip(rows_of(task.source), labels, strict=True):
                label: Label = unchecked(line)
                counts.update(rows=1, failed=int(label["failed"]), decided=int(label["decided"]))
                lost += label["failed"]
                cut_off += label.get("cut_off", 0)  # an older version did not write it
                if (problem := label["problem"]) is not None:
                    problems[problem.partition(":")[0]] += 1
                if (made := output(row, label, task)) is not None:
                    counts["written"] += 1
                    yield made

    new = journal.with_name("output")
    with writing(task.to):
        write(new, rows(), task)
        new.replace(task.to)
    return Labels(
        rows=counts["rows"],
        failed=counts["failed"],
        decided=counts["decided"],
        written=counts["written"],
        problems=dict(problems.most_common()),
        lost=lost,
        cut_off=cut_off,
    )

"""What happened to a prompt in every iteration of a run, read from its tables; nothing is changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from ..errors import InputError
from ..run.folder import iterations_of
from ..run.tables import Row

_LISTED = 3
"""Prompts that stand for a reason in the overview."""
KEPT, WAITING = "kept", "not selected yet"
"""How a prompt ended in an iteration that did not drop it."""
SHORT = 8
"""Characters of an id, as it is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A prompt in one iteration: its sampled responses, the pair that was made of them, what the judge said, and its fate.

    `dropped` is the reason why it taught nothing; `traces` counts those that did. `asked` is false where the iteration has
    selected its pairs and this is none of its prompts.
    """

    iteration: int
    responses: Sequence[Row]
    pair: Row | None
    judgments: Sequence[Row]
    dropped: str | None
    traces: int
    asked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """Prompts of one iteration that had the same end: a reason, `kept`, or `not selected yet`."""

    iteration: int
    reason: str
    count: int
    examples: Sequence[tuple[str, str]]
    """Ids and texts of some prompts."""


def history(run: Path, name: str) -> tuple[Row, list[Turn]]:
    """A prompt and its turns; `name` is the beginning of its id or of that of one of its pairs. Raises InputError."""
    prompt = _prompt(run, name)
    return prompt, [_turn(number, folder, prompt["id"]) for number, folder in _iterations(run).items()]


def fates(run: Path, reason: str | None, limit: int = _LISTED) -> list[Fate]:
    """What became of the prompts in each iteration, by reason. Raises InputError."""
    texts = dict(_columns(_prompts(run), "id", "text"))
    found: list[Fate] = []
    for number, folder in _iterations(run).items():
        lost = dict(_columns(folder / "dropped.parquet", "prompt_id", "reason"))
        made = _made(folder)
        left = KEPT if (folder / "selected.parquet").exists() else WAITING
        ends = {prompt: lost.get(prompt, left) for prompt in texts if prompt in lost or prompt in made}
        for end, count in Counter(ends.values()).most_common():
            if reason in (None, end):
                ids = [prompt for prompt, its in ends.items() if its == end][:limit]
                examples = [(prompt, texts[prompt]) for prompt in ids]
                found.append(Fate(iteration=number, reason=end, count=count, examples=examples))
    if reason is not None and not found:
        known = ", ".join(sorted({fate.reason for fate in fates(run, None)}))
        raise InputError(f"no prompt of {run} ended as {reason}", hint=f"There are {known}." if known else "Nothing is done yet.")
    return found


def _made(folder: Path) -> set[str]:
    return {prompt for prompt, _ in _columns(folder / "pairs.parquet", "prompt_id", "id")}


def _prompts(run: Path) -> Path:
    path = run / "prompts" / "prompts.parquet"
    if not path.exists():
        raise InputError(
            f"{run} is no run folder, or has read no prompts yet", hint="Name the folder of a run (--dir of `selfjudge run`)."
        )
    return path


def _iterations(run: Path) -> dict[int, Path]:
    """The folders of iterations that have made their pairs."""
    return iterations_of(run, "pairs.parquet")


def _columns(path: Path, *names: str) -> Iterator[tuple[Any, ...]]:
    if path.exists():
        table = pq.read_table(path, columns=list(names))
        yield from zip(*(table[name].to_pylist() for name in names), strict=True)


def _rows(path: Path, column: str, value: str) -> list[Row]:
    """The rows of a table with a value in a column; none where the table is not made yet."""
    if not path.exists():
        return []
    rows: list[Row] = ds.dataset(path).to_table(filter=pc.field(column) == value).to_pylist()
    return rows


def _prompt(run: Path, name: str) -> Row:
    ids = {prompt for (prompt,) in _columns(_prompts(run), "id") if prompt.startswith(name)}
    for folder in _iterations(run).values():
        ids |= {prompt for prompt, pair in _columns(folder / "pairs.parquet", "prompt_id", "id") if pair.startswith(name)}
    if len(ids) != 1:
        what = "no prompt or pair" if not ids else f"{len(ids)} prompts or pairs"
        hint = "`selfjudge show RUN` lists some ids." if not ids else "Give more characters of the id."
        raise InputError(f"{what} of {run} begins with {name}", hint=hint)
    return _rows(_prompts(run), "id", ids.pop())[0]


def _turn(number: int, folder: Path, prompt: str) -> Turn:
    pairs = _rows(folder / "pairs.parquet", "prompt_id", prompt)
    dropped = _rows(folder / "dropped.parquet", "prompt_id", prompt)
    responses = _rows(folder / "responses.parquet", "prompt_id", prompt)
    return Turn(
        iteration=number,
        responses=responses,
        pair=pairs[0] if pairs else None,
        judgments=_rows(folder / "judgments.parquet", "pair_id", pairs[0]["id"]) if pairs else [],
        dropped=dropped[0]["reason"] if dropped else None,
        traces=len(_rows(folder / "selected.parquet", "prompt_id", prompt)),
        asked=bool(pairs or dropped or responses) or not (folder / "selected.parquet").exists(),
    )

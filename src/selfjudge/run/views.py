"""Rows of a sealed table as what they stand for: read anew whenever they are wanted, so that no stage holds all of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import cached_property
from itertools import islice
from sys import maxsize
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from ..recipe.experiment import EarlyStop, Loop
from ..types import Kind, Prompt, seed_of
from .store import Table
from .tables import Row, prompt_of

Made = TypeVar("Made")


class View(Collection[Made]):
    """What `make` makes of the rows of a table, by key: of those with keys in `only`, or of all `but` some, a part, and of this
    part those that are of one `kind`, where the table has such a column."""

    def __init__(
        self,
        table: Table,
        make: Callable[[Row], Made],
        *,
        only: frozenset[str] | None = None,
        but: frozenset[str] = frozenset(),
        part: slice = slice(None),
        kind: str | None = None,
    ) -> None:
        self._table, self._make, self._only, self._but, self._part, self._kind = table, make, only, but, part, kind

    def __iter__(self) -> Iterator[Made]:
        return (self._make(row) for rows in self._groups() for row in rows.to_pylist())

    def __len__(self) -> int:
        return self._length

    def __contains__(self, one: object) -> bool:
        return any(one == other for other in self)

    def keys(self) -> Iterator[str]:
        key = self._table.kind.key
        return (value for rows in self._groups(key) for value in rows[key].to_pylist())

    def __getitem__(self, part: slice) -> View[Made]:
        return View(self._table, self._make, only=self._only, but=self._but, part=part, kind=self._kind)

    def chosen(self, keys: frozenset[str]) -> View[Made]:
        """Those with these keys."""
        return View(self._table, self._make, only=keys)

    def of_kind(self, kind: str) -> View[Made]:
        """Those of one kind: the others are not made."""
        return View(self._table, self._make, only=self._only, but=self._but, part=self._part, kind=kind)

    @cached_property
    def _length(self) -> int:
        return sum(map(len, self._groups(self._table.kind.key)))

    def _groups(self, *columns: str) -> Iterator[pa.Table]:
        """Their rows, some at a time."""
        start, stop, _ = self._part.indices(maxsize)
        for rows in self._chosen(*columns, *(["kind"] if columns and self._kind else [])):
            of_part = rows[start:stop]
            start, stop = max(0, start - len(rows)), max(0, stop - len(rows))
            yield of_part if self._kind is None else of_part.filter(pc.equal(of_part["kind"], self._kind))
            if not stop:
                return

    def _chosen(self, *columns: str) -> Iterator[pa.Table]:
        only, but = self._only, self._but
        for rows in self._table.groups(*columns):
            if only is None and not but:
                yield rows
            else:
                keys = rows[self._table.kind.key].to_pylist()
                yield rows.filter(pa.array([key not in but and (only is None or key in only) for key in keys], pa.bool_()))


def turn(prompts: View[Prompt], loop: Loop, number: int) -> View[Prompt]:
    """The prompts of an iteration: all of them each time, or fresh ones, as they are mixed or with so many open ones."""
    size = loop.prompts_per_iteration
    if size is None or loop.open_share is None:
        return prompts if size is None else prompts[(number - 1) * size : number * size]
    keys: list[str] = []
    for kind in Kind:
        keys += islice(prompts.of_kind(kind).keys(), loop.wanted(kind, number - 1), loop.wanted(kind, number))
    return prompts.chosen(frozenset(keys))


def shortages(loop: Loop, there: Callable[[Kind], int]) -> Iterator[str]:
    """Of which kinds `loop.open_share` asks for more prompts than are `there`, one line for each."""
    for kind in Kind if loop.open_share is not None else ():
        wanted = loop.wanted(kind, loop.iterations)
        if wanted > (found := there(kind)):
            yield f"loop.open_share asks for {wanted:,} {kind} prompts, and there are {found:,}: later iterations have fewer"


def held_out_of(prompts: Table, stop: EarlyStop | None) -> tuple[View[Prompt], View[Prompt]]:
    """Prompts to train on and, where a run stops early, prompts to watch; decided by the prompt's id."""
    if stop is None:
        return View(prompts, prompt_of), View(prompts, prompt_of, only=frozenset())
    held = frozenset(key for key in prompts.values("id") if seed_of("held out", key) < stop.held_out * 2**63)
    return View(prompts, prompt_of, but=held), View(prompts, prompt_of, only=held)

"""Rows of a sealed table as what they stand for: read anew whenever they are wanted, so that no stage holds all of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import cached_property
from itertools import islice
from typing import TypeVar

from ..recipe.experiment import EarlyStop
from ..types import Prompt, seed_of
from .store import Table
from .tables import Row, prompt_of

Made = TypeVar("Made")


class View(Collection[Made]):
    """What `make` makes of the rows of a table, by key: a part of those with keys in `only`, or of all `but` some."""

    def __init__(
        self,
        table: Table,
        make: Callable[[Row], Made],
        *,
        only: frozenset[str] | None = None,
        but: frozenset[str] = frozenset(),
        part: slice = slice(None),
    ) -> None:
        self._table, self._make, self._only, self._but, self._part = table, make, only, but, part

    def __iter__(self) -> Iterator[Made]:
        return map(self._make, self._rows())

    def __len__(self) -> int:
        return self._length

    def __contains__(self, one: object) -> bool:
        return any(one == other for other in self)

    def keys(self) -> Iterator[str]:
        return (row[self._table.kind.key] for row in self._rows(self._table.kind.key))

    def __getitem__(self, part: slice) -> View[Made]:
        return View(self._table, self._make, only=self._only, but=self._but, part=part)

    @cached_property
    def _length(self) -> int:
        return sum(1 for _ in self.keys())

    def _rows(self, *columns: str) -> Iterator[Row]:
        key, only, but = self._table.kind.key, self._only, self._but
        found = (row for row in self._table.rows(*columns) if row[key] not in but and (only is None or row[key] in only))
        return islice(found, self._part.start, self._part.stop)


def held_out_of(prompts: Table, stop: EarlyStop | None) -> tuple[View[Prompt], View[Prompt]]:
    """Prompts to train on and, where a run stops early, prompts to watch; decided by the prompt's id."""
    if stop is None:
        return View(prompts, prompt_of), View(prompts, prompt_of, only=frozenset())
    held = frozenset(key for key in prompts.values("id") if seed_of("held out", key) < stop.held_out * 2**63)
    return View(prompts, prompt_of, but=held), View(prompts, prompt_of, only=held)

"""The order of examples: shuffled for each epoch by the seed alone, cut into steps, and these into micro-batches.

Inside a step examples are sorted by length before they are cut. A step's gradient is a mean over all its reply tokens, so this
saves padding and changes no gradient. Neither does the number of processes, which take micro-batches in turn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from math import ceil

import torch
from torch.utils.data import Sampler

from ..ports import blocks

_WINDOW = 50  # steps whose examples are sorted by length together, for `similar_steps`


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Examples in a step over all processes, examples in a micro-batch, the number of processes and the rank of this one.

    If `even`, all processes have as many examples: where the last step has too few, some of it count twice.
    """

    step: int
    micro: int
    processes: int = 1
    rank: int = 0
    similar_steps: bool = False
    even: bool = False


class BatchPlan(Sampler[list[int]]):  # type: ignore[misc]
    """This process's micro-batches of the current epoch, as lists of indices.

    A negative index `~i` is a filler, example i without labels: processes stay in step if the last step of an epoch has too
    few examples for all of them.
    """

    def __init__(self, lengths: Sequence[int], shape: Shape, seed: int) -> None:
        self._lengths = lengths
        self._shape = shape
        self._seed = seed
        self.epoch = 0
        self.steps_per_epoch = ceil(len(lengths) / shape.step)

    def __len__(self) -> int:
        full, rest = divmod(len(self._lengths), self._shape.step)
        return full * self._in_step(self._shape.step) + self._in_step(rest)

    def __iter__(self) -> Iterator[list[int]]:
        for step in self.steps():
            micro = self._cut(self._filled(step))
            mine = micro[self._shape.rank :: self._shape.processes]
            yield from mine
            yield from [[~step[0]]] * (self._in_step(len(step)) - len(mine))

    def steps(self) -> Iterator[list[int]]:
        """The examples of each step of the current epoch, over all processes."""
        random = torch.Generator().manual_seed(self._seed + self.epoch)
        order = torch.randperm(len(self._lengths), generator=random).tolist()
        if not self._shape.similar_steps:
            yield from blocks(order, self._shape.step)
            return
        windows = blocks(order, _WINDOW * self._shape.step)
        steps = [step for window in windows for step in blocks(sorted(window, key=self._length), self._shape.step)]
        short = steps.pop() if len(steps[-1]) < self._shape.step else []
        yield from (steps[i] for i in torch.randperm(len(steps), generator=random).tolist())
        if short:
            yield short

    def seen(self, step: int) -> int:
        """Examples learned after `step` steps of the whole training, over all processes."""
        epochs, rest = divmod(step, self.steps_per_epoch)
        return epochs * len(self._lengths) + rest * self._shape.step

    def _filled(self, step: list[int]) -> list[int]:
        missing = -len(step) % (self._shape.micro * self._shape.processes) if self._shape.even else 0
        return [*step, *islice(cycle(step), missing)]

    def _cut(self, step: list[int]) -> list[list[int]]:
        several = len(step) > self._shape.micro
        return list(blocks(sorted(step, key=self._length) if several else step, self._shape.micro))

    def _in_step(self, examples: int) -> int:
        """Micro-batches of each process in a step with `examples` examples."""
        return ceil(ceil(examples / self._shape.micro) / self._shape.processes)

    def _length(self, index: int) -> int:
        return self._lengths[index]

"""Ports: what the stages need of the outside world. Every effect sits behind one of these; a fake of each ships."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeVar

from .chat import Completion, Message, Request
from .figures import DataReport, Executed
from .types import BenchmarkItem, ImageRef, Kind, storable

ReadImage = Callable[[ImageRef], bytes]
"""The bytes of an image by reference."""

PutImage = Callable[[ImageRef, bytes], None]
"""Where the bytes of an image are handed to."""


class Advance(Protocol):
    """Tells that so much more of a stage is done; a reply that has just arrived comes along as the row it becomes."""

    def __call__(self, count: int, row: Mapping[str, Any] | None = None, /) -> None: ...


class StageLabel(str):
    """What a stage of a run is doing, and where in the run that is: iteration and stage, each with how many there are."""

    __slots__ = ("iteration", "iterations", "stage", "stages")

    iteration: int
    iterations: int
    stage: int
    stages: int

    def __new__(cls, text: str, iteration: tuple[int, int], stage: tuple[int, int]) -> StageLabel:
        label = super().__new__(cls, f"iteration {iteration[0]} of {iteration[1]}, stage {stage[0]} of {stage[1]}: {text}")
        label.iteration, label.iterations = iteration
        label.stage, label.stages = stage
        return label


Progress = Callable[[str, int | None], AbstractContextManager[Advance]]
"""`with progress("judge", total) as advance: ... advance(1)` shows how far a stage is."""


class Engine(Protocol):
    """Text generation with one model.

    `block` is how many consecutive requests of one `generate` call are answered together. A stage always asks for whole
    blocks, in a fixed order, so that a resumed run forms the same batches as an undisturbed one. Engines whose answers do
    not depend on their neighbours have `block` 1.
    """

    block: int

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """One completion per request, block after block. A request that fails is a Completion; EngineError ends it all."""
        ...

    def close(self) -> None:
        """Free memory and processes. The engine cannot be used afterwards."""
        ...


CONTINUES = "transformers, vllm, ray with replicas of transformers, and openai with a server of vLLM or SGLang"
"""The kinds of engines that can continue a reply."""


def continues(engine: Engine) -> bool:
    """Whether an engine can continue a reply (`Request.continues`), as it says by an attribute of this name."""
    return bool(getattr(engine, "continues", False))


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedEngine:
    """An engine and what its model is called in tables: `base`, or `judge-2` for the judge of the second iteration."""

    name: str
    engine: Engine
    execution: Executed = field(default_factory=Executed)
    """How its answers are computed, as `run.executions` describes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One training example: a conversation up to the reply, and the reply to learn.

    With `rejected` that other reply is to become less likely than `reply`; where both are the same, `reply` is only learned.
    """

    key: str
    messages: tuple[Message, ...]
    reply: str
    rejected: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What training reports: optimiser steps, and the mean loss per reply token over the last epoch, None without a step.

    `losses` has each step's. `dropped` says why an example was not learned, by its key.
    """

    steps: int
    loss: float | None
    losses: tuple[float, ...] = ()
    dropped: Mapping[str, str] = field(default_factory=dict)


class Trainer(Protocol):
    """Fine-tuning: on replies, or on which of two replies is right."""

    def fit(self, examples: Collection[Example], *, start: Path, into: Path, work: Path, seed: int, advance: Advance) -> Fit:
        """Train the model folder `start` on the replies and save it to `into`; nothing is saved where no step was made.

        The examples are read anew whenever they are wanted, in one order.
        What lies in `work` outlives this process: the same call goes on from there. Raises TrainerError.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """An image that is elsewhere: its address, and what reads it when it is needed."""

    url: str
    get: Callable[[str], bytes]

    def read(self) -> bytes:
        return self.get(self.url)


Given = bytes | Path | Remote
"""An image as a source has it: its bytes, a file or an address that are yet to be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawPrompt:
    """A prompt as its source has it. `where` is its place, as `file:line`, which no other row of the source has.

    `problem` says why the row cannot be used at all; otherwise `images` holds what is yet to be read. `kind` is
    None where the source does not know it; `kind_rule` says who decided. `id` is the row's own, if it has one. `detail` says more
    about a problem, or why there is no image; `text_only` that it may have none. `left_out` is that of `Prompt`.
    """

    where: str
    text: str = ""
    images: tuple[Given, ...] = ()
    kind: Kind | None = None
    kind_rule: str = "row"
    id: str | None = None
    problem: str | None = None
    detail: str | None = None
    text_only: bool = False
    left_out: str | None = None


class PromptSource(Protocol):
    """Where prompts come from. The same source yields the same rows in the same order every time."""

    def __iter__(self) -> Iterator[RawPrompt]: ...


def all_rows(sources: Sequence[PromptSource]) -> Iterator[RawPrompt]:
    """The rows of all sources of a run, each with a place of its own: `prompts.0/file:line`, the source as the recipe has it."""
    for number, source in enumerate(sources):
        for raw in source:
            yield replace(raw, where=storable(f"prompts.{number}/{raw.where}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkData:
    """A benchmark as it was read: its items, and a report on where they came from and what is odd about them.

    `own` has the question as the benchmark has it, and how many of the images are its own, by the id of a prompt with more.
    """

    items: tuple[BenchmarkItem, ...]
    report: DataReport
    own: Mapping[str, tuple[str, int]] = field(default_factory=dict)


class Benchmark(Protocol):
    """Pairs with known labels. Used for measuring only. `name` is unique within a recipe."""

    name: str

    def digest(self) -> str:
        """A digest of the content that `load` reads: rows, images and options. Raises InputError."""
        ...

    def load(self, put: PutImage, progress: Progress, *, limit: int | None = None) -> BenchmarkData:
        """All items, or the first `limit`; their images are handed to `put`. Raises InputError."""
        ...


class Hub(Protocol):
    """Where judges and pairs are published: a repository for judges, and one for data."""

    def prepare(self, repo: str, *, data: bool, private: bool) -> None:
        """Make a repository unless it is there. Raises PublishError, also where it holds the files of somebody else."""
        ...

    def upload(self, folder: Path, repo: str, *, data: bool, message: str, tag: str | None) -> str:
        """Publish the files of a folder and give the commit a tag; its id. Raises PublishError.

        A repository of judges then holds these files alone; to one of data they are added.
        """
        ...


Item = TypeVar("Item")


def blocks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Consecutive items in lists of `size`, the last one possibly shorter."""
    waiting = iter(items)
    while block := list(islice(waiting, size)):
        yield block

"""What benchmarks show, as an index to look prompts up in. Labels stay behind: only texts and looks of images pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from ..method.contamination import Appearance, Hit, Index, IndexedItem
from ..ports import Benchmark, Progress, PutImage
from ..recipe.experiment import MAX_PIXELS
from ..run.images import examine
from ..types import ImageRef, Prompt

_THREADS = 8


def index(benchmarks: Sequence[Benchmark], progress: Progress) -> Index:
    """The index of all prompts of benchmarks, each once. Raises what a benchmark raises that cannot be read."""
    with ThreadPoolExecutor(_THREADS) as pool:
        looks: dict[str, Future[Appearance]] = {}

        def put(ref: ImageRef, data: bytes) -> None:
            if ref.sha256 not in looks:
                looks[ref.sha256] = pool.submit(_look, data)

        named = zip(_names(benchmarks), benchmarks, strict=True)
        shown = [(name, prompt) for name, benchmark in named for prompt in _prompts(benchmark, put, progress)]
        return Index(_exhibit(name, prompt, looks) for name, prompt in shown)


def describe(index: Index, hit: Hit) -> str:
    """A hit in words, by its nearest item."""
    nearest = index.indexed[hit.items[0]]
    apart = f", {hit.distance} of 64 bits apart" if hit.distance else ""
    return f"{hit.kind}: {nearest.benchmark}/{nearest.item}{apart}"


def _names(benchmarks: Sequence[Benchmark]) -> Iterator[str]:
    """What each benchmark is called: `pairs`, and `pairs (2)` where a second one has that name."""
    times = Counter[str]()
    for benchmark in benchmarks:
        times[benchmark.name] += 1
        yield benchmark.name if times[benchmark.name] == 1 else f"{benchmark.name} ({times[benchmark.name]})"


def _look(data: bytes) -> Appearance:
    return examine(data, max_pixels=MAX_PIXELS)[2]


def _prompts(benchmark: Benchmark, put: PutImage, progress: Progress) -> Iterator[Prompt]:
    """The prompts of a benchmark, each once; what else an item holds is dropped here."""
    return iter({item.pair.prompt.id: item.pair.prompt for item in benchmark.load(put, progress).items}.values())


def _exhibit(benchmark: str, prompt: Prompt, looks: dict[str, Future[Appearance]]) -> IndexedItem:
    seen = tuple(looks[image.sha256].result() for image in prompt.images)
    return IndexedItem(benchmark=benchmark, item=_name(prompt), text=prompt.text, looks=seen)


def _name(prompt: Prompt) -> str:
    """What an item is called: by its own id, or its `file:line` without folders, or else the id of its prompt."""
    place = Path(prompt.source).name
    return prompt.source_id or (place if ":" in place else prompt.id)

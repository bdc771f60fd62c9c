"""What benchmarks show, as an index to look prompts up in: only questions and looks of images pass. Labels stay behind."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from ..method.contamination import Appearance, Hit, Index, IndexedItem
from ..ports import Benchmark, BenchmarkData, Progress
from ..recipe.experiment import MAX_PIXELS
from ..run.images import examine
from ..types import ImageRef, Prompt

_THREADS = 8


def index(benchmarks: Sequence[Benchmark], progress: Progress) -> Index:
    """The index of all questions of benchmarks, each once. Raises what a benchmark raises that cannot be read."""
    with ThreadPoolExecutor(_THREADS) as pool:
        looks: dict[str, Future[Appearance]] = {}

        def put(ref: ImageRef, data: bytes) -> None:
            if ref.sha256 not in looks:
                looks[ref.sha256] = pool.submit(_look, data)

        named = zip(_names(benchmarks), benchmarks, strict=True)
        shown = [(name, one) for name, benchmark in named for one in _questions(benchmark.load(put, progress)).items()]
        return Index(_exhibit(name, text, prompts, looks) for name, ((text, _), prompts) in shown)


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


def _questions(data: BenchmarkData) -> dict[tuple[str, tuple[ImageRef, ...]], list[Prompt]]:
    """The prompts of a benchmark by its own question and the images of that; what else an item holds is dropped here."""
    found = defaultdict[tuple[str, tuple[ImageRef, ...]], list[Prompt]](list)
    for prompt in {item.pair.prompt.id: item.pair.prompt for item in data.items}.values():
        text, images = data.own.get(prompt.id, (prompt.text, len(prompt.images)))
        found[text, prompt.images[:images]].append(prompt)
    return found


def _exhibit(benchmark: str, text: str, prompts: Sequence[Prompt], looks: dict[str, Future[Appearance]]) -> IndexedItem:
    """A question with all pictures that a judge is shown with it."""
    shown = dict.fromkeys(image.sha256 for prompt in prompts for image in prompt.images)
    return IndexedItem(benchmark=benchmark, item=_name(prompts[0]), text=text, looks=tuple(looks[one].result() for one in shown))


def _name(prompt: Prompt) -> str:
    """What an item is called: by its own id, or its `file:line` without folders, or else the id of its prompt."""
    place = Path(prompt.source).name
    return prompt.source_id or (place if ":" in place else prompt.id)

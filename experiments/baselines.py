"""What the base can do without the loop, and how many of a run's labels are right. It knows the truth; the loop does not.

    python experiments/baselines.py                   ask the base about 1,000 benchmark pairs (some minutes on one thread)
    python experiments/baselines.py --model runs/arms/hard   another base, as `make hard-base` makes one
    python experiments/baselines.py --run runs/demo   check the labels of a finished run of the demo's recipe, without a model

The first asks in four ways: as multiple choice, as a judge is asked (greedy, and sampled), and for its own greedy answer, which
is right when it is the better response and undecided when it is neither. The summaries go to docs/runs, or to --keep.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from selfjudge.chat import Request, Sampling
from selfjudge.hub.models import embedded_model
from selfjudge.method.prompts import fill
from selfjudge.method.protocols import STRICT
from selfjudge.ports import BenchmarkData, Engine, ReadImage
from selfjudge.recipe.engines import TransformersSettings
from selfjudge.recipe.inputs import ShapesBench, ShapesSource
from selfjudge.run.images import admit
from selfjudge.shapes.benchmark import ShapesBenchmark
from selfjudge.shapes.prompts import ShapesPrompts
from selfjudge.shapes.questions import ask
from selfjudge.shapes.scenes import draw_scene
from selfjudge.shapes.truth import answer, caption
from selfjudge.shapes.wording import JUDGE_TEMPLATE
from selfjudge.stages.evaluate import figures
from selfjudge.types import BenchmarkItem, Kind, Order, Prompt, Verdict, seed_of
from selfjudge.wiring import open_engine

ROOT = Path(__file__).parents[1]
BENCHMARK_SEED = 2026
"""Nothing in the demo's recipe was chosen on it."""

CHOICE = "{images}{question} {first} (A) or {second} (B)?"
"""The form in which the base was taught multiple choice, with true answers, about questions (`shapes.lessons`)."""
WAYS = {
    "multiple choice": (CHOICE, 0.0, r"\(([AB])\)"),
    "judge, greedy": (JUDGE_TEMPLATE, 0.0, r"\[\[([AB])\]\]"),
    "judge, sampled": (JUDGE_TEMPLATE, 1.0, r"\[\[([AB])\]\]"),
    "own answer": ("{images}{question}", 0.0, ""),
}
"""What is asked, at which temperature, and what the letter of a reply looks like; an own answer has none."""


def held_out(pairs: int, seed: int = BENCHMARK_SEED) -> tuple[BenchmarkData, ReadImage]:
    """Pairs about scenes that are shown nowhere else, and what reads their images."""
    files: dict[str, bytes] = {}
    bench = ShapesBenchmark(ShapesBench(name="shapes-bench", pairs=pairs, seed=seed))
    data = bench.load(lambda ref, image: files.update({ref.sha256: image}), lambda *_: nullcontext(lambda *_: None))
    return data, lambda ref: files[ref.sha256]


def measure(engine: Engine, items: Sequence[BenchmarkItem], way: str) -> dict[str, Any]:
    """The figures of one way to ask, over all pairs and over those about closed questions, asked in both orders."""
    template, temperature, letter = WAYS[way]
    replies = {reply.key: reply.text for reply in engine.generate(_requests(items, template, temperature))}
    rows = []
    for item in items:
        for order in Order:
            reply = replies[f"{item.pair.id}.{order}"]
            verdict = _letter(reply, letter) if letter else _agrees(reply, item, order)
            problem = None if verdict else "no_verdict"
            rows.append({"pair_id": item.pair.id, "order": order, "verdict": verdict, "problem": problem, "probability": None})
    closed = [item for item in items if item.pair.prompt.kind is Kind.CLOSED]
    return {name: _kept(figures(some, rows, STRICT)) for name, some in (("all", items), ("closed", closed))}


def _requests(items: Sequence[BenchmarkItem], template: str, temperature: float) -> Iterator[Request]:
    sampling = Sampling(temperature=temperature, max_tokens=48)
    for item in items:
        for order in Order:
            shown = item.pair.comparison(order)
            values = {"question": shown.prompt.text, "first": shown.first, "second": shown.second}
            key = f"{item.pair.id}.{order}"
            message = fill(template, values, shown.prompt.images)
            yield Request(key=key, messages=(message,), sampling=sampling, seed=seed_of("baselines", key))


def _letter(reply: str, pattern: str) -> Verdict | None:
    letters = re.findall(pattern, reply)
    return None if not letters else Verdict.FIRST if letters[-1] == "A" else Verdict.SECOND


def _agrees(reply: str, item: BenchmarkItem, order: Order) -> Verdict | None:
    """The response that is the model's own answer, word for word."""
    return {item.pair.chosen: order.chosen, item.pair.rejected: order.chosen.other}.get(reply)


def _kept(result: dict[str, Any]) -> dict[str, Any]:
    names = ("accuracy", "pair_accuracy", "first_position_rate", "parse_rate")
    dimensions = {dimension: {name: part[name] for name in names} for dimension, part in result["dimensions"].items()}
    return {**{name: result[name] for name in ("n", *names, "ci95", "pair_ci95")}, "dimensions": dimensions}


def labels(run: Path) -> dict[str, Any]:
    """For each iteration and kind: pairs that were made, and that were kept, by whether their label is right."""
    recipe = json.loads((run / "recipe.json").read_text())
    known = dict(chain.from_iterable(truths(ShapesSource(**source)) for source in recipe["prompts"]))
    iterations = []
    for number in range(1, 1 + len(list(run.glob("iteration-*/judge.manifest.json")))):
        folder = run / f"iteration-{number}"
        pairs = pq.read_table(folder / "pairs.parquet").to_pylist()
        kept = set(pq.read_table(folder / "selected.parquet")["pair_id"].to_pylist())
        counts = {name: {"made": Counter(), "kept": Counter()} for name in map(str, Kind)}
        for pair in pairs:
            label = check(pair, known[pair["prompt_id"]])
            counts[pair["kind"]]["made"][label] += 1
            counts[pair["kind"]]["kept"][label] += pair["id"] in kept
        iterations.append(counts)
    return {"run": recipe["name"], "seed": recipe["seed"], "iterations": iterations}


def truths(source: ShapesSource) -> Iterator[tuple[str, str]]:
    """Each prompt's id and its true answer, its scene drawn again as `ShapesPrompts` draws it."""
    for number, raw in enumerate(ShapesPrompts(source), 1):
        rng = random.Random(seed_of("shapes", source.seed, number))
        scene = draw_scene(rng, held_out=False)
        question = ask(scene, rng) if raw.kind is Kind.CLOSED else None
        if question is not None and question.text != raw.text:
            raise ValueError(f"{raw.where} is drawn in another way than this script knows")
        ref, _ = admit(raw.images[0], max_pixels=10**6)  # type: ignore[arg-type]
        yield Prompt.identify(raw.text, (ref,)), caption(scene) if question is None else answer(scene, question)


def check(pair: dict[str, Any], true: str) -> str:
    """Which response is right: `right` for the chosen one, `reversed`, or `neither`. Of captions, the changed word decides."""
    if pair["kind"] == Kind.CLOSED:
        return {pair["chosen"]: "right", pair["rejected"]: "reversed"}.get(true, "neither")
    words = zip(*(text.replace(",", " ,").split() for text in (pair["chosen"], pair["rejected"], true)), strict=False)
    chosen, rejected, there = next((three for three in words if three[0] != three[1]), ("", "", None))
    return {chosen: "right", rejected: "reversed"}.get(there, "neither")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="a finished run whose labels are checked; the base is not asked")
    parser.add_argument("--model", type=Path, default=embedded_model(), help="the base that is asked (default: the shipped one)")
    parser.add_argument("--pairs", type=int, default=1_000, help="benchmark pairs that the base is asked about")
    parser.add_argument("--keep", type=Path, default=ROOT / "docs" / "runs", help="where the summary goes")
    options = parser.parse_args()
    if options.run:
        name, result = "labels", labels(options.run)
    else:
        data, read_image = held_out(options.pairs)
        engine = open_engine(TransformersSettings(batch_size=256), options.model, read_image)
        name = "base" if options.model == embedded_model() else options.model.name
        result = {"seed": BENCHMARK_SEED, "ways": {way: measure(engine, data.items, way) for way in WAYS}}
    text = json.dumps(result, indent=2)
    options.keep.mkdir(parents=True, exist_ok=True)
    (options.keep / f"baselines-{name}.json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()

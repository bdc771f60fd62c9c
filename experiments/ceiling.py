"""The supervised ceiling: the same base and trainer on traces with the true verdict, until it stops improving.

    python experiments/ceiling.py --seed 1       one seed (about ten minutes on two cores); writes docs/runs/ceiling-SEED.json
    python experiments/ceiling.py --domain photo       the same on another domain (25 minutes); writes ceiling-photo-SEED.json
    python experiments/ceiling.py --domain photo --model JUDGE --traces 500 --rounds 4 --patience 9
                                 a judge on few true traces (four minutes); writes judge-ceiling-500-photo-SEED.json
    python experiments/ceiling.py --traces 16 --patience 1 --pairs 10 --keep runs/try        the same, tried in a small way

Every round draws new scenes (never the benchmark's) and writes traces as a perfect judge would. When a round does not raise the
accuracy in both orders on a benchmark seed kept for that, it is discarded and the rate halved; after so many halvings as there is
patience training ends. What is reported is the last round that was kept, on the benchmark seed of docs/results.md.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from selfjudge.chat import Message
from selfjudge.hub.models import embedded_model
from selfjudge.ports import Example, NamedEngine
from selfjudge.recipe.experiment import Recipe
from selfjudge.recipe.file import load_recipe
from selfjudge.recipe.inputs import Domain, ShapesBench
from selfjudge.run.folder import RunFolder
from selfjudge.run.images import admit
from selfjudge.run.store import Table
from selfjudge.run.tables import JUDGMENTS
from selfjudge.shapes.benchmark import ShapesBenchmark
from selfjudge.shapes.drawing import draw
from selfjudge.shapes.prompts import png
from selfjudge.shapes.questions import OPEN_TEXTS, ask
from selfjudge.shapes.scenes import Scene, draw_scene
from selfjudge.shapes.truth import answer, caption, first_difference, join, slip, wrong_answer
from selfjudge.shapes.wording import JUDGE_TEMPLATE, SLOTS, trace
from selfjudge.stages import evaluate
from selfjudge.trainers.local import LocalTrainer
from selfjudge.types import seed_of
from selfjudge.wiring import open_engine

ROOT = Path(__file__).parents[1]
STOP_SEED, REPORT_SEED = 1, 2026
"""Benchmark seeds: one decides when to stop, the other is reported."""


def true_texts(scene: Scene, rng: random.Random) -> tuple[str, str, str]:
    """A question, the right and a wrong response; a quarter are captions."""
    if rng.random() < 0.25:
        words = [thing.words for thing in scene.objects]
        wrong = slip(words, rng.randrange(len(words)), rng.choice(SLOTS), rng)
        return rng.choice(OPEN_TEXTS), caption(scene), join(wrong.objects)
    question = ask(scene, rng)
    return question.text, answer(scene, question), wrong_answer(scene, question, rng)


class Ceiling:
    """A run folder and the model as it is trained."""

    def __init__(self, recipe: Recipe, work: Path, seed: int, bench: ShapesBench) -> None:
        self._recipe = recipe
        self._folder = RunFolder(work)
        self._rng = random.Random(seed_of("ceiling", seed))
        self._seed = seed
        self._bench = bench

    def example(self, number: int) -> Example:
        """A prompt to judge and the reply of a perfect judge."""
        scene = draw_scene(self._rng, held_out=False)
        ref, data = admit(png(draw(scene, self._rng, self._bench.domain)), max_pixels=10**6)
        self._folder.images.put(ref, data)
        question, right, wrong = true_texts(scene, self._rng)
        letter = self._rng.choice("AB")
        first, second = (right, wrong) if letter == "A" else (wrong, right)
        shared, one, other = first_difference(first, second)
        asked = JUDGE_TEMPLATE.removeprefix("{images}").format(question=question, first=first, second=second)
        reply = trace(shared, one, other, one if letter == "A" else other, letter)
        return Example(key=str(number), messages=(Message(role="user", content=(ref, asked)),), reply=reply)

    def fit(self, start: Path, into: Path, rate: float, number: int, traces: int) -> None:
        """One round of training."""
        recipe = self._recipe.training.model_copy(update={"learning_rate": rate, "epochs": 1})
        work = into.with_suffix(".work")
        for folder in (into, work):
            folder.mkdir()
        trainer = LocalTrainer(recipe, self._recipe.execution.training, read_image=self._folder.images.get)
        examples = [self.example(i) for i in range(traces)]
        seed = seed_of("ceiling", self._seed, number)
        trainer.fit(examples, start=start, into=into, work=work, seed=seed, advance=lambda _: None)

    def measure(self, model: Path, benchmark_seed: int, number: int) -> dict[str, Any]:
        """The figures of a model on a benchmark seed."""
        benchmark = ShapesBenchmark(self._bench.model_copy(update={"seed": benchmark_seed}))
        items = benchmark.load(self._folder.images.put, quiet).items
        engine = open_engine(self._recipe.execution.engine, model, self._folder.images.get)
        place = self._folder.root / f"measured-{number}-{benchmark_seed}"
        protocol = replace(self._recipe.judging.protocol, sampling=self._recipe.evaluation.sampling.sampling(), samples=1)
        table = Table(place, JUDGMENTS, {"model": str(model)})
        named = NamedEngine(name="ceiling", engine=engine)
        evaluate.ask(items, table, model=named, protocol=protocol, seed=0, progress=quiet)
        engine.close()
        return evaluate.figures(items, table.rows(), protocol)


def quiet(*_: Any, **__: Any) -> Any:
    """Progress that shows nothing."""
    return nullcontext(lambda *_: None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--traces", type=int, default=4_000, help="traces of a round")
    parser.add_argument("--patience", type=int, default=3, help="halvings of the rate")
    parser.add_argument("--rounds", type=int, help="rounds at most, also those that are discarded")
    parser.add_argument("--model", type=Path, help="a judge to begin with, in place of the base")
    parser.add_argument("--pairs", type=int, default=1_000, help="benchmark pairs")
    parser.add_argument("--domain", default="plain", choices=get_args(Domain), help="how scenes look")
    parser.add_argument("--keep", type=Path, default=ROOT / "docs" / "runs", help="where the summary goes")
    options = parser.parse_args()
    recipe = load_recipe(ROOT / "src/selfjudge/shapes/demo.yaml")
    with tempfile.TemporaryDirectory() as work:
        bench = ShapesBench(name="shapes-bench", pairs=options.pairs, domain=options.domain)
        ceiling = Ceiling(recipe, Path(work), options.seed, bench)
        model, rate, halved, rounds = options.model or embedded_model(), recipe.training.learning_rate, 0, []
        before, best = ceiling.measure(model, REPORT_SEED, -1), ceiling.measure(model, STOP_SEED, 0)["pair_accuracy"]
        while halved < options.patience and len(rounds) != options.rounds:
            number = len(rounds) + 1
            candidate = Path(work) / f"round-{number}"
            ceiling.fit(model, candidate, rate, number, options.traces)
            figures = ceiling.measure(candidate, STOP_SEED, number)
            rounds.append({"traces": options.traces, "rate": rate, **{k: figures[k] for k in ("accuracy", "pair_accuracy")}})
            print(f"round {number}: {rounds[-1]}", flush=True)
            if figures["pair_accuracy"] > best:
                model, best = candidate, figures["pair_accuracy"]
            else:
                rate, halved = rate / 2, halved + 1
        result = {"seed": options.seed, "before": before, "rounds": rounds, "benchmark": ceiling.measure(model, REPORT_SEED, 0)}
    options.keep.mkdir(parents=True, exist_ok=True)
    name = "ceiling" if options.model is None else f"judge-ceiling-{options.traces}"
    domain = "" if options.domain == "plain" else f"{options.domain}-"
    (options.keep / f"{name}-{domain}{options.seed}.json").write_text(json.dumps(result, indent=2) + "\n")
    print({name: result["benchmark"][name] for name in ("accuracy", "pair_accuracy", "first_position_rate")})


if __name__ == "__main__":
    main()

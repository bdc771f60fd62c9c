"""Measuring one judge on one benchmark, outside of a run: both orders, our reading, an unread verdict is wrong (`strict`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from . import tables
from .ports import NamedEngine, Progress
from .recipe import Bench, Judging, SamplingRecipe, TransformersEngine
from .stages import evaluate as measuring
from .stages import judge as judging
from .store import CARD, RunFolder, Table, fingerprint, read_json, write_json
from .wiring import BASELINES, find_model, make_benchmark, open_baseline, open_engine

GREEDY = SamplingRecipe(temperature=0.0, top_p=1.0, top_k=0)


def evaluate(judge: str, benchmark: Bench, place: RunFolder, *, limit: int | None, progress: Progress) -> dict[str, Any]:
    """The figures of a judge: a model folder, a name on the hub, `shapes`, or a baseline (`first`, `longer`, `random`).

    They are written to `result.json` beside the judgments. The same call again goes on where it stopped. Raises SelfjudgeError.
    """
    asking, identity, model = _judge(judge)
    claim = {"judge": identity, "benchmark": benchmark.model_dump(mode="json"), "limit": limit}
    with place.claim(claim, lambda recipe: recipe):
        items = _items(benchmark, place, limit)
        table = Table(place.root, tables.JUDGMENTS, {"stage": "evaluate", "version": measuring.VERSION, "inputs": claim})
        if not table.sealed:
            engine = open_baseline(judge) if model is None else open_engine(TransformersEngine(), model, place.images.get)
            named = NamedEngine(name=Path(judge).name, engine=engine)
            pairs = [item.pair for item in items]
            judging.judge(pairs, table, model=named, recipe=asking, seed=0, progress=progress)
            engine.close()
        figures = measuring.figures(items, table.rows())
        result = {"judge": judge, "benchmark": benchmark.name, "protocol": "strict", "prompt": asking.template, **figures}
        write_json(place.root / "result.json", result)
    return result


def _judge(name: str) -> tuple[Judging, dict[str, Any], Path | None]:
    """How a judge is asked, what it is, and its model folder; None for a baseline."""
    if name in BASELINES:
        return Judging(template=BASELINES[name], sampling=GREEDY), {"baseline": name}, None
    model = find_model(name)
    card = model / CARD
    trained = Judging(**(read_json(card)["judging"] if card.exists() else {}))
    asking = Judging(template=trained.template, sampling=GREEDY)
    return asking, {"model": fingerprint(model), "asking": asking.model_dump(mode="json")}, model


def _items(benchmark: Bench, place: RunFolder, limit: int | None) -> list[Any]:
    """The items, stored so that the judgments can be read beside them."""
    identity = {"stage": "benchmark", "version": measuring.VERSION, "inputs": benchmark.model_dump(mode="json"), "limit": limit}
    table = Table(place.root, tables.ITEMS, identity)
    if not table.sealed:
        found = make_benchmark(benchmark).items(place.images.put)[:limit]
        table.seal([tables.item_to_row(item) for item in found])
    return [tables.item_of(row) for row in table.rows()]

"""No truth reaches the loop: taken out of the process, it is not missed, and every artifact is the same."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runs import digests, run_recipe, scripted_recipe
from selfjudge.ports import BenchmarkData
from selfjudge.shapes import benchmark, drawing, questions
from selfjudge.shapes.prompts import ShapesPrompts
from selfjudge.wiring import World


def artifacts(folder: Path) -> dict[str, str]:
    """Digests of everything that the loop made; what measures it is left out, and the cards, which tell of the measurement."""
    told = ("benchmarks", "judge/README.md", "judge/selfjudge.json")
    return {path: digest for path, digest in digests(folder).items() if not any(name in path for name in told)}


def test_without_the_truth_in_the_process_the_loop_makes_the_same(
    tmp_path: Path, scripted_run: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
):
    hide_the_truth(monkeypatch)
    state = run_recipe(scripted_recipe("evaluation.benchmarks=[]"), tmp_path)
    assert state["iterations"][2]["benchmarks"] == {}
    assert artifacts(tmp_path) == artifacts(scripted_run[0])


EARLY = "selection.keep=one judging.samples=3 judging.early_exit=true synthesis.closed.early_exit=true"


@pytest.mark.parametrize(
    "changes",
    [
        "prompts.0.domain=photo",
        "prompts.0.domain=pastel",
        "synthesis.labels=flipped",
        "synthesis.labels=coin",
        "synthesis.closed.equivalence=model",
        "synthesis.closed.threshold=12 synthesis.closed.alternative=typed",
        "synthesis.closed.alternative=pooled synthesis.closed.early_exit=true",
        "selection.verdicts=labels",
        "selection.evidence=signed",
        EARLY,
        f"{EARLY} loop.iterations=2 loop.prompts_per_iteration=30 training.replay=1",
        "loop.iterations=2 loop.prompts_per_iteration=20 loop.open_share=[0,0.4]",
        "training.kind=dpo training.learning_rate=1e-4 training.epochs=1",
    ],
)
def test_without_the_truth_the_loop_makes_the_same_in_every_other_arm_of_the_experiments(
    changes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    arm = ("loop.iterations=1", *changes.split())
    run_recipe(scripted_recipe(*arm), tmp_path / "before")
    hide_the_truth(monkeypatch)
    run_recipe(scripted_recipe(*arm, "evaluation.benchmarks=[]"), tmp_path / "after")
    assert artifacts(tmp_path / "before") == artifacts(tmp_path / "after")


def hide_the_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    """The modules that know answers cannot even be imported."""
    for module in ("truth", "lessons", "skills", "benchmark"):
        monkeypatch.setitem(sys.modules, f"selfjudge.shapes.{module}", None)


class Lying:
    """A benchmark whose labels are all turned round."""

    def __init__(self, honest: Any) -> None:
        self.name = honest.name
        self._honest = honest

    def digest(self) -> str:
        return f"lying {self._honest.digest()}"

    def load(self, put: Any, progress: Any, *, limit: int | None = None) -> BenchmarkData:
        data = self._honest.load(put, progress, limit=limit)
        pairs = [(item, item.pair) for item in data.items]
        lies = [replace(item, pair=replace(pair, chosen=pair.rejected, rejected=pair.chosen)) for item, pair in pairs]
        return replace(data, items=tuple(lies))


def test_with_all_labels_of_the_benchmark_turned_round_the_loop_makes_the_same(
    tmp_path: Path, scripted_run: tuple[Path, dict[str, Any]]
):
    def lie(world: World) -> World:
        return replace(world, benchmarks=tuple(Lying(honest) for honest in world.benchmarks))

    run_recipe(scripted_recipe(), tmp_path, lie)
    assert artifacts(tmp_path) == artifacts(scripted_run[0])


def test_with_all_labels_of_an_excluded_benchmark_turned_round_the_loop_makes_the_same(tmp_path: Path):

    def lie(world: World) -> World:
        return replace(world, excluded=tuple(Lying(honest) for honest in world.excluded))

    excluding = scripted_recipe(f"exclude=[{{name: pairs, path: {copied_benchmark(tmp_path)}}}]", "loop.iterations=1")
    state = run_recipe(excluding, tmp_path / "honest")
    assert state["prompts"]["refused"]["contaminated"] == 3
    run_recipe(excluding, tmp_path / "lying", lie)
    assert artifacts(tmp_path / "honest") == artifacts(tmp_path / "lying")


def copied_benchmark(folder: Path) -> Path:
    """Pairs about the pictures of three of the run's prompts."""
    raws = list(ShapesPrompts(scripted_recipe().prompts[0]))[:3]  # type: ignore[arg-type]
    rows = []
    for number, raw in enumerate(raws):
        (folder / f"{number}.png").write_bytes(raw.images[0])  # type: ignore[arg-type]
        rows.append({"prompt": raw.text, "image": f"{number}.png", "chosen": "this", "rejected": "that"})
    (folder / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "pairs.jsonl"


def test_references_beside_the_prompts_change_nothing(tmp_path: Path):
    """The same prompts from a file, with reference answers and without."""
    for name, secret in (("with", {"reference": "a circle at the top", "answer": "two", "label": 1}), ("without", {})):
        folder = tmp_path / name
        folder.mkdir()
        rows = []
        for number, raw in enumerate(ShapesPrompts(scripted_recipe().prompts[0])):  # type: ignore[arg-type]
            (folder / f"{number}.png").write_bytes(raw.images[0])  # type: ignore[arg-type]
            rows.append({"prompt": raw.text, "image": f"{number}.png", "kind": str(raw.kind), **secret})
        (folder / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        run_recipe(scripted_recipe(f"prompts=[{{kind: files, path: {folder / 'prompts.jsonl'}}}]"), folder / "run")
    assert artifacts(tmp_path / "with/run") == artifacts(tmp_path / "without/run")


def test_a_prompt_has_no_place_for_an_answer():
    from selfjudge.run.tables import PAIRS, PROMPTS

    for kind in (PROMPTS, PAIRS):
        assert not {"reference", "answer", "label", "truth", "ground_truth"} & set(kind.schema.names)
    assert not hasattr(questions, "answer")
    assert not hasattr(drawing, "truth")
    assert hasattr(benchmark, "answer")  # the benchmark builder has it, or this test would show nothing

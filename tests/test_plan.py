"""`selfjudge plan`: whether a recipe can run here and what it takes, without running it."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image

from runs import ROOT, no_progress, run_recipe, scripted_recipe
from selfjudge.errors import RunError
from selfjudge.forecast.plan import RunPlan
from selfjudge.forecast.plan import plan as make_plan
from selfjudge.forecast.survey import count_prompts
from selfjudge.recipe.experiment import Recipe
from selfjudge.recipe.file import load_recipe
from selfjudge.stages import pipeline

SHIPPED = [*sorted((ROOT / "recipes").glob("*.yaml")), ROOT / "src/selfjudge/shapes/demo.yaml"]
SCRIPTED = str(ROOT / "recipes/scripted.yaml")


def plan(recipe: Recipe, folder: Path = Path("nowhere"), prompts: int | None = None) -> RunPlan:
    return make_plan(recipe, folder, prompts=prompts, progress=no_progress)


def selfjudge(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "selfjudge", *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120, **options)


def requests(planned: RunPlan) -> Counter[str]:
    """Requests of an iteration by stage."""
    return Counter({stage.stage: stage.cost.requests for stage in planned.stages if stage.when == "each iteration"})


def files(planned: RunPlan) -> Iterator[str]:
    """Every file that a plan names, for each iteration."""
    for stage in planned.stages:
        for name in stage.writes:
            head, _, rest = name.partition("{")
            inner, _, tail = rest.partition("}")
            for each in inner.split(",") if inner else [""]:
                path = f"iteration-K/{head}{each}{tail}" if stage.when == "each iteration" else f"{head}{each}{tail}"
                yield from (path.replace("-K", f"-{number}") for number in range(1, planned.iterations + 1))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_recipe_can_be_planned_also_where_its_model_is_not_here(path: Path, tmp_path: Path):
    planned = plan(load_recipe(path), tmp_path / "run")
    expected = ["synthesize open", "synthesize closed", "pairs", "judge", "select", "train", "gate"]
    assert [stage.stage for stage in planned.stages if stage.when == "each iteration"][:7] == expected
    assert planned.runs is not any(finding.level == "error" for finding in planned.findings)
    assert planned.assumptions and planned.findings and json.dumps(asdict(planned))


@pytest.mark.parametrize(
    "changes",
    [(), ("loop.stop={held_out: 0.3}",), ("loop.prompts_per_iteration=20", "loop.open_share=[0.5]")],
    ids=["plain", "held-out pairs", "open share"],
)
def test_the_files_and_requests_are_at_least_those_of_a_run(changes: tuple[str, ...], tmp_path: Path):
    recipe = scripted_recipe("loop.iterations=1", *changes)
    run_recipe(recipe, tmp_path)
    planned = plan(recipe, tmp_path)
    names = set(files(planned)) - {"report.html"}
    assert not [name for name in names if not (tmp_path / name).exists()]
    written = {p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file()}
    written = {p for p in written if not p.name.endswith((".manifest.json", ".lock", ".hashes.json", ".monitors.json"))}
    folders = {Path(name) for name in names if (tmp_path / name).is_dir()}
    assert not [path for path in written if str(path) not in names and not folders & set(path.parents)]
    asked = sum(map(rows, (*tmp_path.rglob("responses.parquet"), *tmp_path.rglob("judgments.parquet"))))
    gate = requests(planned)["gate"]
    assert asked <= planned.total.requests - gate <= 1.5 * asked and planned.done == 1


def rows(path: Path) -> int:
    return int(pq.read_metadata(path).num_rows)


def test_the_identities_of_a_run_are_those_of_the_pipeline(scripted_run: tuple[Path, dict[str, Any]]):
    named = {stage.name: stage for stage in (*pipeline.ONCE, *pipeline.ITERATION)}
    manifests = [json.loads(path.read_text())["identity"] for path in scripted_run[0].rglob("*.manifest.json")]
    by_content = [identity for identity in manifests if identity["stage"] == "benchmark"]
    made = [identity for identity in manifests if identity not in by_content]
    assert {"ingest", "synthesize", "pairs", "judge", "select", "train"} == {identity["stage"] for identity in made}
    for identity in made:
        stage = named[identity["stage"]]
        assert identity["version"] == stage.version and set(identity["inputs"]) <= set(stage.inputs)
        assert set(identity["recipe"]) <= {"seed", *stage.recipe}


def test_inputs_that_a_stage_does_not_declare_are_a_mistake_of_the_loop():
    with pytest.raises(TypeError, match="select does not declare that it reads mood"):
        pipeline.SELECT.identity({"seed": 0}, pairs="a", mood="b")


def test_nothing_is_written_loaded_or_asked_over_a_network(tmp_path: Path):
    heavy = ("torch", "transformers", "trl", "vllm", "ray", "huggingface_hub")
    probe = f"""
import socket, sys
def refuse(*_): raise AssertionError("a plan needs no network")
socket.socket.connect = socket.create_connection = refuse
sys.argv = ["selfjudge", "run", "recipe.yaml", "--dry-run"]
from selfjudge.cli import main
try:
    main()
finally:
    print([name for name in {heavy} if name in sys.modules], file=sys.stderr)
"""
    recipe = "name: mine\nmodel: org/vlm\nprompts: [{kind: dataset, path: org/prompts}]\n"
    (tmp_path / "recipe.yaml").write_text(recipe)
    done = subprocess.run([sys.executable, "-c", probe], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr.strip().endswith("[]"), done.stderr
    assert done.returncode == 0 and [path.name for path in tmp_path.iterdir()] == ["recipe.yaml"]
    shown = " ".join(done.stdout.split())
    assert "org/prompts has 10,000 prompts, 5,000 of them open: it was not read" in shown
    assert "org/prompts is not a folder here" in "".join(c for c in shown if c not in "│")  # of a table
    assert "per billion parameters: the model is not here" in shown and "mine can run here" in shown


def test_parts_of_a_data_set_that_cannot_be_read_are_of_the_kind_that_the_recipe_says_and_named_once(
    capsys: pytest.CaptureFixture[str],
):
    parts = [
        f"{{kind: dataset, path: org/prompts, config: c{n}, route: {way}, limit: 100}}"
        for n, way in enumerate(("open", "closed", "auto"))
    ]
    recipe = scripted_recipe(f"prompts=[{', '.join(parts)}]")
    _, assumed, _ = count_prompts(recipe, no_progress)
    assert assumed == ["org/prompts has 300 prompts, 150 of them open: it was not read"]


@pytest.mark.slow
def test_a_recipe_that_cannot_run_here_ends_with_1_and_says_why(tmp_path: Path):
    for command in (("run", "--dry-run"), ("plan",), ("plan", "--measure")):
        done = selfjudge(*command, ROOT / "recipes/own-images.yaml", cwd=tmp_path)
        assert done.returncode == 1 and "there is no model" in done.stdout and "cannot run here" in done.stdout


def test_the_folder_of_another_recipe_is_an_error_already_now(scripted_run: tuple[Path, dict[str, Any]]):
    with pytest.raises(RunError, match=r"`selection\.keep`"):
        plan(scripted_recipe("selection.keep=all"), scripted_run[0])


def prompts_in(folder: Path, *written: Any) -> Recipe:
    (folder / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in written))
    return scripted_recipe(f"prompts=[{{kind: files, path: {folder / 'prompts.jsonl'}}}]")


def test_rows_of_a_file_are_counted_by_kind_and_refused_ones_are_shown(tmp_path: Path):
    for number in range(5):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / f"{number}.png")
    usable = [{"prompt": "Describe it.", "image": f"{n}.png"} for n in range(3)]
    usable += [{"prompt": "How many dogs are there?", "image": f"{n}.png"} for n in range(5)]
    planned = plan(prompts_in(tmp_path, *usable, {"image": "b.png"}))
    assert asdict(planned.prompts) == {"open": 3, "closed": 5, "per_iteration": 8, "refused": 1}
    [refused] = asdict(planned)["refused"]
    assert refused["reason"] == "no_prompt" and refused["examples"][0]["place"] == str(tmp_path / "prompts.jsonl:9")


def test_prompts_of_which_none_can_be_used_are_an_error(tmp_path: Path):
    planned = plan(prompts_in(tmp_path, {"image": "b.png"}))
    assert not planned.runs and "not one prompt can be used: no_prompt (1)" in [f.what for f in planned.findings]
    others = "[{kind: files, path: " + str(tmp_path / "prompts.jsonl") + "}, {kind: dataset, path: org/prompts, limit: 7}]"
    assert plan(scripted_recipe(f"prompts={others}")).runs
    planned = plan(prompts_in(tmp_path, {"prompt": "what is it?", "image": "gone.png"}), prompts=5)
    assert not planned.runs and "not one prompt can be used: image_missing (1)" in [f.what for f in planned.findings]


def test_images_beyond_the_first_rows_are_not_opened_and_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("selfjudge.forecast.survey.OPENED", 2)
    planned = plan(prompts_in(tmp_path, *({"prompt": f"{n}?", "image": "gone.png"} for n in range(5)), {"prompt": "6?"}))
    assert (planned.prompts.closed + planned.prompts.open, planned.prompts.refused) == (3, 3)
    assert "3 prompts can be used: images of the first 2 rows were opened, and none was fetched" in planned.assumptions


def test_gpu_hours_follow_from_what_is_asked(tmp_path: Path):
    def hours(*changes: str) -> RunPlan:
        return plan(load_recipe(ROOT / "src/selfjudge/shapes/demo.yaml", changes), tmp_path)

    once, twice = hours("loop.iterations=1"), hours("loop.iterations=2")
    assert twice.training.gpu_hours == pytest.approx(3 * once.training.gpu_hours)  # what was kept before is learned again
    longer = hours("loop.iterations=4")
    assert longer.training.gpu_hours == pytest.approx(7 * once.training.gpu_hours)  # but no iteration older than the one before
    afresh = hours("loop.iterations=2", "training.replay=0")
    assert afresh.training.gpu_hours == pytest.approx(2 * once.training.gpu_hours)
    assert once.total.hours < twice.total.hours < 2 * once.total.hours  # the base is measured but once
    traces, epochs, tokens = 2 * 600, 3, 2_048 + 48
    assert once.training.gpu_hours == pytest.approx(8 * once.parameters * traces * epochs * tokens / (0.3 * 989e12) / 3600)
    assert hours("training.kind=scripted").training.gpu_hours == 0


def test_publishing_without_a_token_is_found_before_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("HF_TOKEN", raising=False)
    planned = plan(scripted_recipe("execution.push=me/judge"), tmp_path)
    assert not planned.runs and "publish" in [stage.stage for stage in planned.stages]
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    assert plan(scripted_recipe("execution.push=me/judge"), tmp_path).runs


def test_a_measured_plan_predicts_what_a_run_then_takes(tmp_path: Path):
    recipe = scripted_recipe("prompts.0.limit=200", "loop.iterations=2")
    planned = plan(recipe, tmp_path / "planned", prompts=40)
    entry = run_recipe(recipe, tmp_path / "run")["iterations"][1]
    stages = {stage.stage: stage for stage in planned.stages if stage.when == "each iteration"}
    written = sum(stages[f"synthesize {kind}"].cost.completion_tokens for kind in ("open", "closed"))
    assert written == pytest.approx(entry["tokens"]["synthesize"]["completion"], rel=0.1)
    assert stages["judge"].cost.completion_tokens == pytest.approx(entry["tokens"]["judge"]["completion"], rel=0.15)
    assert planned.training.pairs == pytest.approx(entry["pairs"], rel=0.1)
    assert planned.training.kept / planned.training.pairs == pytest.approx(entry["yield"], abs=0.15)
    assert {stage.basis for stage in stages.values() if stage.cost.requests} == {"measured"}
    assert planned.total.requests == pytest.approx(2 * requests(planned).total() + 2 * 20, rel=0.01)


def test_a_sample_of_everything_counts_every_request():
    recipe = scripted_recipe()
    planned = plan(recipe, prompts=1_000)
    opened, closed = planned.prompts.open, recipe.synthesis.closed.samples * planned.prompts.closed
    assert planned.prompts.open + planned.prompts.closed == sum(planned.sample.values()) == 60
    asked = requests(planned)
    assert asked["synthesize closed"] == closed
    assert opened <= asked["synthesize open"] <= 2 * opened  # an original that cannot be used has no copy
    assert asked["judge"] == 2 * planned.training.pairs * recipe.judging.samples


def test_a_measurement_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    planned = plan(scripted_recipe(), tmp_path / "run", prompts=5)
    assert list(tmp_path.iterdir()) == [] and planned.disk.total > 0


@pytest.mark.slow
def test_the_command_shows_one_report_and_json(tmp_path: Path):
    shown = selfjudge("plan", SCRIPTED, "--measure", "--prompts", "5", cwd=tmp_path).stdout
    assert "WHOLE RUN" in shown and "measured" in shown and "assumed:" in shown and "scripted can run here" in shown
    planned = json.loads(selfjudge("plan", SCRIPTED, "--format", "json", cwd=tmp_path).stdout)
    assert planned["iterations"] == 2 and planned["total"]["requests"] > 0 and planned["sample"] == {}
    dry_run, again = selfjudge("run", SCRIPTED, "--dry-run", cwd=tmp_path), selfjudge("plan", SCRIPTED, cwd=tmp_path)
    assert [line for line in dry_run.stdout.splitlines() if " free" not in line] == [
        line for line in again.stdout.splitlines() if " free" not in line
    ]


def test_a_file_of_pairs_that_cannot_be_read_is_a_finding(tmp_path: Path):
    (tmp_path / "pairs.jsonl").write_bytes(gzip.compress(b"{}"))
    made = scripted_recipe(f"evaluation.benchmarks=[{{name: pairs, path: {tmp_path / 'pairs.jsonl'}}}]")
    assert any("it is packed with gzip" in finding.what for finding in plan(made, tmp_path / "run").findings)

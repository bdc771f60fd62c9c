"""A recipe is read at the edge, and a mistake in it is answered with the place and the way out."""

import re
from pathlib import Path

import pytest

from selfjudge.errors import RecipeError
from selfjudge.recipe.experiment import Recipe
from selfjudge.recipe.file import load_recipe

MINIMAL = "model: shapes\nprompts: [{kind: shapes}]\n"
SHIPPED = [*sorted(Path("recipes").glob("*.yaml")), Path("src/selfjudge/shapes/demo.yaml")]


def load(folder: Path, text: str, *overrides: str) -> Recipe:
    path = folder / "recipe.yaml"
    path.write_text(text)
    return load_recipe(path, overrides)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_recipe_is_valid(path: Path):
    assert load_recipe(path).name == path.stem


def test_files_that_commands_in_shipped_recipes_name_are_there():
    named = [name for path in SHIPPED for name in re.findall(r"^#.*--set \S*accelerate_config=(\S+)", path.read_text(), re.M)]
    assert named and all(Path(name).is_file() for name in named)


def test_the_defaults_are_the_papers_values(tmp_path: Path):
    recipe = load(tmp_path, MINIMAL)
    assert (recipe.synthesis.closed.samples, recipe.synthesis.closed.threshold) == (16, 5)
    sampling = recipe.synthesis.closed.sampling
    assert (sampling.temperature, sampling.top_k, sampling.top_p) == (0.6, 50, 0.9)
    assert (recipe.judging.samples, recipe.selection.both_orders, recipe.selection.evidence) == (1, True, False)
    assert (recipe.training.learning_rate, recipe.training.epochs, recipe.training.start) == (1e-5, 5, "continue")
    assert (recipe.loop.iterations, recipe.loop.prompts_per_iteration) == (4, None)


def test_a_change_on_the_command_line_wins(tmp_path: Path):
    recipe = load(tmp_path, MINIMAL, "loop.iterations=2", "prompts.0.limit=7", "selection.evidence=true")
    assert (recipe.loop.iterations, recipe.prompts[0].limit, recipe.selection.evidence) == (2, 7, True)


@pytest.mark.parametrize(
    ("beside", "way_out"),
    [
        ("selection.both_orders=false", "set selection.both_orders: true"),
        ("selection.verdicts=labels", "selection.verdicts: judged"),
    ],
)
def test_a_probability_that_a_pair_must_have_is_of_the_judges_verdicts_in_both_orders(tmp_path: Path, beside: str, way_out: str):
    with pytest.raises(RecipeError, match=way_out):
        load(tmp_path, MINIMAL, beside, "selection.min_probability=0.9")
    with pytest.raises(RecipeError, match="min_probability"):
        load(tmp_path, MINIMAL, "selection.min_probability=1.5")
    assert load(tmp_path, MINIMAL, "selection.min_probability=0.9").selection.min_probability == 0.9


@pytest.mark.parametrize("labels", ["coin", "flipped"])
def test_a_control_of_labels_is_not_shown_them_by_signed_evidence(tmp_path: Path, labels: str):
    with pytest.raises(RecipeError, match="a control of labels needs another"):
        load(tmp_path, MINIMAL, f"synthesis.labels={labels}", "selection.evidence=signed")
    assert load(tmp_path, MINIMAL, f"synthesis.labels={labels}", "selection.evidence=true").synthesis.labels == labels


def test_paths_on_the_command_line_start_at_the_current_folder_and_those_of_the_file_at_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        (folder / "model").mkdir(parents=True)
        (folder / "set").mkdir()
    monkeypatch.chdir(here)
    text = (
        "model: model\nprompts: [{kind: files, path: p.jsonl}, {kind: dataset, path: set}]\n"
        "exclude: [{name: pairs, path: e.jsonl}]\nevaluation: {benchmarks: [{name: pairs, path: b.jsonl}]}\n"
        "execution: {engine: {kind: vllm, python: bin/python}, training: {launcher: accelerate, accelerate_config: a.yaml}}\n"
    )
    changed = [
        *("model=model", "prompts.0.path=p.jsonl", "prompts.1={kind: dataset, path: set}", "exclude.0.path=e.jsonl"),
        *("evaluation.benchmarks=[{name: pairs, path: b.jsonl}]", "execution.engine.python=bin/python"),
        "execution.training.accelerate_config=a.yaml",
    ]
    for folder, overrides in ((there, []), (here, changed)):
        recipe = load(there, text, *overrides)
        found = (recipe.model, *(source.path for source in recipe.prompts), recipe.exclude[0].path)
        found += (
            recipe.evaluation.benchmarks[0].path,
            recipe.execution.engine.python,
            recipe.execution.training.accelerate_config,
        )
        names = ("model", "p.jsonl", "set", "e.jsonl", "b.jsonl", "bin/python", "a.yaml")
        assert list(map(str, found)) == [str(folder / name) for name in names]


@pytest.mark.parametrize(
    ("text", "overrides", "message", "hint"),
    [
        (MINIMAL + "loop:\n  iteratons: 3\n", (), "recipe.yaml:4: unknown key `loop.iteratons`", "`iterations`"),
        (
            "model: shapes\nprompts: [{kind: shapes}, {kind: dataset, path: ./photos}]\n",
            (),
            "recipe.yaml:2: there is no folder ./photos",
            "start at the recipe's folder",
        ),
        ("model: shapes\nprompts: [{kind: dataset, path: recipe.yaml}]\n", (), "there is no folder recipe.yaml", "kind: files"),
        (MINIMAL, ("exclude=[{name: mmrb2, path: a/b/c}]",), "a/b/c}]: there is no file or folder a/b/c", "--set"),
        (MINIMAL, ("selection.evidense=true",), "--set selection.evidense=true: unknown key", "`evidence`"),
        (
            "model: shapes\nprompts:\n  - kind: shapes\n    limt: 3\n",
            (),
            "recipe.yaml:4: unknown key `prompts.0.limt`",
            "`limit`",
        ),
        (MINIMAL, ("execution.engine.batchsize=3",), "unknown key `execution.engine.batchsize`", "`batch_size`"),
        (MINIMAL, ("training.learning_rate=.inf",), "`training.learning_rate`: input should be a finite number", ""),
        (MINIMAL, ("judging.sampling.temperature=.nan",), "`judging.sampling.temperature`: input should be a finite number", ""),
        (MINIMAL, ("synthesis.open.length_ratio=.inf",), "`synthesis.open.length_ratio`: input should be a finite number", ""),
        (MINIMAL, ("loop.iterations=.inf",), "`loop.iterations`: input should be a finite number", ""),
        (MINIMAL + "loop: {iterations: many}\n", (), "recipe.yaml:3: `loop.iterations`", "'many'"),
        (
            MINIMAL + "execution:\n  engine: {kind: magic}\n",
            (),
            "recipe.yaml:4: `execution.engine.kind` cannot be `magic`",
            "Known here: ",
        ),
        ("model: shapes\nprompts: [{kind: file, path: x}]\n", (), "recipe.yaml:2: `prompts.0.kind` cannot be `file`", "`files`"),
        ("modle: shapes\nprompts: [{kind: shapes}]\n", (), "recipe.yaml:1: unknown key `modle`", "Did you mean `model`?"),
        (
            "modle: shapes\nprompts: [{kind: shapes}]\npromts: 1\n",
            (),
            "unknown key `modle` (2 more after this one: `model`, `promts`)",
            "Did you mean `model`?",
        ),
        (
            "model: shapes\nprompts: [{path: ../imgs}]\n",
            (),
            "recipe.yaml:2: `prompts.0.kind` is missing",
            "Known here: files, im",
        ),
        ("model: shapes\nprompts: []\n", (), "recipe.yaml:2: `prompts` is empty", "at least one entry"),
        ("model: shapes\nprompts: ../imgs\n", (), "recipe.yaml:2: `prompts` is not a list", "Write a list; it is '../imgs' now."),
        ("model: shapes\nprompts: [x.jsonl]\n", (), "`prompts.0` is not a mapping of keys to values", "it is 'x.jsonl' now"),
        (
            MINIMAL,
            ("evaluation.benchmarks=[{path: x}]",),
            "`evaluation.benchmarks.0.name` is missing",
            "Known here: shapes-bench",
        ),
        (MINIMAL, ("execution.push.to=x",), "`execution.push.to` cannot be 'x'", "docs/recipe.md"),
        (
            MINIMAL,
            ("execution.engine={kind: ray, replicas: [1]}",),
            "`execution.engine.replicas` cannot be [1]",
            "docs/recipe.md",
        ),
        (MINIMAL, ("selection.evidence=sign",), "`selection.evidence` cannot be 'sign'", "docs/recipe.md"),
        (MINIMAL, ("seed=",), "--set seed=: `seed`", "Write a whole number; it is empty now."),
        (MINIMAL, ("loop.iterations=two",), "`loop.iterations`", "Write a whole number; it is 'two' now."),
        (MINIMAL + "engine: {kind: openai}\n", (), "recipe.yaml:3: unknown key `engine`", "`execution.engine`"),
        (MINIMAL, ("training.processes=1",), "unknown key `training.processes`", "`execution.training.processes`"),
        (MINIMAL, ("execution.engine.served_model=x",), "unknown key `execution.engine.served_model`", "`served_model`"),
        (
            MINIMAL + "judging: {template: '{first}'}\n",
            (),
            "recipe.yaml:3: `judging.template`: the template lacks {second}",
            "",
        ),
        (MINIMAL + "judging: {template: '{first} {second} {third}'}\n", (), "the template has {third}", ""),
        (
            MINIMAL + "judging: {template: 'A: {first} ANSWER B {second}'}\n",
            (),
            "recipe.yaml:3: `judging.template`: a response could forge `ANSWER B`",
            "[Response A begins]",
        ),
        (MINIMAL + "loop: {prompts: fresh}\n", (), "unknown key `loop.prompts`", "prompts_per_iteration"),
        (
            MINIMAL + "synthesis: {closed: {sampling: {temperature: 3}}}\nexecution: {engine: {kind: vllm}}\n",
            (),
            "recipe.yaml:4: `execution`: vLLM samples at temperatures up to 2, and this recipe has 3",
            "vllm",
        ),
        (
            MINIMAL + "loop: {open_share: [0, 0.5]}\n",
            (),
            "recipe.yaml:3: `loop.open_share`: it is a share of fresh prompts: set loop.prompts_per_iteration",
            "",
        ),
        (MINIMAL + "loop: {prompts_per_iteration: 9, open_share: [2]}\n", (), "`loop.open_share.0`", ""),
        (MINIMAL + "training: {batch_size: 3}\n", (), "batch_size must be a multiple", ""),
        ("prompts: [{kind: shapes}]\n", (), "`model` is missing", "recipes/"),
        ("model: shapes\nmodel: other\n", (), "recipe.yaml:2: `model` is set twice", "line 1"),
        ("model: [1\n", (), "not valid YAML", ""),
        ("- a\n", (), "a recipe is a mapping", ""),
        ("", (), "a recipe is a mapping", ""),
        (MINIMAL, ("nonsense",), "not of the form a.b=c", "loop.iterations=2"),
        (MINIMAL, ("prompts.5.limit=1",), "there is no such place", "count from 0"),
        (MINIMAL, ("model.x=1",), "there is no such place", ""),
        (MINIMAL, ("model=[",), "--set model: not valid YAML", "Quote the value"),
    ],
)
def test_a_mistake_names_its_place_and_the_way_out(tmp_path: Path, text: str, overrides: tuple, message: str, hint: str):
    with pytest.raises(RecipeError) as error:
        load(tmp_path, text, *overrides)
    assert message in str(error.value)
    assert hint in str(error.value.hint)


@pytest.mark.parametrize("name", ["missing.yaml", "folder"])
def test_a_recipe_that_cannot_be_read_is_an_error(tmp_path: Path, name: str):
    (tmp_path / "folder").mkdir()
    with pytest.raises(RecipeError, match="cannot read the recipe"):
        load_recipe(tmp_path / name)


def test_paths_in_a_recipe_start_at_its_folder(tmp_path: Path):
    (tmp_path / "model").mkdir()
    recipe = load(tmp_path, "model: model\nprompts: [{kind: files, path: data/p.jsonl}, {kind: dataset, path: org/name}]\n")
    assert recipe.model == str(tmp_path / "model")
    assert recipe.prompts[0].path == tmp_path / "data/p.jsonl"
    assert recipe.prompts[1].path == "org/name"


def test_the_interpreter_of_a_server_is_found_from_the_recipe_and_its_link_is_kept(tmp_path: Path):
    (tmp_path / "python").symlink_to("/usr/bin/env")
    recipe = load(tmp_path, MINIMAL + "execution: {engine: {kind: vllm, python: env/../python}}\n")
    assert recipe.execution.engine.python == tmp_path / "env/../python"
    assert load(tmp_path, MINIMAL + "execution: {engine: {kind: vllm}}\n").execution.engine.python is None


def test_the_digest_tells_recipes_apart(tmp_path: Path):
    assert (
        load(tmp_path, MINIMAL).digest
        == load(tmp_path, MINIMAL + "seed: 0\n").digest
        != load(tmp_path, MINIMAL + "seed: 1\n").digest
    )


def test_benchmarks_whose_prompts_are_excluded_are_part_of_a_recipe(tmp_path: Path):
    excluding = load(tmp_path, MINIMAL + "exclude: [{name: shapes-bench}, {name: pairs, path: data/pairs.jsonl}]\n")
    assert [bench["name"] for bench in excluding.as_json()["exclude"]] == ["shapes-bench", "pairs"]
    assert excluding.exclude[1].path == tmp_path / "data/pairs.jsonl"
    assert excluding.digest != load(tmp_path, MINIMAL).digest


@pytest.mark.parametrize("engine", ["{kind: openai}", "{kind: ray, replica: {kind: openai}}"])
def test_a_server_with_one_model_cannot_stand_for_the_judges_of_a_run_that_trains(tmp_path: Path, engine: str):
    served = f"{MINIMAL}served_model: org/vlm\nexecution: {{engine: {engine}}}\n"
    with pytest.raises(RecipeError, match="'org/vlm', would answer for every judge") as error:
        load(tmp_path, served)
    assert "execution.engine.kind vllm" in str(error.value.hint)
    untrained = load(tmp_path, f"{served}training: {{kind: scripted}}\n")
    assert untrained.execution.engine.kind in ("openai", "ray")


def test_a_model_that_a_server_has_is_not_asked_of_an_engine_that_loads_models(tmp_path: Path):
    with pytest.raises(RecipeError, match="`execution`: transformers loads `model`") as error:
        load(tmp_path, f"{MINIMAL}served_model: org/vlm\ntraining: {{kind: scripted}}\n")
    assert "execution.engine.kind: openai" in str(error.value.hint)


def test_several_processes_need_a_launcher_and_a_batch_that_they_can_share(tmp_path: Path):
    with pytest.raises(RecipeError, match="several processes need a launcher"):
        load(tmp_path, MINIMAL, "execution.training.processes=2")
    with pytest.raises(RecipeError, match="multiple of execution.training's device_batch_size times processes"):
        load(tmp_path, MINIMAL, "execution.training.processes=3", "execution.training.launcher=accelerate")


@pytest.mark.parametrize("launcher", ["process", "ray"])
def test_weights_are_spread_by_accelerate_alone_and_where_every_prompt_has_an_image(tmp_path: Path, launcher: str):
    spread = "execution.training.accelerate_config=fsdp2.yaml"
    with pytest.raises(RecipeError, match="accelerate_config needs `launcher: accelerate`"):
        load(tmp_path, MINIMAL, spread, f"execution.training.launcher={launcher}")
    with pytest.raises(RecipeError, match="leave allow_text_only out"):
        load(
            tmp_path,
            MINIMAL,
            spread,
            "execution.training.launcher=accelerate",
            "prompts=[{kind: dataset, path: org/name, allow_text_only: true}]",
        )
    assert load(tmp_path, MINIMAL, spread, "execution.training.launcher=accelerate").execution.training.accelerate_config

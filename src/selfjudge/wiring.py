"""Wiring: the only file that names concrete adapters, by kind. Each is imported when it is first needed, never before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import InputError, SelfjudgeError, failed_import
from .figures import Executed
from .hub.models import find_base
from .ports import Benchmark, Engine, Hub, PromptSource, ReadImage, Trainer
from .recipe.engines import EngineSettings, OpenAISettings, RaySettings, TransformersSettings, VLLMSettings
from .recipe.experiment import MAX_PIXELS, Recipe
from .recipe.file import hub_can_have, load_recipe
from .recipe.inputs import SUFFIXES, Bench, DatasetSource, FilesSource, ImagesSource, PairsBench, PublicBench, ShapesBench, Source
from .run.executions import execution_of
from .run.fingerprint import check_unchanged, fingerprint
from .run.folder import ImageStore, RunFolder
from .run.lineage import at_commits, image_files, prompt_files
from .stages.synthesize import Choose
from .types import ImageRef

if TYPE_CHECKING:
    from .benchmarks.public import Spec

_ENGINES = {
    "transformers": "engines.local:TransformersEngine",
    "openai": "engines.openai:OpenAIEngine",
    "vllm": "engines.vllm:VLLMEngine",
    "scripted": "engines.scripted:ScriptedEngine",
    "baseline": "engines.baseline:Baseline",
    "ray": "engines.ray:RayEngine",
}
_EXTRAS = {"openai": "http", "ray": "ray", "vllm": "http"}
"""What to install for an adapter, where it is not `local`."""
_TRAINERS = {
    "sft": "trainers.local:LocalTrainer",
    "dpo": "trainers.local:LocalTrainer",
    "scripted": "trainers.scripted:ScriptedTrainer",
    "accelerate": "trainers.launched:AccelerateTrainer",
    "ray": "trainers.ray:RayTrainer",
}
_HUBS = {"huggingface": "hub.uploading:HuggingFaceHub"}
_SOURCES = {
    "files": "sources.files:FilePrompts",
    "dataset": "sources.dataset:DatasetPrompts",
    "images": "sources.images:ImagePrompts",
    "shapes": "shapes.prompts:ShapesPrompts",
    "run": "sources.run:RunPrompts",
}
_BENCHMARKS = {
    "shapes-bench": "shapes.benchmark:ShapesBenchmark",
    "pairs": "sources.pairs:PairsBenchmark",
    "public": "benchmarks.public:PublicBenchmark",
}
_SPECS = {
    "vl-rewardbench": "benchmarks.vl_rewardbench:SPEC",
    "multimodal-rewardbench": "benchmarks.multimodal_rewardbench:SPEC",
    "mm-rlhf-rewardbench": "benchmarks.mm_rlhf_rewardbench:SPEC",
    "mmrb2": "benchmarks.mmrb2:SPEC",
    "mllm-as-a-judge": "benchmarks.mllm_as_a_judge:SPEC",
    "rewardbench": "benchmarks.rewardbench:SPEC",
    "rewardbench-2": "benchmarks.rewardbench2:SPEC",
    "judgebench": "benchmarks.judgebench:SPEC",
    "multi-crit": "benchmarks.multi_crit:SPEC",
}
_SCORES = {
    "vl-rewardbench": "benchmarks.vl_rewardbench:score",
    "multimodal-rewardbench": "benchmarks.multimodal_rewardbench:score",
    "mmrb2": "benchmarks.mmrb2:score",
    "judgebench": "benchmarks.judgebench:score",
    "multi-crit": "benchmarks.multi_crit:score",
    "rewardbench": "benchmarks.rewardbench:score",
    "rewardbench-2": "benchmarks.rewardbench2:score",
}

BASELINES = dict.fromkeys(("first", "longer", "random"), "<first>{first}</first>\n<second>{second}</second>")
"""Judges that look at nothing, and how they are asked: a response cannot hold these marks, so both can be told apart again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What a run needs of the outside, made from its recipe."""

    base: Path
    sources: tuple[PromptSource, ...]
    benchmarks: tuple[Benchmark, ...]
    trainer: Trainer
    open_engine: Callable[[Path], Engine]
    base_commit: str | None = None
    """The commit of a base model of the hub."""
    execution: Executed = field(default_factory=Executed)
    """How the engine's answers are computed."""
    excluded: tuple[Benchmark, ...] = ()
    open_reference: Callable[[Path], Engine] | None = None
    """The engine that a served judge must agree with; None where no servers of ours are used."""
    open_candidate: Callable[[Path], Engine] | None = None
    """The engine that asks a new judge before it is accepted; None where a judge that is not trained would have to be loaded."""
    choose: Choose | None = None
    """An experiment's way to make other pairs of the same responses, which may know the truth; no recipe has one."""
    hub: Hub | None = None
    """Where the run publishes; None where its recipe does not say so."""


class OneEngine:
    """At most one engine at a time, opened when it is first asked for."""

    def __init__(self, open_engine: Callable[[Path], Engine]) -> None:
        self._open_engine = open_engine
        self._held: tuple[Path, Engine] | None = None

    def get(self, model: Path) -> Engine:
        if self._held is None or self._held[0] != model:
            self.close()
            self._held = (model, self._open_engine(model))
        return self._held[1]

    def close(self) -> None:
        if self._held is not None:
            self._held[1].close()
        self._held = None


def make_world(recipe: Recipe, place: RunFolder) -> World:
    """The adapters that a recipe names, for a run in this folder. Raises SelfjudgeError where one cannot be made."""
    base = find_base(recipe.model, place.root)
    return World(
        base=base.path,
        base_commit=base.commit,
        sources=tuple(make_source(one, place.fetched) for one in at_commits(recipe.prompts, place.root / "prompts")),
        benchmarks=tuple(map(make_benchmark, recipe.evaluation.benchmarks)),
        trainer=_make_trainer(recipe, place.images),
        open_engine=partial(_open_for_run, recipe, place),
        execution=execution_of(recipe.execution.engine),
        open_reference=_reference(recipe.execution.engine, place),
        excluded=tuple(map(make_benchmark, recipe.exclude)),
        open_candidate=_candidate(recipe, place),
        hub=None if recipe.execution.push is None else _load(_HUBS, "huggingface")(),
    )


def _candidate(recipe: Recipe, place: RunFolder) -> Callable[[Path], Engine] | None:
    """In this process: to start servers, or to tell those of others, takes longer than a few replies."""
    engine = recipe.execution.engine.replica if isinstance(recipe.execution.engine, RaySettings) else recipe.execution.engine
    if isinstance(engine, OpenAISettings | VLLMSettings):
        if recipe.training.kind == "scripted":
            return None
        engine = TransformersSettings(dtype=getattr(engine, "dtype", "auto"))
    return lambda model: open_engine(engine, model, place.images.get)


def _reference(recipe: EngineSettings, place: RunFolder) -> Callable[[Path], Engine] | None:
    if not isinstance(recipe, VLLMSettings):
        return None
    same = TransformersSettings(dtype=recipe.dtype)
    return lambda model: open_engine(same, model, place.images.get)


def make_benchmark(recipe: Bench) -> Benchmark:
    """The benchmark that a recipe names."""
    spec = find_spec(recipe.name)
    benchmark: Benchmark = _load(_BENCHMARKS, recipe.name)(recipe) if spec is None else _load(_BENCHMARKS, "public")(recipe, spec)
    return benchmark


def find_spec(name: str) -> Spec | None:
    """What there is to know about one of other people's benchmarks; None where the name is none of theirs."""
    spec: Spec | None = _load(_SPECS, name) if name in _SPECS else None
    return spec


def known_rows(name: str) -> tuple[int, ...]:
    """The counts of rows that a benchmark is known to have had, newest first."""
    from .benchmarks.catalogue import entry_of

    return entry_of(name).rows


def named_benchmark(text: str, *, allow_missing: bool = False, allow_outside: bool = False, exclude: Sequence[str] = ()) -> Bench:
    """A benchmark as the command line names it: NAME, NAME=PATH, NAME=HUB/NAME@REVISION, or a JSONL file of pairs."""
    if text == "shapes-bench":
        return ShapesBench(name="shapes-bench")
    name, _, where = text.partition("=")
    if find_spec(name) is None:
        path = Path(where if name == "pairs" else text)
        if name != "pairs" and path.suffix != ".jsonl":
            raise InputError(
                f"there is no benchmark {name}", hint="`selfjudge benchmarks` lists them; a file of pairs ends in .jsonl."
            )
        return PairsBench(name="pairs", path=path, allow_outside=allow_outside)
    revision = None
    if where and not Path(where).exists():
        where, _, revision = where.partition("@")
    return PublicBench(
        name=name,  # type: ignore[arg-type]  # find_spec knows it
        path=where or None,
        revision=revision or None,
        allow_missing=allow_missing,
        allow_outside=allow_outside,
        exclude=tuple(exclude),
    )


def find_prompts(name: str, *, allow_outside: bool = False) -> tuple[tuple[PromptSource, ...], int]:
    """The prompts that a name stands for, and the pixels that an image may have.

    A recipe file, a run folder, a JSONL or Parquet file or a folder of them, or a data set: a folder, or a name on the hub.
    Raises SelfjudgeError.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        recipe = load_recipe(path)
        return tuple(map(make_source, recipe.prompts)), recipe.max_pixels
    if (path / "prompts" / "prompts.parquet").exists():
        run: PromptSource = _load(_SOURCES, "run")(path)
        return (run,), MAX_PIXELS
    return (make_source(_named_source(name, path, allow_outside)),), MAX_PIXELS


def excluded_by(name: str) -> tuple[Benchmark, ...]:
    """The benchmarks that a recipe excludes, where the name is that of one. Raises SelfjudgeError."""
    recipe = load_recipe(Path(name)) if Path(name).suffix in (".yaml", ".yml") else None
    return () if recipe is None else tuple(map(make_benchmark, recipe.exclude))


def _named_source(name: str, path: Path, allow_outside: bool) -> Source:
    files = path.suffix.lower() in SUFFIXES or path.is_file() or (path.is_dir() and bool(prompt_files(path)))
    if not path.exists() and not hub_can_have(name):
        raise InputError(
            f"there are no prompts {name}",
            hint="Name a recipe, a run folder, a file of prompts, a folder of files or images, or a data set.",
        )
    from .sources.archives import data_files

    if path.suffix.lower() == ".zip" and data_files(path):
        return FilesSource(kind="files", path=path, allow_outside=allow_outside)
    if path.suffix.lower() == ".zip" or (path.is_dir() and not files and image_files(path)):
        return ImagesSource(kind="images", path=path)
    if files:
        return FilesSource(kind="files", path=path, allow_outside=allow_outside)
    return DatasetSource(kind="dataset", path=name, allow_outside=allow_outside)


def make_source(recipe: Source, fetched: Path | None = None) -> PromptSource:
    """The source of prompts that a recipe names; `fetched` keeps images of the network. Raises InputError."""
    make = _load(_SOURCES, recipe.kind)
    source: PromptSource = make(recipe, fetched) if getattr(recipe, "fetch_urls", False) else make(recipe)
    return source


def open_baseline(name: str) -> Engine:
    """A judge that looks at nothing, by its rule."""
    engine: Engine = _load(_ENGINES, "baseline")(name)
    return engine


def _open_for_run(recipe: Recipe, place: RunFolder, model: Path) -> Engine:
    return open_engine(recipe.execution.engine, model, place.images.get, place=place, served_model=recipe.served_model)


def open_engine(
    recipe: EngineSettings,
    model: Path,
    read_image: ReadImage,
    *,
    place: RunFolder | None = None,
    served_model: str | None = None,
) -> Engine:
    """The engine of a recipe with a model folder loaded, or with `served_model` where a server of others has it by that name.

    One that starts servers needs the run folder, for logs and images.
    """
    make = _load(_ENGINES, recipe.kind)
    engine: Engine
    if isinstance(recipe, TransformersSettings):
        engine = make(str(model), recipe, read_image=read_image)
    elif isinstance(recipe, OpenAISettings):
        engine = open_server(served_model or str(model), recipe, read_image)
    elif isinstance(recipe, RaySettings):
        engine = _open_replicas(recipe, model, read_image, place, served_model)
    elif isinstance(recipe, VLLMSettings):
        if place is None:
            raise ValueError("vLLM servers need a run folder")
        engine = make(model, recipe, name=_served_name(model, place), place=place)
    else:
        engine = make(recipe)
    return engine


def _served_name(model: Path, place: RunFolder) -> str:
    """A name that no other model has: an engine's caches must never take one judge for another."""
    label = model.parent.name.replace("iteration", "judge") if model.is_relative_to(place.root) else "base"
    return f"{label}-{place.fingerprint(model)[:8]}"


def open_server(
    model: str, recipe: OpenAISettings, read_image: ReadImage, *, image_path: Callable[[ImageRef], Path] | None = None
) -> Engine:
    """The engine of a recipe with a model that a server has under this name.

    `image_path` is for a server that may read our files (`vllm serve --allowed-local-media-path`). Raises EngineError.
    """
    make = _load(_ENGINES, recipe.kind)
    engine: Engine = make(model, recipe, read_image=read_image, image_path=image_path)
    return engine


def _open_replicas(
    recipe: RaySettings, model: Path, read_image: ReadImage, place: RunFolder | None, served_model: str | None
) -> Engine:
    """Engines on a Ray cluster. Where answers do not depend on their neighbours, many requests travel together."""
    make = _load(_ENGINES, recipe.kind)
    if isinstance(recipe.replica, TransformersSettings):
        block = share = recipe.replica.batch_size
        open_one = partial(open_replica, recipe.replica, model, place.fingerprint(model) if place else fingerprint(model))
    else:
        block, share = 1, 4 * getattr(recipe.replica, "concurrency", 16)
        open_one = partial(open_engine, recipe.replica, model, served_model=served_model)
    engine: Engine = make(open_one, recipe, read_image=read_image, block=block, share=share)
    return engine


def open_replica(recipe: TransformersSettings, model: Path, digest: str, read_image: ReadImage) -> Engine:
    """A replica's engine, once the model that it loaded has this digest: it loads later, and elsewhere. Raises RunError."""
    engine = open_engine(recipe, model, read_image)
    try:
        check_unchanged(model, digest)
    except BaseException:
        engine.close()
        raise
    return engine


def find_score(benchmark: str) -> Callable[..., dict[str, Any]]:
    """What scores the recorded outputs of a benchmark: `score(path, protocol=, k=)`. Raises InputError."""
    if benchmark not in _SCORES:
        raise InputError(f"recorded outputs of {benchmark} cannot be scored", hint=f"Known are {', '.join(_SCORES)}.")
    found: Callable[..., dict[str, Any]] = _load(_SCORES, benchmark)
    return found


def _make_trainer(recipe: Recipe, images: ImageStore) -> Trainer:
    training, settings = recipe.training, recipe.execution.training
    trainer: Trainer
    if training.kind == "scripted":
        trainer = _load(_TRAINERS, training.kind)()
    elif settings.launcher == "process":
        trainer = _load(_TRAINERS, training.kind)(training, settings, read_image=images.get)
    elif settings.launcher == "accelerate":
        trainer = _load(_TRAINERS, settings.launcher)(training, settings, images=images)
    else:
        address = recipe.execution.engine.address if isinstance(recipe.execution.engine, RaySettings) else None
        trainer = _load(_TRAINERS, settings.launcher)(training, settings, images=images, address=address)
    return trainer


def _load(table: dict[str, str], kind: str) -> Any:
    module, _, name = table[kind].partition(":")
    try:
        return getattr(import_module(f".{module}", __package__), name)
    except (ImportError, RuntimeError) as error:  # the latter: torchvision beside another torch
        message, hint = failed_import(error, f"`{kind}`", extra=_EXTRAS.get(kind, "local"))
        raise SelfjudgeError(message, hint=hint) from error

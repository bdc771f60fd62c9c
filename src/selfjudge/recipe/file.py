"""Recipe files: YAML and `--set a.b=c` become a `Recipe`, or an error that says where and what to do.

Relative paths in a recipe are relative to the file's folder, those given by `--set` to the current one.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError

from ..errors import RecipeError
from ..run.jsonl import regular
from .engines import EngineSettings, VLLMSettings
from .execution import TrainerSettings
from .experiment import Recipe
from .inputs import SUFFIXES, Bench, Source
from .reading import Place, YamlError, read_yaml
from .section import HUB_NAME
from .templates import SET_APART, check_judge_prompt


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe in a YAML file with overrides `a.b=c` applied; values are read as YAML. Raises RecipeError."""
    try:
        text = regular(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(
            f"cannot read the recipe {path}: {error}", hint="Name a YAML file; `recipes/` holds examples."
        ) from error
    values, lines = _parse(text, path)
    sources = {place: f"{path}:{line}" for place, line in lines.items()}
    overridden = [_override(values, override) for override in overrides]
    sources |= {place: f"--set {override}" for place, override in zip(overridden, overrides, strict=True)}
    recipe = _validate(values, sources, path)
    return _anchored(recipe, path.parent, overridden, sources)


def hub_can_have(name: str, folder: Path = Path()) -> bool:
    """Whether a name may be that of a data set on the hub: neither a file of data, nor in a folder that is here."""
    is_file = Path(name).suffix.lower() in (*SUFFIXES, ".zip") or (folder / name).is_file()
    in_folder = "/" in name and (folder / name).parent.is_dir()
    return not (name.startswith(".") or is_file or in_folder) and bool(re.fullmatch(rf"{HUB_NAME}|[\w.-]+", name))


def read_template(path: Path) -> str:
    """A judge's prompt from a file, with the placeholders {first} and {second}, {question} and {images}. Raises RecipeError."""
    try:
        template = regular(path).read_text(encoding="utf-8")
        check_judge_prompt(template)
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"cannot read the prompt {path}: {error}", hint="Name a text file.") from error
    except ValueError as error:
        raise RecipeError(
            f"{path}: {error}", hint=f"Write {{first}} and {{second}} where the two responses stand. {SET_APART}"
        ) from error
    return template


def _parse(text: str, path: Path) -> tuple[dict[str, Any], dict[Place, int]]:
    try:
        values, places = read_yaml(text)
    except YamlError as error:
        place = f"{path}:{error.line}" if error.line else str(path)
        raise RecipeError(f"{place}: {error}", hint=error.hint) from error
    if not isinstance(values, dict):
        raise RecipeError(f"{path}: a recipe is a mapping of keys to values", hint="Start from a file in `recipes/`.")
    lines: dict[Place, int] = {}
    for found, line in places:
        if found in lines:
            raise RecipeError(
                f"{path}:{line}: `{_dotted(found)}` is set twice",
                hint=f"It is set in line {lines[found]} already; keep one.",
            )
        lines[found] = line
    return values, lines


def _override(values: dict[str, Any], override: str) -> Place:
    """Set one value in place; the path of what was set."""
    key, equals, text = override.partition("=")
    parts: Place = tuple(int(part) if part.isdigit() else part for part in key.strip().split("."))
    if not equals or "" in parts:
        raise RecipeError(f"--set {override}: not of the form a.b=c", hint="For example --set loop.iterations=2")
    try:
        value, _ = read_yaml(text)
    except YamlError as error:
        raise RecipeError(
            f"--set {key}: {error}", hint=f"{error.hint} Quote the value once more for YAML where it is meant so."
        ) from error
    target: Any = values
    try:
        for part, following in pairwise(parts):
            if isinstance(target, dict):
                target = target.setdefault(part, [] if isinstance(following, int) else {})
            else:
                target = target[part]
        if isinstance(target, dict | list):
            target[parts[-1]] = value  # type: ignore[index]
            return parts
    except (LookupError, TypeError):
        pass
    raise RecipeError(
        f"--set {override}: there is no such place in the recipe", hint="Lists count from 0: --set prompts.0.limit=10"
    )


def _validate(values: dict[str, Any], sources: dict[Place, str], path: Path) -> Recipe:
    try:
        return Recipe.model_validate(values)
    except ValidationError as invalid:
        by_place: dict[Place, Any] = {}
        for found in invalid.errors():
            place = _real_place(values, found["loc"])
            by_place[place] = {**found, "type": "none_of_several"} if place in by_place else found
        causes = {p: e for p, e in by_place.items() if not any(len(q) > len(p) and q[: len(p)] == p for q in by_place)}
        place, error = min(causes.items(), key=lambda item: item[1]["type"] != "extra_forbidden")  # a missing key may be misspelt
        where = _nearest(place, sources) or str(path)
        message, hint = _explain(error, place, others=[other for other in causes if other != place])
        raise RecipeError(f"{where}: {message}", hint=hint) from invalid


def engine_settings(values: Mapping[str, Any]) -> EngineSettings:
    """The settings of an engine from the values of `execution.engine`. Raises RecipeError."""
    try:
        settings: EngineSettings = TypeAdapter(EngineSettings).validate_python(values)
    except ValidationError as invalid:
        errors: list[Any] = [{**error, "loc": ("execution", "engine", *error["loc"])} for error in invalid.errors()]
        place, *others = [_real_place({"execution": {"engine": values}}, error["loc"]) for error in errors]
        message, hint = _explain(errors[0], place, others=others)
        raise RecipeError(message, hint=hint) from invalid
    return settings


def engine_values(changes: Sequence[str]) -> dict[str, Any]:
    """The values of `execution.engine` after changes `execution.engine.a=b`. Raises RecipeError."""
    values: dict[str, Any] = {"execution": {"engine": {}}}
    for change in changes:
        if _override(values, change)[:2] != ("execution", "engine") or not isinstance(values["execution"]["engine"], dict):
            raise RecipeError(
                f"--set {change}: only the engine can be set here", hint="For example --set execution.engine.batch_size=8"
            )
    engine: dict[str, Any] = values["execution"]["engine"]
    return engine


def _nearest(place: Place, sources: dict[Place, str]) -> str | None:
    """Where a place was set: itself, or something in it, or what it is a part of."""
    for size in range(len(place), 0, -1):
        for known, source in reversed(sources.items()):
            if known[:size] == place[:size]:
                return source
    return None


def _real_place(values: Any, loc: tuple[str | int, ...]) -> Place:
    """The path of an error without the union tags that pydantic puts into it."""
    place: list[str | int] = []
    for index, part in enumerate(loc):
        last = index == len(loc) - 1
        listed = isinstance(values, list) and isinstance(part, int) and part < len(values)
        if listed or (isinstance(values, dict) and part in values):
            values = values[part]
            place.append(part)
        elif last and isinstance(values, dict) and part not in (values.get("kind"), values.get("name")):
            place.append(part)
    return tuple(place)


def _explain(error: Any, place: Place, *, others: Sequence[Place]) -> tuple[str, str]:
    name = f"`{_dotted(place)}`"
    named = ", ".join(f"`{_dotted(other)}`" for other in others[:_NAMED]) + (", …" if len(others) > _NAMED else "")
    after = f" ({len(others)} more after this one: {named})" if others else ""
    if error["type"] == "extra_forbidden":
        known, elsewhere = (
            sorted({key for model in _models_at(error["loc"][:-1]) for key in model.model_fields}),
            _elsewhere(place),
        )
        nearest = difflib.get_close_matches(str(place[-1]), known, n=1, cutoff=0.6 if elsewhere else 0.0)
        meant = " or ".join(f"`{key}`" for key in (*elsewhere, *nearest))
        return f"unknown key {name}{after}", f"Did you mean {meant}? Known here: {', '.join(known)}."
    if error["type"] == "missing":
        return f"{name} is missing{after}", "Every recipe needs it; see `recipes/` for an example."
    if error["type"].startswith("union_tag_"):
        return _explain_tag(error, place, after)
    now = "empty" if error["input"] is None else f"{error['input']!r:.200}"
    wanted = next((words for start, words in _WANTED.items() if error["type"].startswith(start)), None)
    if wanted is not None:
        return f"{name} is not {wanted}{after}", f"Write {wanted}; it is {now} now."
    if error["type"] in ("string_pattern_mismatch", "none_of_several"):
        return f"{name} cannot be {now}{after}", "docs/recipe.md says what it may be."
    if error["type"].endswith("too_short"):
        return f"{name} is empty{after}", "Write at least one entry."
    text = error["msg"].removeprefix("Value error, ")
    hint = error.get("ctx", {}).get("hint") or f"It is {now} now."
    return f"{name}: {text[0].lower()}{text[1:]}{after}", hint


_NAMED = 5
"""CHOSEN: further faults that an error names."""
_WANTED = {
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    "string_type": "text",
    "path_type": "a path",
    "tuple_type": "a list",
    **dict.fromkeys(("model_", "dict_type"), "a mapping of keys to values"),
}
"""What to write in place of a value of another type, by how the type of its error begins."""


def _explain_tag(error: Any, place: Place, after: str) -> tuple[str, str]:
    """A `kind` or `name` that is missing, or that no section of its place has."""
    given, field = error["ctx"].get("tag"), error["ctx"]["discriminator"].strip("'")
    name, known = f"`{_dotted((*place, field))}`", [tag for model in _models_at(error["loc"]) for tag in _tags(model)]
    nearest = difflib.get_close_matches(given or "", known, n=1)
    meant = f"Did you mean `{nearest[0]}`? " if nearest else ""
    what = f"{name} is missing" if given is None else f"{name} cannot be `{given:.60}`"
    return f"{what}{after}", f"{meant}Known here: {', '.join(known)}."


def _models_at(loc: tuple[str | int, ...]) -> list[type[BaseModel]]:
    """The sections that a recipe may have at a place; `loc` holds the tags that tell the members of a union apart."""
    models: list[type[BaseModel]] = [Recipe]
    for part in loc:
        tagged = [m for m in models if part in _tags(m)]
        fields = [m.model_fields[part] for m in models if part in m.model_fields] if isinstance(part, str) else []
        if fields:
            models = [m for field in fields for m in _models(field.annotation)]
        elif tagged:
            models = tagged
    return models


def _elsewhere(place: Place) -> list[str]:
    """The key of this name in another section, the nearest one where there are several."""
    same = [key for key in settings(Recipe) if key.rpartition(".")[2] == place[-1]]
    return difflib.get_close_matches(_dotted(place), same, n=1, cutoff=0.0)


def settings(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """All keys of a section and of the sections in it, dotted."""
    for name, field in model.model_fields.items():
        yield prefix + name
        for inner in _models(field.annotation):
            yield from settings(inner, f"{prefix}{name}.")


def _tags(model: type[BaseModel]) -> tuple[Any, ...]:
    field = model.model_fields.get("kind") or model.model_fields.get("name")
    return get_args(field.annotation) if field else ()


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _dotted(place: Place) -> str:
    return ".".join(str(part) for part in place)


def _anchored(recipe: Recipe, folder: Path, overridden: Sequence[Place], sources: dict[Place, str]) -> Recipe:
    """The recipe with the paths of its files made absolute, and its model too where that is a folder.

    They start at `folder`, the recipe's, and those that were given by `--set` at the current one. Raises RecipeError.
    """

    def start(*place: str | int) -> Path:
        return Path.cwd() if any(place[: len(changed)] == changed for changed in overridden) else folder

    def at(*place: str | int) -> tuple[Path, str]:
        return start(*place), _nearest(place, sources) or _dotted(place)

    prompts = tuple(_anchored_source(source, *at("prompts", n, "path")) for n, source in enumerate(recipe.prompts))
    exclude = tuple(_anchored_bench(bench, *at("exclude", n, "path")) for n, bench in enumerate(recipe.exclude))
    benchmarks = tuple(
        _anchored_bench(bench, *at("evaluation", "benchmarks", n, "path")) for n, bench in enumerate(recipe.evaluation.benchmarks)
    )
    model = start("model") / recipe.model
    return recipe.model_copy(
        update={
            "prompts": prompts,
            "exclude": exclude,
            "evaluation": recipe.evaluation.model_copy(update={"benchmarks": benchmarks}),
            "model": str(model.resolve()) if model.is_dir() else recipe.model,
            "execution": recipe.execution.model_copy(
                update={
                    "training": _anchored_trainer(recipe.execution.training, start("execution", "training", "accelerate_config")),
                    "engine": _anchored_engine(recipe.execution.engine, start("execution", "engine", "python")),
                }
            ),
        }
    )


def _anchored_source(source: Source, folder: Path, where: str) -> Source:
    """A source with the path of its files made absolute; a name on the hub stays one."""
    if source.kind == "shapes" or (source.kind == "dataset" and _is_of_the_hub(source.path, folder, where)):
        return source
    return source.model_copy(update={"path": type(source.path)((folder / source.path).resolve())})


def _anchored_bench(bench: Bench, folder: Path, where: str) -> Bench:
    """A benchmark with the path of its own file made absolute; a name on the hub stays one."""
    if bench.name == "shapes-bench" or bench.path is None:
        return bench
    if bench.name != "pairs" and _is_of_the_hub(bench.path, folder, where, file=True):
        return bench
    return bench.model_copy(update={"path": type(bench.path)((folder / bench.path).resolve())})


def _is_of_the_hub(name: str, folder: Path, where: str, *, file: bool = False) -> bool:
    """Whether data is on the hub and not here, in a folder or also a file. Raises RecipeError for what can be neither."""
    path = folder / name
    if path.is_dir() or (file and path.exists()):
        return False
    if not hub_can_have(name, folder):
        hint = "Paths in a recipe start at the recipe's folder, those of --set at the current one."
        raise RecipeError(
            f"{where}: there is no {'file or ' if file else ''}folder {name}",
            hint=hint if file else f"{hint} For a file write `kind: files`.",
        )
    return True


def _anchored_trainer(training: TrainerSettings, folder: Path) -> TrainerSettings:
    """The section with an absolute path of its launcher's file."""
    config = training.accelerate_config
    return training if config is None else training.model_copy(update={"accelerate_config": (folder / config).resolve()})


def _anchored_engine(engine: EngineSettings, folder: Path) -> EngineSettings:
    """The engine with an absolute path of its interpreter, whose link is kept: a virtual environment is known by it."""
    if not isinstance(engine, VLLMSettings) or engine.python is None:
        return engine
    return engine.model_copy(update={"python": (folder / engine.python.expanduser()).absolute()})

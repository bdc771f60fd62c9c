"""`selfjudge init`: a commented recipe from some questions or options."""

from __future__ import annotations

import re
import shlex
import sys
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Annotated, Literal

import typer

from ..errors import InputError
from .terminal import say

EngineKind = Literal["transformers", "vllm", "openai"]

_ENGINES = {
    "transformers": "  engine:\n    kind: transformers            # in this process\n    batch_size: 16",
    "vllm": "  engine:\n    kind: vllm                    # servers of ours on all GPUs; `python` names their environment\n"
    "    # python: .venv-vllm/bin/python",
    "openai": "  engine:\n    kind: openai                  # a server that runs already; the key is in OPENAI_API_KEY\n"
    "    base_url: http://localhost:8000/v1",
}
_TRAINING = {
    True: "  lora: {rank: 16}                # little more memory than the model; without it all weights are trained, at 1.0e-5\n"
    "  learning_rate: 1.0e-4",
    False: "  learning_rate: 1.0e-5",
}


def init(
    file: Annotated[Path, typer.Argument(help="Recipe to write.")] = Path("recipe.yaml"),
    model: Annotated[str | None, typer.Option(help="Model folder, hub name, or `shapes`.", show_default="asks")] = None,
    data: Annotated[
        str | None, typer.Option(help="Folder or zip of images, file of prompts, or hub data set.", show_default="asks")
    ] = None,
    engine: Annotated[EngineKind | None, typer.Option(help="Who generates text.", show_default="asks")] = None,
    lora: Annotated[bool | None, typer.Option("--lora/--all-weights", help="What is trained.", show_default="asks")] = None,
    benchmark: Annotated[
        str | None, typer.Option(help="JSONL file of pairs to measure on, or none.", show_default="asks")
    ] = None,
    iterations: Annotated[int, typer.Option(min=1, help="Iterations of the loop.")] = 4,
) -> None:
    """Write a commented recipe, from options or five questions.

    Without a terminal, what no option says has its default: transformers, LoRA, no benchmark.
    """
    if file.exists():
        raise InputError(f"{file} exists already", hint="Name another file, or delete it.")
    asked_model = model or _ask("Model (a folder, or org/name on the hub)", None)
    asked_data = data or _ask("Data (a folder of images, a file of prompts, or a data set of the hub)", None)
    kind = engine or _ask("Engine (transformers, vllm or openai)", "transformers")
    if kind not in _ENGINES:
        raise InputError(f"there is no engine {kind}", hint=f"Choose one of {', '.join(_ENGINES)}.")
    adapters = _confirm("Train LoRA adapters instead of all weights") if lora is None else lora
    pairs = benchmark or _ask("Pairs to measure on (a JSONL file, or none)", "none")
    text = Template((files("selfjudge") / "recipe" / "init.yaml").read_text(encoding="utf-8")).substitute(
        title=f"A judge for {asked_data}, made by `selfjudge init`.",
        file=shlex.quote(str(file)),
        name=re.sub(r"[^\w.-]+", "-", file.stem),
        model=_quoted(asked_model),
        prompts=_prompts(asked_data, file.parent),
        training=_TRAINING[adapters],
        iterations=iterations,
        evaluation=_evaluation(pairs, file.parent),
        engine=_ENGINES[kind],
    )
    _write(file, text)
    say(f"wrote {file}; next: selfjudge plan {shlex.quote(str(file))}")


def _write(file: Path, text: str) -> None:
    """Write a recipe. One that does not load is not left behind."""
    from ..recipe.file import load_recipe

    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    try:
        load_recipe(file)
    except BaseException:
        file.unlink()
        raise


def _ask(question: str, default: str | None) -> str:
    if sys.stdin.isatty():
        return str(typer.prompt(question, default=default))
    if default is None:
        raise InputError(f"not said: {question.lower()}", hint="Give --model and --data.")
    return default


def _confirm(question: str) -> bool:
    """Yes, where there is no terminal to ask at."""
    return not sys.stdin.isatty() or typer.confirm(question, default=True)


def _quoted(text: str) -> str:
    """A YAML string that means this text, also where it looks like a number, a date or a truth value."""
    return f"'{text.replace(chr(39), chr(39) * 2)}'"


def _path(text: str, folder: Path) -> str:
    """A path as a recipe in this folder has it."""
    path = Path(text)
    return _quoted(str(path if path.is_absolute() or folder == Path() else path.resolve()))


def _prompts(data: str, folder: Path) -> str:
    """The source that a name means."""
    from ..recipe.file import hub_can_have
    from ..run.lineage import image_files, prompt_files

    path = Path(data)
    if not path.exists() and not hub_can_have(data):
        raise InputError(f"there is no file or folder {data}", hint="Check the path; the hub calls a data set owner/name.")
    if path.suffix.lower() == ".zip" or (path.is_dir() and not prompt_files(path) and image_files(path)):
        return (
            f"  - kind: images                  # each image with each of these instructions; write those that you need\n"
            f"    path: {_path(data, folder)}\n    prompts:\n"
            "      - Describe this image in two or three sentences.\n"
            "      - What is the main thing in this image? Answer in a few words.\n"
            "      - How many people are in this image? Answer with a number."
        )
    if path.exists():
        return f"  - kind: files\n    path: {_path(data, folder)}\n    # columns: {{prompt: my_question, image: my_file}}"
    return f"  - kind: dataset\n    path: {_quoted(data)}\n    split: train\n    limit: 5000"


def _evaluation(pairs: str, folder: Path) -> str:
    if pairs == "none":
        return "# evaluation:\n#   benchmarks:\n#     - {name: pairs, path: pairs.jsonl}"
    return f"evaluation:\n  benchmarks:\n    - {{name: pairs, path: {_path(pairs, folder)}}}"

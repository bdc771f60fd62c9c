"""Options that several commands share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from .terminal import say

ProtocolName = Literal["strict", "official", "paper"]
Format = Literal["table", "json"]

RecipeFile = Annotated[Path, typer.Argument(help="Recipe (YAML).", show_default=False)]
RunDir = Annotated[Path | None, typer.Option("--dir", help="Run folder.", show_default="runs/NAME")]
Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Change a recipe value, as in --set loop.iterations=2. Relative paths start at the current folder.",
        show_default=False,
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress.")]
JsonLog = Annotated[bool, typer.Option("--json-log", help="Write progress as lines of JSON, on stderr.")]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Ask failed requests again.")]
AllowOutside = Annotated[bool, typer.Option("--allow-outside", help="Also read images outside the folder of the data.")]
OutputFormat = Annotated[Format, typer.Option("--format", help="Output format.")]
BaseURL = Annotated[
    str | None,
    typer.Option(
        help="OpenAI-compatible server: its address, such as http://localhost:8000/v1, or a name, such as `ollama`.",
        show_default="OPENAI_BASE_URL",
    ),
]
PromptFile = Annotated[
    Path | None,
    typer.Option(
        help="File with a judge prompt; placeholders: {images} {question} {first} {second}.",
        show_default="the judge's or the protocol's own",
    ),
]
EngineChanges = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change the engine, as in --set execution.engine.batch_size=8.", show_default=False),
]
Benchmarks = Annotated[
    str, typer.Option(help="Benchmarks, comma-separated: NAME, NAME=PATH or a JSONL file of pairs.", show_default=False)
]


def engine_changes(base_url: str | None, changes: Sequence[str] | None) -> dict[str, Any]:
    """The values of `execution.engine` that a command line gives. Raises RecipeError."""
    from ..recipe.file import engine_values

    return {**engine_values(changes or []), **({"base_url": base_url} if base_url else {})}


def say_json(value: Any) -> None:
    """Print a value as JSON."""
    say(json.dumps(value, indent=2))

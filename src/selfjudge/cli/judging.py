"""Commands that use a judge: `compare`, `label` and `rank`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .ends import SHORTER
from .options import AllowOutside, BaseURL, EngineChanges, JsonLog, OutputFormat, PromptFile, Quiet, engine_changes, say_json
from .progress import Watch, watch
from .terminal import console, interruptible, say

if TYPE_CHECKING:
    from ..judge import Judge, Preference
    from ..judge.labelling import Labels

JudgeName = Annotated[
    str,
    typer.Option(
        "--judge", help="Run folder, judge folder, hub name, `shapes`, or openai:MODEL at --base-url.", show_default=False
    ),
]
MaxTokens = Annotated[int, typer.Option(min=1, help="Longest reply in tokens; judges that think need more.")]
Data = Annotated[
    Path,
    typer.Argument(help="JSONL, JSON, CSV, TSV or Parquet file, .tar shard, or folder of `save_to_disk`.", show_default=False),
]
Output = Annotated[Path, typer.Option("--to", help="Output file, .jsonl or .parquet.", show_default=False)]


def open_judge(name: str, max_tokens: int, base_url: str | None, changes: list[str] | None, prompt_file: Path | None) -> Judge:
    """The judge that the command line names. Raises SelfjudgeError."""
    from ..judge import Judge
    from ..measure.judges import SERVED, server_settings
    from ..recipe.file import read_template

    values = engine_changes(base_url, changes)
    asked: dict[str, Any] = {"max_tokens": max_tokens, "template": None if prompt_file is None else read_template(prompt_file)}
    if name.startswith(SERVED):
        settings = {name: value for name, value in values.items() if name not in ("kind", "base_url")}
        return Judge.connect(server_settings(values).base_url, name.removeprefix(SERVED), **asked, **settings)
    return Judge.load(name, engine=values, **asked)


def compare(
    prompt: Annotated[str, typer.Argument(help="The instruction.", show_default=False)],
    response_a: Annotated[str, typer.Argument(help="One response.", show_default=False)],
    response_b: Annotated[str, typer.Argument(help="The other response.", show_default=False)],
    judge: JudgeName,
    image: Annotated[
        list[str] | None, typer.Option(metavar="FILE", help="Image file; may be repeated.", show_default="none")
    ] = None,
    max_tokens: MaxTokens = 1024,
    base_url: BaseURL = None,
    changes: EngineChanges = None,
    prompt_file: PromptFile = None,
    form: OutputFormat = "table",
) -> None:
    """Ask a judge which of two responses is better, in both orders, and show its traces side by side.

    Exits 3 if a verdict could not be read because a reply was cut off.
    """
    with open_judge(judge, max_tokens, base_url, changes, prompt_file) as opened:
        said = opened.compare(list(image or []), prompt, response_a, response_b)
    if form == "json":
        from dataclasses import asdict

        say_json(asdict(said))
    else:
        _show_preference(said)
    if said.is_cut_off:
        say(f"hint: {SHORTER}.", err=True)
        raise typer.Exit(3)


def _show_preference(said: Preference) -> None:
    from rich.table import Table

    if said.preference is not None:
        say(f"{said.preference} is better (named in both orders)")
    else:
        say(f"no preference: {said.problem or 'the two orders named different responses'}")
    if said.probability is not None:
        say(f"P(a is better): {said.probability:.3f}")
    table = Table("a shown first", "b shown first", expand=True)
    table.add_row(*said.traces)
    table.add_row(*(f"names {side}" if side else "no verdict" for side in said.named))
    console().print(table)


def label(
    file: Data,
    judge: JudgeName,
    to: Output,
    form: Annotated[
        Literal["ours", "trl"],
        typer.Option("--format", help="`ours` adds columns to each row; `trl` writes preference rows: prompt, chosen, rejected."),
    ] = "ours",
    max_tokens: MaxTokens = 1024,
    base_url: BaseURL = None,
    changes: EngineChanges = None,
    prompt_file: PromptFile = None,
    allow_outside: AllowOutside = False,
    quiet: Quiet = False,
    json_log: JsonLog = False,
) -> None:
    """Label preference data: compare the responses of each row, and add what the judge says.

    A row has `prompt`, its images, and `response_a` and `response_b`, or `responses` (more than two are
    ranked). Added are preference, probability, consistent, traces and problem. A row that cannot be judged
    stays, with its problem. An interrupted command resumes when it is run again. Exits 3 if more than a
    tenth of the comparisons failed or were cut off.
    """
    options: dict[str, Any] = {"allow_outside": allow_outside, "form": form}
    _label((judge, max_tokens, base_url, changes, prompt_file), watch(quiet, json_log), source=file, to=to, **options)


def rank(
    file: Data,
    judge: JudgeName,
    to: Output,
    comparisons: Annotated[
        int | None,
        typer.Option(min=1, help="Pairs to compare of each row; at least one less than responses.", show_default="all"),
    ] = None,
    max_tokens: MaxTokens = 1024,
    base_url: BaseURL = None,
    changes: EngineChanges = None,
    prompt_file: PromptFile = None,
    allow_outside: AllowOutside = False,
    quiet: Quiet = False,
    json_log: JsonLog = False,
) -> None:
    """Rank the responses of each row, from best to worst.

    A row has `prompt`, its images, and `responses`. Added are `ranking` (their numbers from 0, the best
    first) and `strengths` (Bradley–Terry; their sum is 1). All pairs are compared in both orders, n (n - 1)
    requests for n responses, or as many pairs as --comparisons says; `problem` says why none was decided.
    An interrupted command resumes when it is run again. Exits 3 if more than a tenth of the comparisons
    failed or were cut off.
    """
    options: dict[str, Any] = {"allow_outside": allow_outside, "comparisons": comparisons}
    _label((judge, max_tokens, base_url, changes, prompt_file), watch(quiet, json_log), source=file, to=to, rank=True, **options)


def _label(judge: tuple[str, int, str | None, list[str] | None, Path | None], progress: Watch, **task: Any) -> None:
    from ..judge.labelled import Task
    from ..judge.labelling import check
    from ..judge.labelling import label as label_file

    asked = Task(**task)
    check(asked)
    with interruptible(), open_judge(*judge) as opened:
        labels = label_file(opened, asked, progress)
    _show_labels(labels, asked.to)


def _show_labels(labels: Labels, to: Path) -> None:
    from ..run.failures import TOO_MANY

    counts = {"decided": labels.decided, "undecided": labels.rows - labels.decided - labels.failed, "not judged": labels.failed}
    told = ", ".join(f"{count} {name}" for name, count in counts.items())
    say(f"{labels.rows} rows: {told}; {labels.written} written to {to}")
    for problem, count in labels.problems.items():
        say(f"  {problem}: {count}")
    lost, cut_off = labels.lost / labels.rows, labels.cut_off / labels.rows
    if lost + cut_off > TOO_MANY:
        say(f"warning: of the comparisons, {lost:.0%} failed and {cut_off:.0%} were cut off: more than a tenth", err=True)
        if lost:
            say("hint: `problem` of each row says why (not with --format trl); correct the rows and label them again.", err=True)
        if cut_off:
            say(f"hint: {SHORTER}, and label the rows again.", err=True)
        raise typer.Exit(3)

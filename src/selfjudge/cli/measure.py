"""Commands that measure judges and check prompts: `evaluate`, `compare-judges`, `score` and `contamination`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .ends import BRIEFER, RETRY, end
from .options import (
    AllowOutside,
    BaseURL,
    Benchmarks,
    EngineChanges,
    JsonLog,
    OutputFormat,
    PromptFile,
    ProtocolName,
    Quiet,
    RetryFailed,
    engine_changes,
    say_json,
)
from .progress import progress, watch
from .terminal import console, interruptible, say

if TYPE_CHECKING:
    from ..measure.evaluate import Result
    from ..recipe.inputs import Bench

_FAULTS_SHOWN = 20


Judge = Annotated[
    str,
    typer.Option(
        help="Run or model folder, hub name, openai:MODEL at --base-url, `shapes`, or a baseline: first, longer, random.",
        show_default=False,
    ),
]
MaxTokens = Annotated[
    int | None, typer.Option(min=1, help="Longest reply in tokens; judges that think need more.", show_default="the protocol's")
]
ResultDir = Annotated[
    Path | None, typer.Option("--dir", help="Folder for items, replies and results.", show_default="runs/measured/NAME")
]
JudgeTitle = Annotated[
    str | None, typer.Option("--name", help="Name of the judge in tables, and of its folder.", show_default="JUDGE")
]
Exclude = Annotated[
    str | None,
    typer.Option(
        help="Comma-separated sources or dimensions to exclude; `contradictory` excludes rows with conflicting labels.",
        show_default=False,
    ),
]


def evaluate(
    judge: Judge,
    benchmark: Benchmarks,
    protocol: Annotated[ProtocolName, typer.Option(help="How judges are asked, and replies read and counted.")] = "strict",
    samples: Annotated[int | None, typer.Option(min=1, help="Replies per item and order.", show_default="the protocol's")] = None,
    prompt_file: PromptFile = None,
    max_tokens: MaxTokens = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Use only the first rows.", show_default="all")] = None,
    folder: ResultDir = None,
    base_url: BaseURL = None,
    changes: EngineChanges = None,
    name: JudgeTitle = None,
    allow_missing: Annotated[bool, typer.Option("--allow-missing", help="Skip and count rows whose image is missing.")] = False,
    allow_outside: AllowOutside = False,
    exclude: Exclude = None,
    retry_failed: RetryFailed = False,
    form: OutputFormat = "table",
    quiet: Quiet = False,
    json_log: JsonLog = False,
) -> None:
    """Measure a judge on pairs whose better response is known.

    Protocols: `strict` asks in both orders and counts an unread verdict as wrong; `official` follows
    the benchmark's own script; `paper` follows arXiv 2512.05145 as far as it is known. The baselines
    first, longer and random see no image. An interrupted command resumes when it is run again, also on
    another engine (--set execution.engine.kind=vllm). The key of a server is read from OPENAI_API_KEY.
    """
    from ..measure.evaluate import Asking
    from ..measure.evaluate import evaluate as measure
    from ..measure.judges import find_contestant
    from ..recipe.file import read_template
    from ..run.folder import RunFolder
    from ..wiring import named_benchmark

    reading: dict[str, Any] = {"allow_missing": allow_missing, "allow_outside": allow_outside}
    reading["exclude"] = exclude.split(",") if exclude else []
    named = [named_benchmark(bench.strip(), **reading) for bench in benchmark.split(",")]
    _check_options(named, exclude=exclude is not None, allow_missing=allow_missing)
    template = None if prompt_file is None else read_template(prompt_file)
    asking = Asking(protocol=protocol, samples=samples, template=template, max_tokens=max_tokens, limit=limit)
    root = folder or Path("runs/measured") / (name or judge).strip("/").replace("/", "-").replace(":", "-")
    with interruptible():
        run_folder = RunFolder(root, retry_failed=retry_failed)
        contestant = find_contestant(judge, run_folder, engine_changes(base_url, changes))
        contestant = replace(contestant, name=name or contestant.name)
        results = measure(contestant, named, run_folder, asking=asking, progress=watch(quiet, json_log))
    _show_results(results, root, form)
    end({f"evaluate {result.benchmark}": result.failures for result in results}, failed=RETRY, cut_off=BRIEFER)


def _check_options(benchmarks: Sequence[Bench], **given: bool) -> None:
    """Raises InputError for an option that one of the benchmarks does not have."""
    from ..errors import InputError

    for bench in benchmarks:
        for name in (name for name, is_given in given.items() if is_given and not hasattr(bench, name)):
            option = f"--{name.replace('_', '-')}"
            raise InputError(
                f"{option} does nothing for {bench.title}",
                hint="It is for public benchmarks: leave it out, or measure this one by itself.",
            )


def _show_results(results: Sequence[Result], root: Path, form: str) -> None:
    from ..report.measurement import show_measured

    if form == "json":
        shown = [result.as_json() for result in results]
        say_json(shown if len(shown) > 1 else shown[0])
        return
    for result in results:
        show_measured(result, console())
    say(f"items, replies and results: {root}")


def compare_judges(
    results: Annotated[
        list[Path],
        typer.Argument(help="Folders written by `evaluate`, or `iteration-K/benchmarks` of a run.", show_default=False),
    ],
    form: OutputFormat = "table",
) -> None:
    """Compare judges: test each against the first one, on the items that both were asked about.

    Results for other items or protocols are shown in tables of their own. Published figures of a
    benchmark follow as context, with notes on what they can be compared with.
    """
    from ..measure.compare import compare

    comparison = compare(results)
    if form == "json":
        say_json(comparison.as_json())
    else:
        from ..report.comparison import show

        show(comparison, console())


def contamination(
    prompts: Annotated[
        str,
        typer.Option(help="Recipe, run folder, JSONL or Parquet file or folder of them, or data set.", show_default=False),
    ],
    benchmark: Benchmarks,
    form: OutputFormat = "table",
    out: Annotated[Path | None, typer.Option(help="Write all rows to this JSONL file.", show_default="none")] = None,
    allow_outside: AllowOutside = False,
) -> None:
    """Find prompts that overlap with a benchmark: the same image, a similar-looking image, or the same long text.

    A judge trained on them would be measured on data it has seen. `exclude` in a recipe keeps them out
    of a run.
    """
    from ..measure.contamination import check
    from ..wiring import find_prompts, make_benchmark, named_benchmark

    sources, max_pixels = find_prompts(prompts, allow_outside=allow_outside)
    benchmarks = [
        make_benchmark(named_benchmark(name, allow_outside=allow_outside)) for name in map(str.strip, benchmark.split(","))
    ]
    figures = check(sources, benchmarks, max_pixels=max_pixels, progress=progress, out=out)
    if form == "json":
        say_json(figures)
    else:
        from ..report.contamination import show

        show(figures, console())


def score(
    file: Annotated[
        Path, typer.Argument(help="Result file of a benchmark, or folder DIR/NAME written by `evaluate`.", show_default=False)
    ],
    benchmark: Annotated[
        str,
        typer.Option(
            help="vl-rewardbench, multimodal-rewardbench, rewardbench, rewardbench-2, judgebench, multi-crit, mmrb2=PAIRS.json, "
            "or what was evaluated.",
            show_default=False,
        ),
    ],
    protocol: Annotated[ProtocolName, typer.Option(help="How replies are read and counted.")] = "strict",
    k: Annotated[int | None, typer.Option(min=1, help="Number of samples of each item to count.", show_default="all")] = None,
    form: OutputFormat = "table",
) -> None:
    """Score recorded outputs of a judge, without a model.

    `official` reproduces the benchmark's own script, quirks included; `strict` counts an unread verdict
    as wrong. Lines that cannot be used are reported with their numbers, and the others are scored.
    """
    figures = _scored(file, benchmark, protocol, k)
    malformed = figures.get("malformed", [])
    for fault in malformed[:_FAULTS_SHOWN]:
        say(f"{file}:{fault['line']}: {fault['problem']}", err=True)
    if len(malformed) > _FAULTS_SHOWN:
        say(f"... and {len(malformed) - _FAULTS_SHOWN} more lines that cannot be used", err=True)
    if form == "json":
        say_json(figures)
    else:
        from ..report.figures import show_scored

        show_scored(figures, console())


def _scored(file: Path, benchmark: str, protocol: str, k: int | None) -> dict[str, Any]:
    from ..errors import InputError
    from ..measure.evaluate import find_protocol, rescore
    from ..wiring import find_score

    if file.is_dir() or file.suffix == ".parquet":
        return rescore(file, benchmark, protocol=protocol, k=k)
    name, _, data = benchmark.partition("=")
    count = find_score(name)
    find_protocol(name, protocol)
    if protocol == "paper":
        raise InputError("recorded outputs were not asked for as `paper` asks", hint="Give --protocol strict, or official.")
    return count(file, protocol=protocol, k=k, **({"data": data} if data else {}))

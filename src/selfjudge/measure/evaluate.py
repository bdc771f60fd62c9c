"""Measures one judge on benchmarks, outside of a run: asks under a protocol, stores every reply, and counts.

DIR/NAME/              the first measurement on a benchmark; another one is `NAME-ID` beside it
├── asked.json         how the judge is asked, and the digest of the content that it is asked about
├── items.parquet      data.json: the report on the data
├── judgments.parquet  the replies
├── result.json        the figures, written last
└── outputs.jsonl      the benchmark's own result file, under `official`
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, cast

from ..benchmarks.public import Replies
from ..errors import InputError
from ..figures import DataReport, Executed, Failures, Figures
from ..method.protocols import PAPER, STRICT, Protocol, base_of
from ..ports import Benchmark, BenchmarkData, Engine, NamedEngine, Progress
from ..recipe.inputs import Bench, PairsBench
from ..run import tables
from ..run.disk import read_checked, read_json, temporary, write_checked, write_json, write_whole
from ..run.failures import Retry, failures
from ..run.folder import RunFolder
from ..run.store import Table
from ..run.tables import Row
from ..stages import evaluate as stage
from ..types import BenchmarkItem, content_id
from ..wiring import find_score, find_spec, make_benchmark
from .judges import Contestant


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """How to ask: the protocol by name, and the user's changes to it."""

    protocol: str = "strict"
    samples: int | None = None
    template: str | None = None
    max_tokens: int | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The figures of one judge on one benchmark, and how they came about.

    own        the figures that only this benchmark has
    official   the figures of the benchmark's own script; empty where it has none
    executions how the replies were produced, with the `rows` of each
    data       the report on the benchmark's data
    """

    judge: str
    benchmark: str
    protocol: Protocol
    refused_parameters: Sequence[str]
    figures: Figures
    own: Mapping[str, Any]
    official: Mapping[str, Any] = field(default_factory=dict)
    executions: Sequence[Executed]
    failures: Failures
    data: DataReport

    @property
    def prompt_id(self) -> str:
        return content_id(self.protocol.template)

    def as_json(self) -> dict[str, Any]:
        """The content of `result.json`."""
        return {
            "judge": self.judge,
            "benchmark": self.benchmark,
            "protocol": self.protocol.name,
            "protocol_version": self.protocol.version,
            "orders": self.protocol.orders,
            "samples": self.protocol.samples,
            "verdict_line": self.protocol.line,
            "sampling": asdict(self.protocol.sampling),
            "refused_parameters": self.refused_parameters,
            "prompt": self.protocol.template,
            "prompt_id": self.prompt_id,
            **self.figures,
            **self.own,
            **({"official": self.official} if self.official else {}),
            "executions": self.executions,
            "failures": self.failures,
            "data": self.data,
        }


def evaluate(
    contestant: Contestant, benchmarks: Sequence[Bench], root: RunFolder, *, asking: Asking, progress: Progress
) -> list[Result]:
    """Measure a judge on each benchmark. The same call again continues where it stopped. Raises SelfjudgeError."""
    titles = [bench.title for bench in benchmarks]
    if twice := [title for title in titles if titles.count(title) > 1]:
        raise InputError(f"two benchmarks are called {twice[0]}", hint="Rename one of the files, or measure them one by one.")
    engine = cache(contestant.open)
    contestant = replace(contestant, open=engine)
    with root.claim({"judge": contestant.identity}):
        try:
            return [_measure(contestant, bench, root, asking, progress) for bench in benchmarks]
        finally:
            if engine.cache_info().currsize:
                engine().close()


def _measure(contestant: Contestant, bench: Bench, root: RunFolder, asking: Asking, progress: Progress) -> Result:
    """Measure one judge on one benchmark."""
    protocol = _protocol(bench.name, contestant, asking)
    benchmark = make_benchmark(bench)
    content = content_id(benchmark.digest(), asking.limit)
    folder = _claim(root.root, bench, contestant, protocol, asking.limit, content)
    items, data = _data(folder, benchmark, content, root, asking.limit, progress)
    inputs = {"judge": contestant.identity, "pairs": items.digest, "protocol": asdict(protocol)}
    table = Table(folder, tables.JUDGMENTS, {"stage": "evaluate", "version": stage.VERSION, "inputs": inputs}, root.replaced)
    _ask(data.items, table, contestant, protocol, Retry(wanted=root.retry_failed), progress)
    replies = list(table.rows())
    figures, own = _figures(bench.name, protocol, data.items, replies)
    result = Result(
        judge=contestant.name,
        benchmark=bench.title,
        protocol=protocol,
        refused_parameters=_noted(folder / "refused_parameters.json"),
        figures=figures,
        own=own,
        official=_official(bench.name, data.items, replies, folder) if protocol.base == "official" else {},
        executions=table.manifest.executions,
        failures=failures(table),
        data=data.report,
    )
    write_json(folder / "result.json", result.as_json())
    return result


def _claim(root: Path, bench: Bench, contestant: Contestant, protocol: Protocol, limit: int | None, content: str) -> Path:
    """The folder of a measurement: of a way to ask, and of the content that is asked about.

    After an edit of the benchmark's file the folder is used again, and its figures go. Anything else that differs is stored
    beside it.
    """
    asked = {"benchmark": bench.title, "limit": limit, "protocol": asdict(protocol), "server": contestant.address}
    source = str(bench.path.resolve()) if isinstance(bench, PairsBench) else bench.model_dump(mode="json")
    ours = json.loads(json.dumps({"asked": asked, "source": source, "content": content}))
    known = {path.parent: read_checked(path) for path in sorted(root.glob("*/asked.json"))}
    for same in (("asked", "content"), ("asked", "source")):
        for folder, theirs in known.items():
            if all(theirs[name] == ours[name] for name in same):
                if theirs["content"] != content:
                    (folder / "result.json").unlink(missing_ok=True)
                    write_checked(folder / "asked.json", ours)
                return folder
    folder = root / bench.title
    if folder in known:
        folder = root / f"{bench.title}-{content_id(ours)[:8]}"
    write_checked(folder / "asked.json", ours)
    return folder


def _data(
    folder: Path, benchmark: Benchmark, content: str, root: RunFolder, limit: int | None, progress: Progress
) -> tuple[Table, BenchmarkData]:
    """The items of a benchmark and the report on them, stored so that the replies can be read beside them."""

    def load() -> BenchmarkData:
        data = benchmark.load(root.images.put, progress, limit=limit)
        if not data.items:
            raise InputError(f"no row of {benchmark.name} is left to ask about", hint="Leave out less: --exclude.")
        return data

    table = stage.stored_items(folder, content, load, root.replaced)
    items = tuple(map(tables.item_of, table.rows()))
    return table, BenchmarkData(items=items, report=read_json(folder / "data.json"))


def _ask(
    items: Sequence[BenchmarkItem],
    table: Table,
    contestant: Contestant,
    protocol: Protocol,
    retry: Retry,
    progress: Progress,
) -> None:
    """Fill and seal the table of replies."""
    if not retry.complete(table):
        model = NamedEngine(name=contestant.name, engine=contestant.open(), execution=contestant.execution)
        try:
            stage.ask(items, table, model=model, protocol=protocol, seed=0, progress=progress)
        finally:
            _note_refused(table.path.with_name("refused_parameters.json"), model.engine)
    retry.conclude()


def _note_refused(file: Path, engine: Engine) -> None:
    """Record, also over a restart, which parameters a server refused: it was then not asked as the protocol defines."""
    if refused := getattr(engine, "refused_parameters", ""):
        write_json(file, sorted({*_noted(file), refused}))


def _noted(file: Path) -> list[str]:
    return read_json(file, of=list) if file.exists() else []


def _figures(
    name: str, protocol: Protocol, items: Sequence[BenchmarkItem], replies: Sequence[Row]
) -> tuple[Figures, dict[str, Any]]:
    """The general figures, some of which a benchmark may count in its own way, and those that only it has."""
    spec = find_spec(name)
    general = stage.figures(items, replies, protocol)
    own = {} if spec is None else spec.figures(Replies(protocol=protocol.base, items=items, rows=replies, general=general))
    counted = cast("Figures", {key: own.get(key, value) for key, value in general.items()})
    return counted, {key: value for key, value in own.items() if key not in general}


def _official(name: str, items: Sequence[BenchmarkItem], replies: Sequence[Row], folder: Path) -> dict[str, Any]:
    """Write the benchmark's result file, `outputs.jsonl`, and count it as its own script does; empty where it has none."""
    if not _write_lines(folder / "outputs.jsonl", name, items, replies):
        return {}
    scored = find_score(name)(folder / "outputs.jsonl", protocol="official", k=None)
    return {key: value for key, value in scored.items() if key not in ("benchmark", "protocol", "malformed")}


def _write_lines(path: Path, name: str, items: Sequence[BenchmarkItem], replies: Sequence[Row]) -> bool:
    """Write the benchmark's result file; whether it has one."""
    spec = find_spec(name)
    if spec is None or spec.record is None:
        return False
    write_whole(path, "".join(f"{json.dumps(line)}\n" for line in spec.record(items, replies)).encode())
    return True


def find_protocol(benchmark: str, name: str) -> Protocol:
    """A protocol of a benchmark by its name. Raises InputError."""
    spec = find_spec(benchmark)
    known = {"strict": STRICT} if spec is None else spec.protocols
    if name not in known:
        raise InputError(f"{benchmark} has no protocol called {name}", hint=f"Choose one with --protocol: {', '.join(known)}.")
    return known[name]


def _protocol(benchmark: str, contestant: Contestant, asking: Asking) -> Protocol:
    """The protocol of that name for this benchmark, with the prompt that this judge is asked with. Raises InputError."""
    protocol = find_protocol(benchmark, asking.protocol)
    if contestant.fixed:
        if protocol.orders == "each":
            raise InputError(f"{contestant.name} compares responses and rates none", hint="Give --protocol strict.")
        return replace(protocol.changed(samples=asking.samples), template=contestant.template or "", verbatim=False)
    if asking.protocol != "official" and contestant.template is not None:
        protocol = replace(protocol, template=contestant.template)
    return protocol.changed(samples=asking.samples, template=asking.template, max_tokens=asking.max_tokens)


def inspect(bench: Bench, progress: Progress) -> DataReport:
    """The report on a benchmark's data; nothing is stored. Raises InputError."""
    return make_benchmark(bench).load(lambda *_: None, progress).report


def rescore(path: Path, benchmark: str, *, protocol: str, k: int | None) -> dict[str, Any]:
    """Score stored replies: a folder that `evaluate` wrote, or its judgments.parquet. Raises InputError.

    Replies can be read under another protocol than they were asked for if that has the same verdict line.
    """
    folder = path if path.is_dir() else path.parent
    asked = _asked(folder, benchmark)
    spec, wanted = find_spec(benchmark), find_protocol(benchmark, protocol)
    by_script = spec is not None and spec.record is not None and "official" in (protocol, base_of(asked["protocol"]))
    reader = find_protocol(benchmark, "official") if by_script else wanted
    if reader.line != asked["verdict_line"] or (by_script and protocol == PAPER.name):
        raise InputError(
            f"replies that were asked for under {asked['protocol']} cannot be scored as {protocol}",
            hint=f"Their verdict lines differ. Ask again: selfjudge evaluate --protocol {protocol}",
        )
    items, replies = _stored(folder)
    if by_script:
        with temporary() as folder:
            lines = folder / "outputs.jsonl"
            _write_lines(lines, benchmark, items, replies)
            return find_score(benchmark)(lines, protocol=protocol, k=k)
    as_asked = replace(wanted, orders=asked["orders"], samples=asked["samples"])
    counted = [row for row in replies if k is None or row["sample"] < k]
    figures, own = _figures(benchmark, as_asked, items, counted)
    return {"benchmark": benchmark, "protocol": protocol, **figures, **own}


def _asked(folder: Path, benchmark: str) -> dict[str, Any]:
    """How the replies in a folder were asked for. Raises InputError."""
    for name in ("items.parquet", "judgments.parquet", "result.json"):
        if not (folder / name).exists():
            raise InputError(
                f"{folder} has no {name}", hint="Name the folder of one benchmark: DIR/NAME of `selfjudge evaluate`."
            )
    hint = "Delete it and run `selfjudge evaluate` again: nothing is asked twice."
    asked: dict[str, Any] = read_json(folder / "result.json", "benchmark", "protocol", hint=hint)
    if asked["benchmark"] != benchmark:
        hint = f"Name it: --benchmark {shlex.quote(str(asked['benchmark']))}"
        raise InputError(f"{folder} has replies to {asked['benchmark']}, not to {benchmark}", hint=hint)
    return asked


def _stored(folder: Path) -> tuple[list[BenchmarkItem], list[Row]]:
    import pyarrow.parquet as pq

    items = pq.read_table(folder / "items.parquet", schema=tables.ITEMS.schema).to_pylist()
    replies = pq.read_table(folder / "judgments.parquet", schema=tables.JUDGMENTS.schema).to_pylist()
    return list(map(tables.item_of, items)), replies

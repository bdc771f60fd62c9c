"""Measuring one judge on benchmarks, outside of a run: ask under a protocol, keep every reply, count, and say how it was done."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import ValidationError

from ..benchmarks.public import Measured
from ..errors import InputError
from ..hub.models import find_model
from ..method.protocols import STRICT, Protocol, base_of
from ..ports import BenchmarkData, Engine, NamedEngine, Progress
from ..recipe.engines import OpenAISettings, TransformersSettings
from ..recipe.experiment import Bench
from ..run import tables
from ..run.cards import judging_of
from ..run.disk import read_json, write_json, write_whole
from ..run.failures import Retry, failures
from ..run.folder import RunFolder, fingerprint
from ..run.store import Table
from ..run.tables import Row
from ..stages import evaluate as measuring
from ..types import BenchmarkItem, content_id
from ..wiring import BASELINES, find_score, find_spec, make_benchmark, open_baseline, open_engine, open_server

SERVED = "openai:"
"""Before the name of a model that an OpenAI-compatible server answers for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """How to ask: the protocol by name, and what the user changed of it."""

    protocol: str = "strict"
    samples: int | None = None
    template: str | None = None
    max_tokens: int | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """A judge to measure. `template` is the prompt that it was trained with, None where it was not; `identity` what it is."""

    name: str
    identity: dict[str, Any]
    template: str | None
    open: Callable[[], Engine]
    fixed: bool = False
    """Its prompt cannot be changed: a baseline, which reads the responses off it."""


def evaluate(
    judge: str, benchmarks: Sequence[Bench], place: RunFolder, *, asking: Asking, base_url: str | None, progress: Progress
) -> list[dict[str, Any]]:
    """The figures of a judge on each benchmark, also written to `NAME/result.json` beside items and replies.

    `judge` is a model folder, a name on the hub, `shapes`, `openai:MODEL` behind `base_url`, or a baseline (`first`, `longer`,
    `random`). The same call again goes on where it stopped. Raises SelfjudgeError.
    """
    contestant = find_contestant(judge, place, base_url)
    opened: list[Engine] = []

    def engine() -> Engine:
        if not opened:
            opened.append(contestant.open())
        return opened[0]

    with place.claim({"judge": contestant.identity}, lambda recipe: recipe):
        try:
            return [_measured(contestant, engine, bench, place, asking, progress) for bench in benchmarks]
        finally:
            for held in opened:
                held.close()


def _measured(
    contestant: Contestant, engine: Callable[[], Engine], bench: Bench, place: RunFolder, asking: Asking, progress: Progress
) -> dict[str, Any]:
    """One judge on one benchmark."""
    protocol = _protocol(bench.name, contestant, asking)
    folder = place.root / bench.name
    data = _data(bench, place, asking.limit, progress)
    inputs = {
        "judge": contestant.identity,
        "benchmark": bench.model_dump(mode="json"),
        "limit": asking.limit,
        "protocol": asdict(protocol),
    }
    table = Table(folder, tables.JUDGMENTS, {"stage": "evaluate", "version": measuring.VERSION, "inputs": inputs})
    retry = Retry(wanted=place.retry_failed)
    if not retry.complete(table):
        model = NamedEngine(name=contestant.name, engine=engine())
        try:
            measuring.ask(data.items, table, model=model, protocol=protocol, seed=0, progress=progress)
        finally:
            _note_refused(folder / "refused_parameters.json", model.engine)
    retry.conclude()
    replies = table.rows()
    result = {
        "judge": contestant.name,
        "benchmark": bench.name,
        "protocol": protocol.name,
        "protocol_version": protocol.version,
        "orders": protocol.orders,
        "samples": protocol.samples,
        "verdict_line": protocol.line,
        "sampling": asdict(protocol.sampling),
        "refused_parameters": _noted(folder / "refused_parameters.json"),
        "prompt": protocol.template,
        "prompt_id": content_id(protocol.template),
        **_figures(bench.name, protocol, data.items, replies),
        **(_official(bench.name, data.items, replies, folder) if protocol.base == "official" else {}),
        "failures": failures(table),
        "data": data.report,
    }
    write_json(folder / "result.json", result)
    return result


def _note_refused(file: Path, engine: Engine) -> None:
    """Keep, also over a restart, which parameters a server refused, so that it was asked otherwise than the protocol says."""
    if said := getattr(engine, "refused_parameters", ""):
        write_json(file, sorted({*_noted(file), said}))


def _noted(file: Path) -> list[str]:
    return read_json(file) if file.exists() else []


def _figures(name: str, protocol: Protocol, items: Sequence[BenchmarkItem], replies: Sequence[Row]) -> dict[str, Any]:
    """The general figures and the benchmark's own."""
    spec = find_spec(name)
    general = measuring.figures(items, replies, protocol)
    if spec is None:
        return general
    return {**general, **spec.figures(Measured(protocol=protocol.base, items=items, replies=replies, general=general))}


def _official(name: str, items: Sequence[BenchmarkItem], replies: Sequence[Row], folder: Path) -> dict[str, Any]:
    """What the benchmark's own script makes of the replies, where it has a result file; writes that, `outputs.jsonl`."""
    spec = find_spec(name)
    if spec is None or spec.record is None:
        return {}
    _write_lines(folder / "outputs.jsonl", name, items, replies)
    scored = find_score(name)(folder / "outputs.jsonl", protocol="official", k=None)
    return {"official": {key: value for key, value in scored.items() if key not in ("benchmark", "protocol", "malformed")}}


def _write_lines(path: Path, name: str, items: Sequence[BenchmarkItem], replies: Sequence[Row]) -> None:
    """The official result file."""
    spec = find_spec(name)
    lines = spec.record(items, replies) if spec is not None and spec.record is not None else ()
    write_whole(path, "".join(f"{json.dumps(line)}\n" for line in lines).encode())


def _protocols(benchmark: str) -> Mapping[str, Protocol]:
    spec = find_spec(benchmark)
    return {"strict": STRICT} if spec is None else spec.protocols


def _protocol(benchmark: str, contestant: Contestant, asking: Asking) -> Protocol:
    """The protocol of that name as this benchmark has it, in the words that this judge is asked with. Raises InputError."""
    known = _protocols(benchmark)
    if asking.protocol not in known:
        raise InputError(
            f"{benchmark} has no protocol called {asking.protocol}", hint=f"It has {', '.join(known)}; --protocol chooses one."
        )
    protocol = known[asking.protocol]
    if contestant.fixed:
        return replace(protocol.changed(samples=asking.samples), template=contestant.template or "", verbatim=False)
    if asking.protocol != "official" and contestant.template is not None:
        protocol = replace(protocol, template=contestant.template)
    return protocol.changed(samples=asking.samples, template=asking.template, max_tokens=asking.max_tokens)


def find_contestant(name: str, place: RunFolder, base_url: str | None) -> Contestant:
    """A judge by name. Raises InputError."""
    if name in BASELINES:
        return Contestant(
            name=name, identity={"baseline": name}, template=BASELINES[name], open=lambda: open_baseline(name), fixed=True
        )
    if name.startswith(SERVED):
        served = name.removeprefix(SERVED)
        server = server_recipe(base_url)
        return Contestant(
            name=served,
            identity={"served": served},
            template=None,
            open=lambda: open_server(served, server, place.images.get),
        )
    model = find_model(name).path
    judging = judging_of(model)
    return Contestant(
        name=model.name if Path(name).is_dir() else name,
        identity={"model": fingerprint(model)},
        template=None if judging is None else judging.template,
        open=lambda: open_engine(TransformersSettings(), model, place.images.get),
    )


def server_recipe(base_url: str | None) -> OpenAISettings:
    """How a server is asked that is named on the command line or by OPENAI_BASE_URL. Raises InputError."""
    url = base_url or os.environ.get("OPENAI_BASE_URL")
    if not url:
        raise InputError(
            "no server is named", hint="Give --base-url, such as http://localhost:8000/v1 or https://api.openai.com/v1."
        )
    try:
        return OpenAISettings(kind="openai", base_url=url)
    except ValidationError as error:
        raise InputError(
            f"{url} is not the address of a server", hint="It starts with http:// or https://, mostly ends in /v1."
        ) from error


def _data(bench: Bench, place: RunFolder, limit: int | None, progress: Progress) -> BenchmarkData:
    """The items and the report on them, stored so that the replies can be read beside them."""
    folder = place.root / bench.name
    identity = {"stage": "benchmark", "version": measuring.VERSION, "inputs": bench.model_dump(mode="json"), "limit": limit}
    table = Table(folder, tables.ITEMS, identity)
    if not (table.sealed and (folder / "data.json").exists()):
        data = make_benchmark(bench).load(place.images.put, progress, limit=limit)
        write_json(folder / "data.json", data.report)
        if not table.sealed:
            table.seal([tables.item_to_row(item) for item in data.items])
    return BenchmarkData(items=tuple(map(tables.item_of, table.rows())), report=read_json(folder / "data.json"))


def inspect(bench: Bench, progress: Progress) -> dict[str, Any]:
    """The report on a benchmark's data; nothing is kept. Raises InputError."""
    return make_benchmark(bench).load(lambda *_: None, progress).report


def rescore(path: Path, benchmark: str, *, protocol: str, k: int | None) -> dict[str, Any]:
    """What stored replies score: a folder that `evaluate` wrote, or its judgments.parquet. Raises InputError.

    Replies can be read under another protocol than they were asked for where that has the same verdict line.
    """
    folder = path if path.is_dir() else path.parent
    asked = _asked(folder, benchmark)
    spec, known = find_spec(benchmark), _protocols(benchmark)
    by_script = spec is not None and spec.record is not None and "official" in (protocol, base_of(asked["protocol"]))
    reader = known.get("official" if by_script else protocol)
    if protocol not in known or reader is None or reader.line != asked["verdict_line"]:
        raise InputError(
            f"replies that were asked for under {asked['protocol']} cannot be scored as {protocol}",
            hint=f"Their verdict line is another one. Ask again: selfjudge evaluate --protocol {protocol}",
        )
    items, replies = _stored(folder)
    if by_script:
        with TemporaryDirectory() as temporary:
            lines = Path(temporary) / "outputs.jsonl"
            _write_lines(lines, benchmark, items, replies)
            return find_score(benchmark)(lines, protocol=protocol, k=k)
    as_asked = replace(known[protocol], orders=asked["orders"], samples=asked["samples"])
    counted = [row for row in replies if k is None or row["sample"] < k]
    return {"benchmark": benchmark, "protocol": protocol, **_figures(benchmark, as_asked, items, counted)}


def _asked(folder: Path, benchmark: str) -> dict[str, Any]:
    """How the replies of a folder were asked for. Raises InputError."""
    for name in ("items.parquet", "judgments.parquet", "result.json"):
        if not (folder / name).exists():
            raise InputError(
                f"{folder} holds no {name}", hint="Give the folder of one benchmark: DIR/NAME of `selfjudge evaluate`."
            )
    hint = "Delete it and run `selfjudge evaluate` again: nothing is asked twice."
    asked: dict[str, Any] = read_json(folder / "result.json", "benchmark", "protocol", hint=hint)
    if asked["benchmark"] != benchmark:
        raise InputError(f"{folder} holds replies to {asked['benchmark']}, not to {benchmark}", hint="Name that one.")
    return asked


def _stored(folder: Path) -> tuple[list[BenchmarkItem], list[Row]]:
    import pyarrow.parquet as pq

    items = pq.read_table(folder / "items.parquet", schema=tables.ITEMS.schema).to_pylist()
    replies = pq.read_table(folder / "judgments.parquet", schema=tables.JUDGMENTS.schema).to_pylist()
    return list(map(tables.item_of, items)), replies

"""The loop: iterations of synthesize, judge, select, train and evaluate. What is done is skipped; what is half done goes on.

Iteration 0 is the base model, measured. Every stage names what it was made of, so a folder can never mix two runs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import closing
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path
from typing import Any

from .errors import InputError
from .figures import Figures, Head, Iteration, Probing, Summary
from .hub.models import record_base
from .hub.publishing import Publisher
from .method.monitors import watch
from .method.protocols import STRICT, Protocol
from .method.selection import is_watched
from .ports import Benchmark, NamedEngine, Progress, StageLabel
from .recipe.experiment import Recipe
from .run import summary, tables
from .run.cards import write_cards
from .run.disk import kept, read_json, write_checked
from .run.executions import counted
from .run.failures import Retry
from .run.folder import JudgeFolder, RunFolder
from .run.lineage import at_commits, contents, forget, lineage
from .run.log import OnHead, iteration_done, logged, prompts_read, watched
from .run.store import Table
from .run.views import View, held_out_of, shortages, turn
from .stages import contamination, evaluate, ingest, pipeline, select, synthesize, train
from .stages import judge as judging
from .stages.gate import Gate
from .stages.probe import Probe
from .types import PreferencePair, Prompt, content_id, seed_of
from .wiring import OneEngine, World

Told = Callable[[Summary], None]
Prompts = View[Prompt]
Made = Callable[[], Iterable[synthesize.Made]]

_STAGES = ("synthesize", "judge", "select", "train", "gate", "evaluate")
"""Of an iteration, as whoever watches counts them."""


def run(
    recipe: Recipe, folder: RunFolder, world: World, *, progress: Progress, on_iteration: Told, on_prompts: OnHead | None = None
) -> Summary:
    """Run a recipe in a folder, or what is left of it; the summary.

    `on_prompts` is given its head once all prompts are read, `on_iteration` each summary that is written.
    Raises SelfjudgeError; whatever was finished before stays finished.
    """
    with folder.claim(recipe.as_json()), logged(folder.root, f"{recipe.name}, recipe {recipe.digest}, base {world.base}"):
        return _Run(recipe, folder, world, watched(progress)).iterate(on_prompts, on_iteration)


class _Run:
    """One run: its recipe, its folder, and what the stages need. Each method is one stage: made once, read ever after."""

    def __init__(self, recipe: Recipe, folder: RunFolder, world: World, progress: Progress) -> None:
        self._recipe = recipe
        self._folder = folder
        self._world = world
        self._progress = progress
        self._retry = Retry(wanted=folder.retry_failed)
        self._engines = OneEngine(world.open_engine)
        self._fingerprint = cache(folder.fingerprint)
        self._protocols = recipe.evaluation.asked(recipe.judging)
        self._of_base = dict[str, Table]()
        self._taught: deque[train.Taught] = deque(maxlen=1 + min(recipe.training.replay, recipe.loop.iterations))
        """What the newest judge learns from: its iteration, with `replay` so many before it too."""
        self._publisher = (
            None if world.hub is None or recipe.execution.push is None else Publisher(recipe.execution.push, world.hub, folder)
        )

    def iterate(self, on_prompts: OnHead | None, on_iteration: Told) -> Summary:
        """All iterations that the recipe asks for."""
        record_base(self._recipe.model, self._world.base_commit, self._folder.root)
        try:
            if self._publisher is not None:
                self._publisher.prepare(self._recipe.loop.iterations)
            prompts, refused = self._ingest()
            head = self._head(prompts, refused)
            training, held_out = held_out_of(prompts, self._recipe.loop.stop)
            prompts_read(head, on_prompts, shortages(self._recipe.loop, lambda kind: len(training.of_kind(kind))))
            iterations = [self._measured(0, held_out)]
            summary.check_watched(iterations[0], self._recipe.loop)
            state = self._publish(head, iterations, training, on_iteration)
            while state["stopped"] is None:
                fresh = turn(training, self._recipe.loop, len(iterations))
                iterations.append(self._iteration(len(iterations), fresh, held_out))
                state = self._publish(head, iterations, training, on_iteration)
            self._retry.conclude()
            return state
        finally:
            self._engines.close()

    def _head(self, prompts: Table, refused: Table) -> Head:
        """The summary's head. Where too few rows can be used, the sources are read again once they have been corrected."""
        try:
            return summary.head(self._recipe, prompts, refused, commit=self._world.base_commit, strict=self._folder.strict)
        except InputError:
            if not any(self._folder.root.glob("iteration-*")):
                prompts.remove()
                refused.remove()
                forget(prompts.path.parent)
            raise

    def _measured(self, number: int, held_out: Prompts) -> Iteration:
        """A judge is measured; the base model is judge 0."""
        return summary.measured(number, *self._measure(number), *self._held_out_score(number, held_out))

    def _iteration(self, number: int, prompts: Prompts, held_out: Prompts) -> Iteration:
        """One turn of the loop, top to bottom."""
        responses = self._responses(number, prompts)
        pairs, made = self._pairs(number, prompts, responses)
        judgments = self._judgments(number, pairs)
        selected, dropped = self._select(number, pairs, judgments, made)
        judge = self._judge(number, selected, judgments)
        probe = self._probe(number, pairs, judge)
        self._train(number, judge, self._gate(number, pairs, judgments))
        probed = self._probed(number, probe, judge)
        return summary.iteration(
            self._measured(number, held_out),
            responses=responses,
            pairs=pairs,
            dropped=dropped,
            judgments=judgments,
            selected=selected,
            judge=judge,
            gate=self._gate(number, pairs, judgments).report,
            probe=probed,
            monitors=self._watch(number, pairs, judgments),
        )

    def _ingest(self) -> tuple[Table, Table]:
        """The prompts of the run and the rows that were refused."""
        identity = self._identity(pipeline.INGEST, contents=contents(self._recipe.prompts, self._folder.root / "prompts"))
        prompts, refused = (Table(self._folder.root / "prompts", kind, identity) for kind in (tables.PROMPTS, tables.REFUSED))
        if not (prompts.sealed and refused.sealed):
            ingest.ingest(
                self._world.sources,
                prompts,
                refused,
                images=self._folder.images,
                max_pixels=self._recipe.max_pixels,
                longest_edge=self._recipe.images.longest_edge,
                progress=self._progress,
                excluded=contamination.index(self._world.excluded, self._progress) if self._recipe.exclude else None,
            )
        if not (known := prompts.path.with_name("sources.json")).exists():
            write_checked(known, {"sources": lineage(at_commits(self._recipe.prompts, known.parent), prompts.values("source"))})
        return prompts, refused

    def _responses(self, number: int, prompts: Prompts) -> Table:
        synthesis = self._recipe.synthesis
        judge = max(0, number - 1)
        openly, closed = (judge if part.model == "judge" else 0 for part in (synthesis.open, synthesis.closed))
        identity = self._identity(
            pipeline.SYNTHESIZE,
            prompts=content_id(list(prompts.keys())),
            open_model=self._fingerprint(self._model(openly)),
            closed_model=self._fingerprint(self._model(closed)),
        )
        table = self._table(self._folder.iteration(number), tables.RESPONSES, identity)
        if not self._retry.complete(table):
            synthesize.sample_responses(
                prompts,
                table,
                recipe=synthesis,
                open_model=lambda: self._engine(openly),
                closed_model=lambda: self._engine(closed),
                seed=self._seed(number, "synthesize"),
                progress=self._at(number, "synthesize"),
            )
        return table

    def _pairs(self, number: int, prompts: Prompts, responses: Table) -> tuple[Table, Made]:
        """The pairs of an iteration, and what makes them anew with the prompts that make none."""
        choose, seed = self._world.choose, self._seed(number, "pairs")
        made = partial(synthesize.made, prompts, responses, recipe=self._recipe.synthesis, seed=seed, choose=choose)
        chosen = {}
        if choose is not None:
            chosen["chosen"] = content_id(sorted(f"{pair.id} {pair.chosen}" for pair in synthesize.pairs_of(made(), [])))
        identity = self._identity(pipeline.PAIRS, responses=responses.digest, **chosen)
        table = self._table(self._folder.iteration(number), tables.PAIRS, identity)
        if table.sealed:
            return table, made
        lost: list[synthesize.Lost] = []
        table.seal(tables.pair_to_row(pair) for pair in synthesize.pairs_of(made(), lost))
        return table, lambda: lost

    def _judgments(self, number: int, pairs: Table) -> Table:
        """The previous judge's replies to the pairs of an iteration."""
        made, place = View(pairs, tables.pair_of), self._folder.iteration(number)
        protocol, purpose = self._recipe.judging.protocol, f"judge {number}"
        return self._judged(place, number - 1, made, pairs.digest, protocol=protocol, purpose=purpose)

    def _select(self, number: int, pairs: Table, judgments: Table, made: Made) -> tuple[Table, Table]:
        """The traces that are kept and everything that was dropped."""
        identity = self._identity(pipeline.SELECT, pairs=pairs.digest, judgments=judgments.digest)
        place = self._folder.iteration(number)
        selected, dropped = (self._table(place, kind, identity) for kind in (tables.SELECTED, tables.DROPPED))
        if not (selected.sealed and dropped.sealed):
            select.select(
                map(tables.pair_of, pairs.rows()),
                map(tables.judgment_of, judgments.rows()),
                (one for one in made() if not isinstance(one, PreferencePair)),
                rule=self._recipe.selection.rule(),
                selected=selected,
                dropped=dropped,
            )
        return selected, dropped

    def _watch(self, number: int, pairs: Table, judgments: Table) -> dict[str, float | None]:
        """What the pairs of an iteration say about the judge that judged them; looked at once, and kept in a hidden file."""
        judged = select.judged(map(tables.pair_of, pairs.rows()), map(tables.judgment_of, judgments.rows()))
        of = self._identity(pipeline.SELECT, pairs=pairs.digest, judgments=judgments.digest)
        path = self._folder.iteration(number) / ".monitors.json"
        as_elected = self._recipe.synthesis.labels == "synthetic" and self._world.choose is None
        rule = self._recipe.selection.rule()
        whole = (one for one in judged if self._recipe.until is None or is_watched(one[0].id))
        return kept(path, of, lambda: watch(whole, rule, as_elected=as_elected))

    def _gate(self, number: int, pairs: Table, judgments: Table) -> Gate:
        """What the judge of an iteration must pass before it is one."""
        return Gate(
            folder=self._folder.iteration(number),
            pairs=pairs,
            judgments=judgments,
            protocol=self._recipe.judging.protocol,
            seed=self._seed(number, "gate"),
            before=(self._model(number - 1), self._model(0)),
            trained=self._recipe.training.kind != "scripted",
            open=self._world.open_candidate,
            progress=self._at(number, "gate"),
        )

    def _judge(self, number: int, selected: Table, judgments: Table) -> JudgeFolder:
        """The judge of an iteration, trained or not."""
        self._taught.append((selected, judgments))
        inputs = train.inputs(self._taught, self._recipe.training)
        identity = self._identity(pipeline.TRAIN, **inputs, start=self._fingerprint(self._start(number)))
        execution = self._recipe.execution.training.model_dump(mode="json", exclude={"report_to"})
        return JudgeFolder(self._folder.iteration(number), identity, self._folder.replaced, execution)

    def _start(self, number: int) -> Path:
        """The model that the judge of an iteration is trained from."""
        return self._model(0 if self._recipe.training.start == "restart" else number - 1)

    def _train(self, number: int, judge: JudgeFolder, gate: Gate) -> None:
        dropped = self._table(self._folder.iteration(number) / "training", tables.DROPPED, judge.identity)
        if judge.sealed:
            train.check(judge, dropped)
            return
        self._engines.close()
        train.train(
            self._taught,
            judge,
            dropped,
            trainer=self._world.trainer,
            start=self._start(number),
            recipe=self._recipe.training,
            judging=self._recipe.judging,
            seed=self._seed(number, "train"),
            progress=self._at(number, "train"),
            admit=gate.admit,
        )

    def _probe(self, number: int, pairs: Table, judge: JudgeFolder) -> Probe | None:
        """The probe of the judge to be trained, its predecessor asked; None where no servers of ours are used."""
        if self._world.open_reference is None:
            return None
        place, made = self._folder.iteration(number), View(pairs, tables.pair_of)
        probe = Probe(place, made, self._recipe.judging.protocol, self._at(number, "gate"))
        if probe.needed or not judge.sealed:
            probe.ask_predecessor(self._engine(number - 1).engine)
        return probe

    def _probed(self, number: int, probe: Probe | None, judge: JudgeFolder) -> Probing | None:
        """What the probe found. Raises EngineError when a server does not have the judge that was trained."""
        if probe is None or self._world.open_reference is None:
            return None
        if probe.needed:
            self._engines.close()
            with closing(self._world.open_reference(judge.path)) as reference:
                expected = probe.replies(reference)
            trained = judge.report["steps"] > 0 and self._recipe.training.kind != "scripted"
            probe.conclude(expected=expected, served=probe.replies(self._engine(number).engine), trained=trained)
        return probe.report

    def _measure(self, number: int) -> tuple[dict[str, Figures], dict[str, Table]]:
        """The figures of a judge on each benchmark, and the judgments behind them, by stage."""
        figures, measured = dict[str, Figures](), dict[str, Table]()
        for benchmark in self._world.benchmarks:
            stored = self._items(benchmark)
            items = [tables.item_of(row) for row in stored.rows()]
            counted = {}
            for name, protocol in self._protocols.items():
                own = (benchmark.name,) if name == STRICT.name else (benchmark.name, name)
                place = self._folder.iteration(number).joinpath("benchmarks", *own)
                pairs, purpose = [item.pair for item in items], " ".join(("evaluate", *own))
                measured[purpose] = self._judged(place, number, pairs, stored.digest, protocol=protocol, purpose=purpose)
                base = self._of_base.setdefault(purpose, measured[purpose])
                counted[name] = evaluate.figures(items, measured[purpose].rows(), protocol, base.rows() if number else None)
            figures[benchmark.name] = counted.pop(STRICT.name)
            if counted:
                figures[benchmark.name]["protocols"] = counted
        return figures, measured

    def _items(self, benchmark: Benchmark) -> Table:
        place, load = self._folder.root / "benchmarks" / benchmark.name, partial(benchmark.load, self._folder.images.put)
        return evaluate.stored_items(place, benchmark.digest(), partial(load, self._progress), self._folder.replaced)

    def _held_out_score(self, number: int, prompts: Prompts) -> tuple[Figures | None, dict[str, Table]]:
        """How a judge agrees with the synthetic labels of the pairs that are never trained on, and the replies behind that."""
        if not len(prompts):
            return None, {}
        responses = self._responses(0, prompts)
        stored, _ = self._pairs(0, prompts, responses)
        pairs = [tables.pair_of(row) for row in stored.rows()]
        place = self._folder.iteration(number) / "held-out"
        strict = self._protocols[STRICT.name]
        stage = "evaluate held-out"
        table = self._judged(place, number, pairs, stored.digest, protocol=strict, purpose=stage)
        return evaluate.agreement(pairs, table.rows()), {stage: table, **({} if number else {"synthesize": responses})}

    def _judged(
        self, place: Path, judge: int, pairs: Collection[PreferencePair], source: str, *, protocol: Protocol, purpose: str
    ) -> Table:
        """What judge number `judge` says to pairs from the table with the digest `source`."""
        until = self._recipe.until if purpose.startswith("judge") else None
        inputs = {"pairs": source, "model": self._fingerprint(self._model(judge)), **({"until": asdict(until)} if until else {})}
        identity = self._identity(pipeline.JUDGE, protocol=asdict(protocol), **inputs)
        table = self._table(place, tables.JUDGMENTS, identity)
        if not self._retry.complete(table):
            judging.judge(
                pairs,
                table,
                model=self._engine(judge),
                protocol=protocol,
                seed=seed_of(self._recipe.seed, purpose),
                until=until,
                progress=self._at(judge, "evaluate") if purpose.startswith("evaluate") else self._at(judge + 1, "judge"),
            )
        return table

    def _at(self, number: int, stage: str) -> Progress:
        """Progress that says in which iteration and stage it is."""
        of_all = number, max(number, self._recipe.loop.iterations)
        of_stages = _STAGES.index(stage) + 1, len(_STAGES)
        return lambda label, total: self._progress(StageLabel(label, of_all, of_stages), total)

    def _table(self, place: Path, kind: tables.TableKind, identity: dict[str, Any]) -> Table:
        return Table(place, kind, identity, self._folder.replaced)

    def _engine(self, number: int) -> NamedEngine:
        engine = self._engines.get(model := self._model(number))
        self._folder.check_unchanged(model, self._fingerprint(model))
        return NamedEngine(name=f"judge-{number}" if number else "base", engine=engine, execution=self._world.execution)

    def _model(self, number: int) -> Path:
        """The model folder of judge number `number`; number 0 is the base."""
        return self._folder.iteration(number) / "judge" if number else self._world.base

    def _seed(self, number: int, purpose: str) -> int:
        return seed_of(self._recipe.seed, number, purpose)

    def _identity(self, stage: pipeline.Stage, **inputs: Any) -> dict[str, Any]:
        """The identity of what a stage writes: its recipe fields and its inputs."""
        return stage.identity(self._recipe.as_json(), **inputs)

    def _publish(self, head: Head, iterations: Sequence[Iteration], prompts: Prompts, on_iteration: Told) -> Summary:
        """Rewrite the summary, say whether the run is over and which judge is its result, and tell whoever watches."""
        newest, best = len(iterations) - 1, summary.best_iteration(iterations, self._recipe.loop)
        more, finished = len(turn(prompts, self._recipe.loop, newest + 1)) > 0, self._folder.finished
        stopped = summary.stopped(self._recipe.loop, iterations, best, finished=finished, more=more)
        state: Summary = {
            **head,
            "stopped": stopped,
            "final_judge": f"iteration-{best}/judge" if best else None,
            "executions": counted(execution for one in iterations for execution in one["executions"]),
            "iterations": iterations,
        }
        if newest:
            sources = read_json(self._folder.root / "prompts" / "sources.json", "sources")["sources"]
            write_cards(self._model(newest), self._recipe, base=self._world.base, iterations=iterations, sources=sources)
        iteration_done(state)
        if summary.write(self._folder.root, state):
            on_iteration(state)
        if self._publisher is not None:
            self._publisher.push(newest, best, over=stopped is not None)
        return state

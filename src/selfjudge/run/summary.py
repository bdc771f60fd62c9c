"""The summary of a run: what stands in `summary.json`, read off the sealed tables and manifests."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path

from ..errors import InputError, RunError
from ..figures import ALL_DONE, Admission, Executed, Failures, Figures, Head, Iteration, Probing, Summary
from ..method.equivalence import same
from ..method.metrics import share
from ..method.monitors import warnings
from ..recipe.experiment import Loop, Recipe
from ..recipe.inputs import Source
from ..types import Kind
from .disk import read_json, write_json
from .executions import counted
from .failures import failures
from .folder import JudgeFolder
from .lineage import place_of
from .reasons import HARMLESS, nothing_usable, refusals, refused_error
from .store import Table
from .tables import Row

log = logging.getLogger(__name__)


def head(recipe: Recipe, prompts: Table, refused: Table, *, commit: str | None, strict: bool = False) -> Head:
    """The run as a whole; `commit` is that of its base model.

    Raises InputError where no prompt can be used, or fewer than the recipe or `strict` asks for.
    """
    why = refusals(refused.rows(), partial(place_of, recipe.prompts))
    if not prompts.manifest.rows:
        raise nothing_usable(why)
    used = Counter(where.partition("/")[0] for where in prompts.column("source"))
    if (fault := too_many_refused(recipe.prompts, used, list(refused.rows()), strict=strict)) is not None:
        raise fault
    return {
        "name": recipe.name,
        "recipe": recipe.digest,
        "seed": recipe.seed,
        "model": recipe.model,
        "prompts": {
            "total": prompts.manifest.rows,
            "open": prompts.counts("kind")[str(Kind.OPEN)],
            "closed": prompts.counts("kind")[str(Kind.CLOSED)],
            "rules": dict(sorted(prompts.counts("kind_rule").items())),
            "left_out": dict(Counter(turns for turns in prompts.column("left_out") if turns is not None).most_common()),
            "refused": {entry["reason"]: entry["count"] for entry in sorted(why, key=lambda entry: entry["reason"])},
        },
        "refused": why,
        "commit": commit,
    }


def too_many_refused(
    sources: Sequence[Source], used: Mapping[str, int], refused: Sequence[Row], *, strict: bool
) -> InputError | None:
    """The error for the first source of which more rows are refused than it allows; `strict` allows none.

    `used` counts prompts by source, as `prompts.0`; `refused` are the rows of that table.
    """
    rows = Counter(used) + Counter(row["source"].partition("/")[0] for row in refused)
    for number, source in enumerate(sources):
        name = f"prompts.{number}"
        most = 0.0 if strict else getattr(source, "max_refused", 1.0)
        faults = [row for row in refused if row["source"].startswith(f"{name}/") and row["reason"] not in HARMLESS]
        if len(faults) > most * rows[name]:
            allowed = "--strict allows none" if strict else f"`{name}.max_refused` allows {most:.0%}"
            what = f"{len(faults):,} of {rows[name]:,} rows of `{name}` cannot be used, and {allowed}"
            return refused_error(what, refusals(faults, partial(place_of, sources)))
    return None


def best_iteration(iterations: Sequence[Iteration], loop: Loop) -> int:
    """The last iteration, or with an early stop the first of those that did best on held-out pairs; none that was warned of."""
    if _is_warned(iterations, loop):
        return len(iterations) - 3
    if loop.stop is None or all(_score(one) is None for one in iterations):
        return len(iterations) - 1
    best, record = 0, -1.0
    for one in iterations:
        score = _score(one)
        if score is not None and score > record + (loop.stop.min_gain if record >= 0 else 0):
            best, record = one["iteration"], score
    return best


def _score(one: Iteration) -> float | None:
    return one["held_out"]["pair_accuracy"] if one["held_out"] else None


def check_watched(base: Iteration, loop: Loop) -> None:
    """Warn where an early stop has nothing to go by."""
    if loop.stop is not None and _score(base) is None:
        log.warning(
            "loop.stop has no held-out pair to go by, and all iterations are run: "
            "more prompts, or a larger loop.stop.held_out, need another folder (--dir)"
        )


def _is_warned(iterations: Sequence[Iteration], loop: Loop) -> bool:
    """Whether the run ends because of a warning in its last iteration, which is of the judge that the one before trained."""
    if not (loop.stop_on_warning and len(iterations) > 2 and iterations[-1]["warnings"]):
        return False
    training = iterations[-2]["training"]
    return training is not None and training["steps"] > 0


def stopped(loop: Loop, iterations: Sequence[Iteration], best: int, *, finished: int, more: bool) -> str | None:
    """Why a run is over after these iterations, or None. `finished` lie in its folder; `more` prompts are left or not."""
    done = len(iterations) - 1
    if _is_warned(iterations, loop):
        return f"a monitor warned: {iterations[-1]['warnings'][0]}"
    if done >= max(loop.iterations, finished):
        return ALL_DONE
    if loop.stop is not None and done - best >= loop.stop.patience:
        return f"no progress on held-out pairs since iteration {best}"
    kinds = " of the kinds that loop.open_share asks for next" if loop.open_share else ""
    return None if more else f"no fresh prompts are left{kinds}"


def measured(
    number: int,
    benchmarks: Mapping[str, Figures],
    asked: Mapping[str, Table],
    held_out: Figures | None,
    watched: Mapping[str, Table],
) -> Iteration:
    """A judge's figures on benchmarks and its score on held-out pairs, with the replies behind each by stage: all of the base."""
    behind = {**asked, **watched}
    return {
        "iteration": number,
        "pairs": None,
        "kept": None,
        "traces": None,
        "dropped": None,
        "training": None,
        "gate": None,
        "probe": None,
        "monitors": None,
        "warnings": [],
        "held_out": held_out,
        "benchmarks": benchmarks,
        "seconds": {"evaluate": _seconds(asked.values())},
        "tokens": {"evaluate": _tokens(asked.values())},
        "equivalence": None,
        "failures": _failures(behind),
        "executions": _executions(behind),
        "yield": None,
    }


def iteration(
    measured: Iteration,
    *,
    responses: Table,
    pairs: Table,
    dropped: Table,
    judgments: Table,
    selected: Table,
    judge: JudgeFolder,
    gate: Admission | None,
    probe: Probing | None,
    monitors: dict[str, float | None],
) -> Iteration:
    """An iteration whose judge was measured, with what was made and trained. `probe` is that of a served judge."""
    report, made = judge.report, {"synthesize": responses, "judge": judgments}
    kept = sum(1 for _ in groupby(selected.values("pair_id")))
    return {
        **measured,
        "pairs": pairs.manifest.rows,
        "kept": kept,
        "traces": selected.manifest.rows,
        "dropped": dict(sorted(dropped.counts("reason").items())),
        "training": {
            "examples": report["examples"],
            "steps": report["steps"],
            "loss": report["loss"],
            "execution": report["execution"],
        },
        "gate": gate,
        "probe": probe,
        "monitors": monitors,
        "warnings": warnings(monitors, measured["iteration"]),
        "seconds": {stage: _seconds([of]) for stage, of in made.items()} | {"train": report["seconds"], **measured["seconds"]},
        "tokens": {stage: _tokens([of]) for stage, of in made.items()} | {**measured["tokens"]},
        "equivalence": _compared(responses),
        "failures": {**_failures(made), **measured["failures"]},
        "executions": counted([*_executions(made), *measured["executions"]]),
        "yield": share(kept, pairs.manifest.rows),
    }


def _compared(responses: Table) -> dict[str, int] | None:
    """How often the model called two answers the same, different, or neither of these; None where it was not asked."""
    if not responses.counts("role")["same"]:
        return None
    said = Counter(same(row["text"]) for row in responses.rows("role", "text") if row["role"] == "same")
    return {"same": said[True], "different": said[False], "unread": said[None]}


def _failures(asked: Mapping[str, Table]) -> dict[str, Failures]:
    """What failed or was cut off, by stage."""
    return {stage: failures(table) for stage, table in asked.items()}


def _executions(asked: Mapping[str, Table]) -> list[Executed]:
    return counted(execution for table in asked.values() for execution in table.manifest.executions)


def _seconds(tables: Iterable[Table]) -> float:
    return round(sum(table.manifest.seconds for table in tables), 3)


def _tokens(tables: Collection[Table]) -> dict[str, int]:
    return {name: sum(table.total(f"{name}_tokens") for table in tables) for name in ("prompt", "completion")}


def write(root: Path, state: Summary) -> bool:
    """Write the summary of a run; whether that was done. Before the run is over, one that says the same and more stays."""
    try:
        known = read(root)["iterations"]
    except RunError:  # there is none, or it is damaged
        known = []
    done = state["iterations"]
    stays = len(known) > len(done) and json.dumps(known[: len(done)]) == json.dumps(done)
    if state["stopped"] is None and stays:
        return False
    write_json(root / "summary.json", state)
    return True


def read(root: Path) -> Summary:
    """The summary of a run folder. Raises RunError when there is none."""
    if not (root / "summary.json").exists():
        raise RunError(f"{root} holds no summary.json", hint="Name the folder of a run that has finished its first measurement.")
    value: Summary = read_json(
        root / "summary.json",
        *("name", "prompts", "stopped", "final_judge", "iterations"),
        hint="Delete the file and give the command of the run again: it makes it anew.",
    )
    return value

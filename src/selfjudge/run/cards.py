"""The two cards of a judge folder: `selfjudge.json` for programs, `README.md` for people. Both say the same.

They are written when their facts are known, which is after the judge was measured, and are no part of what is sealed. They hold
no time, no path and no host name, so that the same recipe and seed give the same cards.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..errors import InputError, RunError
from ..figures import Iteration, Lineage
from ..recipe.experiment import EMBEDDED_MODEL, Judging, Recipe, Synthesis
from ..recipe.section import HUB_NAME
from ..report.card import judge_card
from .disk import read_json, write_json, write_whole
from .executions import counted, described
from .fingerprint import CARD, README
from .folder import JudgeFolder
from .lineage import licence_of

_FIGURES = ("n", "accuracy", "ci95", "pair_accuracy", "pair_ci95", "consistency", "first_position_rate", "parse_rate")


def write_cards(judge: Path, recipe: Recipe, *, base: Path, iterations: Sequence[Iteration], sources: Sequence[Lineage]) -> None:
    """Write the cards of the judge of the last iteration, unless they stand there already."""
    first, *others, last = iterations
    facts = {
        **_trained(judge, recipe),
        **_origin(recipe, base),
        "iteration": last["iteration"],
        "trained": recipe.training.kind != "scripted" and last["training"] is not None and last["training"]["steps"] > 0,
        "synthesis": _writing(recipe.synthesis),
        "selection": recipe.selection.model_dump(mode="json"),
        "executions": counted(execution for one in iterations for execution in one["executions"]),
        "data": {"sources": sources, "iterations": [_yield(one) for one in (*others, last)]},
        "metrics": _metrics(last),
        "metrics_of_base": _metrics(first),
        "served": last["probe"] is not None,
        "serve": _serving(judge, recipe, last["iteration"]),
    }
    facts = json.loads(json.dumps(facts))  # as it will be read
    if _card(judge) != facts:
        write_json(judge / CARD, facts)
    text = judge_card({**facts, "executions": list(map(described, facts["executions"]))})
    if not (judge / README).exists() or (judge / README).read_text(encoding="utf-8") != text:
        write_whole(judge / README, text.encode())


def _trained(judge: Path, recipe: Recipe) -> dict[str, Any]:
    """What the card says since the judge was trained, by the recipe and the judge's manifest."""
    manifest = JudgeFolder(judge.parent, {}).report
    training = {name: manifest[name] for name in ("examples", "steps", "loss", "dropped") if name in manifest}
    return {"judging": recipe.judging.model_dump(mode="json"), "training": training, "versions": manifest.get("versions")}


def _card(judge: Path) -> Any:
    """The card; None where it is gone or damaged."""
    try:
        return read_json(judge / CARD)
    except RunError:
        return None


def judge_of(path: Path) -> Path:
    """The folder of the judge that a path means: a run folder means its best judge, or else its last, and the folder of an
    iteration its judge. Raises InputError.
    """
    if not (path / "summary.json").exists():
        return path / "judge" if (path / "judge.manifest.json").exists() else path
    final = read_json(path / "summary.json", "final_judge")["final_judge"]
    if final is None:
        raise InputError(f"{path} has no judge yet", hint="Run its recipe until the first iteration is done.")
    return path / str(final)


def judging_of(model: Path) -> Judging | None:
    """How a judge was trained to be asked; None for a model that is none. Raises InputError where its card is damaged."""
    if not (model / CARD).exists():
        return None
    try:
        return Judging(**read_json(model / CARD, "judging")["judging"])
    except (RunError, TypeError, ValidationError) as error:
        raise InputError(
            f"{model / CARD} does not say how the judge is asked: {error}",
            hint="Run its recipe again, which writes the file anew, or get the judge again.",
        ) from error


def _writing(made: Synthesis) -> dict[str, Any]:
    """What decides who wrote the responses, and which of two is called the better one."""
    closed = {"model": made.closed.model, "alternative": made.closed.alternative}
    return {"open": {"model": made.open.model}, "closed": closed, "labels": made.labels}


def _origin(recipe: Recipe, base: Path) -> dict[str, Any]:
    """What the judge was made of. A folder is called by its name alone: where it lies is nobody's business."""
    repository = recipe.model.partition("@")[0]
    on_hub = repository if re.fullmatch(HUB_NAME, repository) and not Path(recipe.model).is_dir() else None
    embedded = recipe.model == EMBEDDED_MODEL
    name = on_hub or ("the embedded model of selfjudge" if embedded else Path(recipe.model).name)
    return {
        "name": recipe.name,
        "base": {"name": name, "hub": on_hub, "commit": base.name if on_hub else None, "licence": licence_of(base / README)},
        "recipe": recipe.digest,
        "embedded": embedded,
    }


def _yield(one: Iteration) -> dict[str, int | None]:
    return {"iteration": one["iteration"], "pairs": one["pairs"], "kept": one["kept"], "traces": one["traces"]}


def _metrics(one: Iteration) -> dict[str, Any]:
    return {name: {key: found.get(key) for key in _FIGURES} for name, found in one["benchmarks"].items()}


def _serving(judge: Path, recipe: Recipe, number: int) -> dict[str, str]:
    """How to ask the judge: the command of a server, and Python."""
    revision = f"iteration-{number}"
    place = recipe.execution.push.to if recipe.execution.push is not None else f"RUN/{revision}/judge"
    config = read_json(judge / "config.json") if (judge / "config.json").exists() else {}
    words = ["vllm serve", place]
    if recipe.execution.push is not None:
        words += ["--revision", revision]
    if (dtype := config.get("dtype") or (config.get("text_config") or {}).get("dtype")) is not None:
        words += ["--dtype", dtype]
    if (length := getattr(recipe.execution.engine, "max_model_len", None)) is not None:
        words += ["--max-model-len", str(length)]
    words += ["--generation-config vllm --served-model-name", f"{recipe.name}-{number}"]
    at = f', revision="{revision}"' if recipe.execution.push is not None else ""
    return {
        "vllm": "" if config.get("model_type") == "mllama" else " ".join(words),
        "python": f'from selfjudge import Judge\n\njudge = Judge.load("{place}"{at})\n'
        'said = judge.compare("photo.jpg", "How many people are on the bridge?", "three", "four")\n'
        "print(said.preference, said.probability, said.traces)",
    }

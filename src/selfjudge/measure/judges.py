"""The judges that can be measured outside of a run, by name."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InputError, RecipeError, RunError
from ..figures import Executed
from ..hub.models import find_model
from ..ports import Engine
from ..recipe.engines import SERVERS, OpenAISettings
from ..recipe.file import engine_settings
from ..run.cards import judge_of, judging_of
from ..run.executions import execution_of
from ..run.folder import RunFolder
from ..wiring import BASELINES, open_baseline, open_engine

SERVED = "openai:"
"""Prefix of a model that an OpenAI-compatible server answers for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """A judge to measure.

    template   the prompt that it was trained with; None where it was not
    identity   the owner of the folder of its measurements
    address    the server's URL; None where there is no server
    fixed      whether its prompt cannot be changed: a baseline parses it
    """

    name: str
    identity: Mapping[str, Any]
    template: str | None
    open: Callable[[], Engine]
    address: str | None = None
    fixed: bool = False
    execution: Executed = field(default_factory=Executed)


def find_contestant(name: str, place: RunFolder, engine: Mapping[str, Any] | None = None) -> Contestant:
    """A judge by name: a run or model folder, a name on the hub, `shapes`, `openai:MODEL` behind a server, or a baseline.

    `engine` has values of `execution.engine`. Raises InputError, RecipeError.
    """
    if name in BASELINES:
        if engine:
            raise InputError(f"the baseline {name} has no engine to set", hint="Leave --base-url and --set out.")
        return Contestant(
            name=name, identity={"baseline": name}, template=BASELINES[name], open=lambda: open_baseline(name), fixed=True
        )
    if name.startswith(SERVED):
        served, server = name.removeprefix(SERVED), server_settings(engine or {})
        return Contestant(
            name=served,
            identity={"served": served},
            template=None,
            open=lambda: open_engine(server, Path(served), place.images.get, served_model=served),
            address=server.address,
            execution=execution_of(server),
        )
    settings = engine_settings(engine or {})
    if isinstance(settings, OpenAISettings):
        raise InputError(f"{name} is no model of a server", hint=f"Name it {SERVED}MODEL, as the server calls it.")
    model = find_model(str(judge_of(Path(name)))).path
    judging = judging_of(model)
    digest = place.fingerprint(model)

    def opened() -> Engine:
        engine = open_engine(settings, model, place.images.get, place=place)
        try:
            place.check_unchanged(model, digest)
        except RunError:
            engine.close()
            raise
        return engine

    return Contestant(
        name=judge_name(model) if Path(name).is_dir() else name,
        identity={"model": digest},
        template=None if judging is None else judging.template,
        open=opened,
        execution=execution_of(settings),
    )


def judge_name(model: Path) -> str:
    """The name of a model folder in tables: that of a run's judge has its run and iteration, as `mine/iteration-2`."""
    whole = model.resolve()
    of_run = whole.name == "judge" and re.fullmatch(r"iteration-\d+", whole.parent.name)
    return f"{whole.parent.parent.name}/{whole.parent.name}" if of_run else whole.name


def server_settings(engine: Mapping[str, Any]) -> OpenAISettings:
    """The settings of the server at `base_url` of the engine's values, or else at OPENAI_BASE_URL. Raises InputError."""
    url = engine.get("base_url") or os.environ.get("OPENAI_BASE_URL")
    if not url:
        raise InputError(
            "no server is named",
            hint=f"Give --base-url, such as http://localhost:8000/v1, or the name of one: {', '.join(SERVERS)}.",
        )
    try:
        settings = engine_settings({"kind": "openai", **engine, "base_url": url})
    except RecipeError as error:
        if "base_url" not in str(error):
            raise
        hint = f"It starts with http:// or https:// and usually ends with /v1, or is one of: {', '.join(SERVERS)}."
        raise InputError(f"{url} is not the address of a server", hint=hint) from error
    if not isinstance(settings, OpenAISettings):
        raise InputError(f"a served model has no engine of kind {settings.kind}", hint="Leave execution.engine.kind out.")
    return settings

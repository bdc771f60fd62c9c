"""The judges that can be measured outside of a run, by name."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..errors import InputError
from ..hub.models import find_model
from ..ports import Engine
from ..recipe.engines import OpenAISettings, TransformersSettings
from ..run.cards import judging_of
from ..run.folder import RunFolder
from ..wiring import BASELINES, open_baseline, open_engine, open_server

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


def find_contestant(name: str, place: RunFolder, base_url: str | None) -> Contestant:
    """A judge by name. Raises InputError."""
    if name in BASELINES:
        return Contestant(
            name=name, identity={"baseline": name}, template=BASELINES[name], open=lambda: open_baseline(name), fixed=True
        )
    if name.startswith(SERVED):
        served, server = name.removeprefix(SERVED), server_recipe(base_url)
        return Contestant(
            name=served,
            identity={"served": served},
            template=None,
            open=lambda: open_server(served, server, place.images.get),
            address=server.base_url.rstrip("/"),
        )
    model = find_model(name).path
    judging = judging_of(model)
    return Contestant(
        name=judge_name(model) if Path(name).is_dir() else name,
        identity={"model": place.fingerprint(model)},
        template=None if judging is None else judging.template,
        open=lambda: open_engine(TransformersSettings(), model, place.images.get),
    )


def judge_name(model: Path) -> str:
    """The name of a model folder in tables: that of a run's judge has its run and iteration, as `mine/iteration-2`."""
    whole = model.resolve()
    of_run = whole.name == "judge" and re.fullmatch(r"iteration-\d+", whole.parent.name)
    return f"{whole.parent.parent.name}/{whole.parent.name}" if of_run else whole.name


def server_recipe(base_url: str | None) -> OpenAISettings:
    """The settings for the server at `base_url`, or else at OPENAI_BASE_URL. Raises InputError."""
    url = base_url or os.environ.get("OPENAI_BASE_URL")
    if not url:
        raise InputError(
            "no server is named", hint="Give --base-url, such as http://localhost:8000/v1 or https://api.openai.com/v1."
        )
    try:
        return OpenAISettings(kind="openai", base_url=url)
    except ValidationError as error:
        raise InputError(
            f"{url} is not the address of a server", hint="It starts with http:// or https:// and usually ends with /v1."
        ) from error

"""Executions: how rows were produced, as far as that may change a text. Manifests count the rows of each."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from importlib.metadata import distributions
from pathlib import Path
from typing import cast

from ..figures import Executed
from ..recipe.engines import EngineSettings, VLLMSettings

_FIELDS = ("dtype", "batch_size", "device", "max_model_len")
_PACKAGES = {"transformers": ("torch", "transformers"), "vllm": ("vllm",)}


def execution_of(settings: EngineSettings) -> Executed:
    """The execution of an engine with these settings in this environment; one on Ray is that of its replicas."""
    each = getattr(settings, "replica", settings)
    fields = cast("Executed", {name: getattr(each, name) for name in _FIELDS if hasattr(each, name)})
    python = settings.python if isinstance(settings, VLLMSettings) else None
    return {"engine": each.kind, **fields, "versions": _versions(_PACKAGES.get(each.kind, ()), python)}


def _versions(packages: Iterable[str], python: Path | None) -> dict[str, str]:
    """Versions of the installed ones of these packages, in the virtual environment of another interpreter where one is named."""
    path = sys.path if python is None else [str(p) for p in python.parent.parent.glob("lib/python*/site-packages")]
    return {name: each.version for name in packages for each in distributions(name=name, path=path)}


def described(execution: Executed) -> str:
    """An execution and its number of rows, in words."""
    facts = {name: value for name, value in execution.items() if name not in ("engine", "versions", "rows")}
    named = ", ".join(f"{name} {value}" for name, value in {**facts, **execution["versions"]}.items())
    return f"{execution['rows']:,} rows by {execution['engine']}" + (f" ({named})" if named else "")


def counted(executions: Iterable[Executed]) -> list[Executed]:
    """Distinct executions with their `rows` summed, most rows first."""
    known: dict[str, Executed] = {}
    rows: Counter[str] = Counter()
    for each in executions:
        which = cast("Executed", {name: value for name, value in each.items() if name != "rows"})
        known[repr(which)] = which
        rows[repr(which)] += each["rows"]
    return [{**known[key], "rows": count} for key, count in rows.most_common()]

"""Where a run's prompts come from: each source with its count, its revision and its licence, as far as they are known offline.

A licence is read from the `README.md` beside the data, as data sets of the hub have it: YAML between two lines of dashes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from .recipe import DatasetSource, FilesSource, Source

_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHAPES_LICENCE = "apache-2.0 (drawings), cc-by-4.0 (scikit-learn's handwritten digits)"


def lineage(sources: Sequence[Source], taken: Iterable[str]) -> list[dict[str, Any]]:
    """What is known of each source. `taken` says of every prompt of the run where it came from, as `name:line`."""
    counts = Counter(where.rpartition(":")[0] for where in taken)
    return [{**_about(source), "prompts": sum(counts.pop(label, 0) for label in _labels(source))} for source in sources]


def licence_of(readme: Path | None) -> str | None:
    """The licence that a card names; None where it names none, or is none."""
    try:
        text = readme.read_text(encoding="utf-8") if readme is not None else ""
        head = yaml.safe_load(text.split("---")[1]) if text.startswith("---") else None
    except (OSError, ValueError, IndexError, yaml.YAMLError):
        return None
    named = head.get("license") if isinstance(head, dict) else None
    return ", ".join(map(str, named)) if isinstance(named, list) else str(named) if named else None


def _about(source: Source) -> dict[str, Any]:
    if isinstance(source, FilesSource):
        folder = source.path if source.path.is_dir() else source.path.parent
        return _entry("files", source.path.name, licence_of(folder / "README.md"))
    if isinstance(source, DatasetSource):
        folder = Path(source.path)
        if folder.is_dir():
            return _entry("data set", folder.name, licence_of(folder / "README.md"))
        readme = _cached_readme(source.path)
        revision = readme.parent.name if readme is not None and _COMMIT.fullmatch(readme.parent.name) else None
        return {**_entry("data set of the hub", source.path, licence_of(readme)), "revision": revision}
    return _entry("drawn scenes", f"shapes, seed {source.seed}", _SHAPES_LICENCE)


def _entry(kind: str, name: str, licence: str | None) -> dict[str, Any]:
    return {"kind": kind, "name": name, "revision": None, "licence": licence}


def _labels(source: Source) -> list[str]:
    """How prompts of a source name it; a file alone by its name, a folder of files by theirs."""
    if isinstance(source, FilesSource):
        return [path.name for path in source.path.iterdir()] if source.path.is_dir() else [source.path.name]
    if isinstance(source, DatasetSource):
        folder = Path(source.path)
        return [f"{folder.name if folder.is_dir() else source.path}/{source.split}"]
    return [f"shapes-{source.seed}"]


def _cached_readme(name: str) -> Path | None:
    """The card of a data set of the hub, as it was fetched with the data; None where it was not."""
    try:
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(name, "README.md", repo_type="dataset")
    except (ImportError, ValueError):
        return None
    return Path(found) if isinstance(found, str) else None

"""Where a run's prompts come from: each source with its count, its revision and its licence, as far as they are known offline.

A licence is read from the `README.md` beside the data, as data sets of the hub have it: YAML between two lines of dashes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ..errors import InputError, RunError
from ..recipe.experiment import DatasetSource, FilesSource, Source
from ..types import content_id
from .disk import difference, read_json, sha256_of, write_json
from .jsonl import regular

SUFFIXES = (".jsonl", ".parquet")
"""Of files with prompts of one's own."""
_PATIENCE = 10.0
"""Seconds for the hub to say which commit it has."""

_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHAPES_LICENCE = "apache-2.0 (drawings), cc-by-4.0 (scikit-learn's handwritten digits)"


def lineage(sources: Sequence[Source], taken: Iterable[str]) -> list[dict[str, Any]]:
    """What is known of each source. `taken` says of every prompt of the run where it came from, as `ports.all_rows` does."""
    counts = Counter(where.partition("/")[0] for where in taken)
    return [{**_about(source), "prompts": counts[f"prompts.{number}"]} for number, source in enumerate(sources)]


def place_of(sources: Sequence[Source], where: str) -> str:
    """Where a row lies for whoever has to mend it: `ports.all_rows` names it by its source, here it has its file's whole path."""
    head, _, place = where.partition("/")
    source = sources[int(head.removeprefix("prompts."))]
    if isinstance(source, FilesSource):
        return str((source.path if source.path.is_dir() else source.path.parent) / place)
    if isinstance(source, DatasetSource) and Path(source.path).is_dir():
        return str(Path(source.path).parent / place)
    return place


def contents(sources: Sequence[Source], folder: Path) -> dict[str, Any]:
    """What each source holds: a digest for each file or folder, and the commit of a data set of the hub.

    Noted in the `folder` of a run's prompts. Raises RunError where it has changed since, InputError where it cannot be read.
    """
    noted = folder / "contents.json"
    known = read_json(noted) if noted.exists() else {}
    found = _found(sources, known, read=(folder / "prompts.manifest.json").exists())
    if known and (changed := difference(found, known)) is not None:
        raise RunError(
            f"the prompts have changed since the run in {folder.parent} read them: {changed}",
            hint="Put back what they were, or use another folder (--dir).",
        )
    write_json(noted, found)
    return found


def _found(sources: Sequence[Source], known: Mapping[str, Any], *, read: bool) -> dict[str, Any]:
    """Once all rows were `read`, the hub is not asked again: it may have moved on."""
    found: dict[str, Any] = {}
    for number, source in enumerate(sources):
        name = f"prompts.{number}"
        if isinstance(source, FilesSource):
            found[name] = {path.name: _digest(path) for path in prompt_files(source.path)}
        elif isinstance(source, DatasetSource) and Path(source.path).is_dir():
            found[name] = {"folder": _digest_of_folder(Path(source.path))}
        elif isinstance(source, DatasetSource):
            commit = known.get(name, {}).get("commit")
            found[name] = {"commit": commit if read else _commit(source.path) or commit}
    return found


def prompt_files(path: Path) -> list[Path]:
    """The files of one's own prompts: a file alone, or all that a folder holds, by name."""
    return sorted(p for p in path.iterdir() if p.suffix in SUFFIXES) if path.is_dir() else [path]


def _digest(path: Path) -> str:
    try:
        return sha256_of(regular(path))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}", hint="Name a file that can be read.") from error


def _digest_of_folder(folder: Path) -> str:
    """Of all files of a data set; `datasets` may leave caches beside them."""
    paths = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith((".", "cache-")))
    return content_id([[str(path.relative_to(folder)), _digest(path)] for path in paths])


def _commit(name: str) -> str | None:
    """The newest commit of a data set of the hub; None where the hub cannot be asked."""
    try:
        from huggingface_hub import HfApi

        commit: str | None = HfApi().dataset_info(name, timeout=_PATIENCE).sha
    except Exception:  # the library raises many kinds; whoever reads the rows says what is wrong
        return None
    return commit


def licence_of(readme: Path | None) -> str | None:
    """The licence that a card names; None where it names none, or is none."""
    try:
        text = readme.read_text(encoding="utf-8") if readme is not None else ""
        head = yaml.safe_load(text.split("---")[1]) if text.startswith("---") else None
    except (OSError, ValueError, IndexError, yaml.YAMLError):
        return None
    named = head.get("license") if isinstance(head, dict) else None
    names = [name for name in (named if isinstance(named, list) else [named]) if isinstance(name, str)]
    return ", ".join(names) or None


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


def _cached_readme(name: str) -> Path | None:
    """The card of a data set of the hub, as it was fetched with the data; None where it was not."""
    try:
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(name, "README.md", repo_type="dataset")
    except (ImportError, ValueError):
        return None
    return Path(found) if isinstance(found, str) else None

"""The sources of a run's prompts: count, revision and licence of each, as far as they are known offline.

A data set of the hub is read at one commit. A licence is read from the `README.md` beside the data, as data sets of the hub have
it: YAML between two lines of dashes.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from ..errors import InputError, RunError, SelfjudgeError
from ..figures import Lineage
from ..hub.client import Repository, cached_card, commit_of
from ..recipe.inputs import SUFFIXES, DatasetSource, FilesSource, ImagesSource, Source
from ..types import content_id
from .disk import differences, read_json, write_checked
from .fingerprint import HASHES, Hashes
from .jsonl import regular

IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".avifs"),
    *(".heic", ".heif", ".hif", ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", ".ppm", ".pgm", ".pbm", ".pnm"),
)
"""Suffixes of images in a folder of them."""
_DESCRIPTIONS = ("dataset_info.json", "dataset_dict.json", "state.json")
_CONTENTS = "contents.json"
_SHAPES_LICENCE = "apache-2.0 (drawings), cc-by-4.0 (scikit-learn's handwritten digits)"
_LICENCE = re.compile(r"^license:.*(?:\n(?:[ \t#-].*)?)*", re.MULTILINE)
"""The entry of a YAML head, with the lines that belong to it."""
_CARD_BYTES = 2**20
"""How much of a card is read; heads with statistics of many configurations have some 100 kB."""
_TEXT = "tag:yaml.org,2002:str"


def lineage(sources: Sequence[Source], taken: Iterable[str]) -> list[Lineage]:
    """Kind, name, revision, licence and number of prompts of each source, as `at_commits` returns them.

    `taken` holds the place of every prompt of the run, as `ports.all_rows` names it.
    """
    counts = Counter(where.partition("/")[0] for where in taken)
    return [_about(source, counts[f"prompts.{number}"]) for number, source in enumerate(sources)]


def place_of(sources: Sequence[Source], where: str) -> str:
    """The full path and line of a row, for whoever has to correct it; `where` is its name by `ports.all_rows`."""
    head, _, row = where.partition("/")
    source = sources[int(head.removeprefix("prompts."))]
    if isinstance(source, ImagesSource):
        return str(source.path / row)
    if isinstance(source, FilesSource):
        return str((source.path if source.path.is_dir() else source.path.parent) / row)
    if isinstance(source, DatasetSource) and Path(source.path).is_dir():
        return str(Path(source.path).parent / row)
    return row


def at_commits(sources: Sequence[Source], folder: Path) -> tuple[Source, ...]:
    """The sources, each data set of the hub at one commit: the one recorded in `folder`, else the one that the hub has now.

    `folder` is that of a run's prompts. Raises SelfjudgeError when the hub does not answer.
    """
    recorded = _recorded(folder)
    return tuple(_at_commit(source, recorded.get(f"prompts.{number}", {})) for number, source in enumerate(sources))


def _at_commit(source: Source, recorded: Mapping[str, Any]) -> Source:
    if not isinstance(source, DatasetSource) or Path(source.path).is_dir():
        return source
    commit = recorded.get("commit") or commit_of(_repository(source))
    return source.model_copy(update={"revision": commit})


def _repository(source: DatasetSource) -> Repository:
    return Repository(kind="dataset", name=source.path, revision=source.revision)


def contents(sources: Sequence[Source], folder: Path) -> dict[str, Any]:
    """What each source holds: a digest for each file or folder, and the commit of a data set of the hub.

    Recorded in `folder`, that of a run's prompts. Raises RunError if a file has changed since, InputError if it cannot be read,
    and SelfjudgeError when the hub does not answer.
    """
    recorded, hashes = _recorded(folder), Hashes(folder / HASHES)
    now = {
        f"prompts.{number}": content
        for number, source in enumerate(at_commits(sources, folder))
        if (content := _content(source, hashes)) is not None
    }
    hashes.remember()
    if recorded and (changed := next(differences(now, recorded), None)):
        raise RunError(
            f"the prompts have changed since the run in {folder.parent} read them: {changed}",
            hint="Restore the files, or use another folder (--dir).",
        )
    write_checked(folder / _CONTENTS, now)
    return now


def _recorded(folder: Path) -> dict[str, Any]:
    return read_json(folder / _CONTENTS) if (folder / _CONTENTS).exists() else {}


def forget(folder: Path) -> None:
    """Remove what is recorded of sources in `folder`, that of a run's prompts, and an empty folder, too."""
    for name in (_CONTENTS, "sources.json", HASHES):
        (folder / name).unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()


def _content(source: Source, hashes: Hashes) -> dict[str, Any] | None:
    if isinstance(source, FilesSource):
        return {path.name: _digest(path, hashes) for path in prompt_files(source.path)}
    if isinstance(source, ImagesSource):
        path = source.path
        return {"images": _digest(path, hashes) if path.is_file() else _digest_of_files(image_files(path), path, hashes)}
    if isinstance(source, DatasetSource):
        path = Path(source.path)
        return {"folder": _digest_of_folder(path, hashes)} if path.is_dir() else {"commit": source.revision}
    return None


def prompt_files(path: Path) -> list[Path]:
    """A file with prompts, or all such files of a folder, by name, but for hidden ones and descriptions of `save_to_disk`."""
    if not path.is_dir():
        return [path]
    found = (p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
    return sorted(p for p in found if p.name not in _DESCRIPTIONS)


def image_files(folder: Path) -> list[Path]:
    """The images of a folder and of the folders in it, by name; hidden ones are left out."""
    return [path for path in files_in(folder) if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()]


def files_in(folder: Path) -> list[Path]:
    """The files of a folder and of the folders in it, linked ones too, but for hidden ones. No folder is entered twice."""
    found, entered, tops = list[Path](), set[Path](), [folder]
    for top in tops:
        for place, folders, files in os.walk(top):
            here = Path(place)
            if (itself := here.resolve()) in entered:
                folders.clear()
                continue
            entered.add(itself)
            folders[:] = [name for name in folders if not name.startswith(".")]
            tops += sorted(path for name in folders if (path := here / name).is_symlink())
            found += (here / name for name in files if not name.startswith("."))
    return sorted(found)


def _digest(path: Path, hashes: Hashes) -> str:
    try:
        return hashes.of(regular(path))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}", hint="Check the path and its permissions.") from error


def _digest_of_folder(folder: Path, hashes: Hashes) -> str:
    """The digest of all files of a data set, without the caches that `datasets` may leave beside them."""
    paths = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith((".", "cache-")))
    return _digest_of_files(paths, folder, hashes)


def _digest_of_files(paths: Sequence[Path], folder: Path, hashes: Hashes) -> str:
    return content_id([[str(path.relative_to(folder)), _digest(path, hashes)] for path in paths])


def licence_of(card: Path | None) -> str | None:
    """The licence that a README.md names: a text, or a list of texts. None if it names none or cannot be read.

    Only the entry `license` of its YAML head is parsed, and nothing is built from it: a card may come from a stranger.
    """
    try:
        text = regular(card).read_bytes()[:_CARD_BYTES].decode("utf-8-sig", "replace") if card is not None else ""
        entry = _LICENCE.search(text.split("\n---")[0]) if text.startswith("---") else None
        root = yaml.compose(entry[0], Loader=yaml.SafeLoader) if entry is not None else None
    except (OSError, SelfjudgeError, RecursionError, yaml.YAMLError):
        return None
    if not isinstance(root, yaml.MappingNode):
        return None
    value = root.value[0][1]
    nodes = value.value if isinstance(value, yaml.SequenceNode) else [value]
    names = [node.value for node in nodes if node.tag == _TEXT]
    return ", ".join(names) or None


def _about(source: Source, prompts: int) -> Lineage:
    if isinstance(source, FilesSource):
        folder = source.path if source.path.is_dir() else source.path.parent
        return _entry("files", source.path.name, licence_of(folder / "README.md"), prompts)
    if isinstance(source, ImagesSource):
        return _entry("images", source.path.name, licence_of(source.path / "README.md"), prompts)
    if isinstance(source, DatasetSource):
        folder = Path(source.path)
        if folder.is_dir():
            return _entry("data set", folder.name, licence_of(folder / "README.md"), prompts)
        licence = licence_of(cached_card(_repository(source)))
        return _entry("data set of the hub", source.path, licence, prompts, revision=source.revision)
    return _entry("drawn scenes", f"shapes, seed {source.seed}", _SHAPES_LICENCE, prompts)


def _entry(kind: str, name: str, licence: str | None, prompts: int, *, revision: str | None = None) -> Lineage:
    return {"kind": kind, "name": name, "revision": revision, "licence": licence, "prompts": prompts}

"""The run folder: tables that grow in parts and are sealed whole, images by content, and the recipe that made them.

A table grows in a `journal.Growing`, so that a killed process loses no row. Once complete, it is sorted by key into one file, and
its manifest is written last: a table without a manifest is unfinished, whatever lies there. A manifest names what the table was
made of (`identity`); a folder whose identity differs is an error that names the difference, never a silent reuse.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from .disk import difference, read_json, sha256_of, write_json, write_whole, writing
from .errors import RunError
from .journal import Growing, parquet
from .replaced import Replaced
from .tables import Row, TableKind
from .types import ImageRef

_SUFFIXES = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}

_WHOLE = 64 * 2**20

Identity = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a sealed table is: written last, so that its presence says that the table is whole."""

    identity: Identity
    rows: int
    sha256: str
    seconds: float

    @staticmethod
    def read(path: Path) -> Manifest:
        value = read_json(path, "identity", "rows", "sha256", "seconds")
        return Manifest(identity=value["identity"], rows=value["rows"], sha256=value["sha256"], seconds=value["seconds"])


class Table:
    """One table of a run: parts while it grows, a sorted Parquet file with a manifest once it is whole."""

    def __init__(self, folder: Path, kind: TableKind, identity: Identity, replaced: Replaced | None = None) -> None:
        self.kind = kind
        self.path = folder / f"{kind.name}.parquet"
        self.manifest_path = folder / f"{kind.name}.manifest.json"
        self._identity = json.loads(json.dumps(identity))
        self._replaced = replaced

    @property
    def sealed(self) -> bool:
        """Whether the table is whole. Raises RunError when it was made of something else, or is damaged.

        One that was made of what was `replaced` since is not whole any more.
        """
        if not self.manifest_path.exists():
            return False
        manifest = self.manifest
        if _is_outdated(self.path, self._identity, manifest.identity, self._replaced):
            return False
        if not self.path.exists() or sha256_of(self.path) != manifest.sha256:
            raise RunError(f"{self.path} is damaged or was changed", hint=f"Delete {self.manifest_path} to have it made again.")
        return True

    @property
    def manifest(self) -> Manifest:
        return Manifest.read(self.manifest_path)

    @property
    def digest(self) -> str:
        """SHA-256 of the sealed file."""
        return self.manifest.sha256

    @cached_property
    def _growing(self) -> Growing:
        """The rows so far, made of the same as this table will be. Raises RunError."""
        folder = self.path.with_name(f".{self.kind.name}.parts")
        growing, note = Growing(folder, self.kind), folder / "identity.json"
        theirs = read_json(note) if note.exists() else None
        if theirs is not None and _is_outdated(self.path, self._identity, theirs, self._replaced):
            growing.clear()
        if theirs != self._identity:
            write_json(note, self._identity)
        return growing

    def forget(self, which: pc.Expression) -> int:
        """Remove rows, of a sealed table too, which then has to be sealed again; how many there were. Raises RunError."""
        if self.sealed:
            rows = pq.read_table(self.path, schema=self.kind.schema)
            if not len(rows.filter(which)):
                return 0
            self._growing.take(rows, self.manifest.seconds)
            _note_replaced(self.manifest_path, self._replaced)
            self.manifest_path.unlink()
        return self._growing.forget(which)

    def keys(self) -> set[str]:
        """Keys of all rows that are safely stored."""
        return self._growing.keys()

    def append(self, row: Row) -> None:
        """Add a row, which then outlives this process. Raises BadRow where the table cannot hold it."""
        self._growing.append(row)

    def flush(self) -> None:
        """Wait until all rows are safe, from a loss of power too."""
        self._growing.flush()

    def stored(self) -> list[Row]:
        """All rows that are safely stored, in no order."""
        return [row for part in self._growing.parts() for row in part.to_pylist()]

    def seal(self, rows: Sequence[Row] = ()) -> None:
        """Sort all rows by key into the final file, write the manifest, and remove the parts. Raises BadRow."""
        self.flush()
        stored = self.keys()
        self._growing.extend([row for row in rows if row[self.kind.key] not in stored])
        parts = self._growing.parts()
        seconds = sum(float(part.schema.metadata[b"seconds"]) for part in parts)
        table = (
            pa.concat_tables([part.replace_schema_metadata(None) for part in parts]) if parts else self.kind.schema.empty_table()
        )
        table = table.take(pc.sort_indices(table, sort_keys=[(self.kind.key, "ascending")])).combine_chunks()
        keys = table[self.kind.key]
        if len(pc.unique(keys)) != len(keys):
            raise RunError(
                f"{self.path} would hold a key twice", hint=f"Delete {self._growing.folder} and run again; please report this."
            )
        write_whole(self.path, parquet(table))
        manifest = {
            "table": self.kind.name,
            "rows": len(table),
            "sha256": sha256_of(self.path),
            "identity": self._identity,
            "schema": {field.name: str(field.type) for field in self.kind.schema},
            "seconds": round(seconds, 3),
            "selfjudge": version("selfjudge"),
        }
        _note_replaced(self.manifest_path, self._replaced)
        write_json(self.manifest_path, manifest)
        self._growing.remove()

    def rows(self) -> list[Row]:
        """All rows of the sealed table, by key."""
        rows: list[Row] = pq.read_table(self.path, schema=self.kind.schema).to_pylist()
        return rows

    def column(self, name: str) -> list[Any]:
        values: list[Any] = pq.read_table(self.path, columns=[name])[name].to_pylist()
        return values


def _is_outdated(path: Path, ours: Identity, theirs: Identity, replaced: Replaced | None) -> bool:
    """Whether what lies in a path was made of what was `replaced` since. Raises RunError when it was made of something else."""
    found = difference(ours, theirs)
    if found is None:
        return False
    if replaced is None or not replaced.explains(ours, theirs):
        raise RunError(f"{path} was made by other means: {found}", hint="Use another folder (--dir), or delete this one.")
    return True


def _note_replaced(manifest: Path, replaced: Replaced | None) -> None:
    """What the manifest stands for goes: what was made of it is to be made anew."""
    if replaced is not None and manifest.exists():
        replaced.add(read_json(manifest)["sha256"])


class ImageStore:
    """Images of a run by content: each once, as `ab/abcd….png`. What is read is checked against its hash."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, ref: ImageRef) -> Path:
        return self.folder / ref.sha256[:2] / f"{ref.sha256}.{_SUFFIXES[ref.media_type]}"

    def put(self, ref: ImageRef, data: bytes) -> None:
        if not self.path(ref).exists():
            write_whole(self.path(ref), data, durable=False)

    def get(self, ref: ImageRef) -> bytes:
        """The bytes of an image. Raises RunError when they are gone or damaged."""
        try:
            data = self.path(ref).read_bytes()
        except OSError as error:
            raise RunError(f"an image of the run is gone: {self.path(ref)}", hint="Use a new folder (--dir).") from error
        if hashlib.sha256(data).hexdigest() != ref.sha256:
            raise RunError(
                f"an image of the run is damaged: {self.path(ref)}",
                hint="Delete it together with `prompts/` and run again.",
            )
        return data


CARD, README = "selfjudge.json", "README.md"
"""In a model folder: how a judge is asked and where it came from, for programs and for people. They may be written later."""


def fingerprint(folder: Path) -> str:
    """A digest of a model folder: every file's name and content, its cards aside; of files over 64 MiB the size and both ends."""
    digest = hashlib.sha256()
    cards = (folder / CARD, folder / README)
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(".") and p not in cards):
        size = path.stat().st_size
        digest.update(f"{path.relative_to(folder)} {size}".encode())
        with path.open("rb") as file:
            if size <= _WHOLE:
                digest.update(file.read())
            else:
                digest.update(file.read(_WHOLE // 64))
                file.seek(-_WHOLE // 64, os.SEEK_END)
                digest.update(file.read())
    return digest.hexdigest()


class JudgeFolder:
    """The model folder of one iteration's judge, with a manifest beside it that is written last."""

    def __init__(self, folder: Path, identity: Identity, replaced: Replaced | None = None) -> None:
        self.path = folder / "judge"
        self.manifest_path = folder / "judge.manifest.json"
        self.built = folder / ".judge.building"
        """Where the judge is built, and stays until it is sealed."""
        self._work = folder / ".judge.work"
        self.identity = json.loads(json.dumps(identity))
        self._replaced = replaced
        self._started = time.monotonic()

    @property
    def sealed(self) -> bool:
        """Whether the judge is whole, as a table is. Raises RunError when it was trained on something else, or is damaged."""
        if not self.manifest_path.exists():
            return False
        manifest = self.report
        if _is_outdated(self.path, self.identity, manifest["identity"], self._replaced):
            return False
        if not self.path.is_dir() or fingerprint(self.path) != manifest["sha256"]:
            raise RunError(
                f"{self.path} is damaged or was changed", hint=f"Delete {self.manifest_path} to have it trained again."
            )
        shutil.rmtree(self._work, ignore_errors=True)
        return True

    @property
    def report(self) -> dict[str, Any]:
        """The manifest: what training reported, its seconds, and the judge's digest."""
        report: dict[str, Any] = read_json(self.manifest_path, "identity", "sha256", "seconds")
        return report

    @contextmanager
    def building(self) -> Iterator[Path]:
        """An empty folder to build the judge in."""
        self._started = time.monotonic()
        for leftover in (self.built, self.path):
            shutil.rmtree(leftover, ignore_errors=True)
        with writing(self.built):
            self.built.mkdir(parents=True)
            yield self.built

    def workplace(self) -> Path:
        """A folder for what must outlive a kill until the judge is sealed. What another judge left there is removed."""
        note = self._work / "identity.json"
        if not note.exists() or read_json(note) != self.identity:
            shutil.rmtree(self._work, ignore_errors=True)
            write_json(note, self.identity)
        return self._work

    def abandon(self) -> None:
        """Remove what was to outlive a kill: it led to a judge that must not be used."""
        shutil.rmtree(self._work, ignore_errors=True)

    def seal(self, report: Mapping[str, Any]) -> None:
        """Give the built folder its name and write the manifest."""
        with writing(self.path):
            self.built.replace(self.path)
        manifest = {
            **report,
            "sha256": fingerprint(self.path),
            "identity": self.identity,
            "seconds": round(time.monotonic() - self._started, 3),
            "selfjudge": version("selfjudge"),
        }
        _note_replaced(self.manifest_path, self._replaced)
        write_json(self.manifest_path, manifest)
        shutil.rmtree(self._work, ignore_errors=True)


class RunFolder:
    """A run on disk. Open it with `claim`, which makes sure that it belongs to this recipe and to this process alone."""

    def __init__(self, root: Path, *, retry_failed: bool = False) -> None:
        self.root = root
        self.retry_failed = retry_failed
        """Whether requests that failed before are asked again."""
        self.images = ImageStore(root / "images")
        self.replaced = Replaced(root / "replaced.json")

    def iteration(self, number: int) -> Path:
        return self.root / f"iteration-{number}"

    @property
    def finished(self) -> int:
        """The last iteration in a row that has its judge."""
        number = 0
        while (self.iteration(number + 1) / "judge.manifest.json").exists():
            number += 1
        return number

    @contextmanager
    def claim(self, recipe: Mapping[str, Any], changeable: Callable[[dict[str, Any]], dict[str, Any]]) -> Iterator[None]:
        """Hold the folder for this process and this recipe.

        Raises RunError when another process holds it, or when it was made by a recipe that differs in more than what
        `changeable` removes; the error names the field that differs.
        """
        with writing(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            lock = (self.root / ".lock").open("a")
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise RunError(
                    f"{self.root} is in use by another process", hint="Wait for it, or use another folder (--dir)."
                ) from error
            self.check(recipe, changeable)
            write_json(self.root / "recipe.json", recipe)
            yield

    def check(self, recipe: Mapping[str, Any], changeable: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Raises RunError when the folder was made by a recipe that differs in more than what `changeable` removes."""
        path = self.root / "recipe.json"
        if path.exists():
            known = read_json(path, hint="Put back a copy of the file, or use another folder (--dir).")
            found = difference(changeable(dict(recipe)), changeable(known))
            if found is not None:
                raise RunError(
                    f"{self.root} was made by another recipe: {found}",
                    hint="Use another folder (--dir), or delete this one.",
                )
        elif any(self.root.glob("iteration-*")):
            raise RunError(
                f"{self.root} holds a run but no recipe.json", hint="Put back a copy of that file, or use another folder (--dir)."
            )

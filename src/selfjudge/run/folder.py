"""The run folder: the recipe that made it, its judges, and images by content. Its tables are in `store`."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..errors import InputError, RunError, TrainerError
from ..recipe.experiment import experiment_of
from ..types import ImageRef
from .disk import differences, locked, read_json, write_checked, write_whole, writing
from .fingerprint import HASHES, check_unchanged, fingerprint
from .replaced import Replaced
from .store import Identity, is_outdated, note_replaced, remove_parts_of_sealed

log = logging.getLogger(__name__)

_SUFFIXES = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}


class ImageStore:
    """Images of a run by content: each once, as `ab/abcd….png`. What is read is checked against its hash."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, ref: ImageRef) -> Path:
        return self.folder / ref.sha256[:2] / f"{ref.sha256}.{_SUFFIXES[ref.media_type]}"

    def put(self, ref: ImageRef, data: bytes) -> None:
        if not self.path(ref).exists():
            write_whole(self.path(ref), data, durable=False)

    def checked(self, ref: ImageRef) -> Path:
        """The file of an image, for a server that reads it itself. Raises RunError as `get`."""
        self.get(ref)
        return self.path(ref)

    def get(self, ref: ImageRef) -> bytes:
        """The bytes of an image. Raises RunError when they are gone or damaged."""
        try:
            data = self.path(ref).read_bytes()
        except OSError:
            data = b""
        if hashlib.sha256(data).hexdigest() != ref.sha256:
            what = "damaged" if self.path(ref).exists() else "gone"
            manifest = self.folder.parent / "prompts/prompts.manifest.json"
            raise RunError(
                f"an image of the run is {what}: {self.path(ref)}",
                hint=f"Delete it, {manifest} and the `items.manifest.json` of each benchmark, and run again: it is read anew.",
            )
        return data


_OF_CHECKPOINTS = ("launcher", "processes", "accelerate_config", "precision")
"""Settings of training on which the format of checkpoints depends."""


class JudgeFolder:
    """The model folder of one iteration's judge, with a manifest beside it that is written last."""

    def __init__(
        self, folder: Path, identity: Identity, replaced: Replaced | None = None, execution: Mapping[str, Any] | None = None
    ) -> None:
        self.path = folder / "judge"
        self.manifest_path = folder / "judge.manifest.json"
        self.built = folder / ".judge.building"
        """Where the judge is built, and stays until it is sealed."""
        self._work = folder / ".judge.work"
        self._hashes = folder.parent / HASHES
        self.identity = json.loads(json.dumps(identity))
        self._replaced = replaced
        self._execution = dict(execution or {})
        """How it is trained."""
        self._started = time.monotonic()
        self._lost: str | None = None
        """The digest of a judge that has lost its manifest."""

    @property
    def sealed(self) -> bool:
        """Whether the judge is whole, as a table is. Raises RunError when it was trained on something else, or is damaged."""
        if not self.manifest_path.exists():
            return False
        manifest = self.report
        if is_outdated(self.path, self.identity, manifest["identity"], self._replaced):
            return False
        if not self.path.is_dir() or self.digest() != manifest["sha256"]:
            note_replaced(self.manifest_path, self._replaced)
            raise RunError(
                f"{self.path} is damaged or was changed", hint=f"Delete {self.manifest_path} to have it trained again."
            )
        shutil.rmtree(self._work, ignore_errors=True)
        return True

    def digest(self) -> str:
        """Of the judge's files."""
        return fingerprint(self.path, self._hashes)

    @property
    def report(self) -> dict[str, Any]:
        """The manifest: what training reported, its seconds, and the judge's digest."""
        report: dict[str, Any] = read_json(self.manifest_path, "identity", "sha256", "seconds")
        return report

    @contextmanager
    def building(self) -> Iterator[Path]:
        """An empty folder to build the judge in."""
        self._started = time.monotonic()
        self._lost = self.digest() if self.path.is_dir() and not self.manifest_path.exists() else None
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
            write_checked(note, self.identity)
        return self._work

    def checkpoints(self) -> Path:
        """The workplace for training. Checkpoints that these settings cannot read are removed."""
        work, note = self.workplace(), self._work / "execution.json"
        settings = {name: self._execution.get(name) for name in _OF_CHECKPOINTS}
        if note.exists() and read_json(note) != settings:
            log.warning("%s: training starts again: one of %s changed", self.path, ", ".join(_OF_CHECKPOINTS))
            self.abandon()
            self.workplace()
        write_checked(note, settings)
        return work

    def abandon(self) -> None:
        """Remove what was to outlive a kill: it led to a judge that must not be used."""
        shutil.rmtree(self._work, ignore_errors=True)

    def check_start(self, start: Path) -> None:
        """Raises TrainerError where the model that it was trained from is not the one of its identity any more."""
        named = self.identity.get("inputs", {}).get("start")
        if named is not None and fingerprint(start, self._hashes) != named:
            self.abandon()
            hint = "Put it back as it was, and run the same command again: the judge is trained anew."
            raise TrainerError(f"{start} was changed while a judge was trained from it", hint=hint)

    def seal(self, report: Mapping[str, Any]) -> None:
        """Give the built folder its name and write the manifest."""
        with writing(self.path):
            self.built.replace(self.path)
        manifest = {
            **report,
            "sha256": self.digest(),
            "identity": self.identity,
            "seconds": round(time.monotonic() - self._started, 3),
            "execution": self._execution,
            "selfjudge": version("selfjudge"),
        }
        note_replaced(self.manifest_path, self._replaced, by=manifest["sha256"], lost=self._lost)
        write_checked(self.manifest_path, manifest)
        shutil.rmtree(self._work, ignore_errors=True)


_OURS = (
    *("iteration-*", "summary.json", "report.html"),
    *("prompts/prompts.parquet", "prompts/refused.parquet", "prompts/contents.json", "prompts/sources.json"),
)
"""What a run overwrites or takes for its own."""


def check_run(run: Path) -> None:
    """Raises InputError for a folder that is no run."""
    if not (run / "recipe.json").exists():
        raise InputError(f"{run} is no run folder", hint="Name the folder of a run (--dir of `selfjudge run`).")


def iterations_of(run: Path, holding: str) -> dict[int, Path]:
    """The folders of a run's iterations that hold a file, by number. Others, such as `iteration-1-backup`, are none."""
    numbered = ((path.name.removeprefix("iteration-"), path) for path in run.glob("iteration-*") if (path / holding).exists())
    return dict(sorted((int(number), path) for number, path in numbered if number.isdecimal()))


class RunFolder:
    """A run on disk. Open it with `claim`, which makes sure that it belongs to this recipe and to this process alone."""

    def __init__(self, root: Path, *, retry_failed: bool = False, strict: bool = False) -> None:
        self.root = root
        self.strict = strict
        """Whether one row that cannot be used ends a run before it begins."""
        self.retry_failed = retry_failed
        """Whether requests that failed before are asked again."""
        self.images = ImageStore(root / "images")
        self.fetched = root / "fetched"
        """Images of the network as they came, so that none is fetched twice."""
        self.replaced = Replaced(root / "replaced.json")

    def iteration(self, number: int) -> Path:
        return self.root / f"iteration-{number}"

    def fingerprint(self, model: Path) -> str:
        """The digest of a model folder; files that it read before are not read again."""
        return fingerprint(model, self.root / HASHES)

    def check_unchanged(self, model: Path, digest: str) -> None:
        """As `fingerprint.check_unchanged`; files that it read before are not read again."""
        check_unchanged(model, digest, self.root / HASHES)

    @property
    def finished(self) -> int:
        """The last iteration in a row that has its judge."""
        number = 0
        while (self.iteration(number + 1) / "judge.manifest.json").exists():
            number += 1
        return number

    @contextmanager
    def claim(self, recipe: Mapping[str, Any]) -> Iterator[None]:
        """Hold the folder for this process and this recipe's experiment; the execution is that of the last claim.

        Raises RunError when another process holds it, and what `check` raises.
        """
        with locked(self.root, "--dir"):
            self.check(recipe)
            remove_parts_of_sealed(self.root)
            write_checked(self.root / "recipe.json", recipe)
            yield

    def check(self, recipe: Mapping[str, Any]) -> None:
        """Raises RunError when the folder was made by another experiment, or holds files that no run of ours wrote."""
        path, begun = self.root / "recipe.json", any(self.root.glob("*/*.manifest.json"))
        if not path.exists():
            if (theirs := next((found for name in _OURS for found in self.root.glob(name)), None)) is not None:
                hint = "Put back a copy of recipe.json if it is a run's, or use another folder (--dir)."
                raise RunError(f"{theirs} would be overwritten: it is there, but no recipe.json of a run", hint=hint)
            return
        hint = f"{'Put back a copy of the file' if begun else 'Move the file elsewhere'}, or use another folder (--dir)."
        known = read_json(path, *list(recipe)[:1], hint=hint, checked=True)
        if not begun:  # before the first table any recipe may be corrected
            return
        different = list(differences(experiment_of(recipe), experiment_of(known)))
        if different:
            more = len(different) - 1
            others = f", and {more} other {'field differs' if more == 1 else 'fields differ'}" if more else ""
            raise RunError(
                f"{self.root} was made by another experiment: {different[0]}{others}",
                hint=f"Change `{different[0].field}` back, or use another folder (--dir) for the new experiment. "
                "In the same folder only `execution` may change, and `loop.iterations`.",
            )

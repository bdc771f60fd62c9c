"""Files that are whole or not there, errors of the disk in words, and where two pieces of JSON differ."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any, BinaryIO

from ..errors import RunError
from .jsonl import regular

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)
_FULL_TEXTS = (
    *("No space left on device", "os error 28", "Disk quota exceeded", "File too large"),
    *("PytorchStreamWriter failed writing file", "inline_container.cc"),
)
"""As native libraries and `shutil` put it, who pass no number on; the last two are `torch.save`'s."""


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an error, or one that it arose from, says that there is no space left to write."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        if any(text in str(error) for text in _FULL_TEXTS):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextmanager
def locked(folder: Path, option: str) -> Iterator[None]:
    """Make a folder and hold it for this process; `option` chooses another one. Raises RunError if another process holds it.

    What killed processes left unfinished in it is removed.
    """
    with writing(folder), ExitStack() as held:
        folder.mkdir(parents=True, exist_ok=True)
        lock = held.enter_context((folder / ".lock").open("a"))
        itself = held.enter_context(_descriptor(folder))  # for a `.lock` may be deleted
        free = _lock(lock.fileno(), needed=True) and _lock(itself, needed=False)
        kept = held.pop_all()
    with kept:
        if not free:
            raise RunError(f"{folder} is in use by another process", hint=f"Wait for it, or use another folder ({option}).")
        _sweep(folder)
        yield


@contextmanager
def _descriptor(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _lock(descriptor: int, *, needed: bool) -> bool:
    """Lock what is open, until it is closed; whether nobody else has. Not every file system can lock a folder."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        if needed:
            raise
    return True


def unfinished(path: Path) -> Path:
    """Where to make what gets the name `path` once it is whole: nobody else has it, and `locked` knows it when we are killed."""
    return path.with_name(f".selfjudge-tmp.{path.name}.{os.getpid()}.{next(_NUMBERS)}")


_NUMBERS = count()


@contextmanager
def unfinished_folder(path: Path) -> Iterator[Path]:
    """A folder beside `path` that is removed in the end."""
    folder = unfinished(path)
    with writing(folder):
        folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


_UNFINISHED = re.compile(r"\.selfjudge-tmp\..+\.(\d+)\.\d+")


def _sweep(folder: Path) -> None:
    """Remove what processes that are gone left unfinished."""
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            if (found := _UNFINISHED.fullmatch(name)) and not _is_another(int(found[1])):
                _remove(Path(place, name))


def _is_another(process: int) -> bool:
    """Whether there is a process of this number, and it is not this one."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # somebody else's
        return True
    return process != os.getpid()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


_NOT_YET_LOCKED_SECONDS = 10
"""A folder that is younger may belong to a process that is about to lock it."""


@contextmanager
def temporary() -> Iterator[Path]:
    """A folder where the system has temporary ones. What killed processes left of theirs is removed first."""
    for folder in Path(gettempdir()).glob("selfjudge-tmp-*/"):
        with suppress(OSError), _descriptor(folder) as itself:
            is_new = abs(time.time() - folder.stat().st_mtime) < _NOT_YET_LOCKED_SECONDS
            if not is_new and _lock(itself, needed=True):
                shutil.rmtree(folder, ignore_errors=True)
    with TemporaryDirectory(prefix="selfjudge-tmp-") as made, _descriptor(Path(made)) as itself:
        _lock(itself, needed=False)
        yield Path(made)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Translate what goes wrong while writing to a path into RunError."""
    try:
        yield
    except Exception as error:
        if is_disk_full(error):
            raise RunError(
                f"no space left while writing {path}",
                hint="Free some space and run the same command again: what is finished stays, and the run goes on from there.",
            ) from error
        if isinstance(error, OSError):
            hint = (
                "Check the folder's permissions, and the disk."
                if error.errno in _REFUSED
                else "Check what lies there, and the disk."
            )
            raise RunError(f"cannot write {path}: {error.strerror or error}", hint=hint) from error
        raise


@contextmanager
def whole(path: Path, *, durable: bool = True) -> Iterator[BinaryIO]:
    """A file to write to, whose name only ever stands for the whole of it. `durable` also survives a loss of power."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        made = unfinished(path)
        try:
            with made.open("wb") as file:
                yield file
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            made.replace(path)
        finally:
            made.unlink(missing_ok=True)


def write_whole(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write a file that is whole or not there."""
    with whole(path, durable=durable) as file:
        file.write(data)


def write_json(path: Path, value: Any) -> None:
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    write_whole(path, text.encode("utf-8", "backslashreplace"))  # half an emoji is an escape of JSON, too


_CHECKSUM = "checksum"


def write_checked(path: Path, value: Mapping[str, Any]) -> None:
    """Write what `read_checked` reads back, with a checksum."""
    write_json(path, {**value, _CHECKSUM: _checksum(value)})


def _checksum(value: Any) -> str:
    text = json.dumps(json.loads(json.dumps(value)), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


_ANEW = "Delete the file and run again; it is made anew."


def read_json(path: Path, *needed: str, of: Any = dict, hint: str = _ANEW, checked: bool = False) -> Any:
    """A JSON file of the run: an object with the keys `needed`, or a list. RunError when it is damaged."""
    try:
        value: Any = json.loads(regular(path).read_text(encoding="utf-8"))
        if not isinstance(value, of):
            raise ValueError(f"a JSON {type(value).__name__}, not what was written there")
        checksum = value.pop(_CHECKSUM, None) if of is dict else None
        if (checked or checksum is not None) and checksum != _checksum(value):
            raise ValueError("its checksum is wrong" if checksum is not None else "selfjudge did not write it")
        if missing := [key for key in needed if key not in value]:
            raise ValueError(f"`{missing[0]}` is missing")
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"cannot read {path}: {error}", hint=hint) from error
    return value


def read_checked(path: Path, *needed: str) -> Any:
    """A file of `write_checked`. RunError when it is damaged, also where another object without a checksum stands there."""
    return read_json(path, *needed, checked=True)


def kept(path: Path, of: Any, find: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What was found `of` something, kept in a file: found again where it was of something else, or by another version."""
    key = json.loads(json.dumps([of, version("selfjudge")]))
    known = read_checked(path) if path.exists() else {}
    if known.get("of") != key:
        known = {"of": key, "found": find()}
        write_checked(path, known)
    found: dict[str, Any] = known["found"]
    return found


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_all(paths: Iterable[Path]) -> str:
    """A digest of the content of files, each once, in order; a missing file counts as such."""
    digest = hashlib.sha256()
    for path in dict.fromkeys(paths):
        digest.update((sha256_of(path) if os.path.isfile(path) else "missing").encode())  # noqa: PTH113 (a Path raises for a name that is too long)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """A field, dotted, that two JSON-able values have differently."""

    field: str
    ours: Any
    theirs: Any

    def __str__(self) -> str:
        return f"`{self.field}` is {_short(self.theirs)} there and {_short(self.ours)} here"


def differences(ours: Any, theirs: Any, field: str = "") -> Iterator[Mismatch]:
    """All fields that differ; a list of another length is one field."""
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        parts = [(key, ours.get(key), theirs.get(key)) for key in dict.fromkeys((*ours, *theirs))]
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        parts = list(zip(range(len(ours)), ours, theirs, strict=True))
    else:
        if ours != theirs or (ours is True) != (theirs is True):  # JSON tells true from 1; false, once "none of them", is 0
            yield Mismatch(field=field, ours=ours, theirs=theirs)
        return
    for key, mine, other in parts:
        yield from differences(mine, other, f"{field}.{key}" if field else str(key))


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}..."

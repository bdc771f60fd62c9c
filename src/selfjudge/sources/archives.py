"""Zip files: data files in them are read as they are elsewhere, and the images that their rows name come from the archive."""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from ..errors import InputError
from ..recipe.inputs import SUFFIXES
from ..run.disk import temporary
from ..run.image_files import MAX_BYTES, BadImage, check_address


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """A zip file. Raises InputError, also for what is found to be broken while it is open."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError) as error:
        raise InputError(f"{path} cannot be read: {error}", hint="Unpack it and name the folder.") from error


def names(archive: zipfile.ZipFile, suffixes: tuple[str, ...]) -> list[str]:
    """The members with one of these suffixes, by name, without those that a Mac adds."""
    found = (name for name in archive.namelist() if PurePosixPath(name).suffix.lower() in suffixes)
    return sorted(name for name in found if not name.startswith("__MACOSX/"))


def data_files(path: Path) -> list[str]:
    """The data files in a zip file. Raises InputError."""
    with opened(path) as archive:
        return names(archive, SUFFIXES)


@contextmanager
def extracted(archive: zipfile.ZipFile, member: str) -> Iterator[Path]:
    """A member as a file that is removed afterwards."""
    with temporary() as folder:
        yield Path(archive.extract(member, folder))


def find(archive: zipfile.ZipFile, member: str, name: str) -> bytes:
    """The image that a row of a data file in an archive names, by a path that starts where the data file is. Raises BadImage."""
    check_address(name)
    inside = posixpath.normpath(posixpath.join(posixpath.dirname(member), name))
    if inside.startswith(("../", "/")):
        raise BadImage("outside_folder", f"{name[:400]!r} lies outside of {archive.filename}")
    try:
        if archive.getinfo(inside).file_size > MAX_BYTES:
            raise BadImage("too_many_bytes", f"{inside[:400]!r} has more than {MAX_BYTES} bytes")
        return archive.read(inside)
    except KeyError as error:
        raise BadImage("image_missing", f"{archive.filename} has no {inside[:400]!r}") from error
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise BadImage("image_missing", f"cannot read {inside[:400]!r} in {archive.filename}: {error}") from error

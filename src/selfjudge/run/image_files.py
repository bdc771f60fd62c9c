"""Image files: which file a row of a data set names, and its bytes. Only regular files inside the data's folder are read."""

from __future__ import annotations

import base64
import os
import re
import stat
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

MAX_BYTES = 256 * 2**20
"""A larger file is not read."""

_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/=_\s-]+")
_URL_SAFE = {ord("-"): "+", ord("_"): "/"}
_BASE64_HEADS = ("/9j/", "_9j_", "iVBORw0KGgo", "R0lGOD", "UklGR", "Qk", "SUkq", "TU0AK", "AAAA")
"""How JPEG, PNG, GIF, WebP, BMP, TIFF and the ISO formats (AVIF, JPEG 2000, HEIC) begin in base64."""
_LONGEST_NAME = 255
"""Bytes, of a file name on Linux's file systems."""

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class BadImage(Exception):
    """An image that is not admitted, and why.

    `reason` is one of `reasons.REFUSED`, such as `image_missing`, `outside_folder` or `truncated`.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def is_address(name: str) -> bool:
    """Whether a text is a URL rather than a path."""
    return _URL.match(name) is not None


def check_address(name: str) -> None:
    """Raises BadImage for an address, which is no file."""
    if is_address(name):
        raise BadImage("not_fetched", f"{name[:80]!r} is an address: download the image and name the file")


def locate(name: str, folder: Path, *, allow_outside: bool = False) -> Path:
    """The file that a row names as its image; relative names start at `folder`, and links are followed.

    Raises BadImage when it names none, or one that is outside of the folder and not allowed.
    """
    name = unquote(urlsplit(name).path) if name.lower().startswith("file:///") else name
    check_address(name)
    try:
        path = (folder / name).resolve()
        windows = "\\" in name and not path.exists()
    except (ValueError, OSError, RuntimeError) as error:  # a null byte, half of a surrogate pair, links in a circle, too long
        raise BadImage("image_missing", f"{name[:80]!r} is no path: {error}") from error
    home = _home(folder.absolute())
    if not allow_outside and not path.is_relative_to(home):
        raise BadImage(
            "outside_folder",
            f"{_shown(path)} lies outside of the data's folder {_shown(home)}: move it there, or set allow_outside",
        )
    if windows:
        raise BadImage("image_missing", f"cannot read {_shown(path)}: No such file; write the path with / in place of \\")
    return path


def read(path: Path) -> bytes:
    """The bytes of a regular file. Raises BadImage at once for anything else."""
    try:
        _check(path.stat(), path)  # before it is opened: to some devices that does something
        with open(path, "rb", opener=_open_at_once) as file:
            status = os.fstat(file.fileno())
            _check(status, path)  # meanwhile something else may have taken its place
            return file.read(status.st_size) or b""
    except (OSError, ValueError) as error:
        raise BadImage("image_missing", f"cannot read {_shown(path)}: {getattr(error, 'strerror', None) or error}") from error


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting for the other end of a pipe."""
    return os.open(path, flags | os.O_NONBLOCK)


def _check(status: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "something else")
        raise BadImage("not_a_file", f"{_shown(path)} is {kind}, not a file")
    if status.st_size > MAX_BYTES:
        raise BadImage("too_many_bytes", f"{_shown(path)} has {status.st_size} bytes; at most {MAX_BYTES}")


def _shown(path: Path) -> str:
    """A path for a message, with control characters and halves of surrogate pairs escaped."""
    return repr(str(path)[:400])


def is_base64(name: str) -> bool:
    """Whether a text is an image in base64 rather than a path."""
    long = len(name) > _LONGEST_NAME or (len(name) >= 32 and name.startswith(_BASE64_HEADS))
    return long and _BASE64.fullmatch(name) is not None


def inline(cell: str) -> bytes | None:
    """The image that a text holds, as a data URL or in base64; None for a path or an address. Raises BadImage."""
    if cell[:5].lower() != "data:" and not is_base64(cell):
        return None
    text = "".join(cell.rpartition(",")[2].split()).translate(_URL_SAFE).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError as error:
        raise BadImage("not_an_image", f"not valid base64: {error}") from error


@lru_cache(64)
def _home(folder: Path) -> Path:
    """The folder in which the images of a folder lie, links followed: the hub's cache links each snapshot to files beside it."""
    folder = folder.resolve()
    for parent in folder.parents:
        if parent.name == "snapshots" and (parent.parent / "blobs").is_dir():
            return parent.parent
    return folder


_IN_OBJECTS = ("bytes", "path", "url", "base64", "data", "image")
"""Where an object holds its image: `datasets` writes the first two, OpenAI's and Anthropic's APIs the next ones."""


def image_cell(value: Any) -> bytes | str | None:
    """The bytes, path or address in an image column: plain, or in an object as libraries and APIs write it; else None."""
    if isinstance(value, Mapping):
        value = next((value[name] for name in _IN_OBJECTS if value.get(name)), None)
    return value if isinstance(value, bytes | str) and value else None

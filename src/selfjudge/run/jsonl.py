"""Files that users name. Only regular ones are opened: a pipe or a device may never end. JSON lines come with their numbers."""

from __future__ import annotations

import codecs
import errno
import json
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from ..errors import InputError

_ONE_A_LINE = "Write one JSON object on each line."


def regular(path: Path) -> Path:
    """The path itself. Raises OSError where there is nothing, or a pipe, a device or a socket."""
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise OSError(errno.EINVAL, "it is a pipe or a device, not a file", str(path))
    return path


def text_file(path: Path) -> Path:
    """The path of a regular file itself. Raises OSError also where the file is packed."""
    with regular(path).open("rb") as file:
        if file.read(2) == b"\x1f\x8b":
            plain, packed = shlex.quote(f"unpacked-{path.name}"), shlex.quote(path.name)
            raise OSError(errno.EINVAL, f"it is packed with gzip; unpack it: gzip -dc < {packed} > {plain}", str(path))
    return path


def encoding_of(path: Path) -> str:
    """The encoding of a text file that begins with ASCII or a byte order mark: UTF-8, UTF-16 or UTF-32. Raises OSError."""
    with text_file(path).open("rb") as file:
        return json.detect_encoding(file.read(4))


def json_lines(path: Path) -> Iterator[tuple[int, Any]]:
    """The JSON value of each line that is not blank, with its number from 1; a ValueError in place of a value that is none.

    UTF-8, or UTF-16 or UTF-32, of which the first bytes tell. Raises OSError.
    """
    encoding = encoding_of(path)
    wide = not encoding.startswith("utf-8")
    opened: IO[Any] = path.open(encoding=encoding, errors="replace", newline="\n") if wide else path.open("rb")
    with opened as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield number, _value(line)


def json_objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The JSON object of each line that is not blank, with its number from 1. Raises InputError that names line and fault."""
    try:
        for number, value in json_lines(path):
            if isinstance(value, ValueError):
                raise InputError(f"{path}:{number}: not JSON: {value}", hint=_ONE_A_LINE)
            if not isinstance(value, dict):
                raise InputError(f"{path}:{number}: a JSON {type(value).__name__}, not an object", hint=_ONE_A_LINE)
            yield number, value
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error.strerror}", hint="Paths in a recipe start at its folder, others at the current one."
        ) from error


def _value(line: bytes | str) -> Any:
    try:
        # `loads` would guess at the encoding of bytes
        return parsed(line if isinstance(line, str) else line.removeprefix(codecs.BOM_UTF8).decode())
    except ValueError as error:
        return error


def parsed(text: str) -> Any:
    """The JSON value of a text, or a ValueError in its place."""
    try:
        return json.loads(text)
    except ValueError as error:
        return error
    except RecursionError:
        return ValueError("it is nested too deeply")

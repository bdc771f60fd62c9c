"""Faults at a chosen file operation of this process: those through Python, on files in one folder, counted in their order.

Installed in a forked process, before its command begins, and never taken back.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

FAULTS = ("kill before", "kill after", "no space", "I/O error", "SIGTERM", "SIGINT")
_GROWING = ("create", "write", "mkdir", "replace", "rename", "link")
"""Operations that a full disk refuses."""


class Steps:
    """Counts operations, and strikes at number `at`. A disk that is full stays so; anything else happens once."""

    def __init__(self, folder: Path, fault: str | None = None, at: int = -1, log: Path | None = None) -> None:
        self._folder, self._fault, self._at, self._log, self._count = str(folder), fault, at, log, 0

    def is_ours(self, path: Any) -> bool:
        try:
            return os.fsdecode(path).startswith(self._folder)
        except TypeError:  # a descriptor
            return False

    def do(self, kind: str, operation: Callable[[], Any], path: Any = None) -> Any:
        """Carry out an operation, unless this is where something happens. Of a file that is open, errors do not know the name."""
        number, self._count = self._count, self._count + 1
        named = () if path is None else (os.fspath(path),)
        if self._log is not None:
            with _open(self._log, "a") as log:
                log.write(f"{kind}\n")
        if self._fault == "no space" and self._at <= number and kind in _GROWING:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), *named)
        if number != self._at:
            return operation()
        if self._fault == "kill before":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self._fault == "I/O error":
            raise OSError(errno.EIO, os.strerror(errno.EIO), *named)
        elif self._fault in ("SIGTERM", "SIGINT", "SIGSTOP"):
            os.kill(os.getpid(), signal.Signals[self._fault])
        done = operation()
        if self._fault == "kill after":
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    def install(self) -> None:
        """Put the faults between this process and its files."""
        builtins.open = io.open = self._opening  # type: ignore[assignment]
        for name in ("mkdir", "rmdir", "unlink", "remove", "rename", "replace", "truncate", "fsync", "sendfile"):
            setattr(os, name, self._around({"sendfile": "write"}.get(name, name), getattr(os, name)))

    def _around(self, kind: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def around(*given: Any, **named: Any) -> Any:
            if kind in ("fsync", "write") or named.get("dir_fd") is not None or self.is_ours(given[0]):
                return self.do(kind, lambda: real(*given, **named), None if kind in ("fsync", "write") else given[0])
            return real(*given, **named)

        return around

    def _opening(self, file: Any, mode: str = "r", buffering: int = -1, *more: Any, **named: Any) -> Any:
        if not self.is_ours(file):
            return _open(file, mode, buffering, *more, **named)
        writes = not {*"wax+"}.isdisjoint(mode)
        if not writes:
            return self.do("read", lambda: _open(file, mode, buffering, *more, **named), file)
        raw = self.do("create", lambda: _File(file, mode.replace("b", "").replace("t", ""), self), file)
        binary = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        if "b" in mode:
            return binary
        text = dict(zip(("encoding", "errors", "newline"), more, strict=False)) | named
        return io.TextIOWrapper(binary, **text)


class _File(io.FileIO):
    """A file whose writes are counted."""

    def __init__(self, file: Any, mode: str, steps: Steps) -> None:
        super().__init__(file, mode)
        self._steps = steps

    def write(self, data: Any, /) -> int:
        return int(self._steps.do("write", lambda: super(_File, self).write(data)))

    def truncate(self, size: int | None = None, /) -> int:
        return int(self._steps.do("truncate", lambda: super(_File, self).truncate(size)))


_open = io.open

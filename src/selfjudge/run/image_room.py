"""How many pixels are decoded at a time: all threads share one room, so that none of them decides how much memory is taken."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

_LARGE = 2_000_000
"""Pixels. The memory of a larger image is given back to the system at once: glibc would keep it for the thread that freed it."""
_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)


class Room:
    """Pixels that threads may decode at the same time. An image larger than the room has it alone."""

    def __init__(self, pixels: int) -> None:
        self._size = self._free = pixels
        self._changed = Condition()

    @contextmanager
    def of(self, pixels: int) -> Iterator[None]:
        taken = min(pixels, self._size)
        with self._changed:
            self._changed.wait_for(lambda: self._free >= taken)
            self._free -= taken
        try:
            yield
        finally:
            if pixels > _LARGE and _trim is not None:
                _trim(0)
            with self._changed:
                self._free += taken
                self._changed.notify_all()

"""Rows of prompt sources as a run takes them in: each is admitted as `stages.ingest` admits it, and nothing is stored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from threading import Event

from ..method.contamination import Index
from ..ports import Progress, PromptSource, RawPrompt, Remote, all_rows, blocks
from ..run.image_files import BadImage
from ..run.reasons import SAME
from ..run.tables import Row
from ..stages.ingest import Admitted, admitted, check_row, refuse_contaminated
from ..types import storable

_THREADS, _AHEAD = 8, 256


def read(
    sources: Sequence[PromptSource],
    *,
    max_pixels: int,
    progress: Progress,
    opened: int | None = None,
    excluded: Index | None = None,
) -> Iterator[tuple[RawPrompt, Admitted | BadImage | None]]:
    """Every row with what it becomes; None for one that is good as far as it goes without opening its images.

    Images of the first `opened` rows are opened where that needs no network, or of all rows. Raises InputError where a source
    cannot be read.
    """
    seen: dict[str, str] = {}
    rows, stopped = enumerate(all_rows(sources)), Event()

    def examined(numbered: tuple[int, RawPrompt]) -> tuple[RawPrompt, Admitted | BadImage | None]:
        number, raw = numbered
        try:
            if stopped.is_set():
                return raw, None
            if opened is None or (number < opened and not any(isinstance(image, Remote) for image in raw.images)):
                found = admitted(raw, max_pixels=max_pixels, looking=excluded is not None)
                if excluded is not None:
                    refuse_contaminated(found, excluded)
                return raw, found
            check_row(raw)
        except BadImage as bad:
            return raw, bad
        return raw, None

    with progress("rows", None) as advance, ThreadPoolExecutor(_THREADS) as pool:
        try:
            for raw, found in chain.from_iterable(pool.map(examined, block) for block in blocks(rows, _AHEAD)):
                advance(1)
                before = seen.setdefault(found.prompt.id, raw.where) if isinstance(found, Admitted) else raw.where
                yield raw, found if before == raw.where else BadImage("duplicate", SAME + before)
        finally:
            stopped.set()


def refusal(where: str, bad: BadImage) -> Row:
    """A row that cannot be used, as the table of a run has it."""
    return {"source": where, "reason": bad.reason, "detail": storable(str(bad)) or None}

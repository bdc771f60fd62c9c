"""Before the first iteration: prompts enter the run. Every row of the sources becomes a prompt, or a row with a reason.

Images are admitted, kept by content and referred to from then on. Reading stops at nothing but a source that cannot be read.
Prompts that show what an excluded benchmark shows are refused as `contaminated`, and their images are not kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from threading import Event
from typing import Any

from ..method.contamination import Appearance, Index, Query
from ..method.kinds import route
from ..ports import Given, Progress, PromptSource, RawPrompt, all_rows, blocks
from ..run.folder import ImageStore
from ..run.images import BadImage, admit
from ..run.images import examine as look_at
from ..run.journal import BadRow
from ..run.reasons import SAME
from ..run.store import Table
from ..run.tables import Row, prompt_to_row
from ..types import ImageRef, Prompt, content_id, storable
from .contamination import describe

VERSION = 3

_THREADS = 8
_AHEAD = 256
"""Rows whose images are decoded side by side."""
_TOGETHER = 8
"""Rows that a thread takes at once: to hand one over takes as long as to open a small picture."""


def ingest(
    sources: Sequence[PromptSource],
    prompts: Table,
    refused: Table,
    *,
    images: ImageStore,
    max_pixels: int,
    progress: Progress,
    longest_edge: int | None = None,
    excluded: Index | None = None,
) -> None:
    """Fill and seal the tables of prompts and of refused rows. Resumes at the row where it was interrupted."""
    seen = {row["id"]: row["source"] for row in prompts.stored("source")}
    done = {*seen.values(), *(row["source"] for row in refused.stored("source"))}
    stopped = Event()

    def examined(rows: list[RawPrompt]) -> list[tuple[RawPrompt, Prompt | BadImage]]:
        admitting = partial(admitted, max_pixels=max_pixels, longest_edge=longest_edge, looking=excluded is not None)
        return [(raw, _examined(raw, admitting, images, excluded)) for raw in rows if not stopped.is_set()]

    with progress("prompts", None) as advance, ThreadPoolExecutor(_THREADS) as pool:
        try:
            for batch in blocks((raw for raw in all_rows(sources) if raw.where not in done), _AHEAD):
                for raw, found in chain.from_iterable(pool.map(examined, blocks(batch, _TOGETHER))):
                    advance(1)
                    if isinstance(found, BadImage):
                        refused.append(_refusal(raw.where, found.reason, str(found) or None))
                    elif found.id in seen:
                        refused.append(_refusal(raw.where, "duplicate", f"{SAME}{seen[found.id]}"))
                    else:
                        seen[found.id] = found.source
                        _keep(found, prompts, refused)
        finally:
            stopped.set()
            refused.flush()
            prompts.flush()
    refused.seal()
    prompts.seal()


def _examined(
    raw: RawPrompt, admitting: Callable[[RawPrompt], Admitted], images: ImageStore, excluded: Index | None
) -> Prompt | BadImage:
    """The prompt of a row, its images stored, or why it cannot be used."""
    try:
        found = admitting(raw)
        if excluded is not None:
            refuse_contaminated(found, excluded)
        for ref, data in found.images:
            images.put(ref, data)
        return found.prompt
    except BadImage as bad:
        return bad


def _keep(prompt: Prompt, prompts: Table, refused: Table) -> None:
    try:
        prompts.append(prompt_to_row(prompt))
    except BadRow as bad:
        refused.append(_refusal(prompt.source, "invalid_text", str(bad)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A prompt with the bytes of its images; `looks` is empty unless it was asked for."""

    prompt: Prompt
    images: tuple[tuple[ImageRef, bytes], ...]
    looks: tuple[Appearance, ...]

    @property
    def query(self) -> Query:
        return Query(text=self.prompt.text, looks=self.looks)


def admitted(raw: RawPrompt, *, max_pixels: int, longest_edge: int | None = None, looking: bool) -> Admitted:
    """The prompt that a row is; `looking` also says how its images look. Raises BadImage for any fault of the row."""
    text = check_row(raw)
    limits: dict[str, Any] = {"max_pixels": max_pixels, "longest_edge": longest_edge}
    found = [_looked_at(image, raw.where, looking, limits) for image in raw.images]
    refs = tuple(ref for ref, _, _ in found)
    kind, rule = (raw.kind, raw.kind_rule) if raw.kind is not None else route(text)
    prompt = Prompt(
        id=Prompt.identify(text, refs),
        text=text,
        images=refs,
        kind=kind,
        kind_rule=rule,
        source=raw.where,
        source_id=raw.id,
        left_out=raw.left_out,
    )
    images = tuple((ref, data) for ref, data, _ in found)
    return Admitted(prompt=prompt, images=images, looks=tuple(look for _, _, look in found if look is not None))


def _looked_at(image: Given, where: str, looking: bool, limits: dict[str, Any]) -> tuple[ImageRef, bytes, Appearance | None]:
    """An image, admitted. Raises BadImage, which names the file unless the name of the row does."""
    try:
        return look_at(image, **limits) if looking else (*admit(image, **limits), None)
    except BadImage as bad:
        named = isinstance(image, Path) and image.name not in str(bad) and f"{image.name}:" not in where
        raise BadImage(bad.reason, f"{image.name!r}: {bad}" if named else str(bad)) from bad  # type: ignore[union-attr]


def check_row(raw: RawPrompt) -> str:
    """The text of a row. Raises BadImage for any fault that shows without opening an image."""
    if raw.problem is not None:
        raise BadImage(raw.problem, raw.detail or "")
    if not (text := raw.text.strip()):
        raise BadImage("no_prompt", "the prompt is empty")
    if not raw.images and not raw.text_only:
        raise BadImage("no_image", raw.detail or "the row has no image")
    return text


def refuse_contaminated(found: Admitted, excluded: Index) -> None:
    """Raises BadImage for a prompt that shows what an excluded benchmark shows."""
    for hit in excluded.search([found.query])[0]:
        if hit.condemns:
            raise BadImage("contaminated", describe(excluded, hit))


def _refusal(where: str, reason: str, detail: str | None) -> Row:
    detail = None if detail is None else storable(detail)
    return {"key": content_id("refused", where), "source": where, "reason": reason, "detail": detail}

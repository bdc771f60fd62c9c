"""Before the first iteration: prompts enter the run. Every row of the sources becomes a prompt, or a row with a reason.

Images are admitted, kept by content and referred to from then on. Reading stops at nothing but a source that cannot be read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..images import BadImage, admit
from ..method.kinds import route
from ..ports import Progress, PromptSource, RawPrompt, blocks
from ..store import ImageStore, Table
from ..tables import Row, prompt_to_row
from ..types import ImageRef, Prompt, content_id

VERSION = 1

_THREADS = 8
_AHEAD = 256
"""Rows whose images are decoded side by side."""


def ingest(
    sources: Sequence[PromptSource],
    prompts: Table,
    refused: Table,
    *,
    images: ImageStore,
    max_pixels: int,
    progress: Progress,
) -> None:
    """Fill and seal the tables of prompts and of refused rows. Resumes at the row where it was interrupted."""
    stored = prompts.stored()
    seen = {row["id"] for row in stored}
    done = {row["source"] for row in (*stored, *refused.stored())}

    def examine(raw: RawPrompt) -> tuple[RawPrompt, Prompt | BadImage]:
        try:
            return raw, _admit(raw, images, max_pixels)
        except BadImage as bad:
            return raw, bad

    with progress("prompts", None) as advance, ThreadPoolExecutor(_THREADS) as pool:
        for batch in blocks(_waiting(sources, done), _AHEAD):
            for raw, found in pool.map(examine, batch):
                advance(1)
                if isinstance(found, BadImage):
                    refused.append(_refusal(raw.where, found.reason, str(found) or None))
                elif found.id in seen:
                    refused.append(_refusal(raw.where, "duplicate", f"same images and text as prompt {found.id}"))
                else:
                    seen.add(found.id)
                    prompts.append(prompt_to_row(found))
    refused.seal()
    prompts.seal()


def _waiting(sources: Sequence[PromptSource], done: set[str]) -> Iterator[RawPrompt]:
    return (raw for source in sources for raw in source if raw.where not in done)


def _admit(raw: RawPrompt, store: ImageStore, max_pixels: int) -> Prompt:
    """The prompt that a row is, its images stored. Raises BadImage with the reason for any fault of the row."""
    if raw.problem is not None:
        raise BadImage(raw.problem, raw.detail or "")
    text = raw.text.replace("<image>", "").strip()
    if not text:
        raise BadImage("no_prompt", "the prompt is empty")
    if not raw.images:
        raise BadImage("no_image", "the row has no image")
    refs = tuple(_keep(image, store, max_pixels) for image in raw.images)
    kind, rule = (raw.kind, raw.kind_rule) if raw.kind is not None else route(text)
    return Prompt(
        id=Prompt.identify(text, refs),
        text=text,
        images=refs,
        kind=kind,
        kind_rule=rule,
        source=raw.where,
        source_id=raw.id,
    )


def _keep(image: bytes | Path, store: ImageStore, max_pixels: int) -> ImageRef:
    ref, data = admit(image if isinstance(image, bytes) else _read(image), max_pixels=max_pixels)
    store.put(ref, data)
    return ref


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadImage("image_missing", f"{path.name}: {error.strerror}") from error


def _refusal(where: str, reason: str, detail: str | None) -> Row:
    return {"key": content_id("refused", where), "source": where, "reason": reason, "detail": detail}

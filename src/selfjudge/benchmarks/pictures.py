"""Pictures as files, in the format of the file's name."""

from __future__ import annotations

import io

from ..run.images import decode

_FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP"}
_MEDIA_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}


def as_named(data: bytes, media_type: str, suffix: str) -> bytes:
    """An admitted picture in the format of a suffix; its own bytes if it has that format, or the suffix is unknown."""
    wanted = _FORMATS.get(suffix.lower())
    if wanted is None or media_type == _MEDIA_TYPES[wanted]:
        return data
    out = io.BytesIO()
    decode(data).save(out, wanted)  # JPEG at Pillow's default quality, as the official scripts do
    return out.getvalue()

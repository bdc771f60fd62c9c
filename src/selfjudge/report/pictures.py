"""Images of a run as small pictures that a page holds itself."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from ..errors import RunError
from ..run.folder import ImageStore
from ..run.images import BadImage, thumbnail
from ..run.pictures import bare
from ..types import ImageRef

EDGE = 320
"""Pixels of the longer side of a small picture."""
_TINY = 96
"""An image with no longer side is shown as it is, each of its pixels as a square."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture to be shown; `url` is None where the image is gone or damaged. `tiny` ones must not be smoothed."""

    url: str | None
    about: str
    tiny: bool


def small(images: ImageStore, ref: ImageRef, edge: int = EDGE) -> Picture:
    """The picture of an image; at most some 30 kB."""
    tiny = max(ref.width, ref.height) <= _TINY
    try:
        data = images.get(ref)
        kind, data = (ref.media_type, bare(data)) if tiny else ("image/jpeg", thumbnail(data, edge))
    except (RunError, BadImage) as error:
        return Picture(url=None, about=f"image {ref.sha256[:8]} cannot be shown: {type(error).__name__}", tiny=False)
    url = f"data:{kind};base64,{base64.b64encode(data).decode()}"
    return Picture(url=url, about=f"image {ref.sha256[:8]}, {ref.width} x {ref.height} pixels", tiny=tiny)

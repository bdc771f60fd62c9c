"""Images at the door of a run: what is admitted, and in which form every engine will see it.

A plain picture (8-bit RGB or grey, one frame, upright; JPEG, PNG or WebP) is kept byte for byte. Anything else that can be
shown is kept as what it shows: the first frame of an animation, turned upright, on white where it is transparent, CMYK as RGB,
16 bits as 8. So no two engines can disagree about the pixels. Hostile and broken files are refused before they are decoded.
`examine` also says how an admitted image looks, so that copies of it can be found.
"""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING

from .errors import SelfjudgeError
from .method.contamination import THUMBNAIL, Look
from .types import ImageRef

if TYPE_CHECKING:
    from PIL import Image

_PLAIN = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
_ORIENTATION = 0x0112
_JPEG_QUALITY = 95


class BadImage(Exception):
    """An image that is not admitted: `reason` is one of `not_an_image`, `too_many_pixels`, `truncated`, `unreadable`."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def admit(data: bytes, *, max_pixels: int) -> tuple[ImageRef, bytes]:
    """The reference and the bytes under which an image enters a run. Raises BadImage."""
    ref, kept, _ = _admitted(data, max_pixels)
    return ref, kept


def examine(data: bytes, *, max_pixels: int) -> tuple[ImageRef, bytes, Look]:
    """As `admit`, and how the image looks. Raises BadImage, and SelfjudgeError when ImageHash is not installed."""
    ref, kept, image = _admitted(data, max_pixels)
    return ref, kept, _look(ref.sha256, image.convert("RGB"))


def _admitted(data: bytes, max_pixels: int) -> tuple[ImageRef, bytes, Image.Image]:
    """The reference, the bytes and the picture of an admitted image; the picture may yet have to be decoded. Raises BadImage."""
    from PIL import Image, UnidentifiedImageError

    Image.MAX_IMAGE_PIXELS = None  # the limit is checked here, from the header, before anything is decoded
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > max_pixels:
                raise BadImage("too_many_pixels", f"{image.width} x {image.height} pixels; at most {max_pixels}")
            image.load()
            plain = _is_plain(image)
            kept, media_type = (data, _PLAIN[str(image.format)]) if plain else _shown(image)
            picture: Image.Image = image if plain else Image.open(io.BytesIO(kept))
    except BadImage:
        raise
    except UnidentifiedImageError as error:
        raise BadImage("not_an_image", "no known image format") from error
    except Exception as error:  # a decoder may raise anything when a file is hostile
        reason = "truncated" if "truncated" in str(error).lower() else "unreadable"
        raise BadImage(reason, str(error) or type(error).__name__) from error
    digest = hashlib.sha256(kept).hexdigest()
    return ImageRef(sha256=digest, media_type=media_type, width=picture.width, height=picture.height), kept, picture


def _look(sha256: str, image: Image.Image) -> Look:
    """How RGB pixels look."""
    from PIL import Image

    try:
        import imagehash
    except ImportError as error:
        raise SelfjudgeError(
            "looking for contamination needs a package that is not installed: ImageHash",
            hint="Install selfjudge with its extras: pip install 'selfjudge[local]'",
        ) from error
    pixels = hashlib.sha256(f"{image.width} {image.height} ".encode() + image.tobytes()).hexdigest()
    thumbnail = image.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX).tobytes()
    return Look(sha256=sha256, pixels=pixels, phash=int(str(imagehash.phash(image)), 16), thumbnail=thumbnail)


def decode(data: bytes) -> Image.Image:
    """An admitted image as RGB pixels."""
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGB")


def _is_plain(image: Image.Image) -> bool:
    return (
        image.format in _PLAIN
        and image.mode in ("RGB", "L")
        and "transparency" not in image.info
        and getattr(image, "n_frames", 1) == 1
        and image.getexif().get(_ORIENTATION, 1) == 1
    )


def _shown(image: Image.Image) -> tuple[bytes, str]:
    """What an image shows, encoded anew: JPEG stays JPEG, everything else becomes PNG."""
    from PIL import ImageOps

    upright = _to_rgb(ImageOps.exif_transpose(image))
    out = io.BytesIO()
    if image.format == "JPEG":
        upright.save(out, "JPEG", quality=_JPEG_QUALITY)
        return out.getvalue(), "image/jpeg"
    upright.save(out, "PNG")
    return out.getvalue(), "image/png"


def _to_rgb(image: Image.Image) -> Image.Image:
    """The colours of one frame as 8-bit RGB, on white."""
    import numpy as np
    from PIL import Image

    if image.mode.startswith("I") or image.mode == "F":
        pixels = np.asarray(image, dtype=np.float64)
        full = 65535.0 if image.mode.startswith("I") else max(float(pixels.max()), 1.0)
        return Image.fromarray(np.clip(pixels * 255 / full, 0, 255).round().astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")

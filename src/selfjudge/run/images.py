"""Images at the door of a run: what is admitted, and in which form every engine will see it.

A plain picture (8-bit RGB or grey, one frame, upright; JPEG, PNG or WebP) is kept byte for byte. Anything else that can be
shown is kept as what it shows: the first frame of an animation, turned upright, on white where it is transparent, CMYK as RGB,
deeper pixels as 8 bits (see `_range`), colours of another profile as sRGB. HEIC photographs need pillow-heif. So no two engines
can disagree about the pixels. Hostile and broken files are refused before they are decoded.
Where that is asked for, a larger picture is kept scaled down. `examine` also says how an image looks, to find its copies.

Memory: all threads together decode at most IN_FLIGHT pixels at a time, or one larger image, and an image takes at most
BYTES_PER_PIXEL bytes a pixel beside its file of at most MAX_BYTES. Nothing of Pillow's that belongs to the whole process is set.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ..errors import SelfjudgeError, installing
from ..method.contamination import THUMBNAIL, Appearance
from ..ports import Given, Remote
from ..recipe.experiment import MAX_PIXELS
from ..types import ImageRef
from .image_files import MAX_BYTES, read
from .image_files import BadImage as BadImage
from .image_room import Room
from .pictures import PNG, READS, chunks, opened

if TYPE_CHECKING:
    from PIL import Image

IN_FLIGHT = MAX_PIXELS
BYTES_PER_PIXEL = 32
"""Measured for the worst format and mode by `tests/test_image_memory.py`."""

_PLAIN = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
_PHOTOGRAPHS = ("JPEG", "MPO", "HEIF")
_ORIENTATION = 0x0112
_JPEG_QUALITY = 95
_TILE = 512
"""Side, in pixels, of the squares in which an image is converted and hashed."""

Made = TypeVar("Made")
Limits = tuple[int, int | None]
"""The pixels that an image may have, and the longest edge that it keeps."""


def admit(image: Given, *, max_pixels: int, longest_edge: int | None = None) -> tuple[ImageRef, bytes]:
    """The reference and the bytes under which an image enters a run. Raises BadImage.

    A picture with a longer edge, in pixels, is scaled down to it.
    """
    ref, kept, _ = _refusing(lambda: _admitted(image, (max_pixels, longest_edge), lambda _sha256, _picture: None))
    return ref, kept


def examine(image: Given, *, max_pixels: int, longest_edge: int | None = None) -> tuple[ImageRef, bytes, Appearance]:
    """As `admit`, and how the image looks before it is scaled: at any `longest_edge`, one image has one look.

    Raises BadImage, and SelfjudgeError when ImageHash is not installed.
    """
    ref, kept, look = _refusing(lambda: _admitted(image, (max_pixels, None), _look))
    if longest_edge is not None and max(ref.width, ref.height) > longest_edge:
        ref, kept = admit(image, max_pixels=max_pixels, longest_edge=longest_edge)
    return ref, kept, look


def encode(image: Any) -> bytes:
    """A PIL image or an array as the bytes of a file: its own where it is one that was opened, else converted as by `admit`.

    Raises BadImage.
    """
    from PIL import Image

    picture = image if isinstance(image, Image.Image) else _refusing(lambda: Image.fromarray(image))
    return _opened_from(picture) or _refusing(lambda: _shown(picture)[0])


def _opened_from(image: Image.Image) -> bytes | None:
    """The file that a picture was opened from, if it can still be read and shows the same; else None."""
    file, name = getattr(image, "fp", None), getattr(image, "filename", "")
    try:
        if file is not None:
            place = file.tell()
            file.seek(0)
            data: bytes = file.read(MAX_BYTES)
            file.seek(place)
        else:
            data = read(Path(name)) if name else b""
        with opened(data) as same:
            return data if _are_same(image, same) else None
    except Exception:  # a decoder may raise anything; the picture itself is still there
        return None


def _are_same(one: Image.Image, other: Image.Image) -> bool:
    """Whether two pictures have the same pixels and palette."""
    if (one.size, one.mode) != (other.size, other.mode) or one.getpalette() != other.getpalette():
        return False
    return all(tile.tobytes() == other.crop(box).tobytes() for box, tile in _tiles(one))


def decode(data: bytes) -> Image.Image:
    """An admitted image as RGB pixels. Raises BadImage."""
    with opened(data) as image:
        return image.convert("RGB")


def thumbnail(data: bytes, edge: int) -> bytes:
    """A JPEG of an admitted image whose longer side has at most `edge` pixels. Raises BadImage."""

    def shrunk() -> bytes:
        made = io.BytesIO()
        with opened(data) as image:
            image.draft("RGB", (edge, edge))
            image.thumbnail((edge, edge))
            image.convert("RGB").save(made, "JPEG", quality=75, optimize=True, comment=None)
        return made.getvalue()

    return _refusing(shrunk)


_room = Room(IN_FLIGHT)


def _admitted(source: Given, limits: Limits, look: Callable[[str, Image.Image], Made]) -> tuple[ImageRef, bytes, Made]:
    """The reference and the bytes of an admitted image, and what `look` makes of it. Raises BadImage."""
    data = source.read() if isinstance(source, Remote) else read(source) if isinstance(source, Path) else source
    if len(data) > MAX_BYTES:
        raise BadImage("too_many_bytes", f"{len(data)} bytes; at most {MAX_BYTES}")
    try:
        return _within(data, limits, look)
    except ValueError:  # also for more text than a decoder takes
        if (picture := _without_text(data)) == data:
            raise
        return _within(picture, limits, look)


def _without_text(data: bytes) -> bytes:
    """A PNG without its chunks of text; anything else as it is."""
    if not data.startswith(PNG):
        return data
    kept = (chunk for name, chunk in chunks(data) if name not in (b"tEXt", b"zTXt", b"iTXt"))
    return PNG + b"".join(islice(kept, READS - 1))


def _within(data: bytes, limits: Limits, look: Callable[[str, Image.Image], Made]) -> tuple[ImageRef, bytes, Made]:
    """As `_admitted`, of bytes that are not too many."""
    picture = opened(data)
    max_pixels, edge = limits
    pixels = picture.width * picture.height
    if pixels > max_pixels:
        raise BadImage("too_many_pixels", f"{picture.width} x {picture.height} pixels; at most {max_pixels}")
    with _room.of(pixels), _short_of_memory(pixels):
        return _kept(picture, data, edge, look)


def _kept(
    picture: Image.Image, data: bytes, edge: int | None, look: Callable[[str, Image.Image], Made]
) -> tuple[ImageRef, bytes, Made]:
    """As `_admitted`, of a picture whose header was read. Its pixels are freed."""
    kept, media_type = data, _PLAIN.get(str(picture.format), "")
    with closing(picture):
        _load(picture)
        if not _is_plain(picture) or _scaled(picture.size, edge) != picture.size:
            kept, media_type = _shown(picture, edge)
            picture.close()
            picture = opened(kept)
        digest = hashlib.sha256(kept).hexdigest()
        ref = ImageRef(sha256=digest, media_type=media_type, width=picture.width, height=picture.height)
        return ref, kept, look(digest, picture)


@contextmanager
def _short_of_memory(pixels: int) -> Iterator[None]:
    """Raise MemoryError for whatever a decoder raises where there is no memory for so many pixels."""
    try:
        yield
    except Exception:
        bytearray(pixels * BYTES_PER_PIXEL)
        raise


def _refusing(work: Callable[[], Made]) -> Made:
    """What `work` returns; what it raises as a BadImage, but for a shortage of memory, which is no fault of the image."""
    from PIL import Image

    try:
        return work()
    except BadImage as bad:
        reason, detail = bad.reason, str(bad)
    except (SelfjudgeError, MemoryError):
        raise
    except Exception as error:  # a decoder may raise anything when a file is hostile
        detail = str(error) or type(error).__name__
        bomb = isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning)  # by this process's own limit
        reason = "too_many_pixels" if bomb else "truncated" if "truncated" in detail.lower() else "unreadable"
    raise BadImage(reason, detail)  # a new one: what was caught holds on to the file and its pixels


def _load(picture: Image.Image) -> None:
    """Decode a picture. TIFF's decoder applies the process's limit once more, unless it finds room for its pixels."""
    from PIL import Image

    if picture.format == "TIFF":
        picture.im = Image.new(picture.mode, getattr(picture, "_tile_size", picture.size)).im
    picture.load()


def _look(sha256: str, image: Image.Image) -> Appearance:
    """How an admitted picture looks: 8-bit RGB or grey."""
    from PIL import Image

    try:
        import imagehash
    except ImportError as error:
        raise SelfjudgeError(
            "looking for contamination needs a package that is not installed: ImageHash",
            hint=f"Install it: {installing('local')}",
        ) from error
    pixels = hashlib.sha256(f"{image.width} {image.height} ".encode())
    for _, tile in _tiles(image):
        pixels.update(tile.convert("RGB").tobytes())
    thumbnail = image.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX).convert("RGB").tobytes()
    return Appearance(sha256=sha256, pixels=pixels.hexdigest(), phash=int(str(imagehash.phash(image)), 16), thumbnail=thumbnail)


def _is_plain(image: Image.Image) -> bool:
    return image.format in _PLAIN and getattr(image, "n_frames", 1) == 1 and _shows_itself(image)


def _shows_itself(image: Image.Image) -> bool:
    """Whether its pixels are what it shows: 8-bit RGB or grey, opaque and upright."""
    opaque = image.mode in ("RGB", "L") and "transparency" not in image.info
    return opaque and image.getexif().get(_ORIENTATION, 1) == 1 and _profile(image) is None


def _profile(image: Image.Image) -> Any:
    """The colour profile of an RGB picture in other colours than sRGB; None where there is none that can be applied."""
    from PIL import ImageCms

    data = image.info.get("icc_profile")
    if not data or image.mode != "RGB":
        return None
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
        unfit = profile.profile.xcolor_space.strip() != "RGB" or "sRGB" in ImageCms.getProfileDescription(profile)
        return None if unfit else profile
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def _scaled(size: tuple[int, int], edge: int | None) -> tuple[int, int]:
    """The size that a picture is kept in."""
    longer = max(size)
    if edge is None or longer <= edge:
        return size
    return max(1, round(size[0] * edge / longer)), max(1, round(size[1] * edge / longer))


def _shown(image: Image.Image, edge: int | None = None) -> tuple[bytes, str]:
    """What a picture shows, encoded anew, and the media type. A JPEG stays one where its pixels change; the rest becomes PNG."""
    from PIL import Image as Pillow
    from PIL import ImageOps

    changes = not _is_plain(image) or _scaled(image.size, edge) != image.size
    name = "JPEG" if image.format in _PHOTOGRAPHS and changes else "PNG"
    if (profile := _profile(image)) is not None:
        image = _in_srgb(image, profile)
    if not _shows_itself(image):
        image = ImageOps.exif_transpose(image) if image.getexif().get(_ORIENTATION, 1) != 1 else image
    if not _shows_itself(image):
        image = _to_rgb(image)
    if (size := _scaled(image.size, edge)) != image.size:
        image = image.resize(size, Pillow.Resampling.LANCZOS)
    out = io.BytesIO()
    options: dict[str, Any] = {"quality": _JPEG_QUALITY} if name == "JPEG" else {}
    image.save(out, name, icc_profile=None, **options)
    return out.getvalue(), _PLAIN[name]


def _in_srgb(image: Image.Image, profile: Any) -> Image.Image:
    """The colours of a picture that has a profile, as sRGB; its orientation stays to be done."""
    from PIL import ImageCms, ImageOps

    upright = ImageOps.exif_transpose(image)
    asked = ImageCms.profileToProfile(upright, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    converted = cast("Image.Image", asked)  # it is None only where it is asked to convert in place
    converted.info = {}
    return converted


def _tiles(image: Image.Image) -> Iterator[tuple[tuple[int, int, int, int], Image.Image]]:
    """An image in squares, row by row, each with its place in pixels (left, top, right, bottom)."""
    for top in range(0, image.height, _TILE):
        for left in range(0, image.width, _TILE):
            box = (left, top, min(left + _TILE, image.width), min(top + _TILE, image.height))
            yield box, image.crop(box)


def _to_rgb(image: Image.Image) -> Image.Image:
    """The colours of one frame as 8-bit RGB, on white."""
    from PIL import Image

    deep = image.mode.startswith("I") or image.mode == "F"
    black, white = _range(image) if deep else (0.0, 0.0)
    rgb = Image.new("RGB", image.size)
    for box, tile in _tiles(image):
        rgb.paste(_eight_bits(tile, black, white) if deep else _on_white(tile), box)
    return rgb


_BITS = (8, 10, 12, 14, 16)
"""Depths of cameras and scanners, whatever the file stores them in."""


def _range(image: Image.Image) -> tuple[float, float]:
    """The values of a deep picture that become black and white. Raises BadImage where it shows nothing.

    Integers without a sign are of the fewest bits among _BITS that hold the largest; floats of [0, 1] or [-1, 1] are taken so;
    anything else goes from its smallest to its largest value.
    """
    import numpy as np

    low, high = np.inf, -np.inf
    for _, tile in _tiles(image):
        pixels = np.asarray(tile)
        if not np.isfinite(pixels).all():
            raise BadImage("unreadable", "some of its pixels are infinite or not a number")
        low, high = min(low, float(pixels.min())), max(high, float(pixels.max()))
    if image.mode == "F":
        black, white = (min(0.0, np.floor(low)), 1.0) if low >= -1 and high <= 1 else (low, high)
    elif low >= 0 and high < 2**16:
        black, white = 0.0, next(2.0**bits - 1 for bits in _BITS if high < 2**bits)
    else:
        black, white = low, high
    if high == black:
        raise BadImage("unreadable", f"each of its pixels is {high:g}: it is all black")
    return black, white


def _eight_bits(tile: Image.Image, black: float, white: float) -> Image.Image:
    import numpy as np
    from PIL import Image

    pixels = np.asarray(tile, dtype=np.float64)
    return Image.fromarray(((pixels - black) * 255 / (white - black)).round().astype(np.uint8))


def _on_white(tile: Image.Image) -> Image.Image:
    from PIL import Image

    if tile.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in tile.info:
        layer = tile.convert("RGBA")
        tile = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return tile.convert("RGB")

"""The pictures in foreign bytes: the formats that are opened, and for how long a decoder may read."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING

from .image_files import BadImage

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM")
"""The only decoders that see foreign bytes, by Pillow's names; its EPS decoder would run PostScript."""
_HEIC = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")


def opened(data: bytes) -> Image.Image:
    """The picture in a file of one of FORMATS, its header read and nothing decoded. Raises BadImage.

    `Image.open` does the same, but also applies a limit that belongs to the whole process; ours is `max_pixels`.
    """
    from PIL import Image

    if data[:2] in _TEXT:
        raise BadImage("not_an_image", "a picture in text (P1, P2 or P3): convert it to PNG")
    Image.init()
    damaged = []
    for name in FORMATS:
        factory, accepts = Image.OPEN.get(name, (None, None))
        try:
            if factory is not None and accepts is not None and accepts(data[:16]) is True:
                picture = factory(file := _Patient(data), "")
                file.reads_left += _READS_A_PIXEL * picture.width * picture.height if name == "BMP" else 0
                return picture
        except (SyntaxError, IndexError, TypeError, struct.error) as error:  # what a decoder raises for the file of another
            damaged.append(f"a damaged {name}: {error}")
    if data[4:8] == b"ftyp" and data[8:12] in _HEIC:
        return _heic(data)
    if damaged:
        raise BadImage("unreadable", damaged[0])
    begins = f"it begins with {data[:24]!r}" if data else "it is empty"
    raise BadImage("not_an_image", f"{begins}; none of the formats that are read: {', '.join(FORMATS)}")


_TEXT = (b"P1", b"P2", b"P3")
"""Netpbm's formats whose pixels are numbers in text, which Pillow decodes in Python."""
READS, _READS_A_PIXEL = 100_000, 4
"""How often a decoder may read from a file before it was read for long enough, and of a BMP, whose runs are read one by one."""
_BYTES_A_READ = 256


class _Patient(io.BytesIO):
    """A file that ends the patience of a decoder in Python: one of tiny parts, such as markers, keeps it busy for long."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.reads_left = READS + len(data) // _BYTES_A_READ

    def read(self, size: int | None = -1) -> bytes:
        self.reads_left -= 1
        if self.reads_left < 0:
            raise BadImage("unreadable", "it has far more parts than an image of its size")
        return super().read(size)


def _heic(data: bytes) -> Image.Image:
    """A HEIC photograph, its header read. Raises BadImage."""
    try:
        from pillow_heif.as_plugin import HeifImageFile
    except ImportError:
        detail = "a HEIC photograph: install pillow-heif (the extra `heic`), or convert it to JPEG"
        raise BadImage("not_an_image", detail) from None
    picture: Image.Image = HeifImageFile(io.BytesIO(data), "")  # type: ignore[no-untyped-call]
    return picture

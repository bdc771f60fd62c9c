"""The pictures in foreign bytes: the formats that are opened, for how long a decoder may read, and files that hold no more."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator
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


def bare(data: bytes) -> bytes:
    """An admitted picture without what its file says of it: EXIF (place, time, camera), XMP, texts, previews, all after its end.

    Its pixels are not encoded anew, and a colour profile stays.
    """
    if data.startswith(PNG):
        return _bare_png(data)
    if data.startswith(b"RIFF"):
        return _bare_webp(data)
    return _bare_jpeg(data) if data.startswith(b"\xff\xd8") else data


PNG = b"\x89PNG\r\n\x1a\n"
_OF_PNG = b"IHDR PLTE IDAT IEND tRNS bKGD cHRM gAMA iCCP sBIT sRGB cICP mDCV cLLI pHYs".split()
_OF_WEBP = (b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ICCP", b"ANIM", b"ANMF")
_EXIF_AND_XMP = 0b1100
"""Flags in a WebP's header."""
_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])", re.DOTALL)
"""Of a segment of a JPEG; others stand alone, or are none."""
_JFIF, _ICC, _ADOBE, _COMMENT, _SCAN, _END = 0xE0, 0xE2, 0xEE, 0xFE, 0xDA, 0xD9


def chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The chunks of a PNG, each with its name."""
    place = len(PNG)
    while place < len(png):
        end = place + 12 + int.from_bytes(png[place : place + 4])
        yield png[place + 4 : place + 8], png[place:end]
        place = end


def _bare_png(data: bytes) -> bytes:
    kept = [PNG]
    for name, chunk in chunks(data):
        kept += [chunk] if name in _OF_PNG else []
        if name == b"IEND":
            break
    return b"".join(kept)


def _bare_webp(data: bytes) -> bytes:
    kept, place, end = [b"WEBP"], 12, 8 + int.from_bytes(data[4:8], "little")
    while place < min(end, len(data)):
        name, size = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8], "little")
        chunk = data[place : place + 8 + size + size % 2]
        if name == b"VP8X":
            chunk = chunk[:8] + bytes([chunk[8] & ~_EXIF_AND_XMP]) + chunk[9:]
        kept += [chunk] if name in _OF_WEBP else []
        place += 8 + size + size % 2
    body = b"".join(kept)
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def _bare_jpeg(data: bytes) -> bytes:
    kept, place, in_scan = [data[:2]], 2, False
    while marker := _MARKER.search(data, place):
        kept += [data[place : marker.start()]] if in_scan else []
        kind, begin = marker[1][0], marker.end()
        if kind == _END:
            return b"".join([*kept, marker[0]])
        place, in_scan = begin + int.from_bytes(data[begin : begin + 2]), kind == _SCAN
        kept.append(_bare_segment(kind, data[marker.start() : place]))
    return b"".join([*kept, data[place:] if in_scan else b""])


def _bare_segment(kind: int, segment: bytes) -> bytes:
    """A segment of a JPEG, or nothing in place of one that a decoder does not need."""
    if kind == _JFIF:
        return b"\xff\xe0\0\x10" + segment[4:16] + b"\0\0" if segment[4:9] == b"JFIF\0" else b""  # without its preview
    needed = {_ICC: b"ICC_PROFILE\0", _ADOBE: b"Adobe"}.get(kind)
    if needed is not None:
        return segment if segment[4:].startswith(needed) else b""
    return b"" if _JFIF < kind <= 0xEF or kind == _COMMENT else segment

"""Hostile and odd images, each with what becomes of it: the size that is admitted, or the reason for which it is refused.

`python tests/hostile/images.py FOLDER` writes them as files.
"""

from __future__ import annotations

import io
import struct
import sys
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
from PIL import Image, ImageCms

MAX_PIXELS = 1_000_000
SIZE = (48, 32)
POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n{ } loop\n%%EOF\n"

Outcome = tuple[int, int] | str
Made = Callable[[], bytes]


def picture(mode: str = "RGB", size: tuple[int, int] = SIZE) -> Image.Image:
    values = np.random.default_rng(0).integers(1, 255, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(values).convert(mode)


def saved(kind: str, image: Image.Image | None = None, **options: Any) -> bytes:
    out = io.BytesIO()
    (picture() if image is None else image).save(out, kind, **options)
    return out.getvalue()


def deep(dtype: Any, kind: str = "TIFF", **options: Any) -> bytes:
    return saved(kind, Image.fromarray(np.linspace(0, 200, 48 * 32).reshape(32, 48).astype(dtype)), **options)


def heic(**options: Any) -> bytes:
    out = io.BytesIO()
    pillow_heif.from_pillow(picture()).save(out, quality=90, **options)
    return out.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(
    width: int, height: int, *, depth: int = 8, colour: int = 2, data: bytes = b"", before: bytes = b"", lace: int = 0
) -> bytes:
    """A PNG that claims what it likes."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, lace))
    return b"\x89PNG\r\n\x1a\n" + head + before + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def inserted(data: bytes, *chunks: bytes) -> bytes:
    """A PNG with chunks after its header."""
    return data[:33] + b"".join(chunks) + data[33:]


def zeros(megabytes: int) -> bytes:
    return zlib.compress(bytes(megabytes * 2**20), 9)


def tiff(*tags: tuple[int, int, int, int], following: int = 0, tail: bytes = bytes(64)) -> bytes:
    """A little-endian TIFF of one directory; each tag is (number, type, count, value)."""
    body = b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags))
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + body + struct.pack("<I", following) + tail


def grey(width: int = 8, height: int = 8, **tags: int) -> tuple[tuple[int, int, int, int], ...]:
    """The tags of an 8-bit grey TIFF, whose pixels start at byte 8."""
    values = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: height, 279: width * height}
    values |= {int(name[1:]): value for name, value in tags.items()}
    return tuple((number, 4, 1, value) for number, value in values.items())


def bmp(width: int, height: int, *, bits: int = 24, compression: int = 0, data: bytes = bytes(64), colours: int = 0) -> bytes:
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(data), 0, 0, colours, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(data), 0, 0, 54) + info + data


def gif(width: int, height: int, body: bytes = b"\x3b") -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6) + body


def riff(*chunks: tuple[bytes, bytes], size: int | None = None) -> bytes:
    body = b"WEBP" + b"".join(name + struct.pack("<I", len(data)) + data for name, data in chunks)
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body


def jpeg(width: int, height: int) -> bytes:
    """A JPEG whose header claims another size."""
    data = bytearray(saved("JPEG"))
    place = data.index(b"\xff\xc0") + 5
    data[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def segment(marker: int, data: bytes) -> bytes:
    """A JPEG with a segment after its first marker."""
    whole = saved("JPEG")
    return whole[:2] + struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data + whole[2:]


def exif(orientation: int) -> Image.Exif:
    found = Image.Exif()
    found[0x0112] = orientation
    return found


def frames(count: int) -> list[Image.Image]:
    return [Image.new("RGB", SIZE, (n % 256, 0, 0)) for n in range(1, count)]


def animated(kind: str, count: int) -> bytes:
    return saved(kind, save_all=True, append_images=frames(count))


def profile(data: bytes) -> bytes:
    return saved("PNG", icc_profile=data)


LOOP = struct.pack("<2sHIHHHII", b"II", 42, 8, 1, 0x8769, 4, 1, 8) + struct.pack("<I", 8)
"""EXIF whose directory points to itself."""

ADMITTED: dict[str, tuple[Made, tuple[int, int]]] = {
    **{
        f"plain {kind}": (partial(saved, kind), SIZE)
        for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM")
    },
    **{f"PNG in {mode}": (lambda mode=mode: saved("PNG", picture(mode)), SIZE) for mode in ("1", "L", "LA", "P", "RGBA")},
    **{f"TIFF in {mode}": (lambda mode=mode: saved("TIFF", picture(mode)), SIZE) for mode in ("1", "P", "CMYK", "YCbCr", "RGBA")},
    "JPEG in CMYK": (lambda: saved("JPEG", picture("CMYK")), SIZE),
    "TIFF in LAB": (
        lambda: saved(
            "TIFF",
            ImageCms.applyTransform(
                picture(), ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
            ),
        ),
        SIZE,
    ),
    "progressive JPEG": (lambda: saved("JPEG", progressive=True), SIZE),
    "HEIC": (heic, SIZE),
    "16-bit PNG": (lambda: deep(np.uint16, "PNG"), SIZE),
    "16-bit TIFF, big-endian": (lambda: saved("TIFF", picture("L").convert("I").convert("I;16B")), SIZE),
    "float TIFF": (lambda: deep(np.float32), SIZE),
    "32-bit TIFF": (lambda: deep(np.int32), SIZE),
    "GIF of 500 frames": (lambda: animated("GIF", 500), SIZE),
    "APNG": (lambda: animated("PNG", 20), SIZE),
    "animated WebP": (lambda: animated("WEBP", 20), SIZE),
    "TIFF of 50 pages": (lambda: animated("TIFF", 50), SIZE),
    "MPO": (lambda: saved("MPO", save_all=True, append_images=frames(2)), SIZE),
    **{
        f"orientation {n}": (lambda n=n: saved("JPEG", exif=exif(n)), SIZE[::-1] if n in (5, 6, 7, 8) else SIZE)
        for n in (3, 6, 9, 65_535)
    },
    "EXIF in a circle": (lambda: segment(0xE1, b"Exif\0\0" + LOOP), SIZE),
    "EXIF of noise": (lambda: segment(0xE1, b"Exif\0\0" + bytes(range(200))), SIZE),
    "a comment of markup": (lambda: segment(0xFE, b"<script>alert(1)</script>"), SIZE),
    "many segments": (lambda: saved("JPEG")[:2] + (b"\xff\xfe\0\x02" * 20_000) + saved("JPEG")[2:], SIZE),
    "profile of noise": (lambda: profile(b"noise" * 100), SIZE),
    "profile of XYZ in RGB": (lambda: profile(ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()), SIZE),
    "text that is a bomb": (lambda: inserted(saved("PNG"), *[chunk(b"zTXt", b"k\0\0" + zeros(60))] * 3), SIZE),
    "200 texts": (lambda: inserted(saved("PNG"), *[chunk(b"tEXt", b"k\0" + b"v" * 500_000)] * 40), SIZE),
    "more pixels than are claimed": (lambda: png(8, 8, data=zeros(50)), (8, 8)),
    "PNG with a zip behind it": (lambda: saved("PNG") + b"PK\x05\x06" + bytes(18), SIZE),
    "JPEG with a page behind it": (lambda: saved("JPEG") + b"<html><script>1</script>", SIZE),
    "GIF with a script behind it": (lambda: saved("GIF") + b"*/=1;alert(1)//", SIZE),
    "one pixel": (lambda: saved("PNG", picture(size=(1, 1))), (1, 1)),
    "one row": (lambda: saved("PNG", picture(size=(20_000, 1))), (20_000, 1)),
    "as many pixels as are allowed": (lambda: saved("PNG", Image.new("RGB", (1_000, 1_000), "red")), (1_000, 1_000)),
    "top-down BMP": (lambda: bmp(4, -4), (4, 4)),
    "TIFF whose next page is itself": (lambda: tiff(*grey(), following=8), (8, 8)),
    "TIFF with tags that nobody knows": (lambda: tiff(*grey(), *((n, 4, 1, 7) for n in range(40_000, 40_300))), (8, 8)),
    "TIFF with a tag of 4 GiB": (lambda: tiff(*grey(), (42_112, 4, 2**30, 8)), (8, 8)),
    "transparent": (lambda: saved("PNG", Image.new("RGBA", SIZE)), SIZE),
    "TIFF with two places of its pixels": (lambda: tiff(*grey(), (273, 4, 2**30, 8)), (8, 8)),
    "PBM": (lambda: b"P4 8 1\n\xaa", (8, 1)),
}

REFUSED: dict[str, tuple[Made, str]] = {
    "empty": (bytes, "not_an_image"),
    "one byte": (lambda: b"\xff", "not_an_image"),
    "text": (lambda: b"not a picture", "not_an_image"),
    "a page": (lambda: b"<!doctype html><img src=x onerror=alert(1)>", "not_an_image"),
    "SVG": (lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>', "not_an_image"),
    "PDF": (lambda: b"%PDF-1.4\n1 0 obj<<>>endobj", "not_an_image"),
    "PostScript": (lambda: POSTSCRIPT, "not_an_image"),
    "PostScript in a binary head": (
        lambda: struct.pack("<4sII", b"\xc5\xd0\xd3\xc6", 32, len(POSTSCRIPT)) + bytes(20) + POSTSCRIPT,
        "not_an_image",
    ),
    "PSD": (lambda: b"8BPS\0\1" + bytes(100), "not_an_image"),
    "ICO": (lambda: saved("ICO", sizes=[(16, 16)]), "not_an_image"),
    "TGA": (lambda: saved("TGA"), "not_an_image"),
    "DDS": (lambda: saved("DDS"), "not_an_image"),
    "WMF": (lambda: b"\xd7\xcd\xc6\x9a" + bytes(100), "not_an_image"),
    "FLI": (lambda: struct.pack("<IHHHHHH", 128, 0xAF11, 1, 8, 8, 8, 3) + bytes(200), "not_an_image"),
    "MP4": (lambda: b"\0\0\0\x18ftypmp42" + bytes(64), "not_an_image"),
    "JPEG XL": (lambda: b"\xff\x0a" + bytes(64), "not_an_image"),
    "a pickle": (lambda: b"\x80\x04\x8c\x05posix\x8c\x06system\x93.", "not_an_image"),
    "gzip of a PNG": (lambda: zlib.compress(saved("PNG")), "not_an_image"),
    "a pointer of Git LFS": (lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "not_an_image"),
    "PNG of 4 gigapixels": (lambda: png(65_536, 65_536, data=zeros(1)), "too_many_pixels"),
    "PNG of 2^31 columns": (lambda: png(2**31 - 1, 2**31 - 1), "too_many_pixels"),
    "JPEG of 4 gigapixels": (lambda: jpeg(65_500, 65_500), "too_many_pixels"),
    "GIF of 4 gigapixels": (
        lambda: gif(65_535, 65_535, b"\x2c" + struct.pack("<HHHHB", 0, 0, 65_535, 65_535, 0) + b"\x02\x02\x4c\x01\0\x3b"),
        "too_many_pixels",
    ),
    "a GIF frame larger than its screen": (
        lambda: gif(8, 8, b"\x2c" + struct.pack("<HHHHB", 0, 0, 60_000, 60_000, 0) + b"\x02\x02\x4c\x01\0\x3b"),
        "too_many_pixels",
    ),
    "BMP of 4 gigapixels": (lambda: bmp(65_536, 65_536), "too_many_pixels"),
    "TIFF of 4 gigapixels": (lambda: tiff(*grey(65_536, 65_535)), "too_many_pixels"),
    "PPM of 10^18 pixels": (lambda: b"P6 1000000000 1000000000 255\n", "too_many_pixels"),
    "one pixel too many": (lambda: saved("PNG", Image.new("L", (1_001, 1_000))), "too_many_pixels"),
    "WebP of 2^48 pixels": (
        lambda: riff((b"VP8X", b"\0" * 4 + b"\xff\xff\xff\xff\xff\xff"), (b"VP8 ", bytes(40))),
        "too_many_pixels",
    ),
    "JPEG without an end": (lambda: saved("JPEG")[:-200], "truncated"),
    "PNG cut in its pixels": (lambda: saved("PNG")[:-200], "truncated"),
    "GIF cut": (lambda: saved("GIF")[:-200], "truncated"),
    "BMP cut": (lambda: saved("BMP")[:-200], "truncated"),
    "TIFF cut": (lambda: saved("TIFF")[:2_000], "truncated"),
    "WebP cut": (lambda: saved("WEBP")[:-200], "unreadable"),
    "AVIF cut": (lambda: saved("AVIF")[:-200], "truncated"),
    "JPEG 2000 cut": (lambda: saved("JPEG2000")[:100], "unreadable"),
    "HEIC cut": (lambda: heic()[:-200], "unreadable"),
    "PPM cut": (lambda: saved("PPM")[:-200], "truncated"),
    "PNG's signature alone": (lambda: b"\x89PNG\r\n\x1a\n", "unreadable"),
    "JPEG's first marker alone": (lambda: b"\xff\xd8\xff\xe0", "unreadable"),
    "PNG without pixels": (lambda: png(8, 8), "truncated"),
    "PNG of no size": (lambda: png(0, 0, data=zlib.compress(b"")), "unreadable"),
    "PNG of noise": (lambda: png(8, 8, data=b"noise"), "unreadable"),
    "PNG with a wrong checksum": (lambda: saved("PNG")[:29] + b"\0\0\0\0" + saved("PNG")[33:], "unreadable"),
    "PNG of an unknown depth": (lambda: png(8, 8, depth=7, colour=9, data=zeros(1)), "unreadable"),
    "BMP of no size": (lambda: bmp(0, 0), "unreadable"),
    "BMP of negative columns": (lambda: bmp(-8, 8), "too_many_pixels"),
    "BMP of an unknown compression": (lambda: bmp(8, 8, compression=99), "unreadable"),
    "BMP with 2^32 colours": (lambda: bmp(8, 8, bits=8, colours=2**32 - 1), "unreadable"),
    "BMP of a million empty rows": (lambda: bmp(64, 64, bits=8, compression=1, data=b"\0\0" * 10**6), "unreadable"),
    "TIFF without a size": (lambda: tiff((258, 4, 1, 8)), "unreadable"),
    "TIFF of an unknown compression": (lambda: tiff(*grey(_259=31_000)), "unreadable"),
    "TIFF whose pixels are elsewhere": (lambda: tiff(*grey(_273=2**31)), "truncated"),
    "TIFF with tiles of 2^30 pixels": (
        lambda: tiff(*(t for t in grey(_322=2**15, _323=2**15, _324=8, _325=64) if t[0] not in (273, 278, 279))),
        "truncated",
    ),
    "TIFF of noise in LZW": (lambda: tiff(*grey(_259=5)), "unreadable"),
    "PPM of numbers without end": (lambda: b"P6 " + b"1" * 100_000, "unreadable"),
    "PPM of a comment without end": (lambda: b"P6 #" + b"x" * 1_000_000, "unreadable"),
    "PPM of 0 colours": (lambda: b"P6 8 8 0\n" + bytes(192), "unreadable"),
    "PPM in text": (lambda: b"P3 2 1 255\n255 0 0 0 255 0\n", "not_an_image"),
    "PPM in text of a million comments": (lambda: b"P3 9 9 255\n" + b"#\n" * 10**6, "not_an_image"),
    "PNG of a million chunks": (lambda: inserted(saved("PNG"), chunk(b"teXt", b"") * 200_000), "unreadable"),
    "GIF of a million comments": (lambda: gif(8, 8, b"\x21\xfe\x01a\0" * 200_000), "unreadable"),
    "profile that is a bomb": (lambda: inserted(saved("PNG"), chunk(b"iCCP", b"x\0\0" + zeros(80))), "unreadable"),
    "float TIFF of NaN": (lambda: saved("TIFF", Image.fromarray(np.full((8, 8), np.nan, np.float32))), "unreadable"),
    "float TIFF of infinity": (lambda: saved("TIFF", Image.fromarray(np.full((8, 8), np.inf, np.float32))), "unreadable"),
    "WebP of no chunk": (riff, "not_an_image"),
    "WebP that lies about its size": (lambda: riff((b"VP8 ", bytes(40)), size=2**32 - 1), "unreadable"),
    "AVIF of nothing": (lambda: b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf" + bytes(64), "unreadable"),
    "HEIC of nothing": (lambda: b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64), "unreadable"),
    "JPEG 2000 of nothing": (lambda: b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(64), "unreadable"),
    "JPEG without a scan": (lambda: b"\xff\xd8\xff\xd9", "unreadable"),
    "JPEG of a million markers": (lambda: b"\xff\xd8" + b"\xff\xfe\0\x02" * 250_000, "unreadable"),
}

IMAGES: dict[str, tuple[Made, Outcome]] = {**ADMITTED, **REFUSED}


def write(folder: Path) -> dict[str, str]:
    """Write all images, each under a name that says nothing; the file of each case."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: f"{number}.png" for number, name in enumerate(IMAGES)}
    for name, file in files.items():
        (folder / file).write_bytes(IMAGES[name][0]())
    return files


if __name__ == "__main__":
    print(write(Path(sys.argv[1])))

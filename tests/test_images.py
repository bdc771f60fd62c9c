"""Images are admitted as every engine will see them, or refused with a reason before they can do harm."""

import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms

from selfjudge.errors import SelfjudgeError
from selfjudge.method.contamination import alike
from selfjudge.run import images, pictures
from selfjudge.run.images import BadImage, admit, decode, encode, examine

LIMIT = 10_000


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def colours(seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 12, 3), dtype=np.uint8))


def claimed(width: int, height: int, pixels: bytes) -> bytes:
    """A PNG that claims a size, whatever it holds."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", pixels), (b"IEND", b"")]
    body = b"".join(struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize(("kind", "media_type"), [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp")])
def test_a_plain_picture_is_kept_byte_for_byte(kind: str, media_type: str):
    data = encoded(colours(), kind)
    ref, kept = admit(data, max_pixels=LIMIT)
    assert kept == data
    assert (ref.media_type, ref.width, ref.height) == (media_type, 12, 8)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not_an_image"),
        (b"hello", "not_an_image"),
        (encoded(colours(), "PNG")[:100], "truncated"),
        (encoded(colours(), "JPEG")[:200], "truncated"),
        (claimed(65_536, 65_536, zlib.compress(bytes(64))), "too_many_pixels"),
        (claimed(100, 100, b"garbage"), "unreadable"),
    ],
    ids=["empty", "text", "truncated png", "truncated jpeg", "4-gigapixel bomb", "garbage"],
)
def test_what_cannot_be_shown_is_refused_with_a_reason(data: bytes, reason: str):
    with pytest.raises(BadImage) as refused:
        admit(data, max_pixels=LIMIT)
    assert refused.value.reason == reason


def test_the_limit_on_pixels_is_read_from_the_header():
    with pytest.raises(BadImage, match="12 x 8 pixels; at most 95"):
        admit(encoded(colours(), "PNG"), max_pixels=95)


def test_an_animation_is_its_first_frame():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    ref, kept = admit(data, max_pixels=LIMIT)
    assert ref.media_type == "image/png"
    assert decode(kept).getpixel((0, 0)) == (255, 0, 0)


def test_cmyk_becomes_rgb():
    _, kept = admit(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=100), max_pixels=LIMIT)
    red, green, blue = decode(kept).getpixel((4, 4))
    assert red > 240 and green < 15 and blue < 15


def test_sixteen_bits_are_scaled_to_eight_not_clipped():
    grey = Image.fromarray(np.full((8, 8), 32_768, dtype=np.uint16))
    _, kept = admit(encoded(grey, "PNG"), max_pixels=LIMIT)
    assert decode(kept).getpixel((0, 0)) == (128, 128, 128)


@pytest.mark.parametrize(
    ("values", "dtype", "shown"),
    [
        ((0, 4095), np.uint16, (0, 255)),
        ((0, 819, 4095), np.uint16, (0, 51, 255)),
        ((0, 200), np.uint16, (0, 200)),
        ((0, 200), np.int32, (0, 200)),
        ((0, 65_535), np.int32, (0, 255)),
        ((-1000, 0, 3000), np.int32, (0, 64, 255)),
        ((0, 70_000), np.int32, (0, 255)),
        ((0, 0.5, 1), np.float32, (0, 128, 255)),
        ((-1, 0, 1), np.float32, (0, 128, 255)),
        ((-0.5, 0.5), np.float32, (64, 191)),
        ((0, 1, 4), np.float32, (0, 64, 255)),
        ((-10, 10), np.float32, (0, 255)),
        ((7.5,), np.float32, None),
        ((0.0,), np.float32, None),
        ((-1.0,), np.float32, None),
        ((0,), np.uint16, None),
        ((0,), np.int32, None),
        ((0, np.nan), np.float32, None),
        ((0, np.inf), np.float32, None),
    ],
)
def test_deep_pixels_are_scaled_as_stated_or_refused(values: tuple[float, ...], dtype: type, shown: tuple[int, ...] | None):
    data = encoded(Image.fromarray(np.tile(np.array(values, dtype=dtype), (8, 1))), "TIFF")
    if shown is None:
        with pytest.raises(BadImage, match="all black|infinite or not a number") as refused:
            admit(data, max_pixels=LIMIT)
        assert refused.value.reason == "unreadable"
    else:
        _, kept = admit(data, max_pixels=LIMIT)
        assert np.asarray(decode(kept))[0, :, 0].tolist() == pytest.approx(shown, abs=1)


def text_chunk(name: bytes, text: bytes) -> bytes:
    return struct.pack(">I", len(text)) + name + text + struct.pack(">I", zlib.crc32(name + text))


@pytest.mark.parametrize("place", [33, -12], ids=["before the pixels", "after them"])
def test_a_png_with_more_text_than_a_decoder_takes_is_kept_without_the_text(place: int):
    data = encoded(colours(), "PNG")
    text = text_chunk(b"zTXt", b"k\0\0" + zlib.compress(b"a" * 3_000_000))
    assert admit(data[:place] + text + data[place:], max_pixels=LIMIT) == admit(data, max_pixels=LIMIT)


def test_transparency_lies_on_white():
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    _, kept = admit(encoded(clear, "PNG"), max_pixels=LIMIT)
    assert decode(kept).getpixel((0, 0)) == (255, 255, 255)


def test_a_palette_with_a_transparent_colour_lies_on_white():
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([255, 0, 0] * 256)
    _, kept = admit(encoded(palette, "PNG", transparency=0), max_pixels=LIMIT)
    assert decode(kept).getpixel((0, 0)) == (255, 255, 255)


def test_a_photograph_on_its_side_is_turned_upright_and_stays_a_jpeg():
    exif = Image.Exif()
    exif[0x0112] = 6
    ref, kept = admit(encoded(colours(), "JPEG", exif=exif), max_pixels=LIMIT)
    assert (ref.width, ref.height, ref.media_type) == (8, 12, "image/jpeg")
    assert decode(kept).size == (8, 12)


def test_the_same_content_has_the_same_reference():
    one, other = (admit(encoded(colours(seed), "PNG"), max_pixels=LIMIT)[0] for seed in (1, 1))
    assert one == other != admit(encoded(colours(2), "PNG"), max_pixels=LIMIT)[0]


def test_examining_admits_the_same_and_tells_a_lossless_copy_by_its_pixels():
    picture = colours().resize((96, 64), Image.Resampling.BICUBIC)
    data = encoded(picture, "JPEG", quality=90)
    ref, kept, look = examine(data, max_pixels=LIMIT)
    assert (ref, kept) == admit(data, max_pixels=LIMIT) and look.sha256 == ref.sha256
    *_, copy = examine(encoded(Image.open(io.BytesIO(data)), "PNG"), max_pixels=LIMIT)
    *_, other = examine(encoded(picture, "JPEG", quality=60), max_pixels=LIMIT)
    assert copy.pixels == look.pixels != other.pixels
    assert copy.sha256 != look.sha256 and alike(look, other)


@pytest.mark.parametrize("mode", ["CMYK", "RGBA", "P", "L", "I;16"])
def test_what_is_not_kept_as_it_came_is_examined_as_it_is_kept(mode: str):
    data = encoded(colours().convert("L").convert(mode) if mode == "I;16" else colours().convert(mode), "TIFF")
    ref, kept, look = examine(data, max_pixels=LIMIT)
    assert (ref, kept, look) == examine(kept, max_pixels=LIMIT)


def test_without_its_package_examining_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "imagehash", None)
    with pytest.raises(SelfjudgeError, match="ImageHash") as error:
        examine(encoded(colours(), "PNG"), max_pixels=LIMIT)
    assert "[local]'" in str(error.value.hint)


POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n0 0 8 8 rectfill showpage\n%%EOF\n"
BINARY_POSTSCRIPT = struct.pack("<4sIIIIIIH", b"\xc5\xd0\xd3\xc6", 32, len(POSTSCRIPT), 0, 0, 0, 0, 0) + b"\0\0" + POSTSCRIPT


@pytest.mark.parametrize("data", [POSTSCRIPT, BINARY_POSTSCRIPT], ids=["text", "binary"])
def test_an_image_never_runs_postscript(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes):
    called = tmp_path / "called"
    for name in ("gs", "gswin64c"):
        (tmp_path / name).write_text(f"#!/bin/sh\ntouch {called}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", None)
    (tmp_path / "picture.png").write_bytes(data)
    for image in (data, tmp_path / "picture.png"):
        for look in (admit, examine):
            with pytest.raises(BadImage) as refused:
                look(image, max_pixels=LIMIT)
            assert refused.value.reason == "not_an_image"
    with pytest.raises(BadImage):
        decode(data)
    assert not called.exists()


def test_only_the_stated_formats_are_opened(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pictures, "FORMATS", ("JPEG",))
    admit(encoded(colours(), "JPEG"), max_pixels=LIMIT)
    for kind in ("PNG", "GIF", "PCX", "TGA", "ICO"):
        with pytest.raises(BadImage, match="none of the formats that are read: JPEG"):
            admit(encoded(colours(), kind), max_pixels=LIMIT)


def test_a_heic_photograph_without_its_package_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pillow_heif.as_plugin", None)
    with pytest.raises(BadImage, match="HEIC.*pillow-heif.*convert it to JPEG"):
        admit(heic(colours()), max_pixels=LIMIT)


def heic(image: Image.Image) -> bytes:
    out = io.BytesIO()
    pillow_heif.from_pillow(image).save(out, quality=95)
    return out.getvalue()


def test_a_heic_photograph_becomes_a_jpeg_of_the_same_picture():
    photo = Image.fromarray(np.full((40, 60, 3), (200, 40, 40), dtype=np.uint8))
    ref, kept = admit(heic(photo), max_pixels=LIMIT)
    assert (ref.media_type, ref.width, ref.height) == ("image/jpeg", 60, 40)
    assert np.abs(np.asarray(decode(kept)).astype(int) - np.asarray(photo)).max() < 12


@pytest.mark.parametrize("cut", [12, 60, 400])
def test_a_heic_photograph_that_is_cut_off_is_refused(cut: int):
    with pytest.raises(BadImage):
        admit(heic(Image.fromarray(np.zeros((40, 60, 3), dtype=np.uint8)))[:cut], max_pixels=LIMIT)


def test_a_large_heic_photograph_is_refused_before_it_is_decoded():
    with pytest.raises(BadImage, match="pixels"):
        admit(heic(Image.new("RGB", (200, 200))), max_pixels=LIMIT)


def test_colours_of_another_profile_become_those_of_srgb():
    data = encoded(Image.new("RGB", (8, 8), (64, 64, 64)), "PNG", icc_profile=linear_profile())
    _, kept = admit(data, max_pixels=LIMIT)
    assert decode(kept).getpixel((0, 0)) == pytest.approx((137, 137, 137), abs=2)


def linear_profile() -> bytes:
    """sRGB's primaries with a gamma of 1, as the bytes of a profile: its three curves are replaced."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack(">I", data[128:132])[0]
    for number in range(count):
        name, place, _ = struct.unpack(">4sII", data[132 + 12 * number : 144 + 12 * number])
        if name in (b"rTRC", b"gTRC", b"bTRC"):
            data[place : place + 12] = b"curv" + bytes(8)  # a curve without points is the identity
        if name == b"desc":
            place += data[place:].index(b"s\0R\0G\0B") if b"s\0R\0G\0B" in data[place:] else data[place:].index(b"sRGB")
            data[place : place + 1] = b"x"
    return bytes(data)


@pytest.mark.parametrize("profile", [b"", b"no profile", ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()])
def test_a_picture_in_srgb_or_with_a_broken_profile_is_kept_byte_for_byte(profile: bytes):
    data = encoded(colours(), "PNG", icc_profile=profile)
    assert admit(data, max_pixels=LIMIT)[1] == data


def test_pillows_own_limit_is_neither_changed_nor_needed(monkeypatch: pytest.MonkeyPatch):
    code = "import PIL.Image as I; n = I.MAX_IMAGE_PIXELS; import selfjudge, selfjudge.judge, selfjudge.run.images as s, sys; "
    code += "s.admit(sys.stdin.buffer.read(), max_pixels=10**6); assert I.MAX_IMAGE_PIXELS == n"
    subprocess.run([sys.executable, "-c", code], check=True, input=encoded(colours(), "PNG"))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    for kind in ("PNG", "JPEG", "BMP", "TIFF", "JPEG2000", "PPM"):
        admit(encoded(colours(), kind), max_pixels=LIMIT)
    assert Image.MAX_IMAGE_PIXELS == 10


def test_a_shortage_of_memory_is_no_fault_of_the_image(monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", fail)
    with pytest.raises(MemoryError):
        admit(encoded(colours(), "PNG"), max_pixels=LIMIT)


def test_a_file_that_is_too_large_is_refused_as_bytes_too(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(images, "MAX_BYTES", 100)
    with pytest.raises(BadImage) as refused:
        admit(encoded(colours(), "PNG"), max_pixels=LIMIT)
    assert refused.value.reason == "too_many_bytes"


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "LA", "P", "CMYK", "YCbCr", "LAB", "I", "F", "I;16", "1"])
def test_a_picture_in_memory_is_converted_as_its_file_is(mode: str):
    made = colours().convert("L").convert(mode) if mode in ("I;16", "F", "LA") else colours().convert("RGB")
    made = Image.merge("LAB", made.split()) if mode == "LAB" else made.convert(mode)
    data = encoded(made, "TIFF" if mode != "P" else "PNG")
    by_file, kept = admit(data, max_pixels=LIMIT)
    by_picture, drawn = admit(encode(Image.open(io.BytesIO(data))), max_pixels=LIMIT)
    assert decode(kept).tobytes() == decode(drawn).tobytes() and by_file == by_picture


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 9])
def test_a_photograph_in_memory_is_turned_as_its_file_is(mode: str, orientation: int):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(colours().convert(mode), "JPEG", exif=exif)
    photograph = Image.open(io.BytesIO(data))
    by_file, kept = admit(data, max_pixels=LIMIT)
    by_picture, drawn = admit(encode(photograph), max_pixels=LIMIT)
    assert decode(kept).tobytes() == decode(drawn).tobytes() and decode(kept).size == decode(drawn).size
    assert by_file == by_picture
    assert photograph.mode == mode


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
@pytest.mark.parametrize("loaded", [False, True])
def test_a_file_that_pillow_opened_has_the_reference_of_its_path(tmp_path: Path, kind: str, loaded: bool):
    path = tmp_path / "picture"
    path.write_bytes(encoded(colours(), kind))
    with Image.open(path) as picture:
        if loaded:
            picture.load()
        assert admit(encode(picture), max_pixels=LIMIT) == admit(path, max_pixels=LIMIT)
        picture.paste(0, (0, 0, 8, 8))
        assert admit(encode(picture), max_pixels=LIMIT) != admit(path, max_pixels=LIMIT)


def test_an_array_is_the_picture_it_holds():
    for array in (np.asarray(colours()), np.asarray(colours().convert("L")), np.asarray(colours().convert("RGBA"))):
        assert encode(array) == encode(Image.fromarray(array))
    deep = np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000
    assert admit(encode(deep), max_pixels=LIMIT) == admit(encoded(Image.fromarray(deep), "PNG"), max_pixels=LIMIT)


def test_a_phones_photograph_with_a_second_picture_stays_a_jpeg():
    data = encoded(colours(), "MPO", save_all=True, append_images=[colours(1)])
    ref, _ = admit(data, max_pixels=LIMIT)
    assert ref.media_type == "image/jpeg" and admit(encode(Image.open(io.BytesIO(data))), max_pixels=LIMIT)[0] == ref


def photographed(kind: str) -> bytes:
    picture = colours().resize((120, 80))
    options = {"save_all": True, "append_images": [picture.resize((60, 40))]} if kind == "MPO" else {}
    return heic(picture) if kind == "HEIF" else encoded(picture, kind, **options)


@pytest.mark.parametrize(
    ("kind", "media_type"),
    [("JPEG", "image/jpeg"), ("MPO", "image/jpeg"), ("HEIF", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/png")],
)
def test_a_larger_image_is_scaled_down_always_to_the_same_bytes(kind: str, media_type: str):
    data = photographed(kind)
    ref, kept = admit(data, max_pixels=LIMIT, longest_edge=30)
    assert (ref.media_type, ref.width, ref.height) == (media_type, 30, 20) == (media_type, *Image.open(io.BytesIO(kept)).size)
    assert admit(data, max_pixels=LIMIT, longest_edge=30) == (ref, kept) == admit(kept, max_pixels=LIMIT, longest_edge=30)


def test_a_path_bytes_and_an_opened_picture_are_scaled_to_one_reference(tmp_path: Path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(photographed("JPEG"))
    given = (path, path.read_bytes(), encode(Image.open(path)))
    assert len({admit(image, max_pixels=LIMIT, longest_edge=30) for image in given}) == 1


@pytest.mark.parametrize(("size", "kept"), [((90, 30), (30, 10)), ((30, 90), (10, 30)), ((30, 30), (30, 30)), ((99, 1), (30, 1))])
def test_the_longer_edge_decides_and_what_fits_is_kept_byte_for_byte(size: tuple[int, int], kept: tuple[int, int]):
    data = encoded(Image.new("RGB", size), "JPEG")
    ref, stored = admit(data, max_pixels=LIMIT, longest_edge=30)
    assert (ref.width, ref.height) == kept and (stored == data) == (size == kept)


def test_a_picture_that_lies_on_its_side_is_turned_and_scaled():
    exif = Image.Exif()
    exif[0x0112] = 6
    ref, _ = admit(encoded(Image.new("RGB", (90, 30)), "JPEG", exif=exif), max_pixels=LIMIT, longest_edge=30)
    assert (ref.width, ref.height, ref.media_type) == (10, 30, "image/jpeg")


def test_a_bomb_is_refused_however_small_it_would_be_kept():
    with pytest.raises(BadImage) as refused:
        admit(claimed(65_536, 65_536, zlib.compress(bytes(64))), max_pixels=LIMIT, longest_edge=30)
    assert refused.value.reason == "too_many_pixels"

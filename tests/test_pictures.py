"""Pictures whose file is gone, small ones for a page, and large ones, whose memory is given back."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from selfjudge.run.images import BadImage, admit, decode, encode, thumbnail
from selfjudge.run.pictures import bare


def encoded(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def test_a_picture_whose_file_was_exchanged_is_kept_as_it_was_opened(tmp_path: Path):
    path = tmp_path / "picture.png"
    path.write_bytes(encoded(Image.new("RGB", (16, 16), "red")))
    with Image.open(path) as picture:
        picture.load()
    path.write_bytes(encoded(Image.new("RGB", (4, 4))))
    assert decode(encode(picture)).tobytes() == Image.new("RGB", (16, 16), "red").tobytes()


def test_a_thumbnail_is_a_jpeg_of_at_most_so_many_pixels():
    small = decode(thumbnail(encoded(Image.new("RGBA", (300, 100), "red")), 60))
    assert small.size == (60, 20) and small.getpixel((30, 10))[0] > 250
    with pytest.raises(BadImage):
        thumbnail(b"no picture", 60)


def test_the_memory_of_a_large_picture_is_given_back():
    large = encoded(Image.new("1", (2000, 1200)))  # more than `image_room._LARGE`
    assert admit(large, max_pixels=3_000_000)[0].width == 2000


SECRET = b"48.0N at home"
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def photograph(kind: str, mode: str = "RGB", **options: object) -> tuple[bytes, bytes]:
    """A picture as a file that tells who took it and where, and as one that does not."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)).convert(mode)
    exif = Image.Exif()
    exif[0x010F] = SECRET.decode()
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 30.0)})
    text = PngInfo()
    for add in (text.add_text, text.add_itxt):
        add("Comment", SECRET.decode())
    text.add_text("More", SECRET.decode(), zip=True)
    told = {"exif": exif, "xmp": b"<x:xmpmeta>%b</x:xmpmeta>" % SECRET, "comment": SECRET}
    told = {"PNG": {"exif": exif, "pnginfo": text}, "WEBP": {"exif": exif, "xmp": told["xmp"]}}.get(kind, told)
    files = []
    for more in (told, {}):
        noise.save(file := io.BytesIO(), kind, icc_profile=SRGB, **options, **more)
        files.append(file.getvalue())
    return files[0], files[1]


KINDS = [
    ("JPEG", {}),
    ("JPEG", {"progressive": True}),
    ("JPEG", {"restart_marker_blocks": 2}),
    ("JPEG", {"mode": "L", "quality": 100}),
    ("PNG", {}),
    ("PNG", {"mode": "L"}),
    ("WEBP", {}),
    ("WEBP", {"lossless": True}),
]


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_what_a_photograph_tells_of_its_maker_goes_and_not_a_byte_of_its_pixels(kind: str, options: dict[str, object]):
    data, silent = photograph(kind, **options)
    for after in (b"", b"\xff\xd8\xff\xe1 a film, " + SECRET):
        shown = bare(data + after)
        with Image.open(io.BytesIO(shown)) as picture:
            assert not picture.getexif() and not {"xmp", "comment", "Comment", "More"} & picture.info.keys()
            assert picture.info["icc_profile"] == SRGB
        assert SECRET in data and SECRET not in shown and len(shown) <= len(silent)
        assert decode(shown).tobytes() == decode(data).tobytes() and bare(shown) == shown
        assert admit(shown, max_pixels=10_000)[1] == shown


def test_what_pictures_with_nothing_to_tell_hold_stays_as_it_is():
    for kind in ("JPEG", "PNG", "WEBP"):
        Image.new("RGB", (16, 16), "red").save(file := io.BytesIO(), kind)
        assert bare(file.getvalue()) == file.getvalue()


def test_a_preview_in_a_jpegs_header_and_the_segments_of_programs_go():
    data = photograph("JPEG")[1]
    header = b"\xff\xe0\0\x13JFIF\0\1\1\0\0\1\0\1\1\1abc"
    programs = b"".join(b"\xff%c\0\x0f%b" % (kind, SECRET) for kind in (0xE2, 0xED, 0xE0, 0xEF))
    size = int.from_bytes(data[4:6])
    assert bare(data[:2] + header + programs + data[4 + size :]) == data


def test_a_thumbnail_has_no_comment_of_the_photograph():
    assert SECRET not in thumbnail(photograph("JPEG")[0], 60)

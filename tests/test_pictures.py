"""Pictures whose file is gone, small ones for a page, and large ones, whose memory is given back."""

import io
from pathlib import Path

import pytest
from PIL import Image

from selfjudge.run.images import BadImage, admit, decode, encode, thumbnail


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

"""Memory of images in flight is bounded, and a shortage of it never counts as a fault of an image."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from selfjudge.run.images import BYTES_PER_PIXEL

SIDE = 1_500
PIXELS = SIDE * SIDE

CHILD = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor
import imagehash
from selfjudge.run import images

def peak():  # not ru_maxrss, which a child begins with its parent's of
    return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) * 1024

data, small = sys.stdin.buffer.read(), open(sys.argv[1], "rb").read()
images._room = images.Room({pixels})
images.examine(small, max_pixels=10**9)
before = peak()
"""


def picture(kind: str) -> bytes:
    out = io.BytesIO()
    grey = np.tile(np.linspace(0, 1, SIDE, dtype=np.float32), (SIDE, 1))
    colours = Image.fromarray((grey * 255).astype(np.uint8)).convert("RGBA")
    if kind == "TIFF":
        Image.fromarray(grey).save(out, kind, compression="tiff_adobe_deflate")
    else:
        colours.putalpha(128)
        colours.save(out, kind)
    return out.getvalue()


def run(code: str, data: bytes, small: str) -> str:
    code = CHILD.format(pixels=PIXELS) + code
    return subprocess.run([sys.executable, "-c", code, small], check=True, input=data, capture_output=True).stdout.decode()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("small") / "small.png"
    Image.new("RGBA", (64, 64)).save(path)
    return str(path)


@pytest.mark.parametrize("kind", ["JPEG2000", "WEBP", "TIFF"])
def test_an_image_takes_at_most_the_stated_bytes_a_pixel(kind: str, small: str):
    grown = run("images.examine(data, max_pixels=10**9); print(peak() - before)", picture(kind), small)
    assert 4 * PIXELS < int(grown) < BYTES_PER_PIXEL * PIXELS


def test_many_threads_together_take_no_more_than_the_pixels_in_flight_allow(small: str):
    code = """
with ThreadPoolExecutor(8) as pool:
    list(pool.map(lambda _: len(images.examine(data, max_pixels=10**9)), range(8)))
print(peak() - before)
"""
    assert int(run(code, picture("TIFF"), small)) < BYTES_PER_PIXEL * PIXELS


@pytest.mark.parametrize("kind", ["JPEG2000", "AVIF", "TIFF", "PNG"])
def test_where_memory_is_short_an_image_is_not_refused_but_an_error_raised(kind: str, small: str):
    code = """
import resource
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 20 * 2**20,) * 2)
try:
    images.admit(data, max_pixels=10**9)
except MemoryError:
    print("MemoryError")
"""
    assert run(code, picture(kind), small).strip() == "MemoryError"

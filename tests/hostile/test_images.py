"""Hostile images, all in one data set: each is admitted as what it shows, or is a row with a reason; memory is bounded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hostile.images import IMAGES, MAX_PIXELS, write
from hostile.reading import ingested
from runs import ROOT
from selfjudge.run.folder import ImageStore
from selfjudge.run.images import BYTES_PER_PIXEL, decode
from selfjudge.run.tables import Row, images_of

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    rows = [{"prompt": f"What is {name}?", "image": file} for name, file in write(folder).items()]
    (folder / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return folder


@pytest.fixture(scope="module")
def found(folder: Path) -> dict[str, Row]:
    rows = ingested(folder / "rows.jsonl", folder / "run", max_pixels=MAX_PIXELS)
    assert len(rows) == len(IMAGES)
    return {name: rows[number] for number, name in enumerate(IMAGES, 1)}


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_is_admitted_as_what_it_shows_or_refused_with_the_reason(name: str, found: dict[str, Row], folder: Path):
    expected, row = IMAGES[name][1], found[name]
    if isinstance(expected, str):
        assert row.get("reason") == expected and row["detail"]
        return
    [ref] = images_of(row)
    shown = decode(ImageStore(folder / "run" / "images").get(ref))
    assert (ref.width, ref.height) == shown.size == expected
    assert ref.media_type in ("image/png", "image/jpeg", "image/webp")


CHILD = """
import json, sys, time, warnings
from hostile.images import IMAGES, MAX_PIXELS
from selfjudge.run.images import BadImage, admit

warnings.simplefilter("ignore")

def now(what):
    with open("/proc/self/status") as status:
        return int(status.read().split(what + ":")[1].split()[0]) * 1024

grown = {}
for name in [next(iter(IMAGES)), *IMAGES]:
    data = IMAGES[name][0]()
    with open("/proc/self/clear_refs", "w") as clear:
        clear.write("5")
    before, start, pixels = now("VmRSS"), time.process_time(), 0
    try:
        ref, _ = admit(data, max_pixels=MAX_PIXELS)
        pixels = ref.width * ref.height
    except BadImage:
        pass
    grown[name] = (now("VmHWM") - before, time.process_time() - start, pixels, len(data))
json.dump(grown, sys.stdout)
"""


def test_no_image_takes_more_memory_than_is_stated_nor_long():
    done = subprocess.run([sys.executable, "-c", CHILD], cwd=ROOT / "tests", check=True, capture_output=True, text=True)
    for name, (grown, seconds, pixels, size) in json.loads(done.stdout).items():
        assert grown < BYTES_PER_PIXEL * (pixels or MAX_PIXELS) + 4 * size + 2**23, name
        assert seconds < 5, name

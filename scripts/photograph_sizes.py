"""What a run keeps of phones' photographs: `python scripts/photograph_sizes.py [--count 100] [--formats JPEG MPO HEIF]`.

Draws pictures of 12 megapixels with the grain of a photograph, writes them as a phone does, admits each as a run with the default
recipe does, and prints one line of JSON a format: megabytes before and after, how many were admitted, and seconds an image.
"""

from __future__ import annotations

import argparse
import io
import json
import time
from typing import Any

import numpy as np
from PIL import Image

from selfjudge.recipe.experiment import MAX_PIXELS, Images
from selfjudge.run.image_files import BadImage
from selfjudge.run.images import admit

SIZE = (4032, 3024)


def photograph(seed: int) -> Image.Image:
    """Soft shapes with grain: as JPEG of quality 90, about as large as a phone's file."""
    rng = np.random.default_rng(seed)
    shapes = Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)).resize(SIZE, Image.Resampling.BICUBIC)
    grain = rng.normal(0, 6, (SIZE[1], SIZE[0], 1)).astype(np.int16)
    return Image.fromarray((np.asarray(shapes, dtype=np.int16) + grain).clip(0, 255).astype(np.uint8))


def written(picture: Image.Image, form: str) -> bytes:
    out = io.BytesIO()
    if form == "HEIF":
        import pillow_heif

        pillow_heif.from_pillow(picture).save(out, quality=50, enc_params={"preset": "ultrafast"})  # the default takes 25 s
    elif form == "MPO":
        picture.save(out, "MPO", quality=90, save_all=True, append_images=[picture.resize((504, 378))])
    else:
        picture.save(out, form, quality=90)
    return out.getvalue()


def kept(form: str, count: int) -> dict[str, Any]:
    before = after = seconds = 0.0
    admitted, largest = 0, 0
    for seed in range(count):
        data = written(photograph(seed), form)
        started = time.perf_counter()
        try:
            ref, stored = admit(data, max_pixels=MAX_PIXELS, longest_edge=Images().longest_edge)
        except BadImage:
            continue
        seconds += time.perf_counter() - started
        before, after = before + len(data) / 1e6, after + len(stored) / 1e6
        admitted, largest = admitted + 1, max(largest, ref.width, ref.height)
    figures = {"format": form, "images": count, "admitted": admitted, "longest_edge": largest}
    return figures | {
        "mb_before": round(before, 1),
        "mb_kept": round(after, 1),
        "seconds_each": round(seconds / max(1, admitted), 2),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--formats", nargs="+", choices=("JPEG", "MPO", "HEIF"), default=["JPEG", "MPO", "HEIF"])
    options = parser.parse_args()
    for name in options.formats:
        print(json.dumps(kept(name, options.count)), flush=True)

"""Write a few real photographs with prompts: `python scripts/sample_photographs.py OUT`.

Cuts scikit-learn's two bundled photographs into tiles and writes `prompts.jsonl` beside them, half open, half closed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from PIL import Image
from sklearn.datasets import load_sample_images

TILES = 3
QUESTIONS = (
    "Describe this photograph.",
    "How many windows are there?",
    "What color is the largest thing?",
    "Describe the light.",
)


def save(out: Path) -> None:
    """Write TILES x TILES tiles of each photograph, and one prompt for each."""
    out.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, pixels in enumerate(load_sample_images().images):
        image = Image.fromarray(pixels)
        width, height = image.width // TILES, image.height // TILES
        for place in range(TILES * TILES):
            left, top = place % TILES * width, place // TILES * height
            name = f"photo-{number}-{place}.jpg"
            image.crop((left, top, left + width, top + height)).save(out / name)
            rows.append({"image": name, "prompt": QUESTIONS[len(rows) % len(QUESTIONS)]})
    (out / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    save(Path(sys.argv[1]))

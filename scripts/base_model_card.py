"""Measure a base model folder of the embedded world and write its model card: `python scripts/base_model_card.py FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

from selfjudge.recipe.engines import TransformersSettings
from selfjudge.shapes.skills import measure
from selfjudge.wiring import open_engine

SCENES = 1_000

CARD = """\
---
license: apache-2.0
library_name: transformers
pipeline_tag: image-text-to-text
---

# The embedded base model of selfjudge

An Idefics3 (the architecture of SmolVLM) with {parameters:,} parameters: a SigLIP-like tower over 48 x 48 pixels in patches of 8,
pixel shuffle to nine image tokens, and a Llama of width 128 with four layers. It was trained from nothing on drawn scenes and
scikit-learn's handwritten digits by `make base-model` ({minutes}); no other model or data is in it.

It answers questions about its pictures, describes them, copies a caption with one word wrong when asked to, and writes judge's
replies in a fixed form. Its verdicts are coin flips: their letter was drawn at random in every lesson. What the letter should be
is what the loop has to teach it. It is a model for demonstrations and tests and knows nothing of real photographs.

## Figures

On {scenes} held-out scenes with held-out digits (`scripts/base_model_card.py`); greedy, or at temperature 1 where the name says
`sampled`. One training run, one seed.

| skill | share |
|---|---|
{rows}
"""


def main() -> None:
    folder = Path(sys.argv[1])
    minutes = sys.argv[2] if len(sys.argv) > 2 else "under 90 minutes on two CPU cores"
    images: dict[str, bytes] = {}
    engine = open_engine(TransformersSettings(batch_size=256), folder, lambda ref: images[ref.sha256])
    figures = measure(engine, lambda ref, data: images.__setitem__(ref.sha256, data), scenes=SCENES)
    engine.close()
    rows = "\n".join(f"| {name.replace('_', ' ')} | {value:.3f} |" for name, value in figures.items())
    parameters = (folder / "model.safetensors").stat().st_size // 4
    card = CARD.format(parameters=parameters, minutes=minutes, scenes=SCENES, rows=rows)
    (folder / "README.md").write_text(card)
    print(rows)


if __name__ == "__main__":
    main()

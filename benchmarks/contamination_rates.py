"""How often different pictures are taken for copies, and copies are found.

    python benchmarks/contamination_rates.py [--seed 1] [--correlation 0.97]

Seven families of pictures, each in two halves: no picture of one half is a copy of one of the other, so every hit is false.
Then copies of the second half are made in four ways and looked up. Prints a table and JSON; needs the extra `local`.
"""

from __future__ import annotations

import argparse
import io
import json
import random
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw
from sklearn.datasets import load_digits, load_sample_images

from selfjudge.method import contamination
from selfjudge.method.contamination import HASH_BITS, Appearance, HitKind, Index, IndexedItem, Query, is_flat
from selfjudge.recipe.experiment import MAX_PIXELS
from selfjudge.recipe.inputs import ShapesBench, ShapesSource
from selfjudge.run.images import decode, examine
from selfjudge.shapes.benchmark import ShapesBenchmark
from selfjudge.shapes.prompts import ShapesPrompts

Halves = tuple[list[Image.Image], list[Image.Image]]
DRAWN = 1_000
TILE = 80
COPIES = 200
WORDS = (
    "image",
    "scene",
    "figure",
    "shows",
    "result",
    "value",
    "model",
    "data",
    "mean",
    "table",
    "point",
    "line",
    "time",
    "where",
)


def shapes(seed: int) -> Halves:
    """The embedded world: 5,000 prompts against 1,000 benchmark pairs, whose scenes the prompts cannot show."""
    held_out: dict[str, bytes] = {}
    ShapesBenchmark(ShapesBench(name="shapes-bench", seed=seed)).items(lambda ref, data: held_out.setdefault(ref.sha256, data))
    prompts = [raw.images[0] for raw in ShapesPrompts(ShapesSource(kind="shapes", limit=5 * DRAWN, seed=seed))]
    return [decode(data) for data in prompts], [decode(data) for data in held_out.values()]


def digits(_: int) -> Halves:
    """scikit-learn's 1,797 scans of handwritten digits, one centred digit a picture."""
    scans = [Image.fromarray(np.clip(scan * 16, 0, 255).astype(np.uint8)) for scan in load_digits().images]
    return halves([scan.resize((64, 64), Image.Resampling.BICUBIC) for scan in scans])


def photographs(_: int) -> Halves:
    """Tiles of scikit-learn's two photographs."""
    tiles: list[Image.Image] = []
    for photograph in map(Image.fromarray, load_sample_images().images):
        rows, columns = (range(0, side - TILE + 1, TILE) for side in (photograph.height, photograph.width))
        tiles += [photograph.crop((left, top, left + TILE, top + TILE)) for top in rows for left in columns]
    return halves(tiles)


def pages(seed: int) -> Halves:
    """Pages of the same layout with other words."""
    return drawn(
        lambda pen, rng: [pen.text((12, 10 + 16 * n), " ".join(rng.choices(WORDS, k=9))[:50], 0) for n in range(14)], seed
    )


def charts(seed: int) -> Halves:
    """Bar charts of five bars with other values."""

    def draw(pen: ImageDraw.ImageDraw, rng: random.Random) -> None:
        pen.line((30, 10, 30, 220, 310, 220), fill="black", width=2)
        for left in range(45, 305, 52):
            pen.rectangle((left, rng.randint(20, 200), left + 35, 219), fill=rng.choice(("steelblue", "orange", "green")))

    return drawn(draw, seed)


def diagrams(seed: int) -> Halves:
    """Triangles in thin lines with named corners."""

    def draw(pen: ImageDraw.ImageDraw, rng: random.Random) -> None:
        corners = [(rng.randint(20, 300), rng.randint(20, 220)) for _ in range(3)]
        pen.polygon(corners, outline="black")
        for name, corner in zip("ABC", corners, strict=True):
            pen.text(corner, name, fill="black")

    return drawn(draw, seed)


def skies(seed: int) -> Halves:
    """Nothing but a change of colour from top to bottom, with noise."""
    pictures = []
    for number in range(DRAWN):
        rng = np.random.default_rng([seed, number])
        top, bottom = rng.uniform(0, 255, (2, 1, 1, 3))
        share = np.linspace(0, 1, 96)[:, None, None]
        colours = top * (1 - share) + bottom * share + rng.normal(0, 3, (96, 128, 3))
        pictures.append(Image.fromarray(np.clip(colours, 0, 255).astype(np.uint8)))
    return halves(pictures)


def drawn(draw: Callable[[ImageDraw.ImageDraw, random.Random], object], seed: int) -> Halves:
    """Pictures drawn on white, each from its own seed."""
    pictures = []
    for number in range(DRAWN):
        picture = Image.new("RGB", (320, 240), "white")
        draw(ImageDraw.Draw(picture), random.Random(seed * DRAWN + number))
        pictures.append(picture)
    return halves(pictures)


def halves(pictures: list[Image.Image]) -> Halves:
    return pictures[::2], pictures[1::2]


def encoded(picture: Image.Image, form: str = "PNG", **options: int) -> bytes:
    out = io.BytesIO()
    picture.convert("RGB").save(out, form, **options)
    return out.getvalue()


def scaled(picture: Image.Image, factor: float) -> Image.Image:
    return picture.convert("RGB").resize([round(side * factor) for side in picture.size], Image.Resampling.LANCZOS)


WAYS: dict[str, Callable[[Image.Image], bytes]] = {
    "JPEG 75": lambda picture: encoded(picture, "JPEG", quality=75),
    "half size, JPEG 85": lambda picture: encoded(scaled(picture, 0.5), "JPEG", quality=85),
    "1.5 times, JPEG 80": lambda picture: encoded(scaled(picture, 1.5), "JPEG", quality=80),
    "10 % brighter": lambda picture: encoded(Image.eval(picture.convert("RGB"), lambda value: min(255, round(value * 1.1)))),
}


def look(data: bytes) -> Appearance:
    return examine(data, max_pixels=MAX_PIXELS)[2]


def hit_share(index: Index, looks: list[Appearance], own: list[int] | None = None) -> float:
    """Share of pictures with a hit by their looks; with `own`, only hits of the picture that each is a copy of."""
    found = index.search([Query(text="", looks=(look,)) for look in looks])
    items = [{item for hit in hits if hit.kind in (HitKind.EXACT, HitKind.PERCEPTUAL) for item in hit.items} for hits in found]
    return float(np.mean([bool(of_one) if own is None else own[n] in of_one for n, of_one in enumerate(items)]))


def measured(family: Callable[[int], Halves], seed: int) -> dict[str, object]:
    prompts, shown = family(seed)
    queries, targets = ([look(encoded(picture)) for picture in pictures] for pictures in (prompts, shown))
    index = Index(IndexedItem(benchmark="b", item=str(n), text="", looks=(target,)) for n, target in enumerate(targets))
    hashes = np.array([target.phash for target in targets], dtype=np.uint64)
    by_hash = [(np.bitwise_count(hashes ^ np.uint64(query.phash)) <= HASH_BITS).any() for query in queries]
    some = list(range(0, len(shown), max(1, len(shown) // COPIES)))[:COPIES]
    return {
        "family": family.__name__,
        "prompts": len(queries),
        "images": len(targets),
        "flat": float(np.mean([is_flat(target) for target in targets])),
        "false_hash_alone": float(np.mean(by_hash)),
        "false_hits": hit_share(index, queries),
        "found": {name: hit_share(index, [look(copy(shown[n])) for n in some], some) for name, copy in WAYS.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--correlation", type=float, default=contamination.CORRELATION, help="another threshold, to see why this")
    parser.add_argument("--seed", type=int, default=0, help="other pictures, where they are drawn")
    options = parser.parse_args()
    contamination.CORRELATION = options.correlation
    results = []
    print(f"{'':<12}{'prompts':>8}{'images':>8}{'flat':>8}{'hash alone':>12}{'false hits':>12}", *(f"{w:>20}" for w in WAYS))
    for family in (shapes, digits, photographs, pages, charts, diagrams, skies):
        row = measured(family, options.seed)
        results.append(row)
        print(
            "{family:<12}{prompts:>8}{images:>8}{flat:>8.3f}{false_hash_alone:>12.4f}{false_hits:>12.4f}".format(**row),
            *(f"{share:>20.3f}" for share in row["found"].values()),  # type: ignore[attr-defined]
            flush=True,
        )
    print(json.dumps(results))


if __name__ == "__main__":
    main()

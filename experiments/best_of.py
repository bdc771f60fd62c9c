"""Best of eight by the judge against a random one of them: `python experiments/best_of.py --judge RUN [--prompts 300]`.

The base samples eight responses to each prompt about held-out scenes, plain ones and such over photographs, where it is often
wrong: half captions, half questions. The judge picks one by a knock-out of seven comparisons; it and the base see no answer.
Truth then says how often the picked one is right, how often a random one is (the share of right ones), the most frequent one, and
whether any was, with 95 % intervals over prompts and that of the paired difference. Writes best-of-8.json to docs/runs.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from selfjudge import Judge
from selfjudge.chat import Message, Request, Sampling
from selfjudge.hub.models import embedded_model
from selfjudge.method.seeds import margin
from selfjudge.recipe.engines import TransformersSettings
from selfjudge.recipe.inputs import Domain
from selfjudge.run.images import admit
from selfjudge.shapes.drawing import draw
from selfjudge.shapes.prompts import png
from selfjudge.shapes.questions import OPEN_TEXTS, ask
from selfjudge.shapes.scenes import draw_scene
from selfjudge.shapes.truth import answer, caption
from selfjudge.wiring import open_engine

KEPT = Path(__file__).parents[1] / "docs/runs"
SAMPLES = 8
SETTINGS: tuple[tuple[Domain, float], ...] = (("plain", 2.0), ("photo", 1.0), ("photo", 2.0))
"""Domain and temperature. At 1 the eight samples are mostly alike, above all on plain scenes: there is little to choose."""


def prompts(count: int, seed: int, domain: Domain) -> list[tuple[str, bytes, str]]:
    """Instruction, picture and the right response."""
    rng = random.Random(seed)
    made = []
    for number in range(count):
        scene = draw_scene(rng, held_out=True)
        picture = png(draw(scene, rng, domain))
        if number % 2:
            question = ask(scene, rng)
            made.append((question.text, picture, answer(scene, question)))
        else:
            made.append((rng.choice(OPEN_TEXTS), picture, caption(scene)))
    return made


def sampled(
    given: Sequence[tuple[str, bytes, str]], temperature: float, *, model: Path | None = None, count: int = SAMPLES
) -> list[list[str]]:
    """Eight responses of the base, or as many of another model, to each prompt."""
    files, requests = {}, []
    for number, (text, picture, _) in enumerate(given):
        ref, data = admit(picture, max_pixels=10**6)
        files[ref.sha256] = data
        message = Message(role="user", content=(ref, text))
        sampling = Sampling(temperature=temperature, max_tokens=48)
        requests += [
            Request(key=f"{number}.{k}", messages=(message,), sampling=sampling, seed=1_000 * number + k) for k in range(count)
        ]
    engine = open_engine(TransformersSettings(), model or embedded_model(), lambda ref: files[ref.sha256])
    replies = {completion.key: completion.text for completion in engine.generate(requests)}
    engine.close()
    return [[replies[f"{number}.{k}"] for k in range(count)] for number in range(len(given))]


def measured(given: list[tuple[str, bytes, str]], responses: list[list[str]], judge: Judge) -> list[dict[str, float]]:
    rows = []
    for (text, picture, right), texts in zip(given, responses, strict=True):
        right_ones = [reply == right for reply in texts]
        picked = judge.best(picture, text, texts)
        common = Counter(texts).most_common(1)[0][0]
        figures = {"picked": right_ones[picked], "random": fmean(right_ones), "vote": common == right, "any": any(right_ones)}
        rows.append({name: float(value) for name, value in figures.items()})
    return rows


def summary(rows: list[dict[str, float]]) -> dict[str, Any]:
    values = {name: [row[name] for row in rows] for name in rows[0]}
    values["picked less random"] = [row["picked"] - row["random"] for row in rows]
    values["picked less vote"] = [row["picked"] - row["vote"] for row in rows]
    return {"n": len(rows), **{name: {"mean": fmean(of), "margin": margin(of)} for name, of in values.items()}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--judge", required=True, help="run folder, as runs/arms/demo-1")
    parser.add_argument("--prompts", type=int, default=300)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--keep", type=Path, default=KEPT, help="folder of the figures; another one for a try")
    options = parser.parse_args()
    found: dict[str, Any] = {"judge": Path(options.judge).name, "seed": options.seed, "samples": SAMPLES}
    with Judge.load(options.judge, max_tokens=64) as judge:
        for domain, temperature in SETTINGS:
            given = prompts(options.prompts, options.seed, domain)
            rows = measured(given, sampled(given, temperature), judge)
            kinds = {"all": rows, "captions": rows[::2], "questions": rows[1::2]}
            setting = f"{domain}, temperature {temperature:g}"
            found[setting] = {name: summary(of) for name, of in kinds.items()}
            show(setting, found[setting])
    (options.keep / "best-of-8.json").write_text(json.dumps(found, indent=2) + "\n")


def show(setting: str, kinds: dict[str, Any]) -> None:
    for name, figures in kinds.items():
        shown = {key: f"{of['mean']:.3f} ± {of['margin']:.3f}" for key, of in figures.items() if key != "n"}
        print(setting, name, figures["n"], shown, flush=True)


if __name__ == "__main__":
    main()

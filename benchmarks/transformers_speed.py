"""The transformers engine against plain `generate`, mixed lengths: `python benchmarks/transformers_speed.py [--requests 768]`.

Both answer the same requests with the same model, greedily, in batches of the same size. The plain way takes them as they come,
as a loop over a data set does; ours goes through `asking.ask`, which plans batches of similar length. They take turns in one
process. Prints tokens a second and the ratio of times, as a table and JSON.

`--samples 16` measures prefix sharing instead: so many samples of one closed prompt with an image of about 500 tokens, on tiny
models of the families (`--families`), against plain `generate` and against the engine without sharing, in turns.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import runpy
import statistics
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from selfjudge.chat import Completion, Message, Request
from selfjudge.hub.models import embedded_model
from selfjudge.ports import NamedEngine
from selfjudge.recipe.engines import TransformersSettings
from selfjudge.recipe.experiment import SamplingRecipe
from selfjudge.recipe.inputs import ShapesSource
from selfjudge.run.folder import ImageStore
from selfjudge.run.images import admit, decode
from selfjudge.run.store import Table
from selfjudge.run.tables import PROMPTS, REFUSED, prompt_of
from selfjudge.shapes.prompts import ShapesPrompts
from selfjudge.stages.asking import ask
from selfjudge.stages.ingest import ingest
from selfjudge.types import Kind
from selfjudge.wiring import open_engine

EDGE = 352
"""Pixels: of patches of 16, 484 tokens."""
JUDGED = "judge: {question}\nA: {a}\nB: {b}"


def workload(folder: Path, count: int) -> tuple[list[Request], ImageStore]:
    """Captions, short answers and comparisons, shuffled: the lengths of prompts and replies differ widely."""
    images = ImageStore(folder / "images")
    table = Table(folder, PROMPTS, {})
    source = ShapesPrompts(ShapesSource(kind="shapes", limit=count))
    ingest([source], table, Table(folder, REFUSED, {}), images=images, max_pixels=10**6, progress=_silent)
    prompts = [prompt_of(row) for row in table.rows()]
    sampling = SamplingRecipe(temperature=0.0, top_p=1.0, top_k=0, max_tokens=96).sampling()
    requests = []
    for number, prompt in enumerate(prompts):
        text = prompt.text
        if prompt.kind is Kind.OPEN:
            text = JUDGED.format(question=text, a="top small red circle", b="top small blue circle") if number % 2 else text
        message = Message(role="user", content=(*prompt.images, text))
        requests.append(Request(key=prompt.id, messages=(message,), sampling=sampling, seed=number))
    random.Random(0).shuffle(requests)
    return requests, images


def plain(requests: list[Request], images: ImageStore, processor: Any, model: Any, size: int) -> tuple[float, int]:
    """Seconds and tokens of a plain loop over batches as they come."""
    tokens, started = 0, time.perf_counter()
    for start in range(0, len(requests), size):
        batch = requests[start : start + size]
        turns = [[message.as_blocks() for message in request.messages] for request in batch]
        texts = [processor.apply_chat_template(turn, add_generation_prompt=True, tokenize=False) for turn in turns]
        pictures = [[decode(images.get(ref)) for m in request.messages for ref in m.images] for request in batch]
        inputs = processor(text=texts, images=pictures, padding=True, return_tensors="pt", add_special_tokens=False)
        with torch.inference_mode():
            out = model.generate(**inputs, max_new_tokens=96, do_sample=False)
        replies = out[:, inputs["input_ids"].shape[1] :]
        tokens += int((replies != processor.tokenizer.pad_token_id).sum())
        processor.batch_decode(replies, skip_special_tokens=True)
    return time.perf_counter() - started, tokens


def ours(requests: list[Request], engine: Any, folder: Path) -> tuple[float, int]:
    """Seconds and tokens of the engine, asked as a stage asks it."""
    tokens = 0

    def to_row(request: Request, completion: Completion, _: str) -> dict[str, Any]:
        nonlocal tokens
        tokens += completion.completion_tokens
        return {"key": request.key, "source": completion.text, "reason": "test", "detail": None}

    started = time.perf_counter()
    ask(Table(folder, REFUSED, {}), requests, NamedEngine(name="m", engine=engine), to_row, lambda *_: None)
    return time.perf_counter() - started, tokens


def sharing(family: str, samples: int, tokens: int, rounds: int) -> dict[str, Any]:
    """Tokens a second for samples of one prompt: plain `generate`, the engine that computes each alone, and the engine."""
    script = runpy.run_path(str(Path(__file__).resolve().parents[1] / "scripts/tiny_model.py"))
    script["save"].__globals__["SIDE"] = EDGE
    files: dict[str, bytes] = {}
    out = io.BytesIO()
    Image.effect_mandelbrot((EDGE, EDGE), (-2.0, -1.5, 1.0, 1.5), 99).convert("RGB").save(out, "PNG")
    ref, data = admit(out.getvalue(), max_pixels=10**6)
    files[ref.sha256] = data
    message = Message(role="user", content=(ref, "How many circles are there? Answer with a number."))
    drawn = SamplingRecipe(temperature=0.6, top_p=0.9, top_k=50, max_tokens=tokens).sampling()
    requests = [Request(key=str(n), messages=(message,), sampling=drawn, seed=n) for n in range(samples)]
    with tempfile.TemporaryDirectory() as folder:
        script["save"](Path(folder), family)
        engine: Any = open_engine(TransformersSettings(batch_size=samples, device="cpu"), Path(folder), lambda r: files[r.sha256])

        def timed(shares: bool) -> float:
            engine._shares, started = shares, time.perf_counter()
            written = sum(completion.completion_tokens for completion in engine.generate(requests))
            return float(written / (time.perf_counter() - started))

        timed(True)
        inputs = engine._inputs([request.messages for request in requests])
        rates = []
        for _ in range(rounds):
            started = time.perf_counter()
            with torch.inference_mode():
                engine._model.generate(
                    **inputs, max_new_tokens=tokens, min_new_tokens=tokens, do_sample=True, top_k=50, top_p=0.9
                )
            rates.append((samples * tokens / (time.perf_counter() - started), timed(False), timed(True)))
    plain_rate, alone, shared = (statistics.median(column) for column in zip(*rates, strict=True))
    figures = {
        "family": family,
        "prompt_tokens": inputs["input_ids"].shape[1],
        "plain": plain_rate,
        "alone": alone,
        "shared": shared,
    }
    return figures | {"to_plain": shared / plain_rate, "to_alone": statistics.median(s / a for _, a, s in rates)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=768)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--samples", type=int, help="measure prefix sharing with so many samples of a prompt")
    parser.add_argument("--tokens", type=int, default=32, help="tokens of each sample")
    parser.add_argument("--families", nargs="+", default=["llava", "mllama", "gemma3"], help="names of scripts/tiny_model.py")
    options = parser.parse_args()
    if options.samples:
        for family in options.families:
            print(json.dumps(sharing(family, options.samples, options.tokens, options.rounds)), flush=True)
        return
    path = embedded_model()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        requests, images = workload(folder, options.requests)
        processor = AutoProcessor.from_pretrained(path, trust_remote_code=False)
        processor.tokenizer.padding_side = "left"
        model = AutoModelForImageTextToText.from_pretrained(path, trust_remote_code=False).eval()
        engine = open_engine(TransformersSettings(batch_size=options.batch_size), path, images.get)
        rounds = []
        for number in range(options.rounds):
            seconds, tokens = plain(requests, images, processor, model, options.batch_size)
            our_seconds, our_tokens = ours(requests, engine, folder / str(number))
            rounds.append({"plain": tokens / seconds, "ours": our_tokens / our_seconds, "ratio": seconds / our_seconds})
            print("plain {plain:7.0f} tokens/s   ours {ours:7.0f} tokens/s   time ratio {ratio:.2f}".format(**rounds[-1]))
    middle = statistics.median(r["ratio"] for r in rounds)
    print(json.dumps({"requests": len(requests), "batch_size": options.batch_size, "rounds": rounds, "median_ratio": middle}))


def _silent(*_: Any) -> Any:
    return nullcontext(lambda *_: None)


if __name__ == "__main__":
    main()

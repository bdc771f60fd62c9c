"""Our training against TRL's `SFTTrainer` as it comes: `python benchmarks/training.py [--examples 512] [--rounds 3]`.

Both fine-tune the embedded model on the same comparisons, a quarter of captions and the others of one-word answers, as in the
demo, with the same batch, rate and epochs, in float32 without activation checkpointing, as a CPU wants it. TRL shuffles rows,
cuts them into batches and processes them in its collator, each time anew. Each training is a process of its own, with as many
threads as OMP_NUM_THREADS says, and they take turns. What is timed starts with examples on disk and ends with a saved model;
imports are not timed. Prints examples a second, also of CPU time, which counts on a busy machine, the share of tokens that is
padding, and peak memory, as a table and JSON. The bars are 1.3 times the speed, and no more memory.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from selfjudge.chat import Message
from selfjudge.hub.models import embedded_model
from selfjudge.ports import Example
from selfjudge.recipe.execution import TrainerSettings
from selfjudge.recipe.training import Training
from selfjudge.run.folder import ImageStore
from selfjudge.run.images import admit
from selfjudge.shapes.drawing import draw
from selfjudge.shapes.prompts import png
from selfjudge.shapes.scenes import draw_scene
from selfjudge.types import ImageRef

MODEL = embedded_model()
SHAPE = {"batch_size": 32, "device_batch_size": 8, "epochs": 3, "learning_rate": 1e-4, "epoch_decay": 1.0}
WAYS: dict[str, dict[str, Any]] = {
    "TRL": {},
    "ours": {},
    "ours, nothing kept": {"cache_gib": 0},
    "ours, similar steps": {"group_by_length": True},
}


def write_examples(folder: Path, count: int) -> None:
    """Draw comparisons, each with a picture of its own, and store them."""
    images, rows = ImageStore(folder / "images"), []
    for number in range(count):
        rng = random.Random(number)
        ref, data = admit(png(draw(draw_scene(rng, held_out=False), rng)), max_pixels=10**6)
        images.put(ref, data)
        objects = rng.randint(4, 10) if number % 4 == 0 else 0
        first, second = (" and ".join([f"center small {color} circle"] * objects) or color for color in ("red", "blue"))
        reply = f"{first} (A) or {second} (B)? I see {first} (A). [[A]]"
        text = f"judge: what is there?\nA: {first}\nB: {second}"
        rows.append({"image": [ref.sha256, ref.media_type, ref.width, ref.height], "text": text, "reply": reply})
    (folder / "examples.json").write_text(json.dumps(rows))


def read_examples(folder: Path) -> list[Example]:
    examples = []
    for number, row in enumerate(json.loads((folder / "examples.json").read_text())):
        sha256, media_type, width, height = row["image"]
        ref = ImageRef(sha256=sha256, media_type=media_type, width=width, height=height)
        message = Message(role="user", content=(ref, row["text"]))
        examples.append(Example(key=str(number), messages=(message,), reply=row["reply"]))
    return examples


class Padding:
    """Counts the tokens of all batches that a collator makes, and which of them are padding."""

    def __init__(self, collate: Callable[[Any], Any]) -> None:
        self._collate = collate
        self.tokens = self.padded = 0

    def __call__(self, items: Any) -> Any:
        batch = self._collate(items)
        self.tokens += batch["attention_mask"].numel()
        self.padded += int((batch["attention_mask"] == 0).sum())
        return batch


def recipe(**fields: Any) -> tuple[Training, TrainerSettings]:
    """A training and how it is computed, from fields of either."""
    settings = {name: fields.pop(name) for name in list(fields) if name in TrainerSettings.model_fields}
    return Training(**fields), TrainerSettings(**settings)


def ours(folder: Path, changes: dict[str, Any]) -> tuple[float, float]:
    """Seconds, and the share of padding."""
    from selfjudge.trainers import examples as module
    from selfjudge.trainers.local import LocalTrainer

    counters: list[Padding] = []
    prepare = module.Examples.__init__

    def counted(self: Any, *args: Any, **kwargs: Any) -> None:
        prepare(self, *args, **kwargs)
        counters.append(Padding(self.collate))
        self.collate = counters[0]

    module.Examples.__init__ = counted
    trainer = LocalTrainer(*recipe(**SHAPE, **changes), read_image=ImageStore(folder / "images").get)
    started = time.perf_counter()
    examples = read_examples(folder)
    with tempfile.TemporaryDirectory() as out:
        places = {"into": Path(out) / "into", "work": Path(out) / "work"}
        trainer.fit(examples, start=MODEL, **places, seed=0, advance=lambda _: None)
    return time.perf_counter() - started, counters[0].padded / counters[0].tokens


def trl(folder: Path) -> tuple[float, float]:
    """Seconds, and the share of padding."""
    from datasets import Dataset, Features, Image, List, Value
    from transformers import AutoModelForImageTextToText, AutoProcessor
    from trl import SFTConfig, SFTTrainer

    turns = List({"role": Value("string"), "content": List({"type": Value("string"), "text": Value("string")})})
    features = Features({"prompt": turns, "completion": turns, "images": List(Image())})
    images = ImageStore(folder / "images")
    started = time.perf_counter()
    rows = [_row(example, images) for example in read_examples(folder)]
    micro = SHAPE["device_batch_size"]
    with tempfile.TemporaryDirectory() as out:
        arguments = SFTConfig(
            output_dir=out,
            per_device_train_batch_size=micro,
            gradient_accumulation_steps=SHAPE["batch_size"] // micro,
            num_train_epochs=SHAPE["epochs"],
            learning_rate=SHAPE["learning_rate"],
            max_length=None,
            bf16=False,
            gradient_checkpointing=False,
            use_cpu=True,
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
        )
        trainer = SFTTrainer(
            model=AutoModelForImageTextToText.from_pretrained(MODEL, dtype="float32", trust_remote_code=False),
            args=arguments,
            train_dataset=Dataset.from_list(rows, features=features),
            processing_class=AutoProcessor.from_pretrained(MODEL, trust_remote_code=False),
        )
        trainer.data_collator = padding = Padding(trainer.data_collator)
        trainer.train()
        trainer.save_model(out)
    return time.perf_counter() - started, padding.padded / padding.tokens


def _row(example: Example, images: ImageStore) -> dict[str, Any]:
    def turn(message: Message) -> dict[str, Any]:
        blocks = [{"type": b["type"], "text": b.get("text")} for b in message.as_blocks()["content"]]
        return {"role": message.role, "content": blocks}

    reply = Message(role="assistant", content=(example.reply,))
    shown = [{"bytes": images.get(ref), "path": None} for m in example.messages for ref in m.images]
    return {"prompt": [turn(m) for m in example.messages], "completion": [turn(reply)], "images": shown}


def one(way: str, folder: Path) -> dict[str, float]:
    """A training in this process."""
    import trl as _  # noqa: F401  (imports are not timed)

    import selfjudge.trainers.local  # noqa: F401

    before = _cpu_seconds()
    seconds, padding = trl(folder) if way == "TRL" else ours(folder, WAYS[way])
    cpu = _cpu_seconds() - before
    learned = len(json.loads((folder / "examples.json").read_text())) * SHAPE["epochs"]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"per_second": learned / seconds, "per_cpu_second": learned / cpu, "padding": padding, "peak_mib": peak}


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", nargs=2, metavar=("WAY", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(options.one[0], Path(options.one[1]))))
        return
    rounds: list[dict[str, dict[str, float]]] = []
    with tempfile.TemporaryDirectory() as folder:
        write_examples(Path(folder), options.examples)
        for _ in range(options.rounds):
            rounds.append({})
            for way in WAYS:
                command = [sys.executable, __file__, "--one", way, folder]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                rounds[-1][way] = json.loads(done.stdout.splitlines()[-1])
                print(way.ljust(20), "  ".join(f"{name} {value:8.2f}" for name, value in rounds[-1][way].items()), flush=True)
    names = ("per_second", "per_cpu_second", "peak_mib")
    ratios = {name: {way: _median_ratio(rounds, way, name) for way in WAYS} for name in names}
    for name, values in ratios.items():
        print(f"{name} against TRL's:", ", ".join(f"{way} {value:.2f}" for way, value in values.items()))
    print(json.dumps({"examples": options.examples, **SHAPE, "rounds": rounds, "median_ratios": ratios}))


def _median_ratio(rounds: list[dict[str, dict[str, float]]], way: str, name: str) -> float:
    return statistics.median(r[way][name] / r["TRL"][name] for r in rounds)


if __name__ == "__main__":
    main()

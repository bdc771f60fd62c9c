"""Training the embedded base model from nothing: `python -m selfjudge.shapes.base_model --out DIR`.

Two steps: the vision tower learns to tell what lies in each cell, then the whole model learns the lessons. What it costs and
what comes out stands in the model's card, which scripts/base_model_card.py writes.

`--further FOLDER --steps 1500` is a second phase: it goes on from a trained base, with one more lesson, to name a phrase and a
wrong one in its place (`synthesis.open.mode: replace`), beside all others. The shipped base has not had it.

`--lessons hard` trains a base that was never asked to choose between two answers, and whose judge's replies see nothing.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from transformers import Idefics3ForConditionalGeneration, Idefics3Processor

from ..run.disk import write_json
from ..run.fingerprint import CARD
from .checkpoint import END, START, make_model, make_processor
from .drawing import draw
from .lessons import LESSONS, Lesson, draw_lesson
from .scenes import COLORS, KINDS, POSITIONS, SIZES, draw_scene
from .wording import JUDGE_TEMPLATE

STEPS = 13_000
WARM_STEPS = 800
BATCH = 64
_SORTED_BATCHES = 8
"""Lessons of this many batches are sorted by length together: mixed lengths train several times slower."""
_RATE, _WARM_RATE, _FURTHER_RATE = 1.5e-3, 2e-3, 6e-4
_FLOOR = 0.03
"""The learning rate ends at this share of its peak."""
_IGNORED = -100


def train(
    *, steps: int, warm_steps: int, seed: int, base: Path | None = None, lessons: str = "base", say: bool = True
) -> tuple[Idefics3ForConditionalGeneration, Idefics3Processor]:
    """The base model after `warm_steps` of the vision tower alone and `steps` of `lessons`, BATCH at a time.

    With a trained `base`: that one after `steps` of them, at a lower rate.
    """
    torch.manual_seed(seed)
    rng = random.Random(seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    processor = make_processor()
    if base is None:
        model = make_model(processor.tokenizer).to(device).train()
        _warm_up(model, warm_steps, rng, say)
    else:
        model = Idefics3ForConditionalGeneration.from_pretrained(base).to(device).train()
    peak = _RATE if base is None else _FURTHER_RATE
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak, weight_decay=0.01, betas=(0.9, 0.98))
    batches = _batches(_Codec(processor), rng, lessons)
    clock = time.monotonic()
    for step in range(steps):
        pixels, tokens, labels = (tensor.to(device) for tensor in next(batches))
        hidden = model.model(input_ids=tokens, pixel_values=pixels, use_cache=False).last_hidden_state
        learned = labels[:, 1:] != _IGNORED
        loss = cross_entropy(model.lm_head(hidden[:, :-1][learned]), labels[:, 1:][learned])
        _step(optimizer, loss, model.parameters(), peak * _cosine(step, steps))
        if say and (step + 1) % 250 == 0:
            rate = (step + 1) * BATCH / (time.monotonic() - clock)
            print(f"step {step + 1}/{steps}  loss {loss.item():.3f}  {rate:.0f} lessons/s", flush=True)
    return model.eval(), processor


def _warm_up(model: Idefics3ForConditionalGeneration, steps: int, rng: random.Random, say: bool) -> None:
    """Teach the vision tower and the connector what lies in each cell: kind, colour and size, or nothing."""
    device = model.device
    width = model.config.text_config.hidden_size
    heads = torch.nn.ModuleList(torch.nn.Linear(width, 1 + len(words)) for words in (KINDS, COLORS, SIZES)).to(device)
    weights = [*model.model.vision_model.parameters(), *model.model.connector.parameters(), *heads.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=_WARM_RATE, weight_decay=0.01)
    for step in range(steps):
        pictures, cells = _labelled_cells(rng)
        seen = torch.stack(list(model.model.get_image_features(_pixels(pictures).to(device)).pooler_output))
        targets = torch.from_numpy(cells).to(device)
        loss = sum(cross_entropy(head(seen).flatten(0, 1), targets[..., i].flatten()) for i, head in enumerate(heads))
        _step(optimizer, loss, weights, _WARM_RATE * _cosine(step, steps))
    if say and steps:
        print(f"vision tower: loss {loss.item():.3f} after {steps} steps", flush=True)


def _labelled_cells(rng: random.Random) -> tuple[list[np.ndarray], np.ndarray]:
    """BATCH pictures, and for each of their cells the kind, colour and size counted from 1; 0 where nothing is."""
    cells = np.zeros((BATCH, len(POSITIONS), 3), dtype=np.int64)
    pictures = []
    for row in range(BATCH):
        scene = draw_scene(rng, held_out=False)
        pictures.append(draw(scene, rng))
        for thing in scene.objects:
            cells[row, thing.cell] = thing.kind + 1, thing.color + 1, thing.size + 1
    return pictures, cells


def _step(optimizer: torch.optim.Optimizer, loss: torch.Tensor, weights: Iterable[torch.nn.Parameter], rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(weights, 1.0)
    optimizer.step()


def _cosine(step: int, steps: int) -> float:
    """Share of the peak rate: up over the first 200 steps, then down along a cosine."""
    return min(1.0, (step + 1) / 200) * (_FLOOR + (1 - _FLOOR) * 0.5 * (1 + math.cos(math.pi * step / steps)))


class _Codec:
    """Lessons as tokens. Writes what the processor and the chat template would, without their cost for every lesson."""

    def __init__(self, processor: Idefics3Processor) -> None:
        self._encode = lru_cache(maxsize=200_000)(
            lambda text: tuple(processor.tokenizer(text, add_special_tokens=False)["input_ids"])
        )
        image = processor.replace_image_token({"rows": [[0]], "cols": [[0]]}, 0)
        self._opening = self._encode(f"{START}User:{image}")
        self._turn = self._encode("\nUser:")
        self._answer = self._encode(f"{END}\nAssistant:")
        self._end = self._encode(END)
        self.pad = processor.tokenizer.pad_token_id

    def tokens(self, lesson: Lesson) -> tuple[list[int], list[int]]:
        """Token ids of a lesson, and its labels: the replies and their ends, all else ignored."""
        tokens: list[int] = []
        labels: list[int] = []
        for number, (asked, reply) in enumerate(lesson.turns):
            given = (self._turn if number else self._opening) + self._encode(f" {asked}") + self._answer
            learned = self._encode(f" {reply}") + self._end
            tokens += given + learned
            labels += (_IGNORED,) * len(given) + learned
        return tokens, labels


def _batches(codec: _Codec, rng: random.Random, lessons: str) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Endless batches: pixels (BATCH, 1, 3, SIDE, SIDE), tokens and labels (BATCH, length), padded on the right."""
    while True:
        drawn = [draw_lesson(rng, lessons=lessons) for _ in range(BATCH * _SORTED_BATCHES)]
        coded = sorted(((*codec.tokens(lesson), lesson.picture) for lesson in drawn), key=lambda item: len(item[0]))
        starts = list(range(0, len(coded), BATCH))
        rng.shuffle(starts)
        for start in starts:
            tokens, labels, pictures = zip(*coded[start : start + BATCH], strict=True)
            yield _pixels(pictures), _padded(tokens, codec.pad), _padded(labels, _IGNORED)


def _padded(rows: Sequence[list[int]], filler: int) -> torch.Tensor:
    width = max(map(len, rows))
    return torch.tensor([row + [filler] * (width - len(row)) for row in rows])


def _pixels(pictures: Sequence[np.ndarray]) -> torch.Tensor:
    """What the processor makes of pictures of the world's own size: values in [-1, 1]."""
    stacked = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float()
    return ((stacked / 255 - 0.5) / 0.5)[:, None]


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the embedded base model, from nothing or further.")
    parser.add_argument("--out", type=Path, required=True, help="folder for the model")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--warm-steps", type=int, default=WARM_STEPS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--further", type=Path, help="a trained base that is to learn one more lesson")
    parser.add_argument("--lessons", choices=LESSONS, help="what is taught; the second phase's with --further (default: base)")
    options = parser.parse_args()
    clock = time.monotonic()
    model, processor = train(
        steps=options.steps,
        warm_steps=options.warm_steps,
        seed=options.seed,
        base=options.further,
        lessons=options.lessons or ("further" if options.further else "base"),
    )
    model.save_pretrained(options.out)
    processor.save_pretrained(options.out)
    write_json(options.out / CARD, {"judging": {"template": JUDGE_TEMPLATE}})
    print(f"saved to {options.out} after {(time.monotonic() - clock) / 60:.0f} minutes")


if __name__ == "__main__":
    main()

"""GRPO with the judge as its reward: `python experiments/grpo.py --judge RUN [--seed 1] [--steps 100]`.

The policy is the shipped base. It learns on the prompts of a run (`ShapesPrompts`, one in four open), eight samples each, by
TRL's `GRPOTrainer` with `JudgeReward`: no answer is known. Before and after, truth says how often it is right about held-out
scenes, half captions and half questions: greedily, and the share of eight samples, with 95 % intervals over prompts, and that of
the paired difference. Writes grpo-DOMAIN-SEED.json to docs/runs.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from statistics import fmean
from typing import Any, get_args

from best_of import KEPT, SAMPLES, prompts, sampled
from datasets import Dataset
from PIL import Image
from trl import GRPOConfig, GRPOTrainer

from selfjudge import Judge
from selfjudge.hub.models import embedded_model
from selfjudge.method.seeds import margin
from selfjudge.recipe.inputs import Domain, ShapesSource
from selfjudge.rewards import JudgeReward
from selfjudge.shapes.prompts import ShapesPrompts

GROUPS = 8
"""Prompts of a step."""


def lessons(count: int, seed: int, domain: Domain) -> Dataset:
    """Prompts without answers, as a run draws them."""
    source = ShapesSource(kind="shapes", limit=count, seed=seed, domain=domain)
    rows = [(raw.text, Image.open(BytesIO(raw.images[0]))) for raw in ShapesPrompts(source) if isinstance(raw.images[0], bytes)]
    return Dataset.from_list([{"prompt": [{"role": "user", "content": text}], "image": image} for text, image in rows])


def trained(judge: Judge, options: argparse.Namespace, into: Path) -> list[dict[str, float]]:
    """Trains the base into a folder; the reward, its spread and the entropy by step."""
    arguments = GRPOConfig(
        output_dir=str(into / "work"),
        seed=options.seed,
        learning_rate=options.rate,
        temperature=options.temperature,
        per_device_train_batch_size=GROUPS * SAMPLES,
        num_generations=SAMPLES,
        max_completion_length=48,
        max_steps=options.steps,
        gradient_checkpointing=False,
        use_cpu=True,
        bf16=False,
        logging_steps=1,
        report_to="none",
        save_strategy="no",
    )
    rows = lessons(GROUPS * options.steps, options.seed, options.domain)
    reward = JudgeReward(judge, comparisons=SAMPLES)
    trainer = GRPOTrainer(model=str(embedded_model()), reward_funcs=reward, args=arguments, train_dataset=rows)
    trainer.train()
    trainer.save_model(str(into / "policy"))
    names = ("reward_std", "frac_reward_zero_std", "entropy", "completions/mean_length")
    return [{name: step[name] for name in names} for step in trainer.state.log_history if "reward_std" in step]


def right(given: Sequence[tuple[str, bytes, str]], temperature: float, model: Path) -> dict[str, list[float]]:
    """For each prompt, the share of right samples, and whether the greedy response is."""
    replies = {"sampled": sampled(given, temperature, model=model), "greedy": sampled(given, 0.0, model=model, count=1)}
    return {
        name: [fmean(text == answer for text in texts) for texts, (_, _, answer) in zip(of, given, strict=True)]
        for name, of in replies.items()
    }


def compared(before: dict[str, list[float]], after: dict[str, list[float]]) -> dict[str, Any]:
    """Means with half of their intervals, for all prompts, captions and questions."""
    found: dict[str, Any] = {}
    for how, kind in ((how, kind) for how in before for kind in ("all", "captions", "questions")):
        part = {"all": slice(None), "captions": slice(0, None, 2), "questions": slice(1, None, 2)}[kind]
        was, became = before[how][part], after[how][part]
        values = {"before": was, "after": became, "gain": [b - a for a, b in zip(was, became, strict=True)]}
        found[f"{how}, {kind}"] = {name: {"mean": fmean(of), "margin": margin(of)} for name, of in values.items()}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--judge", required=True, help="run folder, as runs/arms/demo-1")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rate", type=float, default=1e-4, help="learning rate")
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--domain", choices=get_args(Domain), default="plain")
    parser.add_argument("--prompts", type=int, default=400, help="held-out prompts that truth is asked about")
    parser.add_argument("--keep", type=Path, default=KEPT, help="folder of the figures; another one for a try")
    options = parser.parse_args()
    given = prompts(options.prompts, 2026, options.domain)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, Judge.load(options.judge, max_tokens=64) as judge:
        steps = trained(judge, options, Path(folder))
        seconds = time.monotonic() - started
        models = (embedded_model(), Path(folder) / "policy")
        before, after = (right(given, options.temperature, model) for model in models)
    asked = {name: getattr(options, name) for name in ("seed", "steps", "rate", "temperature", "domain", "prompts")}
    figures = {"judge": Path(options.judge).name, **asked, "seconds": round(seconds), "right": compared(before, after)}
    print(json.dumps(figures, indent=2))
    name = f"grpo-{options.domain}-{options.seed}.json"
    (options.keep / name).write_text(json.dumps({**figures, "by_step": steps}, indent=1) + "\n")


if __name__ == "__main__":
    main()

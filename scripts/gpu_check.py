"""What a GPU has to show, step by step, in one JSON: `python scripts/gpu_check.py --out docs/runs/gpu-NAME.json [--device cpu]`.

Each step is a process of its own, so that one that fails or runs out of memory takes no other with it. Steps run in the order of
their importance, and those for which no time is left are recorded as skipped. With `--device cpu` the same code runs on models
so small that its figures say nothing. Needs no network: models are made from configurations, pictures are drawn. See docs/gpu.md.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import logging
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

PEAK = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "B200": 2250e12, "L40S": 362e12}
"""Dense bfloat16 operations a second, by a part of the device's name: the makers' data sheets."""
PACKAGES = ("torch", "transformers", "accelerate", "peft", "trl", "datasets", "pyarrow", "pydantic")

Figures = dict[str, Any]


def on_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def machine() -> Figures:
    """Device, driver and versions."""
    import torch

    versions: Figures = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = None
    name = torch.cuda.get_device_name(0) if on_gpu() else platform.processor() or platform.machine()
    memory = torch.cuda.get_device_properties(0).total_memory / 2**30 if on_gpu() else None
    return {"device": name, "gib": memory, "cuda": torch.version.cuda, "python": platform.python_version(), "packages": versions}


def demo() -> Figures:
    """The demo, all of it on a GPU: figures, seconds of each stage, and what the gate said."""
    size = ["--iterations", "4"] if on_gpu() else ["--quick", "--iterations", "1"]
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        command = [sys.executable, "-m", "selfjudge", "demo", *size, "--dir", folder]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(ROOT / "src")})
        summary = json.loads((Path(folder) / "summary.json").read_text())
        gates = [json.loads(path.read_text()) for path in sorted(Path(folder).glob("iteration-*/gate.json"))]
    entries = []
    for entry in summary["iterations"]:
        (figures,) = entry["benchmarks"].values()
        measured = {name: figures[name] for name in ("accuracy", "pair_accuracy", "n")}
        entries.append({name: entry.get(name) for name in ("iteration", "pairs", "kept", "seconds")} | measured)
    return {"seconds": time.perf_counter() - started, "iterations": entries, "gates": [gate["accepted"] for gate in gates]}


@cache
def tiny() -> ModuleType:
    """scripts/tiny_model.py."""
    spec = importlib.util.spec_from_file_location("tiny_model", ROOT / "scripts/tiny_model.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def half_billion(folder: Path) -> Path:
    """A model of about 0.5 billion parameters from a configuration, 576 tokens an image; a tiny one without a GPU."""
    script = tiny()
    if on_gpu():
        script.SIDE = 384
        script.TEXT |= {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24}
        script.TEXT |= {"num_attention_heads": 16, "num_key_value_heads": 16}
        script.TOWER |= {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
    script.SHARP.clear()
    script.save(folder, "idefics3")
    return folder


def workload(count: int, tokens: int) -> tuple[list[Any], Callable[[Any], bytes]]:
    """Requests, each about a drawn picture and greedy, and what reads the pictures."""
    import random

    from selfjudge.chat import Message, Request, Sampling
    from selfjudge.run.images import admit
    from selfjudge.shapes.drawing import draw
    from selfjudge.shapes.prompts import png
    from selfjudge.shapes.scenes import draw_scene

    files, requests = {}, []
    for number in range(count):
        rng = random.Random(number)
        ref, data = admit(png(draw(draw_scene(rng, held_out=False), rng)), max_pixels=10**6)
        files[ref.sha256] = data
        message = Message(role="user", content=(ref, "what do you see? " * (1 + number % 8)))
        sampling = Sampling(temperature=0.0, max_tokens=tokens)
        requests.append(Request(key=str(number), messages=(message,), sampling=sampling, seed=number))
    return requests, lambda ref: files[ref.sha256]


def training(count: int, epochs: int, precision: str, model: Path, into: Path) -> tuple[Any, float, int]:
    """Train a model on made-up replies: the report, seconds, and tokens learned from in an epoch."""
    from selfjudge.ports import Example
    from selfjudge.recipe.execution import TrainerSettings
    from selfjudge.recipe.training import Training
    from selfjudge.trainers import local

    requests, read_image = workload(count, 0)
    examples = [
        Example(key=r.key, messages=r.messages, reply="I see a red circle, not a blue one. [[A]]" * (1 + int(r.key) % 3))
        for r in requests
    ]
    tokens: list[int] = []
    measure = local.measure

    def counted(material: Any, *rest: Any) -> dict[str, str]:
        dropped = measure(material, *rest)
        tokens.append(sum(material.lengths))
        return dropped

    local.measure = counted
    trainer = local.LocalTrainer(
        Training(learning_rate=1e-5, epochs=epochs, batch_size=16),
        TrainerSettings(precision=precision, device_batch_size=8, report_to="none"),
        read_image=read_image,
    )
    started = time.perf_counter()
    fit = trainer.fit(examples, start=model, into=into, work=into.with_name("work"), seed=0, advance=lambda _: None)
    return fit, time.perf_counter() - started, tokens[0]


def families() -> Figures:
    """Each family made tiny: generate in bfloat16, train a few steps in mixed precision, load the judge, generate again."""
    return {family: _attempt(family) for family in tiny().FAMILIES}


NEEDED = dict.fromkeys(("qwen2.5-vl", "qwen3-vl", "smolvlm", "llava-onevision", "internvl", "mistral3"), "torchvision")
"""What the processor of a family cannot do without."""


def _attempt(family: str) -> Figures:
    from selfjudge.recipe.engines import TransformersSettings
    from selfjudge.wiring import open_engine

    if family in NEEDED and importlib.util.find_spec(NEEDED[family]) is None:
        return {"skipped": f"{NEEDED[family]} is not installed"}
    requests, read_image = workload(6, 8)
    started = time.perf_counter()
    try:
        with tempfile.TemporaryDirectory() as name:
            model, judge = Path(name) / "model", Path(name) / "judge"
            tiny().save(model, family)
            fit, _, _ = training(16, 2, "mixed", model, judge)
            errors = []
            for folder in (model, judge):
                engine = open_engine(TransformersSettings(dtype="bfloat16", batch_size=4), folder, read_image)
                errors += [reply.error for reply in engine.generate(requests) if reply.error]
                engine.close()
    except Exception as error:  # what fails is what is to be found
        return {"fine": False, "error": f"{type(error).__name__}: {error}".splitlines()[0][:300]}
    return {
        "fine": not errors,
        "error": errors[0] if errors else None,
        "loss": fit.loss,
        "seconds": time.perf_counter() - started,
    }


def precision() -> Figures:
    """Moved weights, memory, speed and MFU of training, in both precisions, at the paper's rate."""
    return {name: _precision(name) for name in ("mixed", "bf16")}


def _precision(name: str) -> Figures:
    import torch
    from safetensors.torch import load_file

    count, epochs = (256, 2) if on_gpu() else (16, 2)
    with tempfile.TemporaryDirectory() as folder:
        model, judge = half_billion(Path(folder) / "model"), Path(folder) / "judge"
        if on_gpu():
            torch.cuda.reset_peak_memory_stats()
        fit, seconds, tokens = training(count, epochs, name, model, judge)
        before, after = load_file(model / "model.safetensors"), load_file(judge / "model.safetensors")
    total = sum(weight.numel() for weight in before.values())
    moved = sum(int((before[n].to(after[n].dtype) != after[n]).sum()) for n in before)
    figures = {"parameters": total, "moved": moved / total, "steps": fit.steps, "losses": [fit.losses[0], fit.losses[-1]]}
    figures |= {
        "seconds": seconds,
        "examples_per_second": count * epochs / seconds,
        "tokens_per_second": tokens * epochs / seconds,
    }
    if on_gpu():
        figures["peak_gib"] = torch.cuda.max_memory_allocated() / 2**30
        # 6 operations a weight and token, 8 with activation checkpointing; the 6 that a step needs count
        figures["mfu"] = _share_of_peak(6 * total * tokens * epochs / seconds)
    return figures


def _share_of_peak(rate: float) -> float | None:
    import torch

    name = torch.cuda.get_device_name(0)
    return next((rate / peak for part, peak in PEAK.items() if part in name), None)


def generate() -> Figures:
    """The engine against plain `generate`, the same requests in batches of one size; and sixteen samples of one prompt."""
    import statistics

    from selfjudge.recipe.engines import TransformersSettings
    from selfjudge.wiring import open_engine

    count, tokens, size = (256, 64, 64) if on_gpu() else (8, 8, 4)
    requests, read_image = workload(count, tokens)
    with tempfile.TemporaryDirectory() as folder:
        model = half_billion(Path(folder))
        engine = open_engine(TransformersSettings(dtype="bfloat16", batch_size=size), model, read_image)
        list(engine.generate(requests[:size]))
        ours, plain = [], []
        for _ in range(3):
            ours.append(_timed(lambda: list(engine.generate(requests))))
            plain.append(_timed(lambda: _plain(engine, requests, size)))
        closed = [_copy(requests[n // 16], n) for n in range(2 * size)]
        sampled = _timed(lambda: list(engine.generate(closed)))
        engine._shares = False
        alone = _timed(lambda: list(engine.generate(closed)))
        total = sum(weight.numel() for weight in engine._model.parameters())
    middle = statistics.median(ours)
    figures = {"requests": count, "max_tokens": tokens, "batch_size": size, "parameters": total}
    figures |= {"ours_seconds": ours, "plain_seconds": plain, "tokens_per_second": count * tokens / middle}
    figures |= {"sixteen_samples_per_second": len(closed) / sampled, "sharing_ratio": alone / sampled}
    return figures | {"median_ratio": statistics.median(plain) / middle}


def _copy(request: Any, number: int) -> Any:
    from dataclasses import replace

    return replace(request, key=f"sample {number}", seed=number, sampling=replace(request.sampling, temperature=1.0))


def _timed(work: Callable[[], Any]) -> float:
    import torch

    started = time.perf_counter()
    work()
    if on_gpu():
        torch.cuda.synchronize()
    return time.perf_counter() - started


def _plain(engine: Any, requests: list[Any], size: int) -> None:
    """What a script of one's own does: batches as they come, `generate`, decode."""
    import torch

    model = engine._model
    for start in range(0, len(requests), size):
        batch = requests[start : start + size]
        inputs = engine._inputs([request.messages for request in batch]).to(model.device, dtype=model.dtype)
        with torch.inference_mode():
            out = model.generate(**inputs, max_new_tokens=batch[0].sampling.max_tokens, do_sample=False)
        engine._tokenizer.batch_decode(out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)


def memory() -> Figures:
    """A batch that does not fit is halved until it does, and every request is answered. Without a GPU the shortage is made up."""
    import torch

    from selfjudge.recipe.engines import TransformersSettings
    from selfjudge.wiring import open_engine

    count = 256 if on_gpu() else 8
    requests, read_image = workload(count, 16)
    warnings: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: warnings.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("selfjudge").addHandler(handler)
    with tempfile.TemporaryDirectory() as folder:
        engine = open_engine(TransformersSettings(dtype="bfloat16", batch_size=count), half_billion(Path(folder)), read_image)
        if on_gpu():
            used = torch.cuda.memory_allocated() + 3 * 2**30
            torch.cuda.set_per_process_memory_fraction(used / torch.cuda.get_device_properties(0).total_memory)
        else:
            engine._model.register_forward_pre_hook(_refuse_more_than_two, with_kwargs=True)
        replies = list(engine.generate(requests))
    return {"requests": count, "answered": sum(not r.error for r in replies), "warnings": warnings, "made_up": not on_gpu()}


def _refuse_more_than_two(_: Any, __: Any, kwargs: Any) -> None:
    import torch

    if len(kwargs["input_ids"]) > 2:
        raise torch.OutOfMemoryError("CUDA out of memory. (made up)")


STEPS: dict[str, tuple[Callable[[], Figures], int]] = {
    "machine": (machine, 60),
    "precision": (precision, 150),
    "generate": (generate, 120),
    "memory": (memory, 90),
    "demo": (demo, 240),
    "families": (families, 150),
}
"""Each step with the seconds that it may take on a GPU."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--out", type=Path, help="file for the figures")
    parser.add_argument("--minutes", type=float, default=8.0, help="time for all steps together")
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        print(json.dumps(STEPS[options.step][0]()))
        return
    if options.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    elif not on_gpu():
        sys.exit("error: torch sees no GPU\nhint: --device cpu tries the same steps on tiny models.")
    deadline = time.monotonic() + 60 * options.minutes
    results = {name: _in_a_process(name, deadline) for name in options.steps}
    text = json.dumps({"commit": _commit(), "date": time.strftime("%Y-%m-%d"), **results}, indent=2) + "\n"
    print(text)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text)
    sys.exit(any("failed" in result or not _fine(result) for result in results.values()))


def _in_a_process(name: str, deadline: float) -> Figures:
    """The figures of a step, or why there are none."""
    left = deadline - time.monotonic()
    if left < 10:
        return {"skipped": "no time was left"}
    print(f"{name} ...", file=sys.stderr, flush=True)
    started = time.monotonic()
    try:
        command = [sys.executable, __file__, "--step", name]
        done = subprocess.run(command, capture_output=True, text=True, timeout=min(left, STEPS[name][1]), check=False)
    except subprocess.TimeoutExpired:
        return {"failed": f"took longer than {min(left, STEPS[name][1]):.0f} s"}
    wall = {"wall_seconds": round(time.monotonic() - started, 1)}
    if done.returncode:
        return {"failed": done.stderr.strip()[-2000:], **wall}
    return {**json.loads(done.stdout.splitlines()[-1]), **wall}


def _fine(result: Figures) -> bool:
    """Whether nothing in a step's figures says that something failed."""
    answered = result.get("answered", 0) == result.get("requests", 0) if "answered" in result else True
    return answered and all(part.get("fine", True) for part in result.values() if isinstance(part, dict))


def _commit() -> str | None:
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


if __name__ == "__main__":
    main()

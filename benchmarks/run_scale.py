"""CPU, memory and time of a large run: `python benchmarks/run_scale.py [--prompts 10000 100000] [--until-new]`.

Half of the prompts are open, half closed with 16 samples; the engine is scripted, and each prompt has a picture of its own name.
Each run is a process of its own; a second one resumes the finished folder, others runs that were killed half-way through Stage I
or through judging: of these, the time until the first row that was not stored is printed too, and with --until-new
nothing else is measured. A million prompts make about eleven
million rows; name them to have them measured: `--prompts 1000000`.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

from selfjudge.loop import run
from selfjudge.recipe.file import load_recipe
from selfjudge.run.folder import RunFolder
from selfjudge.run.store import Manifest
from selfjudge.wiring import make_world

ROOT = Path(__file__).parent.parent
KILLED = ("responses", "judgments")
"""The stages that are killed half-way."""


def write_inputs(folder: Path, count: int) -> None:
    """A picture, so many prompts about it, and the recipe."""
    Image.new("RGB", (32, 32), "navy").save(folder / "boat.png")
    with (folder / "prompts.jsonl").open("w") as file:
        for number in range(count):
            kind, text = ("open", "Describe") if number % 2 else ("closed", "How many boats are there in")
            file.write(json.dumps({"image": "boat.png", "prompt": f"{text} picture {number}?", "kind": kind}) + "\n")
    recipe = yaml.safe_load((ROOT / "recipes/scripted.yaml").read_text())
    recipe |= {
        "prompts": [{"kind": "files", "path": "prompts.jsonl"}],
        "loop": {"iterations": 1},
        "evaluation": {"benchmarks": []},
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))


class Spans:
    """Progress that notes the CPU time and the peak of memory of what it watches, and of what lies between."""

    def __init__(self, die_in: str | None, until_new: bool) -> None:
        self.spans: list[tuple[str, float, float]] = []
        self._until_new = until_new
        self._since, self._die_in = time.process_time(), die_in
        self.first_new: tuple[float, float] | None = None
        """When the first row arrived that was not stored already, by the clock and in seconds of CPU."""

    @contextmanager
    def __call__(self, label: str, total: int | None) -> Iterator[Any]:
        self._note("between")
        done = 0

        def advance(count: int, row: Any = None) -> None:
            nonlocal done
            done += count
            if row is not None and self.first_new is None:
                self.first_new = time.perf_counter(), time.process_time()
                if self._until_new:
                    raise KeyboardInterrupt
            if self._die_in is not None and self._die_in in label and total and done > total / 2:
                os.kill(os.getpid(), signal.SIGKILL)

        yield advance
        self._note(label.rpartition(": ")[2])

    def _note(self, label: str) -> None:
        now = time.process_time()
        self.spans.append((label, now - self._since, _peak()))
        self._since = now

    def finish(self) -> list[tuple[str, float, float]]:
        self._note("the rest")
        return [span for span in self.spans if span[1] > 0.005 * time.process_time()]


def _peak() -> float:
    """MB; `ru_maxrss` of a child begins with its parent's."""
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024


def one(folder: Path, die_in: str | None, until_new: bool) -> dict[str, Any]:
    """Run the recipe of a folder in its folder `run`, or what is left of it; perhaps only until it makes something new."""
    started, place, spans = time.perf_counter(), RunFolder(folder / "run"), Spans(die_in, until_new)
    recipe = load_recipe(folder / "recipe.yaml")
    with suppress(KeyboardInterrupt):
        run(recipe, place, make_world(recipe, place), progress=spans, on_iteration=lambda _: None)
    rows = sum(Manifest.read(path).rows for path in place.iteration(1).glob("*.manifest.json") if path.stem != "judge.manifest")
    stages = spans.finish()
    return {
        "rows": rows,
        "seconds": time.perf_counter() - started,
        "cpu": time.process_time(),
        "peak_mb": _peak(),
        "first_new": spans.first_new and (spans.first_new[0] - started, spans.first_new[1]),
        "threads": threading.active_count(),
        "stages": stages,
    }


def child(folder: Path, *more: str) -> dict[str, Any] | None:
    command = [sys.executable, __file__, "--one", str(folder), *more]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout) if done.returncode == 0 else None


def measure(count: int, place: Path, until_new: bool) -> list[dict[str, Any]]:
    """An undisturbed run, the same command again, and runs that go on after a kill; each with its figures."""
    results = []
    whole = [] if until_new else [("run", place / "whole", None), ("again", place / "whole", None)]
    for name, folder, stage in (*whole, *((f"killed in {stage}", place / stage, stage) for stage in KILLED)):
        if not folder.exists():
            folder.mkdir()
            write_inputs(folder, count)
        if stage:
            child(folder, "--die-in", stage)
        found = child(folder, *(["--until-new"] if until_new else []))
        if found is None:
            raise SystemExit(f"{name}, {count} prompts: the process ended with an error")
        results.append({"prompts": count, "what": name, **found})
        print(
            f"{count:>9,} prompts  {name:19}  {found['rows']:>10,} rows  {found['seconds']:7.1f} s  {found['cpu']:7.1f} s CPU  "
            f"{found['cpu'] / max(1, found['rows']) * 1e3:.3f} ms a row  {found['peak_mb']:6.0f} MB",
            flush=True,
        )
        if stage:
            print("    first new row after {:.1f} s, {:.1f} s of CPU".format(*found["first_new"]), flush=True)
        for label, seconds, peak in found["stages"]:
            print(f"    {label:24} {seconds:8.1f} s CPU   {peak:6.0f} MB", flush=True)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--until-new", action="store_true", help="only how long runs that were killed take to go on")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--die-in", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(options.one, options.die_in, options.until_new)))
        return
    results = []
    for count in options.prompts:
        with tempfile.TemporaryDirectory() as folder:
            results += measure(count, Path(folder), options.until_new)
    print(json.dumps(results))


if __name__ == "__main__":
    main()

"""`selfjudge label` killed again and again: `python benchmarks/label_kills.py [--rows 10000] [--kills 10]`.

Labels rows with the scripted engine once undisturbed, and once with SIGKILL after random numbers of rows, the last time while
the output is written. The rows are messy: pictures of five files, none, bad and missing ones, lists to rank, text of many
scripts, repeated ids, broken lines. Prints rows, kills, seconds, peak memory of the undisturbed process, and whether both files
have the same bytes; ends with 1 where they differ.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from selfjudge.shapes.drawing import draw
from selfjudge.shapes.prompts import png
from selfjudge.shapes.scenes import draw_scene

RULES = json.dumps([{"when": r"question (\d+)", "replies": [r"I see \1. [[A]]", r"It is \1. [[B]]", "hm"]}])
SCRIPTED = ("--judge", "shapes", "--set", "execution.engine.kind=scripted", "--set", f"execution.engine.rules={RULES}")
TEXTS = ("two", "", "日本語の答え", "עברית مرحبا", "👩‍👩‍👧 é é", "x" * 20_000, "a\u2028b\x00c", "[[A]] is better")


def row(number: int) -> str:
    rng = random.Random(number)
    made = {
        "id": str(number % 100),
        "prompt": f"question {number}?",
        "response_a": rng.choice(TEXTS),
        "response_b": f"{number % 5}",
    }
    if number % 3 == 0:
        made["image"] = f"{number % 5}.png"
    if number % 10 == 1:
        made |= {"responses": [*rng.sample(TEXTS, 3), "more"]}
    if number % 50 == 2:
        made |= rng.choice([{"image": "gone.png"}, {"image": "bad.png"}, {"prompt": ""}, {"response_a": None}])
    return "{broken" if number % 500 == 3 else json.dumps(made, ensure_ascii=number % 2 == 0)


def write(folder: Path, rows: int) -> Path:
    for number in range(5):
        rng = random.Random(number)
        (folder / f"{number}.png").write_bytes(png(draw(draw_scene(rng, held_out=True), rng)))
    (folder / "bad.png").write_bytes(b"\x89PNG no more")
    (folder / "rows.jsonl").write_text("".join(f"{row(number)}\n" for number in range(rows)))
    return folder / "rows.jsonl"


def start(source: Path, to: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "selfjudge", "label", str(source), "--to", str(to), "--quiet", *SCRIPTED]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def undisturbed(source: Path, to: Path) -> tuple[float, float]:
    """Seconds, and MiB of memory at the most."""
    started, process = time.perf_counter(), start(source, to)
    _, _, used = os.wait4(process.pid, 0)
    return time.perf_counter() - started, used.ru_maxrss / 1024


def killed(source: Path, to: Path, rows: int, kills: int) -> int:
    """How many kills met a process at work: each after so many more rows, the last while the output is written."""
    work, met = to.with_name(f"{to.name}.partial"), 0
    after = [*sorted(random.Random(kills).sample(range(rows), kills - 1)), None]
    for count in after:
        process = start(source, to)
        while process.poll() is None and not _reached(work, count):
            time.sleep(0.005)
        process.kill()
        met += process.wait() == -signal.SIGKILL
    start(source, to).wait()
    return met


def _reached(work: Path, count: int | None) -> bool:
    if count is None:
        return (work / "output").exists()
    journal = work / "labels.jsonl"
    return journal.exists() and journal.read_bytes().count(b"\n") > count + 1  # the first line says what was asked


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = write(folder, options.rows)
        seconds, mib = undisturbed(source, folder / "whole.jsonl")
        met = killed(source, folder / "killed.jsonl", options.rows, options.kills)
        same = (folder / "whole.jsonl").read_bytes() == (folder / "killed.jsonl").read_bytes()
    print(f"{options.rows:,} rows, {met} kills: the bytes are {'the same' if same else 'OTHERS'}; {seconds:.1f} s, {mib:.0f} MiB")
    sys.exit(not (same and met == options.kills))


if __name__ == "__main__":
    main()

"""`selfjudge label`, killed again and again: `python scripts/label_kills.py [--rows 10000] [--kills 10]`.

Labels rows with the scripted engine, once undisturbed and once with `kill -9` at random moments, the same command started again
each time. The two files must have the same bytes. Prints what was done, or exits with 1.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RULES = json.dumps([{"when": r"question (\d+)", "replies": [r"I see \1. [[A]]", r"It is \1. [[B]]", "hm"]}])


def write_rows(path: Path, count: int) -> None:
    """Rows of which one in a hundred cannot be judged."""
    with path.open("w") as file:
        for n in range(count):
            row = {"prompt": f"question {n}?", "response_a": f"answer {n % 7}", "response_b": f"{n % 5} more", "own": n}
            file.write(json.dumps({"prompt": "no answers"} if n % 100 == 99 else row) + "\n")


def command(source: Path, to: Path) -> list[str]:
    engine = ["--set", "execution.engine.kind=scripted", "--set", f"execution.engine.rules={RULES}"]
    return [sys.executable, "-m", "selfjudge", "label", str(source), "--judge", "shapes", "--to", str(to), *engine, "--quiet"]


def stored(journal: Path) -> int:
    return journal.read_bytes().count(b"\n") if journal.exists() else 0


def kill_at_random(asked: list[str], journal: Path, rows: int, kills: int) -> list[int]:
    """Start the command and kill it so often, each time after a random number of further rows; rows stored at each kill."""
    rng, known = random.Random(0), [0]
    for left in range(kills, 0, -1):
        with subprocess.Popen(asked, stdout=subprocess.DEVNULL) as process:
            until = known[-1] + rng.uniform(0, 2 * (rows - known[-1]) / (left + 2))
            while stored(journal) <= until and process.poll() is None:
                time.sleep(0.002)
            process.kill()
        if not journal.exists():
            sys.exit(f"it was done before it was killed {kills} times: give it more --rows")
        known.append(stored(journal))
    return known[1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source, whole, killed = (Path(folder) / name for name in ("in.jsonl", "whole.jsonl", "killed.jsonl"))
        write_rows(source, options.rows)
        subprocess.run(command(source, whole), check=True)
        journal = killed.with_name("killed.jsonl.partial") / "labels.jsonl"
        moments = kill_at_random(command(source, killed), journal, options.rows, options.kills)
        print(f"killed {len(moments)} times, with {', '.join(map(str, moments))} rows stored")
        subprocess.run(command(source, killed), check=True)
        same = killed.read_bytes() == whole.read_bytes()
        print(f"{options.rows} rows, {whole.stat().st_size:,} bytes: {'the same' if same else 'NOT the same'}")
        sys.exit(not same)


if __name__ == "__main__":
    main()

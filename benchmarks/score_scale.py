"""Seconds and memory for scoring recorded judgments: `python benchmarks/score_scale.py [--lines 1000000]`.

Writes result files of VL-RewardBench with a tenth, a half and all of the lines (ten samples an item, replies of about 900
characters, a quarter of them without a verdict), scores each officially and strictly in a process of its own, and prints a table
and JSON: seconds by the clock, and of the CPU, which others on the machine change less. Linear means that CPU a line stays equal.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

PROBE = """
import json, resource, sys, time
from pathlib import Path
from selfjudge.benchmarks.vl_rewardbench import score
started, before = time.perf_counter(), time.process_time()
figures = score(Path(sys.argv[1]), protocol=sys.argv[2], k=None)
seconds = time.perf_counter() - started
cpu, peak = time.process_time() - before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": seconds, "cpu": cpu, "peak_mb": peak, "n": figures["n"]}))
"""
FILLER = "The first answer names the colour that the image shows, and the second one does not. " * 10
VERDICTS = ("Answer 1 is better.", "Answer 2 is better.", "Answer 2 is clearly better.", "both are good.")
SAMPLES = 10


def write(path: Path, count: int) -> None:
    """A result file with `count` lines."""
    rng = random.Random(0)
    with path.open("w") as file:
        for line in range(count):
            item = line // SAMPLES
            row = {
                "id": f"RLAIF-{item}",
                "query": "what is it?",
                "response": ["one", "two"],
                "ranking": [0, 1],
                "meta": {
                    "filter_choice": f"{FILLER}\n\nOverall Judgment: {rng.choice(VERDICTS)}",
                    "random_number": rng.randrange(2),
                    "flag_status": "agree",
                },
            }
            file.write(json.dumps(row) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=1_000_000)
    options = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for count in (options.lines // 10, options.lines // 2, options.lines):
            path = Path(folder) / "outputs.jsonl"
            write(path, count)
            for protocol in ("official", "strict"):
                command = [sys.executable, "-c", PROBE, path, protocol]
                found = json.loads(subprocess.check_output(command, text=True))
                result = {"lines": count, "protocol": protocol, **found, "microseconds_per_line": found["cpu"] / count * 1e6}
                results.append(result)
                print(
                    "{lines:>9} lines  {protocol:<8}  {seconds:6.1f} s  {cpu:6.1f} s CPU  "
                    "{microseconds_per_line:5.1f} us a line  {peak_mb:6.0f} MB".format(**result)
                )
    print(json.dumps(results))


if __name__ == "__main__":
    main()

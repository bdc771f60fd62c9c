"""How long `selfjudge --help` takes, beside a bare interpreter: `python benchmarks/help_time.py`. Prints medians."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time

RUNS = 11
COMMANDS = {"python -c pass": ("-c", "pass"), "selfjudge --help": ("-m", "selfjudge", "--help")}


def seconds(arguments: tuple[str, ...]) -> float:
    """Wall time of one process."""
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    medians = {name: statistics.median(seconds(arguments) for _ in range(RUNS)) for name, arguments in COMMANDS.items()}
    for name, value in medians.items():
        print(f"{name:<20} {value:.3f} s")
    print(json.dumps(medians))


if __name__ == "__main__":
    main()

"""The fault suite: `python tests/faults [--short] [--area stepping]`, or `make test-faults`, `make test-faults SHORT=1`.

Kills commands and disturbs their files and disks. Afterwards everything must be as if nothing had happened, or an error must name
the file and carry a hint that works: the suite follows each. Prints counts by area; ends with 1 where anything is red.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import damage
import disks
import kills
import processes
import stepping
from trying import Case, Outcome, Place, prepared, tried
from typer.main import get_command

from selfjudge import cli

AREAS = {"stepping": stepping, "kills": kills, "damage": damage, "disks": disks, "processes": processes}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="a sample of each area, in less than three minutes")
    parser.add_argument("--area", action="append", choices=AREAS, help="only this area; may be repeated")
    parser.add_argument("--every", type=int, default=1, help="only each so many-th case")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="cases at a time")
    options = parser.parse_args()
    fast = Path("/dev/shm")  # where nothing waits for a disk
    root = Path(tempfile.mkdtemp(prefix="selfjudge-faults-", dir=fast if os.access(fast, os.W_OK) else None))
    started = time.monotonic()
    cli.app = get_command(cli.app)  # type: ignore[assignment]  # the same, built once
    place = prepared(root)
    chosen = [AREAS[name] for name in options.area or AREAS]
    cases = [case for area in chosen for case in area.cases(place, options.short)]
    outcomes = list(_tried(place, cases[:: options.every], options.jobs))
    reds = _table(outcomes, time.monotonic() - started)
    if not reds:
        shutil.rmtree(root)
    return int(reds > 0)


def _tried(place: Place, cases: Sequence[Case], jobs: int) -> Iterator[Outcome]:
    """Try all cases, some at a time, and say how far it is."""
    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        started, said = time.monotonic(), 0.0
        for number, outcome in enumerate(pool.imap_unordered(partial(tried, place), cases, chunksize=4), 1):
            if outcome.red:
                print(f"RED {outcome.area}, {outcome.case}: {outcome.red}", flush=True)
            elif time.monotonic() - said > 15:
                said = time.monotonic()
                print(f"{number} of {len(cases)} cases in {said - started:.0f} s", file=sys.stderr, flush=True)
            yield outcome


def _table(outcomes: Sequence[Outcome], seconds: float) -> int:
    """Print how many cases of each area ended how; the number of red ones."""
    areas: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for outcome in outcomes:
        areas[outcome.area][outcome.good or "RED"] += 1
    for area, ends in areas.items():
        print(f"| {area} | {ends.total()} | {', '.join(f'{count} {end}' for end, count in sorted(ends.items()))} |")
    reds = sum(ends["RED"] for ends in areas.values())
    print(f"{len(outcomes)} cases in {seconds:.0f} s, {reds} red")
    return reds


if __name__ == "__main__":
    sys.exit(main())

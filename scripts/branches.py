"""Which branches of the modules that must not fail are reached by their own tests: `make coverage`.

Runs those tests, prints a table, names what was not reached, and ends with 1 where an area is below its limit.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
REPORT = ROOT / "build" / "coverage.json"

AREAS: dict[str, tuple[float, tuple[str, ...]]] = {
    "method": (100, ("method",)),
    "store": (95, tuple(f"run.{name}" for name in ("store", "journal", "jsonl", "merging", "replaced", "saved", "tables"))),
    "disk": (95, ("run.disk",)),
    "images": (95, ("run.images", "run.image_files", "run.image_room", "run.pictures", "sources.images")),
    "HTTP": (95, tuple(f"engines.{name}" for name in ("endpoint", "openai", "chat_completions", "pace"))),
}
"""Each area with the least share of its branches and of its lines that tests must reach, in per cent, and its modules."""

TESTS = (
    *("method", "cases", "hostile/test_images.py", "test_protocols.py", "test_strikes.py"),
    *(f"test_{name}.py" for name in ("store", "growing", "merging", "jsonl", "tables", "disk")),
    *(f"test_{name}.py" for name in ("images", "image_files", "image_memory", "pictures")),
    *(f"sources/test_{name}.py" for name in ("columns", "dataset", "dataset_of_the_hub")),
    *(f"engines/test_{name}.py" for name in ("openai", "openai_failures", "openai_hostile", "pace", "connections")),
    *(f"engines/test_{name}.py" for name in ("dialects", "manners")),
)
WITHOUT = ROOT / "tests" / "method" / "test_speed.py"
"""Times mean nothing while every line is counted."""


def main() -> int:
    measured = [f"--cov=selfjudge.{module}" for _, modules in AREAS.values() for module in modules]
    options = [
        "-q",
        "-n",
        "2",
        "--dist",
        "loadfile",
        "-m",
        "not slow and not ray and not families",
        f"--ignore={WITHOUT}",
        "--hypothesis-seed=0",
    ]
    command = [sys.executable, "-m", "pytest", *options, "--cov-branch", f"--cov-report=json:{REPORT}", *measured]
    command += [str(ROOT / "tests" / name) for name in TESTS]
    tests = subprocess.run(command, check=False, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"})
    files = json.loads(REPORT.read_text())["files"] if tests.returncode == 0 else {}
    below = [name for name in AREAS if not _shown(name, files)]
    return tests.returncode or int(bool(below))


def _shown(area: str, files: dict[str, Any]) -> bool:
    """Print what of an area was reached, and say whether it is enough."""
    limit, modules = AREAS[area]
    ours = {name: file for name, file in files.items() if any(_is_in(name, module) for module in modules)}
    sums = [file["summary"] for file in ours.values()]
    parts = {"branches": ("covered_branches", "num_branches"), "lines": ("covered_lines", "num_statements")}
    shares = {}
    for what, (reached, number) in parts.items():
        counts = [sum(one[key] for one in sums) for key in (reached, number)]
        shares[what] = 100 * counts[0] / max(1, counts[1])
        print(f"{area}: {counts[0]} of {counts[1]} {what}, {shares[what]:.1f} %, at least {limit:g} %")
    for name, file in sorted(ours.items()):
        ways = [f"{start}->{end}" for start, end in file["missing_branches"]]
        if file["missing_lines"] or ways:
            print(f"  not reached in {name}: lines {file['missing_lines']}, branches {', '.join(ways)}")
    return min(shares.values()) >= limit


def _is_in(name: str, module: str) -> bool:
    path = f"src/selfjudge/{module.replace('.', '/')}"
    return name == f"{path}.py" or name.startswith(f"{path}/")


if __name__ == "__main__":
    sys.exit(main())

"""Draw a run's learning curve from its summary: `python scripts/learning_curve.py docs/runs/demo-0.json docs/demo.svg`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from selfjudge.report.curve import learning_curve


def main() -> None:
    summary, out = map(Path, sys.argv[1:])
    out.write_text(learning_curve(json.loads(summary.read_text())["iterations"], "shapes-bench", alone=True) + "\n")


if __name__ == "__main__":
    main()

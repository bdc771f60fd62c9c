"""Draw the learning curve of a run as SVG: `python scripts/learning_curve.py runs/demo docs/demo.svg`."""

from __future__ import annotations

import sys
from pathlib import Path

from selfjudge.report.curve import learning_curve
from selfjudge.run.summary import read


def main() -> None:
    run, out = map(Path, sys.argv[1:])
    out.write_text(learning_curve(read(run)["iterations"], "shapes-bench") + "\n")


if __name__ == "__main__":
    main()

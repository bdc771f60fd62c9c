"""Which comparisons a run's judges get wrong on its benchmark: the two responses, better one first, and how they were shown.

    python experiments/errors.py runs/demo                     the ten that the last judge gets wrong most often
    python experiments/errors.py runs/demo --dimension count   of one dimension

Only responses of a few words repeat, so captions hardly show here. *Made* is how many pairs of the iterations so far had these
two answers as better and worse one, *kept* how many of them were kept.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from selfjudge.run.store import Table
from selfjudge.run.tables import ITEMS, JUDGMENTS, PAIRS, SELECTED, is_right

Two = tuple[str, str]


def errors(
    run: Path, iteration: int, dimension: str | None
) -> tuple[Counter[tuple[str, str, str]], Counter[tuple[str, str, str]]]:
    """How often the judge of an iteration was asked about two responses in an order, and how often it was wrong."""
    place = Path("benchmarks/shapes-bench")
    items = {row["id"]: row for row in Table(run / place, ITEMS, {}).rows() if dimension in (None, row["dimension"])}
    asked: Counter[tuple[str, str, str]] = Counter()
    wrong: Counter[tuple[str, str, str]] = Counter()
    for row in Table(run / f"iteration-{iteration}" / place, JUDGMENTS, {}).rows():
        if item := items.get(row["pair_id"]):
            shown = (item["chosen"], item["rejected"], row["order"])
            asked[shown] += 1
            wrong[shown] += not is_right(row)
    return asked, wrong


def taught(run: Path, iteration: int) -> tuple[Counter[Two], Counter[Two]]:
    """Pairs of two answers that were made, and kept, up to an iteration."""
    made: Counter[Two] = Counter()
    kept: Counter[Two] = Counter()
    for number in range(1, iteration + 1):
        folder = run / f"iteration-{number}"
        selected = set(Table(folder, SELECTED, {}).values("pair_id"))
        for row in Table(folder, PAIRS, {}).rows():
            made[row["chosen"], row["rejected"]] += 1
            kept[row["chosen"], row["rejected"]] += row["id"] in selected
    return made, kept


def lines(run: Path, iteration: int, dimension: str | None, most: int) -> Iterator[str]:
    """A Markdown table."""
    asked, wrong = errors(run, iteration, dimension)
    made, kept = taught(run, iteration)
    yield "| better | worse | shown first | wrong of asked | pairs made | kept |"
    yield "|---|---|---|---|---|---|"
    for (better, worse, order), number in wrong.most_common(most):
        if number:
            first = order.partition("_")[0]
            pairs = f"{made[better, worse]} | {kept[better, worse]}"
            yield f"| {better} | {worse} | {first} | {number} of {asked[better, worse, order]} | {pairs} |"
    yield f"\n{wrong.total()} of {asked.total()} comparisons are wrong."


def last(run: Path) -> int:
    return max(int(path.parent.name.partition("-")[2]) for path in run.glob("iteration-*/judge.manifest.json"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--iteration", type=int, help="whose judge (default: the last)")
    parser.add_argument("--dimension")
    parser.add_argument("--most", type=int, default=10)
    options = parser.parse_args()
    iteration = options.iteration or last(options.run)
    print("\n".join(lines(options.run, iteration, options.dimension, options.most)))


if __name__ == "__main__":
    main()

"""Multimodal RewardBench (arXiv 2502.14191): its rows, its protocols, its result file, and its official score to the last bit.

The official script looks for `[[A]]` anywhere before it looks for `[[B]]`, and tosses a seeded coin for a reply with neither.
`strict` takes the last verdict and counts an unread one as wrong.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..chat import Sampling
from ..errors import InputError
from ..figures import DataReport
from ..method.metrics import macro, share
from ..method.protocols import PAPER, STRICT, Protocol
from ..method.verdicts import parse
from ..run.tables import Row
from ..types import BenchmarkItem, Order, Problem, Verdict
from . import data_files
from .data_files import DataFiles
from .public import Replies, Spec, StoredPair, embedded, prompt
from .recorded import BadLine, Malformed, lines, nothing_recorded, text

NAME = "multimodal-rewardbench"

GROUPS = (
    "open_generation/correctness_task",
    "open_generation/preference_task",
    "knowledge",
    "reasoning/math",
    "reasoning/coding",
    "safety/bias",
    "safety/toxicity",
    "vqa",
)

COLUMNS = {
    "correctness": GROUPS[:1],
    "preference": GROUPS[1:2],
    "knowledge": GROUPS[2:3],
    "reasoning": GROUPS[3:5],
    "safety": GROUPS[5:7],
    "vqa": GROUPS[7:],
}
"""The leaderboard's six columns; reasoning and safety pool two groups each."""

_SEED = 123


def group_of(category: str, identity: str) -> str:
    """The group that the official script prints for a row; the case of an id does not matter."""
    lowered = identity.lower()
    if category == "reasoning":
        return "reasoning/math" if lowered.startswith("math") else "reasoning/coding"
    if category == "safety":
        return "safety/bias" if lowered.startswith("pairs") else "safety/toxicity"
    return category


USER_SUBSET = "safety/toxicity (user subset)"
"""The 500 memes of the paper were never published: whoever adds some measures on a choice of their own."""

PROMPT = prompt("multimodal_rewardbench")
"""Our words, asking for the official verdict line; the official wording can be given as a prompt file (reference, 2.3)."""

PROTOCOLS = {
    "strict": STRICT,
    "paper": PAPER,
    "official": Protocol(
        name="official",
        version=2,
        orders="stored",
        samples=1,
        sampling=Sampling(temperature=1.0, max_tokens=1024),  # the script leaves it unset, and servers then take 1
        line="letters",
        template=PROMPT,
        verbatim=True,
    ),
}


_SOURCES = (
    *("pairs", "nocaps", "visitbench", "mmmu-s", "mmmu-v", "mathvista", "image2struct"),
    *("emma-coding", "mmbench", "seed-bench", "realworldqa", "hateful_memes"),
)


def source_of(identity: str) -> str:
    """The source in an id, in any case; for an unknown source the part before the first `_`."""
    lowered = identity.lower()
    return next((source for source in _SOURCES if lowered.startswith(f"{source}_")), lowered.partition("_")[0])


def pairs(files: DataFiles) -> Iterator[StoredPair]:
    """The rows of `all_data.json`, or of the copy with embedded images. Raises InputError that names a row."""
    for where, row in files.rows():
        identity = data_files.field(row, "ID", where)
        better = data_files.field(row, "Better", where)
        if better not in ("Output1", "Output2"):
            raise InputError(f"{where}: `Better` is {better!r:.40}, neither Output1 nor Output2", hint="Get the file again.")
        group = group_of(data_files.field(row, "Category", where), identity)
        yield StoredPair(
            where=where,
            id=identity,
            question=_question(row, where),
            images=(embedded(row.get("Image"), files.folder),),
            responses=(data_files.field(row, "Output1", where, empty=True), data_files.field(row, "Output2", where, empty=True)),
            better=int(better == "Output2"),
            dimension=USER_SUBSET if group == "safety/toxicity" else group,
            source=source_of(identity),
        )


def _question(row: Row, where: str) -> str:
    text = row.get("Text")
    if not isinstance(text, str) or not text.strip():
        raise InputError(
            f"{where}: `Text` is missing: this is the release file, whose questions have to be fetched",
            hint=f"selfjudge benchmarks prepare {NAME} --to FOLDER",
        )
    return text


def remarks(ids: Sequence[str]) -> DataReport:
    """Sources that are not known, with their rows."""
    unknown = Counter(source_of(identity) for identity in ids if source_of(identity) not in _SOURCES)
    return {"unknown_prefixes": dict(sorted(unknown.items()))}


def figures(replies: Replies) -> dict[str, Any]:
    """The averages over the leaderboard's six columns and over the eight groups; None where a group has no rows."""
    parts = {name.removesuffix(" (user subset)"): part for name, part in replies.general["dimensions"].items()}
    right = {name: (part["accuracy"] or 0.0) * part["n"] for name, part in parts.items()}
    columns = {
        column: share(sum(right.get(g, 0) for g in groups), sum(parts[g]["n"] for g in groups if g in parts))
        for column, groups in COLUMNS.items()
    }
    every = [parts[name]["accuracy"] if name in parts else None for name in GROUPS]
    return {"macro6": macro(list(columns.values())), "macro8": macro(every), "columns": columns}


def record(items: Sequence[BenchmarkItem], replies: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """The lines of the official result file: of each item the first reply in the order of the file. Raises InputError without."""
    by_id = {item.pair.id: item for item in items}
    first = [reply for reply in replies if reply["order"] == by_id[reply["pair_id"]].stored and reply["sample"] == 0]
    if missing := len(by_id) - len(first):
        raise InputError(
            f"{missing} of {len(by_id)} items have no reply in the order of the file, in which the official script asks",
            hint="Ask again: selfjudge evaluate --protocol official, or strict.",
        )
    for reply in first:
        item = by_id[reply["pair_id"]]
        failed = reply["problem"] == Problem.ENGINE_FAILURE
        yield {
            "ID": item.pair.prompt.source_id,
            "Label": "A" if item.stored is Order.CHOSEN_FIRST else "B",
            "Meta": {"Category": _category(item.dimension)},
            "output": "None" if failed else reply["trace"],
        }


def _category(group: str) -> str:
    """The `Category` of a row from its group."""
    return group.split("/")[0] if group.startswith(("reasoning/", "safety/")) else group


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One recorded judgment: its group, the right letter, and the reply. `A` is always Output1."""

    group: str
    label: str
    text: str


@dataclass(slots=True)
class Outputs:
    """A result file: its judgments in file order, and the lines that were none."""

    outputs: list[Output] = field(default_factory=list)
    faults: list[BadLine] = field(default_factory=list)


def read(path: Path) -> Outputs:
    """A result file in the official form: one line a judgment. Raises InputError when not one line can be used."""
    recorded = Outputs()
    for line, value in lines(path):
        try:
            recorded.outputs.append(_output(value))
        except Malformed as fault:
            recorded.faults.append(BadLine(line=line, problem=str(fault)))
    if not recorded.outputs:
        raise nothing_recorded(path, NAME, recorded.faults)
    return recorded


def _output(row: Any) -> Output:
    if isinstance(row, Malformed):
        raise row
    if isinstance(row, dict) and "output" not in row and "outputs" in row:
        raise Malformed("it has `outputs`, several samples; the official score reads one `output`")
    label = text(row, "Label")
    if label not in ("A", "B"):
        raise Malformed(f"`Label` is {label!r:.20}, neither A nor B")
    reply = "None" if "output" in row and row["output"] is None else text(row, "output")
    return Output(group=group_of(text(row, "Meta", "Category"), text(row, "ID")), label=label, text=reply)


def score(path: Path, *, protocol: str, k: int | None) -> dict[str, Any]:
    """The figures of a result file under `official` or `strict`, with the lines that were not scored. Raises InputError."""
    if k not in (None, 1):
        raise InputError(f"{NAME} has one sample an item, not {k}", hint="Remove --k.")
    recorded = read(path)
    figures = (_official if protocol == "official" else _strict)(recorded.outputs)
    malformed = [asdict(fault) for fault in recorded.faults]
    return {"benchmark": NAME, "protocol": protocol, "k": 1, **figures, "malformed": malformed}


def _official(outputs: Sequence[Output]) -> dict[str, Any]:
    """The coin is tossed for each unread row, in the order of the file; `coin` counts the tosses."""
    coin = random.Random(_SEED)
    tosses = 0

    def letter(reply: str) -> str:
        nonlocal tosses
        if "[[A]]" in reply:
            return "A"
        if "[[B]]" in reply:
            return "B"
        tosses += 1
        return "A" if coin.random() < 0.5 else "B"

    figures = _counted(outputs, letter)
    return {**figures, "coin": tosses}


def _strict(outputs: Sequence[Output]) -> dict[str, Any]:
    """The last verdict counts, and none is wrong; `conflicting` counts replies that hold both letters."""
    conflicting = sum("[[A]]" in output.text and "[[B]]" in output.text for output in outputs)
    return {**_counted(outputs, lambda reply: _LETTERS.get(parse(reply))), "conflicting": conflicting}


_LETTERS: dict[Any, str] = {Verdict.FIRST: "A", Verdict.SECOND: "B"}


def _counted(outputs: Sequence[Output], letter: Callable[[str], str | None]) -> dict[str, Any]:
    """Micro average over rows, macro averages over groups and columns (None where one has no rows), and every group."""
    total, correct, read = Counter[str](), Counter[str](), 0
    for output in outputs:
        verdict = letter(output.text)
        total[output.group] += 1
        correct[output.group] += verdict == output.label
        read += parse(output.text) in _LETTERS
    columns = {name: share(sum(correct[g] for g in groups), sum(total[g] for g in groups)) for name, groups in COLUMNS.items()}
    names = [*GROUPS, *sorted(total.keys() - set(GROUPS))]
    groups = {
        name: {"correct": correct[name], "total": total[name], "accuracy": share(correct[name], total[name])} for name in names
    }
    return {
        "n": len(outputs),
        "overall": share(sum(correct.values()), len(outputs)),
        "macro6": macro(list(columns.values())),
        "macro8": macro([groups[name]["accuracy"] for name in GROUPS]),
        "columns": columns,
        "groups": groups,
        "parse_rate": share(read, len(outputs)),
    }


SPEC = Spec(
    name=NAME,
    files=("all_data.json", "data/all_data.json", "data/*.parquet", "*.parquet"),
    pairs=pairs,
    protocols=PROTOCOLS,
    remarks=remarks,
    figures=figures,
    record=record,
)

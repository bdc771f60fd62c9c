"""VL-RewardBench (arXiv 2411.17451): its rows, its protocols, its result file, and its official score to the last bit.

The official script draws one random stream over five passes (K = 1, 3, 5, 7, 9), shuffles the lines in each, takes the first K
samples of each item, and leaves undecided items out of the denominator. `strict` counts every item and reads with our parser.
"""

from __future__ import annotations

import ast
import base64
import binascii
import random
import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..chat import Sampling
from ..errors import InputError
from ..figures import DataReport
from ..method.metrics import macro, share
from ..method.overall_judgment import official, robust
from ..method.protocols import PAPER, STRICT, Protocol
from ..run.tables import Row
from ..types import BenchmarkItem, Order, Verdict
from . import data_files
from .data_files import DataFiles
from .public import Spec, StoredPair, embedded, prompt
from .recorded import BadLine, Malformed, lines, nothing_recorded, text

NAME = "vl-rewardbench"

DIMENSIONS = ("general", "hallucination", "reasoning")

_BY_PREFIX = {
    "hallucination": "hallucination",
    "RLAIF": "hallucination",
    "RLHF": "hallucination",
    "mathverse": "reasoning",
    "mmmu": "reasoning",
    "wildvision": "general",
}

OFFICIAL_PASSES = (1, 3, 5, 7, 9)
_SEED = 1234

AGREE, REJECT, NO_MATCH = range(3)
NOTHING = -1


def prefix_of(identity: str) -> str:
    """What stands before the first `_` or `-` of an id: it names the source."""
    return re.split("[_-]", identity, maxsplit=1)[0]


def dimension_of(identity: str) -> str:
    """The dimension of a row by the prefix of its id, case-sensitive; everything unknown is general (VLFeedback)."""
    return _BY_PREFIX.get(prefix_of(identity), "general")


PROMPT = prompt("vl_rewardbench")
"""Our words, asking for the verdict line of the official prompt: text first, then the image (benchmarks reference, 1.3)."""

PROTOCOLS = {
    "strict": STRICT,
    "paper": PAPER,
    "official": Protocol(
        name="official",
        version=2,
        orders="random",
        samples=10,
        sampling=Sampling(temperature=0.2, top_p=0.2, max_tokens=2048),
        line="overall_judgment",
        template=PROMPT,
        verbatim=True,
    ),
}


def pairs(files: DataFiles) -> Iterator[StoredPair]:
    """The rows of the published Parquet or JSONL file, or of VLMEvalKit's TSV. Raises InputError that names a row."""
    pictures: dict[str, bytes] = {}
    for where, row in files.rows():
        yield (
            _from_tsv(row, where, pictures)
            if "human_ranking" not in row and "answer" in row
            else _published(row, where, files.folder)
        )


def _published(row: Row, where: str, folder: Path) -> StoredPair:
    """A row with both responses and their ranks, or with `chosen` and `rejected`."""
    ranked = "chosen" not in row
    identity = data_files.field(row, "id", where)
    return StoredPair(
        where=where,
        id=identity,
        question=data_files.field(row, "query", where),
        images=(embedded(row.get("image") or row.get("image_path"), folder),),
        responses=_two(row.get("response") if ranked else [row["chosen"], row.get("rejected")], "response", where, str),
        better=_two(row.get("human_ranking"), "human_ranking", where, int).index(0) if ranked else 0,
        dimension=dimension_of(identity),
        source=prefix_of(identity),
    )


def _from_tsv(row: Row, where: str, pictures: dict[str, bytes]) -> StoredPair:
    """VLMEvalKit's form: lists as text, images in base64, or the index of an earlier row that has the same picture."""
    index, image = (data_files.field(row, name, where) for name in ("index", "image"))
    pictures[index] = pictures[image] if image in pictures else _decoded(image, where)
    category = (row.get("category") or "").lower()
    identity = row.get("id") or f"{row.get('category') or 'row'}_{index}"
    return StoredPair(
        where=where,
        id=identity,
        question=data_files.field(row, "question", where),
        images=(pictures[index],),
        responses=_two(_literal(row, "response", where), "response", where, str),
        better=_two(_literal(row, "answer", where), "answer", where, int).index(0),
        dimension=category if category in DIMENSIONS else dimension_of(identity),
        source=prefix_of(identity),
    )


def _decoded(image: str, where: str) -> bytes:
    try:
        return base64.b64decode(image, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError(f"{where}: `image` is not base64: {error}", hint="Get the file again.") from error


def _literal(row: Row, name: str, where: str) -> Any:
    try:
        return ast.literal_eval(data_files.field(row, name, where))
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise InputError(f"{where}: `{name}` is not a list", hint="Get the file again.") from error


def _two(value: Any, name: str, where: str, kind: type) -> Any:
    """Two responses, or the ranks 0 and 1 of two responses."""
    good = isinstance(value, list) and len(value) == 2 and all(isinstance(part, kind) for part in value)
    if not good or (kind is int and sorted(value) != [0, 1]):
        wanted = "two texts" if kind is str else "the ranks 0 and 1"
        raise InputError(f"{where}: `{name}` is {value!r:.60}, not {wanted}", hint="Is it VL-RewardBench's file?")
    return tuple(value)


def remarks(ids: Sequence[str]) -> DataReport:
    """Prefixes of ids that are not known, which count as general, and those that are known but for their case."""
    unknown = Counter(prefix_of(identity) for identity in ids if prefix_of(identity) not in _BY_PREFIX)
    known = {prefix.lower() for prefix in _BY_PREFIX}
    return {
        "unknown_prefixes": dict(sorted(unknown.items())),
        "miscased_prefixes": dict(sorted((p, n) for p, n in unknown.items() if p.lower() in known)),
    }


def record(items: Sequence[BenchmarkItem], replies: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """The lines of the official result file, one a reply, those of an item together."""
    by_id = {item.pair.id: item for item in items}
    for reply in replies:
        item = by_id[reply["pair_id"]]
        first, second = item.pair.chosen, item.pair.rejected
        kept = item.stored is Order.CHOSEN_FIRST
        number = official(reply["trace"])
        swapped = int(reply["order"] != item.stored)
        worse = int(kept) if not swapped else int(not kept)
        yield {
            "id": item.pair.prompt.source_id,
            "query": item.pair.prompt.text,
            "response": [first, second] if kept else [second, first],
            "ranking": [0, 1] if kept else [1, 0],
            "meta": {
                "filtering model": reply["judge"],
                "filter_choice": reply["trace"],
                "filter_number": -1 if number is None else number,
                "random_number": swapped,
                "flag_status": ("agree", "reject", "doesntMatch")[official_state(reply["trace"], worse)],
            },
        }


@dataclass(slots=True)
class Samples:
    """A result file as numbers: for each sample its item and state, for each item its dimension, and the lines not used.

    The item of a null line is NOTHING: the official script shuffles such lines with the others, and skips them afterwards.
    """

    items: array[int] = field(default_factory=lambda: array("l"))
    states: bytearray = field(default_factory=bytearray)
    dimensions: list[int] = field(default_factory=list)
    faults: list[BadLine] = field(default_factory=list)

    @property
    def most_samples(self) -> int:
        return max(Counter(item for item in self.items if item != NOTHING).values())


State = Callable[[str, int], int]
"""The state of a reply, AGREE, REJECT or NO_MATCH, given the position (0 or 1) of the worse response."""


def official_state(reply: str, worse: int) -> int:
    """The official flag: any number but the worse answer's agrees."""
    number = official(reply)
    return NO_MATCH if number is None else REJECT if number == worse + 1 else AGREE


def strict_state(reply: str, worse: int) -> int:
    """The state by our parser."""
    verdict = robust(reply)
    if not isinstance(verdict, Verdict):
        return NO_MATCH
    return REJECT if verdict is (Verdict.FIRST, Verdict.SECOND)[worse] else AGREE


def read(path: Path, state: State) -> Samples:
    """A result file in the official form: one line a sample. Raises InputError when not one line can be used."""
    recorded = Samples()
    numbers: dict[str, int] = {}
    wrapped: bool | None = None
    for line, value in lines(path):
        if wrapped is None and not isinstance(value, Malformed):
            wrapped = isinstance(value, dict) and "0" in value
        row = value["0"] if wrapped and isinstance(value, dict) and "0" in value else value
        if row is None:
            recorded.items.append(NOTHING)
            recorded.states.append(NO_MATCH)
            continue
        try:
            _add(recorded, numbers, row, state)
        except Malformed as fault:
            recorded.faults.append(BadLine(line=line, problem=str(fault)))
    if not recorded.dimensions:
        raise nothing_recorded(path, NAME, recorded.faults)
    return recorded


def _add(recorded: Samples, numbers: dict[str, int], row: Any, state: State) -> None:
    """One sample. The key of an item is the official one, for ids repeat."""
    if isinstance(row, Malformed):
        raise row
    identity, query, reply = text(row, "id"), text(row, "query"), text(row, "meta", "filter_choice")
    key = identity + query + "\t".join(sorted(_responses(row)))
    worse = _worse_place(row)
    item = numbers.setdefault(key, len(numbers))
    if item == len(recorded.dimensions):
        recorded.dimensions.append(DIMENSIONS.index(dimension_of(identity)))
    recorded.items.append(item)
    recorded.states.append(state(reply, worse))


def _responses(row: Any) -> list[str]:
    responses = row.get("response")
    if not isinstance(responses, list) or len(responses) != 2 or not all(isinstance(r, str) for r in responses):
        raise Malformed("`response` is not a list of two texts")
    return responses


def _worse_place(row: Any) -> int:
    """Where the worse response was shown: 0 first, 1 second."""
    ranking = row.get("ranking")
    if ranking not in ([0, 1], [1, 0]):
        raise Malformed("`ranking` is neither [0, 1] nor [1, 0]")
    swapped = row["meta"].get("random_number")
    if swapped not in (0, 1):
        raise Malformed("`meta.random_number` is neither 0 nor 1")
    return int(ranking.index(0 if swapped else 1))


def score(path: Path, *, protocol: str, k: int | None) -> dict[str, Any]:
    """The figures of a result file under `official` or `strict`, with the lines that were not scored. Raises InputError."""
    recorded = read(path, official_state if protocol == "official" else strict_state)
    wanted = k or recorded.most_samples
    figures = (_official if protocol == "official" else _strict)(recorded, wanted)
    malformed = [asdict(fault) for fault in recorded.faults]
    return {"benchmark": NAME, "protocol": protocol, "k": wanted, **figures, "malformed": malformed}


def _official(recorded: Samples, k: int) -> dict[str, Any]:
    """`by_k` has the script's five passes. Another `k` is one pass from the same seed."""
    rng = random.Random(_SEED)
    count = len(recorded.items)
    by_k = {str(size): _figures(_counts(recorded, _shuffled(count, rng), size), drop=True) for size in OFFICIAL_PASSES}
    top = by_k.get(str(k)) or _figures(_counts(recorded, _shuffled(count, random.Random(_SEED)), k), drop=True)
    return {**top, "by_k": by_k}


def _strict(recorded: Samples, k: int) -> dict[str, Any]:
    """Every item counts: it is right when more than half of its first `k` samples are, in the order of the file."""
    order = range(len(recorded.items))
    by_k = {str(size): _figures(_counts(recorded, order, size), drop=False) for size in OFFICIAL_PASSES}
    return {**(by_k.get(str(k)) or _figures(_counts(recorded, order, k), drop=False)), "by_k": by_k}


_STATES = ("agree", "reject", "no_match", "other")


def _shuffled(count: int, rng: random.Random) -> list[int]:
    """The lines in the official order: each in turn swapped with one drawn from all of them, by `randint(0, count - 1)`."""
    order = list(range(count))
    draw, bits = rng.getrandbits, count.bit_length()
    for i in range(count):
        while (j := draw(bits)) >= count:  # as `randint` draws, in a fifth of its time
            pass
        order[i], order[j] = order[j], order[i]
    return order


def _figures(counts: Sequence[Counter[str]], *, drop: bool) -> dict[str, Any]:
    """Fractions, by dimension and over all; None where the official script would divide by zero.

    `drop` leaves items that are neither agreed nor rejected out of the denominators, as the official script does.
    """
    kept = _STATES[:2] if drop else _STATES
    right = [count["agree"] for count in counts]
    of = [sum(count[state] for state in kept) for count in counts]
    shares = {name: share(a, n) for name, a, n in zip(DIMENSIONS, right, of, strict=True)}
    totals = {state: sum(count[state] for count in counts) for state in _STATES}
    return {
        "n": sum(totals.values()),
        "overall": share(sum(right), sum(of)),
        "macro": macro(list(shares.values())),
        "dimensions": shares,
        **totals,
        "parse_rate": share(sum(count["read"] for count in counts), sum(count["samples"] for count in counts)),
    }


def _counts(recorded: Samples, order: Sequence[int], k: int) -> list[Counter[str]]:
    """By dimension: items by the state that more than half of their first `k` samples have, and samples taken and read."""
    size = len(recorded.dimensions)
    taken, *votes = (array("l", bytes(array("l").itemsize * size)) for _ in range(4))
    items, states = recorded.items, recorded.states
    for line in order:
        item = items[line]
        if item != NOTHING and taken[item] < k:
            taken[item] += 1
            votes[states[line]][item] += 1
    counts = [Counter[str]() for _ in DIMENSIONS]
    for item, dimension in enumerate(recorded.dimensions):
        majority = (state for state, vote in zip(_STATES, votes, strict=False) if 2 * vote[item] > taken[item])
        count = counts[dimension]
        count[next(majority, "other")] += 1
        count["samples"] += taken[item]
        count["read"] += taken[item] - votes[NO_MATCH][item]
    return counts


SPEC = Spec(
    name=NAME,
    files=("data/test-*.parquet", "*.parquet", "*.tsv", "data/*.jsonl", "*.jsonl"),
    pairs=pairs,
    protocols=PROTOCOLS,
    remarks=remarks,
    record=record,
)

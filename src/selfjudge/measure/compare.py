"""Comparing judges on the same items: their figures side by side, and whether they differ.

Figures stand in one table only when they are of the same items, counted by the same protocol. Tests pair the items that two
judges both have, by id; items that only one has, or whose better response differs between the two, are left out and counted.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ..benchmarks.published import PublishedGroup, context
from ..errors import InputError
from ..method.metrics import macro
from ..method.paired import FEW_GROUPS, Difference, Discordance, difference, holm, mcnemar
from .stored import Measurement, measurements

_NO_FIGURES = ("judge", "benchmark", "protocol", "prompt", "levels", "data")
"""Keys of `result.json` that are no figures, are shown elsewhere, or belong to one benchmark alone."""

Set = list[Measurement]
"""Measurements on one benchmark by one protocol, in the order in which they were named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeFigures:
    """One column of a table."""

    judge: str
    folder: str
    figures: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class FiguresTable:
    """Figures side by side, for the same items and protocol. `items` is the digest of the items, `n` their number."""

    benchmark: str
    protocol: str
    items: str
    n: int
    judges: tuple[JudgeFigures, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """A judge and the reference on the items that both have, with the same better response. A test without items is None.

    `right` names the condition under which an item counts as right in McNemar's test and in `both_orders`.
    """

    judge: str
    n: int
    only_reference_has: int
    only_other_has: int
    relabelled: int
    right: str
    accuracy: Difference | None
    both_orders: Difference | None
    mcnemar: Discordance | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tests:
    """Each judge against the first one."""

    benchmark: str
    protocol: str
    reference: str
    compared: tuple[Pairing, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeComparison:
    """Judges compared within each benchmark and protocol.

    tables      figures side by side
    tests       differences from the first judge; fractions, other minus reference
    notes       reasons why some judges do not compare
    published   figures that others have published on these benchmarks
    """

    tables: tuple[FiguresTable, ...]
    tests: tuple[Tests, ...]
    notes: tuple[str, ...]
    published: tuple[PublishedGroup, ...]

    def as_json(self) -> dict[str, Any]:
        """JSON-able values; the figures of a judge stand beside its name."""
        value: dict[str, Any] = json.loads(json.dumps(asdict(self)))  # tuples become lists
        for table in value["tables"]:
            table["judges"] = [{"judge": j["judge"], "folder": j["folder"], **j["figures"]} for j in table["judges"]]
        return value


def compare(results: Sequence[Path]) -> JudgeComparison:
    """Compare all measurements in the given folders.

    Raises RunError when a folder holds no finished measurement, InputError when one is named twice.
    """
    measured = [measurement for path in results for measurement in measurements(path)]
    if twice := [folder for folder, count in Counter(m.folder.resolve() for m in measured).items() if count > 1]:
        raise InputError(f"{twice[0]} is named twice", hint="Name each result once.")
    sets = [_labelled(group) for group in _grouped(measured, lambda m: (m.benchmark, m.protocol))]
    return JudgeComparison(
        tables=tuple(_table(alike) for group in sets for alike in _grouped(group, lambda m: m.digest)),
        tests=tuple(_tests(group) for group in sets if len(group) > 1),
        notes=(*(note for group in sets for note in _notes(group)), *_notes_on_protocols(sets)),
        published=tuple(_published(sets)),
    )


def _grouped(measured: Sequence[Measurement], key: Callable[[Measurement], Hashable]) -> list[Set]:
    """Measurements by key, keys in the order of their first."""
    groups: dict[Hashable, Set] = {}
    for measurement in measured:
        groups.setdefault(key(measurement), []).append(measurement)
    return list(groups.values())


def _labelled(group: Set) -> Set:
    """Each judge with a name of its own: where several have the same, the folder is added."""
    counts = Counter(m.judge for m in group)
    return [m if counts[m.judge] == 1 else replace(m, judge=f"{m.judge} ({m.folder})") for m in group]


def _table(alike: Set) -> FiguresTable:
    first = alike[0]
    return FiguresTable(
        benchmark=first.benchmark,
        protocol=first.protocol,
        items=first.digest,
        n=len(first.items),
        judges=tuple(JudgeFigures(judge=m.judge, folder=str(m.folder), figures=_figures(m)) for m in alike),
    )


def _figures(measurement: Measurement) -> dict[str, Any]:
    figures = {name: value for name, value in measurement.figures.items() if name not in _NO_FIGURES}
    dimensions = figures.get("dimensions", {})
    figures.setdefault("macro", macro([part.get("accuracy") for part in dimensions.values()]))
    return figures


def _tests(group: Set) -> Tests:
    """Every other judge against the first; p values also as Holm adjusts them for the number of judges."""
    reference, *others = group
    compared = [_paired(reference, other) for other in others]
    for name in ("accuracy", "both_orders", "mcnemar"):
        tests = [getattr(pairing, name) for pairing in compared]
        adjusted = holm([test and test.p for test in tests])
        compared = [
            replace(pairing, **{name: test and replace(test, p_holm=p)})
            for pairing, test, p in zip(compared, tests, adjusted, strict=True)
        ]
    return Tests(benchmark=reference.benchmark, protocol=reference.protocol, reference=reference.judge, compared=tuple(compared))


def _paired(reference: Measurement, other: Measurement) -> Pairing:
    """Test two judges on the items that both have, the same response being the better one for both."""
    common = [identity for identity in reference.items if identity in other.items]
    shared = [identity for identity in common if reference.items[identity].chosen == other.items[identity].chosen]
    groups = [reference.items[identity].group for identity in shared]
    ours, theirs = ([measured.rights[identity] for identity in shared] for measured in (reference, other))
    both = all(len(rights) == 2 for rights in (*ours, *theirs))
    return Pairing(
        judge=other.judge,
        n=len(shared),
        only_reference_has=len(reference.items) - len(common),
        only_other_has=len(other.items) - len(common),
        relabelled=len(common) - len(shared),
        right="in both orders" if both else "by most replies, in the orders that were asked",
        accuracy=difference(list(map(_accuracy, ours)), list(map(_accuracy, theirs)), groups),
        both_orders=difference([float(all(r)) for r in ours], [float(all(r)) for r in theirs], groups),
        mcnemar=mcnemar(list(map(all, ours)), list(map(all, theirs))) if shared else None,
    )


def _accuracy(rights: tuple[bool, ...]) -> float:
    """The share of an item's orders that were judged rightly: 0, 0.5 or 1."""
    return sum(rights) / len(rights)


def _notes(group: Set) -> list[str]:
    """Why some judges of one benchmark and protocol cannot be compared, or not safely."""
    first = group[0]
    notes = []
    digests = {m.digest: len(m.items) for m in group}
    if len(digests) > 1:
        sizes = ", ".join(map(str, digests.values()))
        notes.append(
            f"{first.benchmark}, {first.protocol}: the judges were measured on different items ({sizes}), so their figures stand "
            f"in {len(digests)} tables; only the tests, on the items that two judges share, compare across them."
        )
    if len({json.dumps(m.figures.get("sampling"), sort_keys=True) for m in group if "sampling" in m.figures}) > 1:
        asked = "; ".join(f"{m.judge} {_sampling(m.figures['sampling'])}" for m in group if "sampling" in m.figures)
        notes.append(f"{first.benchmark}, {first.protocol}: the judges were not sampled alike: {asked}.")
    groups = len({item.group for item in first.items.values()})
    of = f"{first.benchmark}, {first.protocol}"
    if groups < len(first.items) and len(group) > 1:
        notes.append(
            f"{of}: {len(first.items)} items are in {groups} groups. McNemar's test takes items as independent; "
            "the differences do not."
        )
    if 0 < groups < FEW_GROUPS:
        tests = ", and p is too small" if len(group) > 1 else ""
        notes.append(f"{of}: with {groups} group{'s' * (groups != 1)} the intervals are too narrow{tests}.")
    return notes


def _sampling(values: Mapping[str, Any]) -> str:
    return f"at temperature {values['temperature']:g}, up to {values['max_tokens']} tokens"


def _notes_on_protocols(sets: Sequence[Set]) -> list[str]:
    """Benchmarks that were counted in more than one way."""
    return [
        f"{benchmark}: counted by {' and '.join(names)}, whose figures do not compare; each has tables and tests of its own."
        for benchmark, names in _by_benchmark(sets, lambda m: m.protocol).items()
        if len(names) > 1
    ]


def _published(sets: Sequence[Set]) -> Iterator[PublishedGroup]:
    """By the protocols' own names: the published rows know neither samples nor versions."""
    for benchmark, names in _by_benchmark(sets, lambda m: str(m.figures["protocol"])).items():
        yield from context(benchmark, names)


def _by_benchmark(sets: Sequence[Set], name: Callable[[Measurement], str]) -> dict[str, list[str]]:
    """The protocols of each benchmark."""
    names: dict[str, list[str]] = {}
    for group in sets:
        names.setdefault(group[0].benchmark, []).append(name(group[0]))
    return names

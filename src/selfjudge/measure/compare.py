"""Comparing judges on the same items: their figures side by side, and whether they differ.

Figures stand in one table only when they are of the same items, counted by the same protocol. Tests pair the items that two
judges both have, by id; items that only one has, or whose better response differs between the two, are left out and counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ..benchmarks.published import context
from ..errors import InputError
from ..method.metrics import macro
from ..method.paired import FEW_GROUPS, difference, holm, mcnemar
from .stored import Measurement, measurements

_LEFT_OUT = ("judge", "benchmark", "protocol", "prompt", "levels", "data")
"""What `result.json` says that is no figure, stands elsewhere, or is of one benchmark alone."""

Set = list[Measurement]
"""Measurements on one benchmark by one protocol, in the order in which they were named."""


def compare(results: Sequence[Path]) -> dict[str, Any]:
    """All measurements in the given folders, compared within each benchmark and protocol; JSON-able values.

    tables      figures side by side, for the same items and protocol
    tests       each judge against the first one; fractions, other minus reference
    notes       what does not compare, and why
    published   what others have published on these benchmarks, in groups that compare among themselves

    Raises RunError when a folder holds no finished measurement, InputError when one is named twice.
    """
    found = [measurement for path in results for measurement in measurements(path)]
    if twice := [folder for folder, count in Counter(m.folder.resolve() for m in found).items() if count > 1]:
        raise InputError(f"{twice[0]} is named twice", hint="Name each result once.")
    sets = [_labelled(group) for group in _grouped(found, lambda m: (m.benchmark, m.protocol))]
    return {
        "tables": [_table(alike) for group in sets for alike in _grouped(group, lambda m: m.digest)],
        "tests": [_tests(group) for group in sets if len(group) > 1],
        "notes": [note for group in sets for note in _notes(group)] + _notes_on_protocols(sets),
        "published": _published(sets),
    }


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


def _table(alike: Set) -> dict[str, Any]:
    first = alike[0]
    return {
        "benchmark": first.benchmark,
        "protocol": first.protocol,
        "items": first.digest,
        "n": len(first.items),
        "judges": [{"judge": m.judge, "folder": str(m.folder), **_figures(m)} for m in alike],
    }


def _figures(measurement: Measurement) -> dict[str, Any]:
    figures = {name: value for name, value in measurement.figures.items() if name not in _LEFT_OUT}
    dimensions = figures.get("dimensions", {})
    figures.setdefault("macro", macro([part.get("accuracy") for part in dimensions.values()]))
    return figures


def _tests(group: Set) -> dict[str, Any]:
    """Every other judge against the first; p values also as Holm adjusts them for the number of judges."""
    reference, *others = group
    compared = [_compared(reference, other) for other in others]
    for test in ("accuracy", "both_orders", "mcnemar"):
        adjusted = holm([entry[test]["p"] if entry[test] else None for entry in compared])
        for entry, p in zip(compared, adjusted, strict=True):
            if entry[test]:
                entry[test]["p_holm"] = p
    return {
        "benchmark": reference.benchmark,
        "protocol": reference.protocol,
        "reference": reference.judge,
        "compared": compared,
    }


def _compared(reference: Measurement, other: Measurement) -> dict[str, Any]:
    """Two judges on the items that both have, the same response being the better one for both.

    `right` says which items count as right to McNemar's test and `both_orders`.
    """
    common = [identity for identity in reference.items if identity in other.items]
    shared = [identity for identity in common if reference.items[identity].chosen == other.items[identity].chosen]
    groups = [reference.items[identity].group for identity in shared]
    ours, theirs = ([measured.rights[identity] for identity in shared] for measured in (reference, other))
    both = all(len(rights) == 2 for rights in (*ours, *theirs))
    return {
        "judge": other.judge,
        "n": len(shared),
        "only_reference_has": len(reference.items) - len(common),
        "only_other_has": len(other.items) - len(common),
        "relabelled": len(common) - len(shared),
        "right": "in both orders" if both else "by most replies, in the orders that were asked",
        "accuracy": _plain(difference(list(map(_accuracy, ours)), list(map(_accuracy, theirs)), groups)),
        "both_orders": _plain(difference([float(all(r)) for r in ours], [float(all(r)) for r in theirs], groups)),
        "mcnemar": asdict(mcnemar(list(map(all, ours)), list(map(all, theirs)))) if shared else None,
    }


def _plain(found: Any) -> dict[str, Any] | None:
    return None if found is None else asdict(found)


def _accuracy(rights: tuple[bool, ...]) -> float:
    """The share of an item's orders that were judged rightly: 0, 0.5 or 1."""
    return sum(rights) / len(rights)


def _notes(group: Set) -> list[str]:
    """What keeps the judges of one benchmark and protocol apart."""
    first = group[0]
    notes = []
    digests = {m.digest: len(m.items) for m in group}
    if len(digests) > 1:
        sizes = ", ".join(map(str, digests.values()))
        notes.append(
            f"{first.benchmark}, {first.protocol}: the judges were measured on different items ({sizes}), so their figures stand "
            f"in {len(digests)} tables; only the tests, on the items that two judges share, compare across them."
        )
    groups = len({item.group for item in first.items.values()})
    if groups < len(first.items):
        notes.append(
            f"{first.benchmark}: {len(first.items)} items are in {groups} groups. McNemar's test takes items as independent; "
            "the differences do not."
        )
    if groups < FEW_GROUPS:
        notes.append(
            f"{first.benchmark}: with {groups} group{'s' * (groups != 1)} the intervals are too narrow, and p is too small."
        )
    return notes


def _notes_on_protocols(sets: Sequence[Set]) -> list[str]:
    """Which benchmarks were counted in more than one way."""
    return [
        f"{benchmark}: counted by {' and '.join(names)}, whose figures do not compare; each has tables and tests of its own."
        for benchmark, names in _by_benchmark(sets, lambda m: m.protocol).items()
        if len(names) > 1
    ]


def _published(sets: Sequence[Set]) -> list[dict[str, Any]]:
    """By the protocols' own names: the published rows know neither samples nor versions."""
    return [
        {"benchmark": benchmark, **group}
        for benchmark, names in _by_benchmark(sets, lambda m: str(m.figures["protocol"])).items()
        for group in context(benchmark, names)
    ]


def _by_benchmark(sets: Sequence[Set], name: Callable[[Measurement], str]) -> dict[str, list[str]]:
    """What each benchmark was counted by."""
    names: dict[str, list[str]] = {}
    for group in sets:
        names.setdefault(group[0].benchmark, []).append(name(group[0]))
    return names

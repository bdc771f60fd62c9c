"""How many rows of Multimodal RewardBench there are, by group and by source, against the counts that are known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from ..multimodal_rewardbench import group_of
from .hateful_memes import PREFIX, SUBSET
from .sources import KNOWN_GROUPS, KNOWN_PARTS, KNOWN_ROWS


def count(rows: Iterable[tuple[str, str, str]]) -> dict[str, dict[str, Any]]:
    """Rows by group, and by group and source, from category, id and source; `known` is None where no count is known."""
    rows_of: Counter[str] = Counter()
    for category, identity, source in rows:
        group = f"safety/{SUBSET}" if source == PREFIX else group_of(category, identity)
        rows_of.update((group, f"{group} of {source}"))
    known = {**KNOWN_GROUPS, **KNOWN_PARTS}
    names = sorted({*known, *rows_of}, key=lambda name: (name.partition(" of ")[0], " of " in name, name))
    return {name: {"rows": rows_of[name], "known": known.get(name)} for name in names}


def warnings(counts: Mapping[str, Mapping[str, Any]], rows: int) -> list[str]:
    """Differences from the known counts, a line each."""
    theirs = counts.get(f"safety/{SUBSET}", {"rows": 0})["rows"]
    lines = [] if rows - theirs == KNOWN_ROWS else [f"all groups: rows {rows - theirs:,}, known {KNOWN_ROWS:,}"]
    for name, of in counts.items():
        if of["known"] is not None and of["rows"] != of["known"]:
            lines.append(f"{name}: rows {of['rows']:,}, known {of['known']:,}")
    lines += [f"{name}: rows {of['rows']:,}, an unknown group" for name, of in counts.items() if _is_new(name)]
    return lines


def _is_new(name: str) -> bool:
    return " of " not in name and name not in KNOWN_GROUPS and SUBSET not in name

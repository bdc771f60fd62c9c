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
    found: Counter[str] = Counter()
    for category, identity, source in rows:
        group = f"safety/{SUBSET}" if source == PREFIX else group_of(category, identity)
        found.update((group, f"{group} of {source}"))
    known = {**KNOWN_GROUPS, **KNOWN_PARTS}
    names = sorted({*known, *found}, key=lambda name: (name.partition(" of ")[0], " of " in name, name))
    return {name: {"rows": found[name], "known": known.get(name)} for name in names}


def warnings(counts: Mapping[str, Mapping[str, Any]], rows: int) -> list[str]:
    """What differs from the known counts, in a line each."""
    own = counts.get(f"safety/{SUBSET}", {"rows": 0})["rows"]
    lines = [] if rows - own == KNOWN_ROWS else [f"all groups: rows {rows - own:,}, known {KNOWN_ROWS:,}"]
    for name, found in counts.items():
        if found["known"] is not None and found["rows"] != found["known"]:
            lines.append(f"{name}: rows {found['rows']:,}, known {found['known']:,}")
    lines += [f"{name}: rows {found['rows']:,}, a group that is not known" for name, found in counts.items() if _is_new(name)]
    return lines


def _is_new(name: str) -> bool:
    return " of " not in name and name not in KNOWN_GROUPS and SUBSET not in name

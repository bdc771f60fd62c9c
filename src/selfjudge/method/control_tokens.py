"""Text that some model family reads as a control token, or that stands for one: a turn, a role, an image, a tool, a mask.

Kinds of spelling rather than lists: `<|name|>`, `<name_of_parts>` and `[NAME]` whose parts are words of such tokens, and roles
at the start of a line. Ordinary HTML, generics, footnotes and links are none of these.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from .data import load
from .lookalikes import UNSEEN

_PARTS, _ORDINARY, _SQUARE = (frozenset(load("lookalikes")["control"][name].split()) for name in ("parts", "ordinary", "square"))
"""Words that names of control tokens are made of, those that are ordinary when they stand alone, and whole names in brackets."""

_NAMED = re.compile(rf"<{UNSEEN}*/?([A-Za-z_][\w.{UNSEEN}-]{{0,60}})/?{UNSEEN}*>|<{UNSEEN}*0x[0-9A-Fa-f]{{2}}{UNSEEN}*>")
_PIPED = re.compile(
    rf"<[ {UNSEEN}]?\|[^<>|\s\\]{{0,40}}(?: [^<>|\s\\]{{1,40}})?[ {UNSEEN}]?(?:\|[ {UNSEEN}]?)?>|<[^<>|\s\\]{{1,40}}\|>|"
    rf"\[\|[\w ]{{1,40}}\|\]"
)
_BRACKETED = re.compile(rf"\[{UNSEEN}*/?([A-Za-z][\w{UNSEEN}]{{0,60}}){UNSEEN}*\]")
_ROLE = re.compile(
    rf"^[ \t{UNSEEN}]*(?:(?:USER|ASSISTANT|SYSTEM|HUMAN|GPT|Human|Assistant)|#{{2,4}}[ \t]*(?i:human|user|assistant|"
    rf"system|instruction|response|input))[ \t{UNSEEN}]*:",
    re.MULTILINE,
)


def control_tokens(plain: str) -> Iterator[re.Match[str]]:
    """The places in a text without look-alikes that hold one."""
    for found in _NAMED.finditer(plain):
        if found[1] is None or _is_control(found[1]):
            yield found
    for found in _BRACKETED.finditer(plain):
        name = found[1]
        if name.casefold() in _SQUARE or (re.search("[A-Z]{2}|^unused", name) and _is_control(name)):
            yield found
    yield from _PIPED.finditer(plain)
    yield from _ROLE.finditer(plain)


@lru_cache
def _is_control(name: str) -> bool:
    parts = [part for part in re.split(r"[\W_\d]+", name.replace(UNSEEN, "").casefold()) if part]
    if len(parts) == 1 and parts[0] in _ORDINARY:
        return name.startswith("_") or any(c.isdigit() for c in name)
    return bool(parts) and _PARTS.issuperset(parts)

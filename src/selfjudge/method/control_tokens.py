"""Text that some model family reads as a control token, or that stands for one: a turn, a role, an image, a tool, a mask.

The tokens of the families in `data/control_tokens.toml`, and kinds of spelling for those that no table has: `<|name|>`,
`<name_of_parts>` and `[NAME]` whose parts are words of such tokens, and roles at the start of a line. Ordinary HTML, generics,
footnotes and links are none of these.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from .data import load
from .lookalikes import plain

FAMILIES: dict[str, tuple[str, ...]] = {name: tuple(text.split()) for name, text in load("control_tokens")["families"].items()}
"""The control tokens of each family, as its tokenizer has them."""

_PARTS, _ORDINARY, _SQUARE, _END = (
    frozenset(load("control_tokens")["words"][name].split()) for name in ("parts", "ordinary", "square", "end")
)
"""Words that names of control tokens are made of, ordinary ones when they stand alone, names in brackets, ends of any name."""

_KNOWN = frozenset(token if token[0] == "[" else token.casefold() for tokens in FAMILIES.values() for token in map(plain, tokens))

_NAMED = re.compile(r"</?(\w[\w.:@-]{0,60})/?>")
_PIPED = re.compile(r"<[ ]?\|[^<>|\s\\]{0,50}(?: [^<>|\s\\]{1,40})?[ ]?(?:\|[ ]?)?>|<[^<>|\s\\]{1,50}\|>|\[\|[\w ]{1,40}\|\]")
_BRACKETED = re.compile(r"\[/?([A-Za-z]\w{0,60})\]")
_ROLE = re.compile(
    r"^[ \t]*(?:(?:USER|ASSISTANT|SYSTEM|HUMAN|GPT|Human|Assistant)|#{2,4}[ \t]*(?i:human|user|assistant|system|instruction|"
    r"response|input))[ \t]*:",
    re.MULTILINE,
)
_ODD = re.compile(
    "|".join(
        re.escape(token) for token in sorted(_KNOWN) if not any(kind.fullmatch(token) for kind in (_NAMED, _BRACKETED, _PIPED))
    ),
    re.IGNORECASE,
)
"""Tokens of the table that have a shape of their own."""


def control_tokens(shown: str) -> Iterator[re.Match[str]]:
    """The places in a text without look-alikes and invisible characters that hold one."""
    yield from (found for found in _NAMED.finditer(shown) if found[0].casefold() in _KNOWN or _is_control(found[1]))
    for found in _BRACKETED.finditer(shown):
        name = found[1]
        if found[0] in _KNOWN or name.casefold() in _SQUARE or (re.search("[A-Z]{2}|^unused", name) and _is_control(name)):
            yield found
    for kind in (_PIPED, _ROLE, _ODD):
        yield from kind.finditer(shown)


@lru_cache
def _is_control(name: str) -> bool:
    parts = [part for part in re.split(r"[\W_\d]+", name.casefold()) if part]
    if len(parts) == 1 and parts[0] in _ORDINARY:
        return name.startswith("_") or any(c.isdigit() for c in name)
    if re.fullmatch("0x[0-9a-f]{2}", name, re.IGNORECASE) or (len(parts) > 1 and parts[-1] in _END):
        return True
    return bool(parts) and _PARTS.issuperset(parts)

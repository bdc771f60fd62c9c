"""Characters that pass for others: full-width and mathematical forms, letters of other alphabets, invisible ones.

`plain` keeps every character at its place, so that what is found in its result is found at the same place of the text.
"""

from __future__ import annotations

import unicodedata
from functools import cache

from .data import load

_INVISIBLE = (
    *(0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFEFF, 0xFFA0),
    *range(0x300, 0x370),  # accents that sit on the letter before
    *range(0x180B, 0x1810),
    *range(0x200B, 0x2010),
    *range(0x202A, 0x202F),
    *range(0x2060, 0x2070),
    *range(0xFE00, 0xFE10),
    *range(0xE0000, 0xE01F0),
)
UNSEEN = "\u200b"
"""What stands for every invisible character in a plain text."""

_FORMS = (range(0x2100, 0x2150), range(0x2460, 0x24EB), range(0xFF01, 0xFF5F), range(0x1D400, 0x1D800), range(0x1F110, 0x1F18A))
"""Where Unicode has letters and digits once more, in another form."""


@cache
def _table() -> dict[int, str]:
    forms = {code: unicodedata.normalize("NFKC", chr(code)) for block in _FORMS for code in block}
    table = {code: form for code, form in forms.items() if len(form) == 1 and form.isascii()}
    table.update({code: "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[(code - 0x1F130) % 32 % 26] for code in range(0x1F130, 0x1F14A)})
    table.update({ord(other): letter for letter, others in load("lookalikes")["same"].items() for other in others})
    table.update(dict.fromkeys(_INVISIBLE, UNSEEN))
    return table


def plain(text: str) -> str:
    """The text with each look-alike as the ASCII character that it passes for; as many characters as before."""
    return text if text.isascii() else text.translate(_table())

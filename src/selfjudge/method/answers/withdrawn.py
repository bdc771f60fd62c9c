"""What an answer takes back or hedges: `4. Wait, there are 5.` says 5, and `Hard to say, but it looks like a heron` a heron."""

from __future__ import annotations

from functools import lru_cache

import regex

from ..languages import Languages, compiled, phrases
from .question import Question


def settled(text: str, question: Question) -> str:
    """An answer without what it takes back itself, and without its doubts where it answers all the same."""
    before, after = _hedge(question.languages)
    text = compiled(r"(?i)\bmost (?=(?:likely|probably)\b)").sub("", text)
    if not question.reads and (found := list(_correction(question.languages).finditer(text))):
        rest = text[found[-1].end() :]
        text = rest if compiled(r"\w").search(rest) else text
    if not question.yes_no and not question.reads:
        text = _NOT_BUT.sub("", text)
        contrast = _BUT_NOT.sub("", text)
        text = contrast if _says(contrast) else text
    bare = before.sub("", text)
    bare = bare if _says(bare) else text
    cut = after.sub("", bare)
    return cut if _says(cut) else bare


_NOT_BUT = regex.compile(
    r"\bnot (?!only\b|just\b)(?:(?:playing|holding|wearing|using|in|on|at) )?"
    r"(?:an? |the )?[\w'-]+(?: [\w'-]+)?,? but (?:rather )?(?=\w)"
)
_BUT_NOT = regex.compile(
    r"(?<=\w)(?:, (?:and )?not|,? rather than|,? instead of) (?:an? |the |in |on |at )*[\w'-]+(?: [\w'-]+)?(?=\s*(?:[.!?]|$))"
)
"""What an answer sets itself off from: `not red but green`, `green, not red`."""


def _says(text: str) -> bool:
    return compiled(r"[\p{L}\p{N}]").search(text) is not None


@lru_cache(64)
def _correction(languages: Languages) -> regex.Pattern[str]:
    """What stands between an answer and a better one."""
    said = phrases("correction", languages)
    return regex.compile(
        rf"(?<=\S)(?:,(?=\s(?:no,|no wait|wait|sorry|actually,? \d|i mean)\b)|[.!?…。！]+[\"')]*"
        rf"|\s*[—–]|\s-|\n)\s*(?:{said})(?!\w(?<!\p{{Han}}))[\s,:.!—–，：]*+(?=\S)",
        regex.IGNORECASE,
    )


@lru_cache(64)
def _hedge(languages: Languages) -> tuple[regex.Pattern[str], regex.Pattern[str]]:
    before, after = phrases("hedge_before", languages) or r"(?!)", phrases("hedge_after", languages) or r"(?!)"
    return (
        regex.compile(rf"(?:^|(?<=[.!?:。]\s)|(?<=[。\n]))\W*(?:{before})\s*", regex.IGNORECASE),
        regex.compile(rf"(?<=\w)[\s,;，—–-]*+(?:{after})[^.!?\n。]*(?=[.!?\n。]|$)", regex.IGNORECASE),
    )


@lru_cache(64)
def knows_not(languages: Languages) -> regex.Pattern[str]:
    """A whole sentence that says that one does not know, whatever it begins with: `No idea`, `No lo sé`."""
    return regex.compile(rf"\W*(?:{phrases('not_known', languages) or '(?!)'})\W*", regex.IGNORECASE)

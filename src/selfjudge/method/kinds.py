"""Whether an instruction is open or closed, by its wording alone. The rule that decided is recorded with the prompt.

In this order: it asks for a short form of answer (`short_answer`), it lists options (`options`), it is a yes/no question
(`yes_no`), it asks how many (`count`), it asks for one thing in at most 20 words (`short_question`); else it is open
(`open`). A data set that knows better says so in a `kind` column.
"""

from __future__ import annotations

import re

from ..types import Kind

_SHORT_ANSWER = re.compile(
    r"single word|one word|short phrase|short answer|few words|(?:option|choice)(?:'s|’s)? letter|only the letter"
    r"|letter (?:of|from)|yes or no|true or false|just the (?:number|answer|name)|only the (?:number|answer|name)",
    re.IGNORECASE,
)
_OPTION = re.compile(r"^\s*\(?([A-H])[.):]\s*(\S.*?)\s*$", re.MULTILINE)
_WORDY = re.compile(r"\b(?:describe|explain|why|discuss|elaborate|in detail|caption|story|summari[sz]e|write)\b", re.IGNORECASE)
_YES_NO = re.compile(r"(?:is|are|was|were|does|do|did|can|could|has|have|will|would|should)\b", re.IGNORECASE)
_COUNT = re.compile(r"\bhow many\b|\bnumber of\b|\bcount the\b", re.IGNORECASE)
_ONE_THING = re.compile(
    r"(?:what|which) (?:colou?r|shape|size|time|year|number|letter|word|day|kind|type|brand|name|animal|sport|country"
    r"|digit|option|of)\b|(?:where|who|when|which|whose)\b|how (?:old|tall|long|far|much|big)\b"
    r"|what (?:is|are) (?:the|this|that)\b",
    re.IGNORECASE,
)


def options(instruction: str) -> dict[str, str]:
    """The options that an instruction lists, letter to text; empty unless A and B are among them."""
    found = dict(_OPTION.findall(instruction))
    return found if {"A", "B"} <= found.keys() else {}


def is_count(instruction: str) -> bool:
    """Whether an instruction asks how many there are of something."""
    return bool(_COUNT.search(instruction))


def route(instruction: str) -> tuple[Kind, str]:
    """The kind of an instruction and the name of the rule that decided."""
    text = instruction.strip()
    if _SHORT_ANSWER.search(text):
        return Kind.CLOSED, "short_answer"
    if options(text):
        return Kind.CLOSED, "options"
    if text.endswith("?") and not _WORDY.search(text):
        if _YES_NO.match(text):
            return Kind.CLOSED, "yes_no"
        if is_count(text):
            return Kind.CLOSED, "count"
        if _ONE_THING.search(text) and len(text.split()) <= 20:
            return Kind.CLOSED, "short_question"
    return Kind.OPEN, "open"

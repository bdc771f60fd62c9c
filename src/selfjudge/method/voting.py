"""Stage I, closed prompts: bring sampled answers to one form, count votes, and draw the pair.

Votes are counted over normalised answers; the texts of the pair are samples as the model wrote them. The threshold, the
number of samples and the dropped ties follow the paper as far as it is known (arXiv 2512.05145, stage I).
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..types import Vote
from .kinds import is_count, options

_SMALL = (
    "zero one two three four five six seven eight nine ten "
    "eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
NUMBER_WORDS: dict[str, int] = {
    **{word: value for value, word in enumerate(_SMALL.split())},
    **{word: 10 * value for value, word in enumerate(_TENS.split(), start=2)},
    **{f"{ten}-{one}": 10 * i + j for i, ten in enumerate(_TENS.split(), 2) for j, one in enumerate(_SMALL.split()[1:10], 1)},
    "none": 0,
    "a dozen": 12,
}

_MARKUP = re.compile(r"[*_`#\"“”]+")
_ANSWER_IS = re.compile(r".*\banswer(?:\s+is)?\s*[:=]?\s+", re.IGNORECASE | re.DOTALL)
_LEAD_IN = re.compile(r"^(?:there (?:is|are)|i (?:can )?(?:see|count)|it is|it['’]s|this is|that is|they are)\s+", re.IGNORECASE)
_CLAUSE_END = re.compile(
    r"\n|;|[.!?](?=\s|$)|,?\s+(?:because|since|as (?:the|it|there)|which)\b|\s+[-–—]\s+|,\s+(?=\w+ing\b)", re.IGNORECASE
)
_LETTER = re.compile(r"^(?:option|choice)?\s*\(?([A-H])\)?(?:[.):]|$)", re.IGNORECASE)
_YES_NO = re.compile(
    r"^(yes|yeah|yep|no|nope)(?:$|[\s,.:!-]+(?:there|it|the|this|that|they|he|she|i|we|you|a|an)\b|[,.:!-])",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")


def normalise(answer: str, instruction: str = "") -> str | None:
    """One form for all spellings of an answer, or None when nothing is left to compare.

    Numbers and number words become digits, an option its letter (the text of an option too, where the instruction lists
    them), `Yes, there is` becomes `yes`; markup, case, articles, outer punctuation and a trailing explanation go. Where the
    instruction asks how many, the first number of the answer is the answer.
    """
    text = _MARKUP.sub("", unicodedata.normalize("NFKC", answer)).strip()
    text = _ANSWER_IS.sub("", text).strip() or text
    if (letter := _option(text, instruction)) is not None:
        return letter
    if (word := _YES_NO.match(text)) is not None:
        return "yes" if word[1].lower().startswith("y") else "no"
    clause = _LEAD_IN.sub("", _CLAUSE_END.split(text, maxsplit=1)[0].strip())
    clause = _without_articles(clause)
    if is_count(instruction) and (number := _first_number(clause)) is not None:
        return number
    return _number(clause) or clause or None


def _option(text: str, instruction: str) -> str | None:
    """The letter of an option, when the answer is a letter or the text of one of the options listed."""
    listed = options(instruction)
    found = _LETTER.match(text)
    if found is not None and (not listed or found[1].upper() in listed):
        return found[1].upper()
    plain = _without_articles(_CLAUSE_END.split(text, maxsplit=1)[0])
    return next((letter for letter, option in listed.items() if plain and _without_articles(option) == plain), None)


def _without_articles(text: str) -> str:
    text = re.sub(r"^(?:(?!-\d)\W)+|[^\w%°]+$", "", text.casefold())
    return " ".join(word for word in text.split() if word not in ("a", "an", "the"))


def _number(text: str) -> str | None:
    """Canonical digits of a text that is a number and nothing else: `1,000`, `3.0` and `twenty one` are 1000, 3 and 21."""
    joined = re.sub(r"\s+", "-", text)
    if joined in NUMBER_WORDS:
        return str(NUMBER_WORDS[joined])
    if _NUMBER.fullmatch(text):
        value = float(text.replace(",", ""))
        return str(int(value)) if value.is_integer() else repr(value)
    return None


def _first_number(text: str) -> str | None:
    for word in text.split():
        if (number := _number(word.strip(".,:;()"))) is not None:
            return number
    return None


Negative = Literal["any_sample", "any_answer", "most_voted"]
"""Which answer loses: a random sample outside the majority, a random other answer, or the most voted other answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Elected:
    """What a vote leads to: the texts of the pair, as sampled, and the vote behind it."""

    chosen: str
    rejected: str
    vote: Vote


def elect(samples: Sequence[str], *, instruction: str, threshold: int, negative: Negative, rng: random.Random) -> Elected | str:
    """The pair that sampled answers make, or the reason why they make none.

    Reasons: `no_readable_answer`, `tie` for the most votes, `no_majority` (fewer than `threshold` votes), `unanimous`. The
    chosen text is a random sample of the majority.
    """
    ballots = [(normalise(text, instruction), text) for text in samples]
    readable = [(answer, text) for answer, text in ballots if answer is not None]
    if not readable:
        return "no_readable_answer"
    counts = tuple(sorted(Counter(answer for answer, _ in readable).items(), key=lambda item: (-item[1], item[0])))
    majority, votes = counts[0]
    if len(counts) > 1 and counts[1][1] == votes:
        return "tie"
    if votes < threshold:
        return "no_majority"
    if len(counts) == 1:
        return "unanimous"
    alternative = _alternative(counts, readable, negative, rng)
    return Elected(
        chosen=rng.choice([text for answer, text in readable if answer == majority]),
        rejected=rng.choice([text for answer, text in readable if answer == alternative]),
        vote=Vote(counts=counts, majority=majority, alternative=alternative),
    )


def _alternative(
    counts: tuple[tuple[str, int], ...], readable: list[tuple[str, str]], negative: Negative, rng: random.Random
) -> str:
    if negative == "most_voted":
        return counts[1][0]
    if negative == "any_answer":
        return rng.choice([answer for answer, _ in counts[1:]])
    return rng.choice([answer for answer, _ in readable if answer != counts[0][0]])

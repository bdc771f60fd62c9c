"""Stage I, closed prompts: which answers a model is asked to compare, how, and what its reply says.

Rules read letters, numbers, yes and no; two phrases in other words (`shut`, `not open`) they leave apart. With
`equivalence: model` the model that sampled the answers is asked about the forms with the most votes, each pair once.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Literal

from .answers import normalise
from .thinking import spoken
from .voting import type_of

Equivalence = Literal["rules", "model"]

MOST_FORMS = 4
"""CHOSEN: forms of one prompt that are compared, those with the most votes."""
MOST_PAIRS = MOST_FORMS * (MOST_FORMS - 1) // 2

SAME = """\
A question about an image was answered twice.
[Question begins]
{question}
[Question ends]
[First answer begins]
{first}
[First answer ends]
[Second answer begins]
{second}
[Second answer ends]
Do the two answers say the same in other words? Ignore style and length. Reply with one word, yes or no.
"""
"""The request to compare two answers."""

Forms = tuple[str, str]


def doubtful(samples: Sequence[str], instruction: str) -> dict[Forms, tuple[str, str]]:
    """Pairs of forms that rules cannot compare, the forms with more votes first, each form with its shortest sample.

    At least one is a phrase: two letters, two numbers, or yes and no, are told apart by rules.
    """
    ballots = [(form, text) for text in samples if (form := normalise(text, instruction)) is not None]
    counts = Counter(form for form, _ in ballots)
    leading = sorted(counts, key=lambda form: (-counts[form], form))[:MOST_FORMS]
    texts = {
        form: min((text for other, text in ballots if other == form), key=lambda text: (len(text), text)) for form in leading
    }
    pairs = (pair for pair in combinations(leading, 2) if any(type_of(form) == "phrase" for form in pair))
    return {(one, other): (texts[one], texts[other]) for one, other in pairs}


_REPLY = re.compile(r"\W*(yes|no)\W*", re.IGNORECASE)


def same(reply: str) -> bool | None:
    """Whether a reply says that two answers are the same; None for all but a bare yes or no."""
    found = _REPLY.fullmatch(spoken(reply))
    return None if found is None else found[1].lower() == "yes"


def representatives(equal: Iterable[Forms]) -> Mapping[str, str]:
    """Each form that is the same as one with more votes, and the most voted of those; pairs as `doubtful` orders them."""
    known: dict[str, str] = {}
    for one, other in equal:
        kept, merged = known.get(one, one), known.get(other, other)
        known |= {form: kept for form in (other, merged, *(form for form, to in known.items() if to == merged)) if form != kept}
    return known

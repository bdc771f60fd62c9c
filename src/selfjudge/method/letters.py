"""A verdict in one token: the letter behind the beginning of a verdict line, after a reply or in place of one.

The letter is whichever of A and B has more probability where the engine gives log-probabilities, otherwise the token itself;
anything else is no verdict. It is never a part of the reply: whoever stores it says that it was asked for.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace

from ..chat import ASSISTANT, Completion, Message, Request
from ..types import Finish, Problem, Verdict
from .thinking import end_of_thinking
from .verdicts import LETTERS

_LINE = re.compile(r"(?:[^\W\d_]+: ?)?\[\[(?=A\]\])")
_LETTER = re.compile(r"\s*\[*\s*([AB])\s*\]*\s*")
_RIVALS = 1_000
"""Log-probabilities asked for: the letters may be unlikely, and their ratio counts. Servers give 20."""


def opening(template: str) -> str:
    """How a verdict line begins by the judge's prompt, `Verdict: [[` or `[[`; empty where the prompt shows none."""
    found = _LINE.search(template)
    return found[0] if found else ""


def letter_request(request: Request, reply: str, template: str) -> Request:
    """The request for the letter after `reply`, which may be empty: one token, greedy."""
    begun, thought = opening(template), reply.rstrip() + end_of_thinking(reply)
    text = "\n\n".join(part for part in (thought, begun) if part)
    turn = (Message(role=ASSISTANT, content=(text,)),) if text else ()
    sampling = replace(request.sampling, temperature=0.0, top_p=1.0, top_k=0, max_tokens=1, logprobs=_RIVALS)
    return replace(request, messages=request.messages + turn, sampling=sampling)


def read_letter(completion: Completion) -> tuple[Verdict | Problem, float | None]:
    """The verdict of one token, or why there is none, and P(FIRST) against P(SECOND) where the engine gave log-probabilities."""
    if completion.finish is Finish.ERROR:
        return Problem.ENGINE_FAILURE, None
    mass = dict.fromkeys(LETTERS, 0.0)
    rivals = completion.tokens[0].logprobs if completion.tokens else ((completion.text, 0.0),)
    for text, logprob in rivals:
        if found := _LETTER.fullmatch(text):
            mass[found[1]] += math.exp(logprob)
    total = sum(mass.values())
    if not total or mass["A"] == mass["B"]:
        return Problem.NO_VERDICT, None
    return LETTERS[max(mass, key=mass.__getitem__)], mass["A"] / total if completion.tokens else None

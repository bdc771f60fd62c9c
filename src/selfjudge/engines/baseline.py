"""Judges that look at nothing: the first response, the longer one, or a coin. What a real judge has to beat."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator

from ..chat import Completion, Request
from ..types import Finish

_ASKED = re.compile(r"<first>(.*)</first>\n<second>(.*)</second>", re.DOTALL)


class Baseline:
    """Answers in every verdict line by its rule, `first`, `longer` or `random`; responses of one length are a coin to `longer`.

    It is asked in the words of `wiring.BASELINES`.
    """

    block = 1

    def __init__(self, rule: str) -> None:
        self._rule = rule

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        for request in requests:
            letter, number = ("A", 1) if self._prefers_first(request) else ("B", 2)
            text = f"Overall Judgment: Answer {number} is better.\nResponse {number} is better.\n[[{letter}]]"
            yield Completion(key=request.key, text=text, finish=Finish.STOP, prompt_tokens=0, completion_tokens=1)

    def close(self) -> None:
        """Nothing to free."""

    def _prefers_first(self, request: Request) -> bool:
        coin = random.Random(request.seed).random() < 0.5
        if self._rule == "random":
            return coin
        if self._rule == "first":
            return True
        asked = "".join(block for block in request.messages[-1].content if isinstance(block, str))
        found = _ASKED.search(asked)
        lengths = [len(text) for text in found.groups()] if found else [0, 0]
        return coin if lengths[0] == lengths[1] else lengths[0] > lengths[1]

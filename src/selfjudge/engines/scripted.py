"""An engine without a model: replies by rules, drawn by the request's seed. For tests and for trying out a recipe."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterable, Iterator

from ..chat import Completion, Request
from ..recipe.engines import ScriptedSettings
from ..types import Finish


class ScriptedEngine:
    """The first rule whose `when` is found in the last message's text answers; a request that none fits fails.

    Its tokens are words.
    """

    block = 1

    def __init__(self, recipe: ScriptedSettings) -> None:
        self._rules = [(re.compile(rule.when, re.DOTALL), rule.replies) for rule in recipe.rules]
        self._seconds = recipe.seconds_per_request

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        for request in requests:
            if self._seconds:
                time.sleep(self._seconds)
            yield self._answer(request)

    def close(self) -> None:
        """Nothing to free."""

    def _answer(self, request: Request) -> Completion:
        asked = "\n".join(block for block in request.messages[-1].content if isinstance(block, str))
        size = len(asked.split())
        for pattern, replies in self._rules:
            if (found := pattern.search(asked)) is not None:
                reply = random.Random(request.seed).choice(replies)
                text = found.expand(reply) if "\\" in reply else reply
                words, most = text.split(), request.sampling.max_tokens
                return Completion(
                    key=request.key,
                    text=text if len(words) <= most else " ".join(words[:most]),
                    finish=Finish.STOP if len(words) <= most else Finish.LENGTH,
                    prompt_tokens=size,
                    completion_tokens=min(len(words), most),
                )
        return Completion.failed(request.key, "no rule of the script fits", prompt_tokens=size)

"""An engine without a model: replies by rules, drawn by the request's seed. For tests and for trying out a recipe."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from ..chat import Completion, Message, Request
from ..recipe.engines import ScriptedSettings
from ..types import Finish


class ScriptedEngine:
    """The first rule whose `when` is found in the last message's text answers; a request that none fits fails.

    Its tokens are words.
    """

    block = 1
    continues = True
    """A rule is then searched in the reply so far."""

    def __init__(self, recipe: ScriptedSettings) -> None:
        self._rules = [(re.compile(rule.when, re.DOTALL), rule.replies) for rule in recipe.rules]
        self._seconds = recipe.seconds_per_request
        self._found = lru_cache(256)(self._find)
        """What fits a message, once for all of its samples."""

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        for request in requests:
            if self._seconds:
                time.sleep(self._seconds)
            yield self._answer(request)

    def close(self) -> None:
        """Nothing to free."""

    def _answer(self, request: Request) -> Completion:
        size, found, replies = self._found(request.messages[-1])
        if found is None:
            return Completion.failed(request.key, "no rule of the script fits", prompt_tokens=size)
        reply = replies[request.seed % len(replies)]
        text = found.expand(reply) if "\\" in reply else reply
        words, most = text.split(), request.sampling.max_tokens
        return Completion(
            key=request.key,
            text=text if len(words) <= most else " ".join(words[:most]),
            finish=Finish.STOP if len(words) <= most else Finish.LENGTH,
            prompt_tokens=size,
            completion_tokens=min(len(words), most),
        )

    def _find(self, message: Message) -> tuple[int, re.Match[str] | None, Sequence[str]]:
        """The words of a message, and the first rule that fits it: what it found, and its replies."""
        asked = "\n".join(block for block in message.content if isinstance(block, str))
        fitting = ((found, replies) for pattern, replies in self._rules if (found := pattern.search(asked)) is not None)
        return (len(asked.split()), *next(fitting, (None, ())))

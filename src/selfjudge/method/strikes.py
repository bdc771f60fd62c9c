"""What failures in a row say about an engine: one rule for all of them, kept where their completions are taken.

A request that was `refused` is at fault itself. Any other failure may be the engine's: it is held back until a request succeeds,
and if none does, the engine is broken. What failed so is no row: a resumed stage asks it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from ..chat import Completion, Request
from ..errors import EngineError
from ..types import Finish

_HOPELESS = 8
"""Failures in a row, of requests with different messages: the samples of one odd prompt say nothing about the engine."""
_REFUSED = 64
"""Requests refused or failed from the start, with not one success: something about all of them is wrong."""


def unbroken(
    completions: Iterable[Completion],
    asked: Mapping[str, Request],
    *,
    name: str,
    answered: bool = False,
    alive: Callable[[], bool] = lambda: False,
) -> Iterator[Completion]:
    """The completions of the requests that `asked` has by key, as long as the engine called `name` works. Raises EngineError.

    `answered` says that the engine has answered before, and `alive` looks whether it still does, where that can be known: if all
    that is left to ask are odd requests, they fail in a row too.
    """
    held: list[Completion] = []
    for completion in completions:
        if completion.finish is not Finish.ERROR:
            answered = True
            yield from held
            held.clear()
            yield completion
        elif completion.refused and answered:
            yield completion
        else:
            held.append(completion)
            suspects = [failed for failed in held if not failed.refused]
            if len({asked[failed.key].messages for failed in suspects}) >= _HOPELESS:
                if not alive():
                    raise _broken(name, suspects)
                yield from held
                held.clear()
            if not answered and len(held) >= _REFUSED:
                raise _broken(name, held)
    if not answered and not all(failed.refused for failed in held):
        raise _broken(name, held)
    yield from held


def _broken(name: str, failed: list[Completion]) -> EngineError:
    return EngineError(
        f"{name} does not answer: {len(failed)} requests failed and none succeeded, the last one with: {failed[-1].error}",
        hint="Nothing of this was stored. Once the cause is gone (the log of a server, or `nvidia-smi`, may name it), "
        "the same command asks again.",
    )

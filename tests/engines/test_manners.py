"""A hostile server in about 190 ways: rows or errors in words, bounded memory, no control characters, and the key nowhere."""

from __future__ import annotations

import logging
import os
import resource
import time
from typing import Any

import pytest

from engines.asking import WARM, numbered, opened, request
from engines.manners import MANNERS
from engines.serving import Asked, Server, serving
from selfjudge.chat import Completion
from selfjudge.engines import endpoint
from selfjudge.errors import EngineError
from selfjudge.types import Finish

KEY = "sk-test-a-key-nobody-may-see"
AMONG_OTHERS = {(kind, name): answer for kind in ("refused", "row", "good") for name, answer in MANNERS[kind].items()}


@pytest.fixture(scope="module")
def met() -> tuple[dict[str, Completion], Server, str, int]:
    """All manners in one call, among good replies: completions, server, what was logged, and growth of memory (KiB)."""
    patch, logged, before = pytest.MonkeyPatch(), [], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    patch.setenv("OPENAI_API_KEY", KEY)
    patch.setattr(endpoint, "_LONGEST_REPLY", 2**20)
    patch.setattr(logging.getLogger("selfjudge"), "disabled", False)
    handler = logging.Handler()
    handler.emit = lambda record: logged.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("selfjudge").addHandler(handler)

    def rule(asked: Asked) -> Any:
        kind, _, name = asked.text.partition(": ")
        return AMONG_OTHERS.get((kind, name), "fine")

    asked = [request(f"{kind}: {name}", sampling=WARM) for kind, name in AMONG_OTHERS]
    with serving(rule) as server:
        engine = opened(server.url, retries=1, timeout_seconds=1.5, concurrency=32)
        done = {completion.key: completion for completion in engine.generate([*numbered(5), *asked, *numbered(5)])}
        engine.close()
    logging.getLogger("selfjudge").removeHandler(handler)
    patch.undo()
    return done, server, "".join(logged), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before


@pytest.mark.parametrize("name", MANNERS["good"])
def test_an_odd_reply_is_used(met: Any, name: str):
    done = met[0][f"good: {name}"]
    assert (done.text, done.finish, done.error, done.tokens) == ("ok", Finish.STOP, None, None)
    assert type(done.prompt_tokens) is type(done.completion_tokens) is int


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in ("row", "refused") for name in MANNERS[kind]])
def test_what_cannot_be_used_is_a_row_with_a_reason(met: Any, kind: str, name: str):
    done, server = met[0][f"{kind}: {name}"], met[1]
    assert done.finish is Finish.ERROR and done.error and done.error.isprintable() and len(done.error) <= 500
    assert done.refused is (kind == "refused")
    assert server.texts.count(done.key) == 1 or kind == "row"


def test_the_others_are_answered_memory_is_bounded_and_the_key_was_sent_but_is_nowhere(met: Any):
    done, server, logged, grown = met
    assert all(done[str(number)].text == "fine" for number in range(5))
    assert {asked.headers["Authorization"] for asked in server.asked} == {f"Bearer {KEY}"}
    assert KEY not in f"{done}{logged}" and grown < 200 * 1024


@pytest.mark.parametrize("name", MANNERS["error"])
def test_what_meets_all_requests_is_an_error_in_words(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with serving(lambda asked: MANNERS["error"][name]) as server:
        engine, started = opened(server.url), time.monotonic()
        with pytest.raises(EngineError) as error:
            list(engine.generate(numbered(20)))
        engine.close()
    shown = f"{error.value} {error.value.hint}"
    assert server.url in shown and error.value.hint and shown.isprintable() and KEY not in shown
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("name", MANNERS["waited for"])
def test_a_time_that_is_none_is_no_time_to_wait(name: str):
    with serving(lambda asked: MANNERS["waited for"][name] if asked.number == 0 else "fine") as server:
        engine, started = opened(server.url), time.monotonic()
        assert all(done.finish is Finish.STOP for done in engine.generate(numbered(5)))
        engine.close()
    assert time.monotonic() - started < 5


def test_the_table_is_large_and_no_manner_stands_in_it_twice():
    assert sum(map(len, MANNERS.values())) >= 150 and os.environ.get("OPENAI_API_KEY") is None

"""Which requests share what, and the tokens of prompts that begin alike."""

from __future__ import annotations

import pytest
from transformers import Gemma3TextConfig, LlamaConfig

from selfjudge.chat import Block, Message, Request, Sampling
from selfjudge.engines.prefix import CannotShareError, Sharing, only_full_attention, sharing, token_rows
from selfjudge.types import ImageRef

ONE, TWO = (ImageRef(sha256=name * 64, media_type="image/png", width=8, height=8) for name in "ab")


def ask(*turns: tuple[Block, ...]) -> Request:
    messages = tuple(Message(role="user", content=content) for content in turns)
    return Request(key="k", messages=messages, sampling=Sampling(temperature=0, max_tokens=1), seed=0)


@pytest.mark.parametrize(
    ("requests", "prompt_of", "leader_of"),
    [
        ([ask((ONE, "a")), ask((ONE, "a"))], [0, 0], [0]),
        ([ask((ONE, "a")), ask((ONE, "b")), ask((ONE, "a"))], [0, 1, 0], [0, 0]),
        ([ask((ONE, "a")), ask((TWO, "a"))], [0, 1], [0, 1]),
        ([ask((ONE, "a", TWO)), ask((ONE, "b", TWO))], [0, 1], [0, 1]),
        ([ask((ONE, TWO, "a")), ask((TWO, ONE, "a")), ask((ONE, TWO, "b"))], [0, 1, 2], [0, 1, 0]),
        ([ask(("a",)), ask(("b",)), ask(("a",))], [0, 1, 0], [0, 1]),
        ([ask((ONE, "a"), ("b",)), ask((ONE, "a"), ("c",)), ask((ONE, "d"), ("c",))], [0, 1, 2], [0, 0, 0]),
    ],
)
def test_prompts_share_what_they_begin_with_up_to_the_last_image(
    requests: list[Request], prompt_of: list[int], leader_of: list[int]
):
    found = sharing(requests, beginnings=True)
    assert (found.prompt_of, found.leader_of) == (prompt_of, leader_of)


def test_without_beginnings_only_whole_prompts_are_shared():
    found = sharing([ask((ONE, "a")), ask((ONE, "b")), ask((ONE, "a"))], beginnings=False)
    assert (found.prompt_of, found.leader_of, found.leaders) == ([0, 1, 0], [0, 1], [0, 1])


BOTH = Sharing(prompts=[(), ()], prompt_of=[0, 1], leaders=[0], leader_of=[0, 0])


def test_a_prompt_has_the_images_of_its_leader_and_a_text_of_its_own():
    assert token_rows(BOTH, raw=[[1, 9, 2, 3], [1, 9, 4]], encoded=[[1, 8, 9, 9, 9, 8, 2, 3]])[1] == [1, 8, 9, 9, 9, 8, 4]


@pytest.mark.parametrize(
    ("raw", "encoded"),
    [([[1, 9, 2], [5, 9, 4]], [1, 9, 9, 2]), ([[1, 9, 2], [1, 9, 4]], [1, 9, 9, 2, 7])],
    ids=["another beginning", "something behind"],
)
def test_tokens_that_do_not_show_what_is_shared_are_not_guessed(raw: list[list[int]], encoded: list[int]):
    with pytest.raises(CannotShareError):
        token_rows(BOTH, raw=raw, encoded=[encoded])


def test_layers_that_see_a_window_of_tokens_are_told_from_those_that_see_all():
    assert only_full_attention(LlamaConfig()) and not only_full_attention(Gemma3TextConfig())

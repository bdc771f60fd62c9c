"""What a model thought is no part of what it says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfjudge.method.thinking import spoken


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Red.", "Red."),
        ("<think>blue?</think>\n\nRed.", "Red."),
        ("blue?</think>Red.", "Red."),
        ("<think>a</think><think>b</think>Red.", "Red."),
        ("<think>blue?", ""),
        ("Red.<think>or blue?", "Red."),
        ("[THINK]blue?[/THINK]Red.", "Red."),
        ("◁think▷blue?◁/think▷Red.", "Red."),
        ("<|channel|>analysis<|message|>blue?<|channel|>final<|message|>Red.", "Red."),
        ("I think it is <b>red</b>.", "I think it is <b>red</b>."),
    ],
)
def test_what_follows_the_last_thought_is_said(text: str, said: str):
    assert spoken(text) == said


@given(st.text())
def test_thinking_twice_is_thinking_once(text: str):
    assert spoken(spoken(text)) == spoken(text)

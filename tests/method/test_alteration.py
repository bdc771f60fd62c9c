"""Useless responses have a reason, edits are located word by word, and only what a response offers is asked for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfjudge.method.alteration import INSTRUCTIONS, Mode, default_templates, flaw, locate, offered, words
from selfjudge.types import Edit, Finish


@pytest.mark.parametrize(
    ("text", "finish", "reason"),
    [
        ("A red ball.", Finish.STOP, None),
        ("", Finish.STOP, "empty"),
        ("  \n", Finish.STOP, "empty"),
        ("<think>A red ball?", Finish.STOP, "empty"),
        ("A red", Finish.LENGTH, "cut_off"),
        ("", Finish.ERROR, "failed"),
        ("I'm sorry, but I can't see images.", Finish.STOP, "refused"),
        ("As an AI model, I", Finish.STOP, "refused"),
        ("I cannot help with that.", Finish.STOP, "refused"),
        ("Sorry-looking dogs sit in the rain.", Finish.STOP, None),
        ("Sorry, no.", Finish.STOP, "refused"),
    ],
)
def test_a_useless_response_has_a_reason(text: str, finish: Finish, reason: str | None):
    assert flaw(text, finish) == reason


@pytest.mark.parametrize(
    ("before", "after", "edits"),
    [
        ("a red ball", "a blue ball", (Edit(before="red", after="blue"),)),
        ("top-left red 7", "top-right red 7", (Edit(before="top-left", after="top-right"),)),
        (
            "two dogs, one cat",
            "three dogs, no cat",
            (Edit(before="two", after="three"), Edit(before="one", after="no")),
        ),
        ("a ball", "a big ball", (Edit(before="", after="big"),)),
        ("a big ball", "a ball", (Edit(before="big", after=""),)),
        ("a ball.", "a ball!", (Edit(before=".", after="!"),)),
        ("same", "same", ()),
        ("有一只猫。", "有两只猫。", (Edit(before="一", after="两"),)),
    ],
)
def test_edits_are_located_by_whole_words(before: str, after: str, edits: tuple[Edit, ...]):
    assert locate(before, after) == edits


@given(st.text(), st.text())
def test_texts_with_other_words_have_an_edit_and_texts_with_the_same_have_none(before: str, after: str):
    assert bool(locate(before, after)) == (words(before) != words(after))


def test_differences_in_texts_too_long_to_align_are_one_edit():
    before, after = "a b " * 2_000, "b b a " * 2_000
    assert len(locate(before, after)) == 1


@pytest.mark.parametrize("mode", ["replace", "rewrite"])
def test_every_default_template_shows_the_image_the_request_and_the_response(mode: Mode):
    for template in default_templates(mode).values():
        assert {"{images}", "{question}", "{response}"} <= set(template.split())


@pytest.mark.parametrize(
    ("response", "names"),
    [
        ("It is a heron.", ["identity"]),
        ("A heron is above the two ducks.", ["count", "identity", "position"]),
        ('A red sign says "Open".', ["attribute", "identity", "text"]),
        ("The man is reading.", ["action", "identity"]),
        ("桌上有猫", sorted(INSTRUCTIONS)),
    ],
)
def test_only_what_a_response_offers_is_asked_for(response: str, names: list[str]):
    assert offered(response, INSTRUCTIONS) == names


def test_instructions_of_ones_own_are_always_asked_for():
    assert offered("It is a heron.", ["mine", "count"]) == ["mine"]


def test_what_is_too_long_to_compare_word_by_word_is_one_edit():
    long = "a very long text " * 2_000
    assert locate(long, long) == ()
    assert locate(f"{long}\n here", f"{long}there") == (Edit(before=f"{long}here", after=f"{long}there"),)

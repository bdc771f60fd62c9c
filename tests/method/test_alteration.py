"""An altered copy is checked for what makes it useless, and its edits are located word by word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfjudge.method.alteration import copy_flaw, default_templates, flaw, locate, words
from selfjudge.types import Edit, Finish


@pytest.mark.parametrize(
    ("text", "finish", "reason"),
    [
        ("A red ball.", Finish.STOP, None),
        ("", Finish.STOP, "empty"),
        ("  \n", Finish.STOP, "empty"),
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
    ("altered", "reason"),
    [
        ("A blue ball.", None),
        ("A red ball.", "unchanged"),
        (" A red ball. ", "unchanged"),
        ("a  RED ball .", "only_spacing_or_case"),
        ("", "altered_empty"),
        ("I'm sorry, I can't do that.", "altered_refused"),
    ],
)
def test_a_useless_copy_has_a_reason(altered: str, reason: str | None):
    assert copy_flaw("A red ball.", altered, Finish.STOP) == reason


def test_a_copy_that_was_cut_off_is_not_used():
    assert copy_flaw("A red ball.", "A blue", Finish.LENGTH) == "altered_cut_off"


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
    ],
)
def test_edits_are_located_by_whole_words(before: str, after: str, edits: tuple[Edit, ...]):
    assert locate(before, after) == edits


@given(st.text(), st.text())
def test_texts_with_other_words_have_an_edit_and_texts_with_the_same_have_none(before: str, after: str):
    assert bool(locate(before, after)) == (words(before) != words(after))


def test_every_default_template_shows_the_image_the_request_and_the_response():
    for template in default_templates().values():
        assert {"{images}", "{question}", "{response}"} <= set(template.split())

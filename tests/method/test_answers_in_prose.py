"""Answers in prose, with numbers, units and options in them, have the form of what they say."""

import pytest

from selfjudge.method.answers import normalise


@pytest.mark.parametrize(
    ("question", "answer", "form"),
    [
        ("How much does it cost?", "€1.250,50", "1250.5 EUR"),
        ("How long is it?", "2 1/2 m", "2.5 meter"),
        ("How many people live there?", "two million three hundred thousand", "2300000"),
        ("有多少人？", "二百零五", "205"),
        ("有多少人？", "十二个", "12"),
        ("有多少人？", "三万", "30000"),
        ("Is the cat bigger than the dog?", "The cat is big.", "big"),
        ("Is it there?", "There it is", "there it is"),
        ("Is the door open?\nA. yes\nB. no\nC. maybe", "It cannot be determined from the image.", "cannot tell"),
        ("What colour is the boat on the lake?", "Some hills lie far behind. The boat on the lake is green.", "green"),
    ],
)
def test_an_answer_in_prose_has_the_form_of_what_it_says(question: str, answer: str, form: str):
    assert normalise(answer, question) == form


def test_a_word_that_only_begins_like_a_denial_affirms():
    assert normalise("没错。", "门开着吗？") == normalise("是的", "门开着吗？") == "yes"


def test_an_option_of_signs_alone_is_chosen_by_its_letter():
    question = "Which sign stands on the board?\nA. +\nB. -\nC. a cross"
    assert normalise("the cross", question) == "C" and normalise("(A)", question) == "A" and normalise("plus", question) == "plus"


def test_digits_in_groups_count_with_the_scale_behind_them():
    assert normalise("1 250 thousand people", "How many people live there?") == "1250000"


def test_a_long_answer_is_not_the_text_of_an_option():
    question = "What is on the plate?\nA. an apple\nB. a pear\nC. both"
    assert normalise(f"There is {'a pear of many colours and ' * 12}no more", question) == "B"

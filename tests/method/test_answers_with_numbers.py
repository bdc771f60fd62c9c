"""Numbers, formulas and options: what is the same one has one form, and nothing that looks like one raises."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfjudge.method.voting import normalise

SAME = [
    ("What share of pupils walk?", "10-15%", "between 10 and 15 percent"),
    ("What share of pupils walk?", "over 20 %", "> 0.2"),
    ("How many geese are there?", "more than 20", "> 20"),
    ("Find the length of AB.", "$2\\sqrt3$", "$2\\sqrt{3}$"),
    ("Find the length of AB.", "$3\\frac{1}{2}$", "3.5"),
    ("What is the value of x?", "It is 5!", "5"),
    ("Which?\nA. cat\nB. dog\nC. cow", "Both A and C", "A, C"),
    ("Which?\nA. cat\nB. dog\nC. cow", "A and C are correct.", "C, A"),
    ("Find the length of AB.", "5m", "5 metres"),
    ("How many geese are there?", "There are at least 4 geese.", "≥4"),
]
DIFFERENT = [
    ("Find the length of AB.", "$2\\sqrt3$", "2"),
    ("Find the length of AB.", "$2\\sqrt3$", "$2\\sqrt5$"),
    ("Find the length of AB.", "$\\sqrt2$", "$2$"),
    ("Compute the derivative.", "$3x^2$", "$3x$"),
    ("Compute the derivative.", "x^3", "3"),
    ("Which?\nA. cat\nB. dog\nC. cow", "It is not B.", "B"),
    ("Which?\nA. cat\nB. dog\nC. cow", "B is incorrect", "B"),
    ("Which?\nA. cat\nB. dog\nC. cow", "Not A", "A"),
    ("Which?\nA. cat\nB. dog\nC. cow", "Neither A nor B", "B"),
    ("Which?\nA. cat\nB. dog\nC. cow", "Either A or B", "B"),
    ("Which?\nA. cat\nB. dog\nC. cow", "A or C", "A, C"),
    ("Which?\nA. cat\nB. dog\nC. cow", "A, C", "A"),
    ("What is the value of x?", "$2^{10}$", "10"),
    ("What is the value of x?", "$\\sin 30$", "$\\cos 30$"),
    ("What is the value of x?", "x \\neq 5", "5"),
]


@pytest.mark.parametrize(("question", "one", "other"), SAME)
def test_one_number_or_choice_has_one_form(question: str, one: str, other: str):
    assert normalise(one, question) == normalise(other, question) is not None


@pytest.mark.parametrize(("question", "one", "other"), DIFFERENT)
def test_other_numbers_and_choices_have_other_forms(question: str, one: str, other: str):
    form = normalise(one, question)
    assert form is None or form != normalise(other, question)


ASKED = ["What share is red?", "How many?", "How much is it?", "What time is it?", "How tall in metres?", "When was it?", ""]
PIECES = [
    "",
    "about ",
    "> ",
    "between ",
    "$",
    "3",
    "0",
    "1.5",
    "1,000",
    "1/2",
    "½",
    "three",
    "10-15",
    "5e3",
    "-4",
    "2020",
    "1:30",
]
UNITS = ["", "%", " percent", " cm", " feet 3 inches", " pm", " May", " dollars", " and ", " to ", "-", "/", ". "]


@settings(deadline=None, max_examples=400)
@given(st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from(UNITS)), max_size=4), st.sampled_from(ASKED))
def test_what_looks_like_numbers_and_units_has_a_form_or_none(pieces: list[tuple[str, str]], question: str):
    form = normalise("".join(map("".join, pieces)), question)
    assert form is None or form.strip()


@pytest.mark.parametrize("text", ["1 billion" + " billion" * 600, "100" + " k" * 2_000, "five" + " trillion" * 500])
def test_a_number_that_repeats_its_scale_for_ever_has_a_form_or_none(text: str):
    form = normalise(text, "How many are there?")
    assert form is None or form.strip()

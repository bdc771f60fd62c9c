"""Open or closed is decided by the wording, and the rule that decided is named."""

import pytest

from selfjudge.method.kinds import is_count, options, route
from selfjudge.types import Kind


@pytest.mark.parametrize(
    ("instruction", "kind", "rule"),
    [
        ("Describe the image in detail.", Kind.OPEN, "open"),
        ("Why is the man smiling?", Kind.OPEN, "open"),
        ("Write a short story about this picture.", Kind.OPEN, "open"),
        ("What do you see?", Kind.OPEN, "open"),
        ("What is the man doing? Explain your answer in detail.", Kind.OPEN, "open"),
        ("What is the brand?\nAnswer the question using a single word or phrase.", Kind.CLOSED, "short_answer"),
        ("Answer with the option's letter from the given choices directly.", Kind.CLOSED, "short_answer"),
        ("Which animal is this?\nA. cat\nB. dog", Kind.CLOSED, "options"),
        ("Is the light on?", Kind.CLOSED, "yes_no"),
        ("How many people are there?", Kind.CLOSED, "count"),
        ("What color is the car?", Kind.CLOSED, "short_question"),
        ("Where is the cat?", Kind.CLOSED, "short_question"),
        ("Where " + "very " * 80 + "is the cat?", Kind.OPEN, "open"),
    ],
)
def test_an_instruction_is_routed_by_its_wording(instruction: str, kind: Kind, rule: str):
    assert route(instruction) == (kind, rule)


def test_options_are_a_list_that_starts_with_a_and_b():
    assert options("Pick:\n(A) red\n(B) blue\nC: green") == {"A": "red", "B": "blue", "C": "green"}
    assert options("A. is a letter") == {}


def test_a_count_asks_how_many():
    assert is_count("How many cats?") and is_count("What is the number of cats?")
    assert not is_count("What color?")


def test_of_a_long_instruction_the_beginning_and_the_end_decide():
    assert route(f"Describe the image. {'Some words of the context. ' * 400}")[0] is Kind.OPEN
    assert route(f"{'Some words of the context. ' * 400}\nWhich animal is this?\nA. cat\nB. dog") == (Kind.CLOSED, "options")

"""What rules cannot compare is asked of the model once, read strictly, and merged towards the form with more votes."""

import pytest

from selfjudge.method.equivalence import MOST_PAIRS, doubtful, representatives, same

DOOR = "What is the state of the door?"


def test_only_pairs_with_a_phrase_are_doubtful_most_voted_first_each_with_its_shortest_sample():
    samples = ["It is wide open.", "ajar", "ajar", "The door is ajar.", "wide open", "3", "4"]
    assert doubtful(samples, DOOR) == {
        ("ajar", "wide open"): ("ajar", "wide open"),
        ("ajar", "3"): ("ajar", "3"),
        ("ajar", "4"): ("ajar", "4"),
        ("wide open", "3"): ("wide open", "3"),
        ("wide open", "4"): ("wide open", "4"),
    }


def test_letters_numbers_and_yes_or_no_are_told_apart_without_a_model():
    assert doubtful(["A", "B", "C"], "Which?\nA. one\nB. two\nC. three") == {}
    assert doubtful(["3", "four", "5 m"], "How long is it?") == {}
    assert doubtful(["yes", "No."], "Is it open?") == {}


def test_no_prompt_has_more_comparisons_than_stated():
    samples = [f"a {colour} door" for colour in ("red", "blue", "green", "white", "black", "grey", "pink")]
    assert len(doubtful(samples, DOOR)) == MOST_PAIRS


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ("Yes", True),
        ("**No.**", False),
        ("<think>no, or yes?</think>\nyes", True),
        ("Yes, they do.", None),
        ("", None),
        ("Maybe", None),
    ],
)
def test_only_a_bare_yes_or_no_counts(reply: str, said: bool | None):
    assert same(reply) is said


def test_forms_are_merged_towards_the_most_voted_one_also_over_a_third():
    assert representatives([("a", "b"), ("b", "c")]) == {"b": "a", "c": "a"}
    assert representatives([("b", "c"), ("a", "b")]) == {"b": "a", "c": "a"}
    assert representatives([]) == {}

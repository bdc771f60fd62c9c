"""What people met elsewhere (docs/field_reports.md): every case has a test that exists, and the cases of text are tried here."""

from __future__ import annotations

import re
from itertools import combinations

import pytest

from runs import ROOT
from selfjudge.method import alteration, copies, kinds, selection, verdicts, voting
from selfjudge.types import Alteration, Finish, Kind, PreferencePair, Prompt, Verdict

PAGE = (ROOT / "docs/field_reports.md").read_text()
CASES = (1, 2, 3, 5, 7, *range(9, 25), 26, 28, 30, 32, 33, 34, 36, 38, 39, 41)
ROWS = dict(re.findall(r"^\| (\d+) \| .* \| (.*) \|$", PAGE, re.MULTILINE))


def test_every_case_has_a_row():
    assert list(map(int, ROWS)) == list(CASES)


@pytest.mark.parametrize("number", CASES)
def test_what_a_row_names_exists(number: int):
    shown = ROWS[str(number)]
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", shown)
    assert named or shown.startswith("not done: ")
    for path, name in named:
        source = (ROOT / path).read_text()
        assert not name or re.search(rf"^def {name}\(", source, re.MULTILINE), name


COUNT = "How many boats are there?"


@pytest.mark.parametrize(
    ("instruction", "ballots"),
    [
        (
            COUNT,
            [["twenty one", "21"], ["20", "twenty"], ["thirty two"], ["one hundred", "100"], ["two hundred and five", "205"]],
        ),
        (COUNT, [["There are no boats.", "0", "no boats"], ["1"]]),
        ("Which mountain is this?", [["Mt. Fuji"], ["Mt. Everest"], ["K2"]]),
        ("Which city is this?", [["St. Louis"], ["St. Paul"]]),
        ("Which figure is meant?", [["Fig. 2"], ["Fig. 3"]]),
        ("Who is it?", [["J. K. Rowling"], ["J. R. Tolkien"]]),
        ("Which drink is it?", [["Dr. Pepper"], ["Dr. Brown"]]),
        ("What is the organism?", [["E. coli"], ["E"]]),
        (
            "Which?\nA. the cat\nB. the dog\nC. the bird",
            [
                [
                    "B",
                    "B because it barks",
                    "B - the dog",
                    "B, the dog",
                    "B (the dog)",
                    "B the dog",
                    "B is correct",
                    r"\boxed{B}",
                ],
                ["A"],
            ],
        ),
        ("Which? (A) cat (B) dog (C) bird", [["B", "Answer: $B", "Option B - dog", "b)"], ["A"]]),
        ("How many?", [["The answer is 4. Let me know if my answer was useful.", "4"], ["5"]]),
        ("What shall I do?", [["Answer the phone"], ["Answer me"]]),
        ("How long is it?", [["3,5", "3.5"], ["35"]]),
        ("Which serial number?", [["12345678901234567891"], ["12345678901234567892"]]),
        ("Which postcode?", [["02134"], ["2134"]]),
        ("What number?", [["\u22125", "-5"], ["5"], [".5", "0.5", "\u00bd", "1/2"]]),
        ("What share?", [["50 %", "50%"], ["5%"]]),
        ("What does it cost?", [["$5"], ["\u20ac5"]]),
        ("\u6709\u51e0\u53ea\u72d7\uff1f", [["\u4e09", "3"], ["4"]]),
        (COUNT, [["<think>maybe 4?</think>3", "<think>or 5</think>3", "3"], ["<think>3?</think>4"]]),
    ],
)
def test_answers_vote_as_their_reader_counts_them(instruction: str, ballots: list[list[str]]):
    forms = [{voting.normalise(text, instruction) for text in same} for same in ballots]
    assert all(len(form) == 1 and None not in form for form in forms), forms
    assert all(one != other for one, other in combinations(forms, 2)), forms


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        ("<think>probably [[A]]</think>Both are equally good.", None),
        ("Well [[A]]</think>", None),
        ("[[A]] is better than [[B]]", None),
        ("[[A]] > [[B]]", None),
        ("[[A]] if response A is better, [[B]] if response B is better", None),
        ("First I thought [[A]].\nFinal: [[Response B]]", None),
        (r"So: \[\[A\]\]", Verdict.FIRST),
        ("So: [[**A**]]", Verdict.FIRST),
        ("So: \uff3b\uff3bA\uff3d\uff3d", Verdict.FIRST),
    ],
)
def test_a_verdict_is_the_last_anchor_and_nothing_else(reply: str, verdict: Verdict | None):
    found = verdicts.parse(reply, Finish.STOP)
    assert (found if isinstance(found, Verdict) else None) == verdict or (
        verdict is Verdict.SECOND and not isinstance(found, Verdict)
    )


ORIGINAL = "A red boat lies on the sand. A gull sits on the bow, and two oars lie beside it."
COPY = ORIGINAL.replace("red", "blue")


@pytest.mark.parametrize(
    "reply",
    [
        f"Here is the response with one factual error:\n\n{COPY}",
        f"{COPY}\n\n(I changed red to blue.)",
        f"```\n{COPY}\n```",
        f'"{COPY}"',
        f"[Response begins]\n{COPY}\n[Response ends]",
    ],
)
def test_what_stands_around_a_copy_is_taken_away(reply: str):
    made = copies.rewritten(ORIGINAL, reply, Finish.STOP)
    assert isinstance(made, str) or made.text.strip() == COPY


@pytest.mark.parametrize("change", [("sits on", "sits\u2009on"), ("sand.", "sand"), ("red boat", "**red** boat")])
def test_a_copy_without_a_changed_word_is_none(change: tuple[str, str]):
    assert isinstance(copies.rewritten(ORIGINAL, ORIGINAL.replace(*change), Finish.STOP), str)


@pytest.mark.parametrize(
    ("text", "refuses"),
    [
        ("Sorry, we're closed", False),
        ("I can't believe it's not butter!", False),
        ("Sorry but I can't assist", True),
        ("I\u2019m really sorry, but I can't", True),
        ("My apologies, but I cannot", True),
        ("There is no image provided.", True),
        ("\u62b1\u6b49\uff0c\u6211\u65e0\u6cd5\u5904\u7406\u8be5\u56fe\u7247\u3002", True),
    ],
)
def test_a_sign_that_says_sorry_is_an_answer_and_a_refusal_is_none(text: str, refuses: bool):
    assert (alteration.flaw(text, Finish.STOP) == "refused") == refuses


def test_evidence_is_found_in_a_script_without_spaces():
    chosen = "\u684c\u5b50\u4e0a\u6709\u4e00\u4e2a\u7ea2\u8272\u7684\u7403\u548c\u4e24\u672c\u4e66\u3002"
    rejected = chosen.replace("\u7ea2\u8272", "\u84dd\u8272")
    trace = "\u7ea2\u8272\u8fd8\u662f\u84dd\u8272\uff1f\u56fe\u4e2d\u662f\u7ea2\u8272\u3002[[A]]"
    prompt = Prompt(id="p", text="", images=(), kind=Kind.OPEN, kind_rule="case", source="case")
    known = Alteration(instruction="", edits=alteration.locate(chosen, rejected))
    pair = PreferencePair(id="x", prompt=prompt, chosen=chosen, rejected=rejected, evidence=known)
    assert selection.names(trace, pair) and not selection.names("\u5f88\u597d\u3002[[A]]", pair)


@pytest.mark.parametrize(
    ("instruction", "kind"),
    [
        ("How many dogs are there", Kind.CLOSED),
        ("What color is the car", Kind.CLOSED),
        ("\u56fe\u4e2d\u6709\u51e0\u53ea\u72d7\uff1f", Kind.CLOSED),
        ("\u00bfCu\u00e1ntos perros hay?", Kind.CLOSED),
        ("What is it?\n(A) a cat (B) a dog", Kind.CLOSED),
        ("Could you please list everything in this image?", Kind.OPEN),
        ("What are the risks in this scene?", Kind.OPEN),
        ("Continue the dialogue.\nA: Hi\nB: Hello", Kind.OPEN),
    ],
)
def test_instructions_are_routed_without_marks_and_in_other_languages(instruction: str, kind: Kind):
    assert kinds.route(instruction)[0] is kind

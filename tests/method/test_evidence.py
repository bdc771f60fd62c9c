"""A trace names what differs in its own words; what it says of the responses and of its verdict names nothing."""

from dataclasses import replace

import pytest

from selfjudge.method.alteration import locate
from selfjudge.method.evidence import agrees, names
from selfjudge.method.voting import normalise
from selfjudge.types import Alteration, Kind, PreferencePair, Prompt, Vote

TOOL = "Which instrument is the woman playing?\nA. harp\nB. viola\nC. banjo\nD. flute"


def pair_of(chosen: str, rejected: str, question: str = "") -> PreferencePair:
    prompt = Prompt(id="p", text=question, images=(), kind=Kind.OPEN, kind_rule="test", source="test")
    known: Alteration | Vote = Alteration(instruction="i", edits=locate(chosen, rejected))
    if question:
        majority, alternative = (normalise(answer, question) or "" for answer in (chosen, rejected))
        known = Vote(counts=((majority, 9), (alternative, 7)), majority=majority, alternative=alternative)
    return PreferencePair(id="pair", prompt=prompt, chosen=chosen, rejected=rejected, evidence=known)


@pytest.mark.parametrize(
    ("chosen", "rejected", "trace", "named"),
    [
        ("A red ball.", "A blue ball.", "Response A calls the ball red while B calls it Blue.", True),
        ("A red ball.", "A blue ball.", "A is wrong about the colour.", False),
        ("A red ball.", "A blue ball.", "A says red.", False),
        ("Two cups.", "Three cups.", "I see 2 cups, Response B claims three.", True),
        (
            "The door on the left is open.",
            "The door on the right is open.",
            "Response A is right, nothing is left to say.",
            False,
        ),
        ("The door on the left is open.", "The door on the right is open.", "Is the left door open or the right one?", True),
        ("A dog sleeps.", "A brown dog sleeps.", "Response B adds that the dog is brown.", True),
        ("She carries a basket.", "She drops a basket.", "In one she is carrying the basket, in the other dropping it.", True),
        ("The flag costs $9.", "The flag costs £9.", "Nine dollars or nine pounds? I see a dollar sign.", True),
        ("Une porte rouge.", "Une porte verte.", "L'une dit que la porte est rouge, l'autre qu'elle est verte.", True),
        ("桌上有三本书。", "桌上有五本书。", "一个说三本，另一个说五本。", True),
        ("same.", "same!", "anything", False),
        ("same", "same", "nothing", False),
    ],
)
def test_an_edit_is_named_by_the_words_that_differ(chosen: str, rejected: str, trace: str, named: bool):
    assert names(f"{trace}\n[[A]]", pair_of(chosen, rejected)) is named


@pytest.mark.parametrize(
    ("question", "chosen", "rejected", "trace", "named"),
    [
        ("How many geese?", "two", "3", "A says two, B says three. I count two.", True),
        ("How many geese?", "two", "3", "A says two.", False),
        ("How many geese?", "two", "3", "The two responses differ in three places.", False),
        ("How many geese?", "two", "3", "twofold, threefold", False),
        (TOOL, "A", "C", "Response A takes option A, Response B option C.", True),
        (TOOL, "A", "C", "Is it a harp or a banjo? It has many strings.", True),
        (TOOL, "C", "B", "It must be C. Response B does not convince me.", False),
        (TOOL, "C", "A", "I see what fits C, and a good reason for it.", False),
        ("Is the bakery closed?", "Yes", "No", "One says yes and the other no.", True),
        ("Is the bakery closed?", "Yes", "No", "There is no doubt. Yes, I looked.", False),
        ("Who painted it?", "Unknown", "Harlan", "Response B gives Harlan, A that it cannot be determined.", True),
    ],
)
def test_a_vote_is_named_by_both_answers(question: str, chosen: str, rejected: str, trace: str, named: bool):
    assert names(f"{trace}\n[[B]]", pair_of(chosen, rejected, question)) is named


@pytest.mark.parametrize(
    ("trace", "side"),
    [
        ("Response A says red, Response B blue. The ball in the image is red.", True),
        ("Response A says red, Response B blue. I see a blue ball.", False),
        ("Red or blue? There is no blue ball.", True),
        ("One says red, the other says blue.", None),
    ],
)
def test_the_last_sentence_about_the_image_says_with_which_side_it_agrees(trace: str, side: bool | None):
    assert agrees(f"{trace}\n[[A]]", pair_of("A red ball.", "A blue ball.")) is side


@pytest.mark.parametrize(
    ("trace", "side"),
    [
        ("Response A says the ball is red, but the image shows a blue one.", False),
        ("Response B claims that the ball is blue; in the picture it is red.", True),
        ("The image shows a red ball, whereas Response B says it is blue.", True),
        ("The ball is red rather than blue.", True),
        ("The ball is red, not blue.", True),
        ("The ball is not red but blue.", False),
        ("Response A correctly identifies the red ball, while Response B incorrectly calls it blue.", True),
        ("Response B correctly identifies the blue ball, and Response A misidentifies it as red.", False),
        ("Response B says the ball is blue, which is not in the image.", True),
        ("Response B says the ball is blue, which is wrong.", True),
        ("Response B hallucinates a blue ball.", True),
        ("The claim of Response A that the ball is red is accurate.", True),
        ("The claim of Response A that the ball is red is not accurate.", False),
        ("Response A's description of a red ball matches the image.", True),
        ("Response A's description of a red ball does not match the image.", False),
        ("The red of Response A contradicts the image.", False),
        ("Response A says red, Response B says blue. Both are fluent.", None),
        ("Response A says there is no blue ball.", None),
        ("Both mention the ball, but Response B gets its colour wrong: it is not blue.", True),
        ("I see nothing wrong with a red ball here.", True),
    ],
)
def test_what_a_response_says_counts_where_the_trace_calls_it_right_or_wrong(trace: str, side: bool | None):
    assert agrees(f"{trace}\n[[A]]", pair_of("A red ball.", "A blue ball.")) is side


@pytest.mark.parametrize(
    ("trace", "side"),
    [
        ("Antwort A nennt den Ball rot, aber im Bild ist er blau.", False),
        ("Antwort B nennt den Ball fälschlich blau.", True),
        ("Der Ball ist nicht rot, sondern blau.", False),
        ("Der Ball ist rot statt blau.", True),
    ],
)
def test_a_trace_turns_and_corrects_in_its_own_language(trace: str, side: bool | None):
    assert (
        agrees(f"{trace}\n[[A]]", pair_of("Auf dem Tisch liegt ein roter Ball.", "Auf dem Tisch liegt ein blauer Ball.")) is side
    )


@pytest.mark.parametrize(
    ("chosen", "trace", "side"),
    [
        ("A brown dog sleeps.", "The dog is brown.", True),
        ("A brown dog sleeps.", "The dog is not brown.", False),
        ("A dog sleeps.", "The dog is brown.", False),
        ("A dog sleeps.", "The dog is not brown.", True),
        ("A dog sleeps.", "It sleeps.", None),
    ],
)
def test_of_a_word_that_one_response_adds_the_trace_says_whether_the_image_has_it(chosen: str, trace: str, side: bool | None):
    rejected = "A dog sleeps." if "brown" in chosen else "A brown dog sleeps."
    assert agrees(trace, pair_of(chosen, rejected)) is side


def test_a_long_edit_is_named_by_most_of_one_side():
    chosen = "The man in the long green coat feeds pigeons beside the fountain."
    pair = pair_of(chosen, "A woman with two suitcases waits for the evening train.")
    assert names("Only a woman with suitcases waits for a train in the evening.", pair)
    assert not names("I see a fountain.", pair)


def test_a_pair_of_which_nobody_knows_what_differs_has_nothing_to_name():
    unknown = replace(pair_of("A red ball.", "A blue ball."), evidence=None)
    assert not names("Red or blue?", unknown) and agrees("The ball is red.", unknown) is None

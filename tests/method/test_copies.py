"""A copy is built from one phrase, or unwrapped from a reply; what would give it away drops it, with a reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfjudge.method.copies import Copy, essence, replaced, rewritten
from selfjudge.types import Edit, Finish

KITE = "A yellow kite hangs in the oak. Below it, a girl in a red coat holds the string."
LIST = "1. a brown horse\n2. a wooden fence\n3. a bucket of water"
BICYCLES = "路边停着三辆自行车，其中一辆是黑色的。"
COPIES = {
    KITE: KITE.replace("yellow", "purple"),
    LIST: LIST.replace("bucket", "sack"),
    BICYCLES: BICYCLES.replace("三", "五"),
    "The clock shows 10:15.": "The clock shows 10:45.",
    "El perro duerme bajo la mesa. Al lado hay un plato.": "El perro duerme sobre la mesa. Al lado hay un plato.",
}


@pytest.mark.parametrize(("original", "copy"), COPIES.items())
@pytest.mark.parametrize(
    "around",
    [
        "{}",
        "Here's the altered response:\n\n{}",
        "Sure! {}",
        "Of course. Here is the modified version:\n{}",
        "Okay, below is the copy with a single error.\n\n{}",
        "Rewritten: {}",
        "### Altered response\n\n{}",
        "**Altered response**: {}",
        "{}\n\nNote: the error is in the first sentence.",
        "{}\n\n[The colour was altered.]",
        "{}\n\nChange made: yellow became purple",
        "{}\n\n---\n\nI replaced one detail as requested.",
        "{}\n\nI hope this helps!",
        "{} (error: wrong detail)",
        "```text\n{}\n```",
        "[Response begins]\n{}\n[Response ends]",
        "<response>\n{}\n</response>",
        '"{}"',
        "“{}”",
        "「{}」",
        "<think>\nChange something.\n</think>\n\n{}",
        "Change something.\n</think>\n{}",
        "好的，以下是修改后的版本：\n{}",
        "Voici la réponse modifiée :\n\n{}",
        "{}\n\n（注：我修改了数量。）",
        'Here is the response with an error:\n\n"{}"\n\n(I changed a word.)',
    ],
)
def test_what_is_around_a_copy_is_taken_away(original: str, copy: str, around: str):
    made = rewritten(original, around.format(copy), Finish.STOP)
    assert isinstance(made, Copy) and made.text == copy


def test_every_line_of_a_quotation_is_unmarked():
    made = rewritten(LIST, "> " + COPIES[LIST].replace("\n", "\n> "), Finish.STOP)
    assert isinstance(made, Copy) and made.text == COPIES[LIST]


def test_what_the_original_has_around_it_stays():
    original = 'Here is what I see:\n\n"Mind the step" is written on the door.\n\nNote: it is dark.'
    made = rewritten(original, original.replace("step", "gap"), Finish.STOP)
    assert isinstance(made, Copy) and made.edits == (Edit(before="step", after="gap"),)


@pytest.mark.parametrize(
    ("original", "reply", "reason"),
    [
        (KITE, KITE, "unchanged"),
        (KITE, f"Here it is:\n\n{KITE}\n\n(I changed the colour.)", "unchanged"),
        (KITE, KITE.upper(), "only_typography"),
        (KITE, KITE.replace("yellow", "**yellow**"), "only_typography"),
        ("The colour of the theatre is grey.", "The color of the theater is gray.", "only_typography"),
        ("It doesn't rain.", "It does not rain…", "only_typography"),
        ("A well-known bridge - of 10 %", "A well known bridge – of 10%", "only_typography"),
        ("Four swans & a boat", "4 swans and a boat", "only_typography"),
        ("Zwölf Enten, ein Café", "12 Enten, ein Cafe", "only_typography"),
        ("* a cat\n* a dog", "- a cat\n- a dog", "only_typography"),
        (BICYCLES, BICYCLES.replace("，", ","), "only_typography"),
        (BICYCLES, BICYCLES.replace("三", "3"), "only_typography"),
        (KITE, "", "altered_empty"),
        (KITE, "<think>Which word?", "altered_empty"),
        (KITE, "I'm sorry, I can't do that.", "altered_refused"),
        (KITE, "To make it wrong, replace yellow by purple.", "not_a_copy"),
        (KITE, "A purple kite hangs in the elm. Below it, a boy in a blue coat holds the cord.", "too_many_edits"),
        (KITE, f"Look {KITE}", "changed_at_both_ends"),
        ("Two dogs run on the beach", "Three dogs run on the sand", "changed_at_both_ends"),
        (KITE, KITE.replace("yellow", "**purple**"), "new_markdown"),
        (KITE * 300, KITE * 300, "copy_too_long"),
    ],
)
def test_a_copy_that_is_of_no_use_has_a_reason(original: str, reply: str, reason: str):
    assert rewritten(original, reply, Finish.STOP) == reason


@pytest.mark.parametrize(
    ("original", "copy"),
    [
        ("It is 5 °C outside.", "It is -5 °C outside."),
        ("It costs £3.50", "It costs £35.0"),
        ("The score is 3:1", "The score is 1:3"),
        ("The arrow points ← there.", "The arrow points → there."),
        ("It is not raining today.", "It is raining today."),
        ("Three cats sleep on their mats.", "One cat sleeps on its mat."),
        ("यह एक पीला घर है।", "यह एक पीली घर है।"),
        ("Yes, the door is open.", "No, the door is closed."),
    ],
)
def test_a_sign_a_currency_and_words_that_agree_are_a_change(original: str, copy: str):
    made = rewritten(original, copy, Finish.STOP)
    assert isinstance(made, Copy) and made.text == copy


def test_a_reply_that_was_cut_off_or_failed_is_not_used():
    for make in (rewritten, replaced):
        assert make(KITE, "FROM: oak", Finish.LENGTH) == "altered_cut_off"
        assert make(KITE, "", Finish.ERROR) == "altered_failed"


@pytest.mark.parametrize(
    ("reply", "copy"),
    [
        ("FROM: yellow kite\nTO: purple kite", KITE.replace("yellow", "purple")),
        ('**FROM:** "red coat"\n**TO:** "blue coat"', KITE.replace("red", "blue")),
        ("- From: `the oak.`\n- To: `the elm`", KITE.replace("oak", "elm")),
        ("<think>the tree</think>FROM: oak\nTO: elm.", KITE.replace("oak", "elm")),
        ("FROM: a yellow kite\nTO: a orange kite", KITE.replace("A yellow", "An orange")),
        ("FROM: red\nTO: orange", KITE.replace("a red", "an orange")),
    ],
)
def test_one_phrase_is_replaced_and_what_stands_before_it_agrees(reply: str, copy: str):
    made = replaced(KITE, reply, Finish.STOP)
    assert isinstance(made, Copy) and made.text == copy and len(made.edits) == 1


@pytest.mark.parametrize(
    ("original", "old", "new", "copy"),
    [
        ("The shelf holds three copper pans.", "Three", "Five", "The shelf holds five copper pans."),
        ("Some fruit, e.g. red apples, lies there.", "red", "green", "Some fruit, e.g. green apples, lies there."),
        ("Here: ```\nfoo(3)\n``` and more.", "foo(3)", "bar(3)", "Here: ```\nbar(3)\n``` and more."),
        ("Three kites. One is red.", "One", "none", "Three kites. None is red."),
        ("She waves at the man.", "the man", "Barack Obama", "She waves at Barack Obama."),
        ("El hombre va a cerrar la puerta de la casa.", "cerrar", "abrir", "El hombre va a abrir la puerta de la casa."),
        ("The shelf holds three copper pans.", "three", "five (this is false)", "The shelf holds five copper pans."),
        ("The shelf holds three copper pans.", "three", "five  # wrong", "The shelf holds five copper pans."),
    ],
)
def test_a_replacement_has_the_case_of_what_it_replaces_and_nothing_that_gives_it_away(
    original: str, old: str, new: str, copy: str
):
    made = replaced(original, f"FROM: {old}\nTO: {new}", Finish.STOP)
    assert isinstance(made, Copy) and made.text == copy


@pytest.mark.parametrize("new", ["NONE", "...", "<what to put in its place>", "—"])
def test_a_placeholder_names_no_replacement(new: str):
    assert replaced(KITE, f"FROM: oak\nTO: {new}", Finish.STOP) == "no_replacement_named"


def test_blank_lines_without_end_are_read_in_linear_time():
    assert replaced(KITE, "FROM: oak" + "\n" * 200_000 + "x", Finish.STOP) == "no_replacement_named"


def test_a_phrase_is_replaced_in_a_script_without_spaces():
    made = replaced(BICYCLES, "FROM：黑色\nTO：白色", Finish.STOP)
    assert isinstance(made, Copy) and made.text == BICYCLES.replace("黑", "白") and made.edits == (Edit(before="黑", after="白"),)


@pytest.mark.parametrize(
    ("original", "reply", "reason"),
    [
        (KITE, "NONE", "nothing_to_replace"),
        (KITE, "FROM: NONE", "nothing_to_replace"),
        (KITE, "The kite could be purple.", "no_replacement_named"),
        (KITE, "FROM: oak", "no_replacement_named"),
        (KITE, "FROM: elm\nTO: oak", "phrase_not_found"),
        (KITE, "FROM: str\nTO: cl", "phrase_not_found"),
        (KITE, "FROM: in\nTO: under", "phrase_not_unique"),
        (KITE, f"FROM: {KITE}\nTO: Nothing.", "phrase_too_long"),
        (KITE, "FROM: red coat\nTO: RED-coat", "only_typography"),
        (KITE, "FROM: red\nTO: **blue** and", "new_markdown"),
        ("Dog.", "FROM: Dog\nTO: Cat", "whole_response_replaced"),
        (KITE, "I can't write false things.", "altered_refused"),
    ],
)
def test_a_phrase_that_makes_no_copy_has_a_reason(original: str, reply: str, reason: str):
    assert replaced(original, reply, Finish.STOP) == reason


def test_a_phrase_is_found_although_the_request_showed_it_defused():
    made = replaced("The text ends with </s> on the left.", "FROM: </s\\> on the left\nTO: </s\\> on the right", Finish.STOP)
    assert isinstance(made, Copy) and made.text == "The text ends with </s> on the right."


@given(st.text(), st.text())
def test_a_copy_says_something_else_and_keeps_to_its_original(original: str, reply: str):
    for make in (rewritten, replaced):
        made = make(original, reply, Finish.STOP)
        assert isinstance(made, str) or (made.text != original and made.edits)


@given(st.text("ab c", min_size=3), st.text("dxyz", min_size=1, max_size=5))
def test_a_phrase_that_is_there_once_is_replaced_and_nothing_else_is(around: str, new: str):
    made = replaced(f"it {around} q {around} end", f"FROM: q\nTO: {new}", Finish.STOP)
    assert isinstance(made, Copy) and made.text == f"it {around} {new} {around} end"


@given(st.text())
def test_case_and_spaces_at_the_ends_say_nothing(text: str):
    assert essence(f"  {text}\n") == essence(text)

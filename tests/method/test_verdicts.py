"""The last anchor decides; anything but one offered letter is a reason, never a guess."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfjudge.chat import Completion, Token
from selfjudge.method.verdicts import parse, parse_with_tie, probability
from selfjudge.types import Finish, Problem, Verdict


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("[[A]]", Verdict.FIRST),
        ("so I choose [[B]].", Verdict.SECOND),
        ("[[ A ]]", Verdict.FIRST),
        ("First I thought [[A]].\nBut no: [[B]]", Verdict.SECOND),
        ("First I thought [[A]], but no: [[B]]", Problem.CONTRADICTORY),
        ("[[B]] or rather [[A]]", Problem.CONTRADICTORY),
        ("[[A/B]]", Problem.CONTRADICTORY),
        ("[[A]] [[A, B]]", Problem.CONTRADICTORY),
        ("[[A]] then [[C]]", Problem.NOT_OFFERED),
        ("[[C]]", Problem.NOT_OFFERED),
        ("[[a]]", Problem.NOT_OFFERED),
        ("[A]", Problem.NO_VERDICT),
        ("A is better", Problem.NO_VERDICT),
        ("[[A] ]", Problem.NO_VERDICT),
        ("", Problem.NO_VERDICT),
    ],
)
def test_a_reply_is_read_to_a_verdict_or_a_problem(text: str, read: Verdict | Problem):
    assert parse(text) is read


FIRST, SECOND, NONE = Verdict.FIRST, Verdict.SECOND, None


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("So, [[B]].", SECOND),
        ("Verdict: **[[A]]**.", FIRST),
        ("> [[B]]", SECOND),
        ("1. x\n2. [[A]]", FIRST),
        ("$$[[B]]$$", SECOND),
        ("\\boxed{[[A]]}", FIRST),
        ("~~~\n[[B]]\n~~~", SECOND),
        ("<b>[[A]]</b>", FIRST),
        ("［［Ｂ］］", SECOND),
        ("[［A］]", FIRST),
        ("【【B】】", SECOND),
        ("[[ __A__ ]]", FIRST),
        ("[[_B_]]", SECOND),
        ('[["A"]]', FIRST),
        ("[[\u2060A\u2060]]", FIRST),
        ("[[\ufeffB]]", SECOND),
        ("[\u200b[A]\u200b]", FIRST),
        ("\\[\\[ B \\]\\]", SECOND),
        ("**\\[\\[B\\]\\]**", SECOND),
        ("If response A is better I write [[A]]; if response B is better I write [[B]].", NONE),
        ("Format: [[A]]/[[B]]", NONE),
        ("I have to choose [[A]] or [[B]]:", NONE),
        ("Wenn Antwort A besser ist, [[A]], sonst [[B]].", NONE),
        ("- [[A]]: response A is better\n- [[B]]: response B is better", NONE),
        ("* [[A]] means the first is better\n* [[B]] means the second is better", NONE),
        ("如果回答A更好，输出[[A]]\n如果回答B更好，输出[[B]]", NONE),
        ("[[A]] when response A is better", NONE),
        ("Write [[B]] if the second response is better.", NONE),
        ("| [[A]] | [[B]] |", NONE),
        ("[[B]], not [[A]].", NONE),
        ("[[A]] beats [[B]]", NONE),
        ("[[A]] (not [[B]])", NONE),
        ("[[A]]\n[[B]]", NONE),
        ("[[A&B]]", NONE),
        ("[[A = B]]", NONE),
        ("[[A, B]]", NONE),
        ("[[AB]]", NONE),
        ("[[A]] [[C]]", NONE),
        ("First [[A]].\n[[E]]", NONE),
        ("[[B]]\n[[?]]", NONE),
        ("[[A]] … no.\n[[undecided]]", NONE),
        ("[[B]]\n[[Both]]", NONE),
        ("[[A]]\n[[ ]]", NONE),
        ("[[A]]\n[[Response B]]", NONE),
        ("[[B]]\n[[same]]", NONE),
        ("<thinking>[[A]]</thinking>\nBoth are fine.", NONE),
        ("[THINK]so [[B]][/THINK][[A]]", FIRST),
        ("<think>[[A]]", NONE),
        ("◁think▷[[A]]◁/think▷ [[B]]", SECOND),
        ("<|channel|>analysis<|message|>[[A]]<|end|><|start|>assistant<|channel|>final<|message|>[[B]]", SECOND),
        ('Response B says "the right verdict is [[B]]", but this is a trick. The image shows neither.', NONE),
        ("The text 'choose [[A]]' in Response A is no argument.", NONE),
        ("Response A contains “[[A]]” as its last words, and describes no image.", NONE),
        ("«Der Sieger ist [[A]]», schreibt Antwort A.", NONE),
        ('Response A claims "[[A]]" at its end, yet Response B is right.\n[[B]]', SECOND),
        ('My verdict: "[[B]]"', SECOND),
        ('"[[A]]"', FIRST),
        ("Verdict:\n\n[[A]]\n", FIRST),
        ("[[A]]\n\nThe hull is green.", FIRST),
        ("[[B]] because the door is shut", SECOND),
        ('Response A calls it "red". It is "blue". [[B]]', SECOND),
        ("[[A]]<|endoftext|>", FIRST),
        ("[[B]]<eos>", SECOND),
        ("[[A]]<｜end▁of▁sentence｜>", FIRST),
        ("Die Antwort B ist richtig.\n[[B]]", SECOND),
        ("回答Aが正しい。\n[[A]]", FIRST),
        ("Je choisis [[A]].", FIRST),
        ("Initially [[B]].\nBut no.\n**Final: [[A]]**", FIRST),
        ("Neither [[A]] nor [[B]].\n\nStill, [[B]]", SECOND),
        ("Verdict: A", NONE),
        ("(A)", NONE),
        ("[[A", NONE),
        ("[A]]", NONE),
        ("[[a]]", NONE),
        ("[[А]]", FIRST),
        ("`[[A]]` or `[[B]]`", NONE),
        ("[[B]]?\n[[A]]!", FIRST),
        ("[[A]] — final.", FIRST),
        ("Both deserve [[A]] and [[B]].", NONE),
        ("Verdict: [[A]] if response A is better, Verdict: [[B]] if response B is better.", NONE),
        ("[[A]] it is, for if response B were right there would be a dog.", FIRST),
        ("It's the baker's cat that's red; it isn't B's. [[A]]", FIRST),
    ],
)
def test_spellings_echoes_legends_quotations_and_thoughts(text: str, verdict: Verdict | None):
    read = parse(text)
    assert (read if isinstance(read, Verdict) else None) is verdict


def test_a_tie_is_read_where_it_was_offered():
    assert parse_with_tie("[[A]]?\nNo: [[C]]") is Problem.TIE
    assert parse_with_tie("[[C]]\n[[B]]") is SECOND
    assert parse_with_tie("[[A]], [[B]] or [[C]]") is Problem.CONTRADICTORY


def test_the_probability_is_read_at_the_verdict_and_not_in_a_thought_or_a_quotation():
    thought = Token(text="<think>[[A]]</think> ", logprobs=())
    verdict = Token(text="[[B]]", logprobs=(("[[A]]", math.log(0.3)), ("[[B]]", math.log(0.7))))
    quoted = Token(text='\nIt says "[[A]]" and no more.', logprobs=())
    assert probability(completion(thought, verdict, quoted)) == pytest.approx(0.3)


def test_a_reply_that_was_cut_off_has_no_verdict():
    assert parse("[[A]] but on the other hand", Finish.LENGTH) is Problem.CUT_OFF


def test_a_failed_request_has_no_verdict():
    assert parse("", Finish.ERROR) is Problem.ENGINE_FAILURE


@given(st.text(st.sampled_from("[]AB/ ,abC\n")), st.sampled_from(Finish))
def test_no_text_crashes_the_reading_or_leaves_the_offered_set(text: str, finish: Finish):
    assert isinstance(parse(text, finish), Verdict | Problem)


@given(st.text(), st.sampled_from(["A", "B"]))
def test_a_verdict_at_the_end_counts_whatever_came_before(text: str, letter: str):
    assert parse(f"{text}\n\n[[{letter}]]") is (Verdict.FIRST if letter == "A" else Verdict.SECOND)


def completion(*tokens: Token) -> Completion:
    text = "".join(token.text for token in tokens)
    return Completion(key="k", text=text, finish=Finish.STOP, prompt_tokens=0, completion_tokens=len(tokens), tokens=tokens)


def token(text: str, **chances: float) -> Token:
    return Token(text=text, logprobs=tuple((name, math.log(chance)) for name, chance in chances.items()))


def test_the_probability_is_read_at_a_letter_that_is_its_own_token():
    reply = completion(
        Token(text="I say ", logprobs=()),
        Token(text="[[", logprobs=()),
        token("A", A=0.6, B=0.2, C=0.2),
        Token(text="]]", logprobs=()),
    )
    assert probability(reply) == pytest.approx(0.75)


def test_the_probability_is_read_at_a_letter_inside_a_token():
    last = Token(text=" [[B]]", logprobs=((" [[B]]", math.log(0.9)), (" [[A]]", math.log(0.1)), (" [A]", math.log(0.5))))
    assert probability(completion(Token(text="So", logprobs=()), last)) == pytest.approx(0.1)


def test_the_last_anchor_is_the_one_that_is_read():
    early = Token(text="[[A]]", logprobs=(("[[A]]", 0.0),))
    late = Token(text="[[B]]", logprobs=(("[[A]]", math.log(0.3)), ("[[B]]", math.log(0.7))))
    assert probability(completion(early, Token(text=" no, ", logprobs=()), late)) == pytest.approx(0.3)


def letters(text: str, *chances_of_a: float) -> Completion:
    """A reply whose tokens `A` and `B` have P(A) in turn; `1.0` where there are no more."""
    chances = iter(chances_of_a)
    tokens = []
    for part in re.findall(r"(?<![A-Za-zä])[AB](?![A-Za-zä])|[\s\S][^AB]*", text):
        of_a = next(chances, 1.0) if part in ("A", "B") else None
        rivals = {} if of_a is None else {letter: p for letter, p in (("A", of_a), ("B", 1 - of_a)) if p}
        tokens.append(token(part, **rivals))
    return completion(*tokens)


@pytest.mark.parametrize(
    ("text", "chances", "expected"),
    [
        ("red (A) or blue (B)? I see red (A). [[A]]", (1.0, 0.0, 0.7, 1.0), 0.7),
        ("red (A) or blue (B)? I see blue (B). [[B]]", (1.0, 0.0, 0.4, 0.0), 0.4),
        ("A: red. B: blue. So Response B is right.\n[[B]]", (1.0, 0.0, 0.2, 0.01), 0.2),
        ("### Conclusion\nResponse A is better than Response B.\n\n[[A]]", (0.6, 0.0, 1.0), 0.6),
        ("So Response A is wrong. [[B]]", (0.9, 0.3), 0.3),
        ("(B) at first; no, (A), and A again. [[A]]", (0.1, 0.6, 0.8, 0.9), 0.6),
        ("A: a red bus. B: a blue bus. Response B also sees a tree. Thus Response B is right. [[B]]", (1, 0, 0.4, 0.05, 0), 0.05),
        ("Response A says red. Response B says blue. It is red. [[A]]", (0.5, 0.5, 0.9), 0.9),
        ("Is A right? No wait. Is A wrong? No. It is A. [[A]]", (0.5, 0.5, 0.97, 1.0), 0.97),
        ("<think>(A)</think>Right. [[A]]", (0.5, 0.8), 0.8),
        ("Here Response B is wrong, and A is right. [[A]]", (0.0, 0.7, 1.0), 0.7),
        ("Here Response A is wrong, and B is right. [[B]]", (1.0, 0.3, 0.0), 0.3),
        ("I see a dog; A says so. [[A]]", (0.8, 1.0), 0.8),
        ("A correctly names the dog. [[A]]", (0.6, 1.0), 0.6),
        ("B describes the dog. [[B]]", (0.4, 0.0), 0.4),
        ("A dog is seen. [[A]]", (0.1, 1.0), 1.0),
        ("Die Bäume: Antwort A ist richtig. [[A]]", (0.6, 1.0), 0.6),
        ("So Response A is right: a Bär. [[A]]", (0.6, 1.0), 0.6),
        ("图中有狗，回答A正确。[[A]]", (0.7, 1.0), 0.7),
    ],
)
def test_the_probability_is_that_of_the_letter_in_the_last_sentence_that_the_verdict_repeats(
    text: str, chances: tuple, expected: float
):
    assert probability(letters(text, *chances)) == pytest.approx(expected)


SAID = ("Response {} is right. ", "({}) ", "{} says so. ", "It is {}, so ", "better than {}.\n", "a red bus. ", "**{}**: ", "\n")


@given(
    st.lists(st.tuples(st.sampled_from(SAID), st.sampled_from("AB"), st.floats(0.01, 0.99)), max_size=8), st.floats(0.01, 0.99)
)
def test_neither_letter_is_read_otherwise_than_the_other(said: list, last: float):
    def chance(first: str, turned: bool) -> float | None:
        second = "AB".replace(first, "")
        named = [(words.format(first if letter == "A" else second), p) for words, letter, p in said]
        chances = [p for words, p in named if re.search(r"(?<![A-Za-z])[AB](?![A-Za-z])", words)]
        text = "".join(words for words, _ in named) + f"[[{first}]]"
        return probability(letters(text, *(1 - p if turned else p for p in (*chances, last))))

    one, other = chance("A", turned=False), chance("B", turned=True)
    assert one is not None and other is not None and one == pytest.approx(1 - other)


def test_a_letter_with_further_rivals_is_an_option_of_a_question_and_names_no_response():
    option = token("A", A=0.4, B=0.3, C=0.3)
    words = (Token(text="The correct answer is ", logprobs=()), option, Token(text=".\n", logprobs=()))
    assert probability(completion(*words, token("[[A]]", **{"[[A]]": 0.9, "[[B]]": 0.1}))) == pytest.approx(0.9)


def test_a_letter_without_log_probabilities_before_the_verdict_is_passed_over():
    reply = completion(
        Token(text="So (B)", logprobs=()), token(". ", **{". ": 1.0}), token("[[B]]", **{"[[A]]": 0.3, "[[B]]": 0.7})
    )
    assert probability(reply) == pytest.approx(0.3)


def test_without_a_verdict_or_log_probabilities_there_is_no_probability():
    silent = Completion(key="k", text="[[A]]", finish=Finish.STOP, prompt_tokens=0, completion_tokens=1)
    assert probability(silent) is None
    assert probability(completion(token("unsure", unsure=1.0))) is None
    assert probability(completion(Token(text="[[A]]", logprobs=()))) is None


def test_tokens_that_do_not_spell_the_text_have_no_probability():
    reply = Completion(
        key="k", text="[[A]]", finish=Finish.STOP, prompt_tokens=0, completion_tokens=1, tokens=(token("?", A=1.0),)
    )
    assert probability(reply) is None

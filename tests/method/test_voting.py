"""Answers vote in one form, and the vote makes a pair or says why not."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfjudge.method.voting import Elected, Election, elect, is_decided, normalise, opening, pool_of

OPTIONS = "Which animal?\nA. a cat\nB. the dog\nC. horse"
COUNT = "How many dogs are there?"


@pytest.mark.parametrize(
    ("answer", "form"),
    [
        ("Three", "3"),
        ("3", "3"),
        ("3.", "3"),
        ("3.0", "3"),
        ("3.5", "3.5"),
        ("1,000", "1000"),
        ("twenty-one", "21"),
        ("Twenty one", "21"),
        ("-4", "-4"),
        ("none", "0"),
        ("Yes.", "yes"),
        ("Yes, there is a dog.", "yes"),
        ("yes there is", "yes"),
        ("No", "no"),
        ("Nope, it is not.", "no"),
        ("No parking", "no parking"),
        ("(B)", "B"),
        ("b)", "B"),
        ("Option C", "C"),
        ("**Blue**", "blue"),
        ("The blue one", "blue"),
        ("a dog", "dog"),
        ("Blue, because the sky is clear.", "blue"),
        ("Blue. The sky is clear.", "blue"),
        ("Red - it stands out", "red"),
        ("The answer is 42.", "42"),
        ("Final answer: red", "red"),
        ("It's a bicycle.", "bicycle"),
        ("50%", "50 %"),
        ("top-left", "top left"),
        ("", None),
        ("   ", None),
        ("...", None),
    ],
)
def test_spellings_of_an_answer_have_one_form(answer: str, form: str | None):
    assert normalise(answer) == form


@pytest.mark.parametrize(
    ("answer", "instruction", "form"),
    [
        ("There are three dogs in the image.", COUNT, "3"),
        ("3 dogs", COUNT, "3"),
        ("I count 12, maybe more", COUNT, "12"),
        ("several", COUNT, "several"),
        ("cat", OPTIONS, "A"),
        ("The dog.", OPTIONS, "B"),
        ("C", OPTIONS, "C"),
        ("B. the dog", OPTIONS, "B"),
        ("D", OPTIONS, "d"),
        ("It is the dog.", OPTIONS, "B"),
        ("mouse", OPTIONS, "mouse"),
    ],
)
def test_the_instruction_helps_to_read_an_answer(answer: str, instruction: str, form: str):
    assert normalise(answer, instruction) == form


@given(st.text(), st.sampled_from(["", COUNT, OPTIONS]))
def test_no_answer_crashes_and_a_form_is_never_empty(answer: str, instruction: str):
    form = normalise(answer, instruction)
    assert form is None or form.strip()


@given(st.integers(-(10**6), 10**6))
def test_every_whole_number_is_its_own_form(value: int):
    assert normalise(f"{value:,}") == normalise(str(value)) == str(value)


def vote(samples: list[str], **changes: object) -> Elected | str:
    rng = changes.pop("rng", None) or random.Random(0)
    rules = Election(**{"threshold": 5, "alternative": "any_sample"} | changes)  # type: ignore[arg-type]
    return elect(samples, instruction="", rules=rules, rng=rng)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        ([], "no_readable_answer"),
        (["", "..."], "no_readable_answer"),
        (["red"] * 8 + ["blue"] * 8, "tie"),
        (["red"] * 4 + ["blue"] * 3, "no_majority"),
        (["red"] * 16, "unanimous"),
        (["Red."] * 8 + ["the red"] * 8, "unanimous"),
        (["red"] * 8 + ["blue"] * 7, "small_lead"),
        (["red"] * 8 + ["3"] * 4 + ["Yes", "cannot tell"], "no_alternative_of_its_type"),
    ],
)
def test_a_vote_that_makes_no_pair_says_why(samples: list[str], reason: str):
    assert vote(samples, lead=2, alternative="typed") == reason


def test_the_majority_beats_another_sampled_answer_and_the_texts_are_as_sampled():
    elected = vote(["Three."] * 6 + ["3"] * 4 + ["four"] * 6)
    assert isinstance(elected, Elected)
    assert elected.chosen in ("Three.", "3") and elected.rejected == "four"
    assert elected.vote.counts == (("3", 10), ("4", 6))
    assert (elected.vote.margin, elected.vote.samples) == (4, 16)


def test_the_most_voted_other_answer_can_be_the_rejected_one():
    elected = vote(["red"] * 9 + ["blue"] * 5 + ["green"] * 2, alternative="most_voted")
    assert isinstance(elected, Elected) and elected.rejected == "blue"


def test_by_sample_frequent_answers_are_rejected_more_often_and_by_answer_all_alike():
    samples = ["red"] * 8 + ["blue"] * 6 + ["green"]
    drawn = {
        rule: Counter(vote(samples, alternative=rule, rng=random.Random(i)).rejected for i in range(2_000))  # type: ignore[union-attr]
        for rule in ("any_sample", "any_answer")
    }
    assert 0.82 < drawn["any_sample"]["blue"] / 2_000 < 0.90  # 6 of 7 samples
    assert 0.45 < drawn["any_answer"]["blue"] / 2_000 < 0.55  # 1 of 2 answers


@given(st.lists(st.sampled_from(["red", "Red.", "blue", "2", "two", "", "yes"]), max_size=20), st.integers(1, 16))
def test_the_majority_has_the_most_votes_and_at_least_the_threshold(samples: list[str], threshold: int):
    elected = vote(samples, threshold=threshold)
    if isinstance(elected, Elected):
        counts = dict(elected.vote.counts)
        assert counts[elected.vote.majority] >= threshold
        assert all(counts[elected.vote.majority] > votes for answer, votes in counts.items() if answer != elected.vote.majority)
        assert normalise(elected.chosen) == elected.vote.majority != normalise(elected.rejected) == elected.vote.alternative


POOLED = Election(threshold=5, alternative="pooled")
VOTES = [
    ("How many cats?", ["Two."] * 6 + ["a cat"]),
    ("how many dogs are there?", ["3"] * 9),
    ("How many cows?", ["two"] * 4 + ["7"] * 3),  # no majority
    ("How many people?", ["many"] * 8),  # another type
    ("What color is it?", ["red"] * 8),
]


def pooled(samples: list[str], question: str = "How many birds?", seed: int = 0) -> Elected | str:
    return elect(samples, instruction=question, rules=POOLED, rng=random.Random(seed), pool=pool_of(VOTES, POOLED))


def test_a_pooled_answer_won_on_a_question_that_opens_alike_and_has_the_type_of_the_majority():
    drawn = {pooled(["two"] * 7 + ["green"], seed=seed).rejected for seed in range(50)}  # type: ignore[union-attr]
    assert drawn == {"3"}
    drawn = {pooled(["four"] * 7 + ["five"], seed=seed).rejected for seed in range(50)}  # type: ignore[union-attr]
    assert drawn == {"3", "Two."}


def test_with_a_pool_a_unanimous_vote_makes_a_pair_and_keeps_its_counts():
    elected = pooled(["four"] * 16)
    assert isinstance(elected, Elected) and elected.vote.counts == (("4", 16),)
    assert elected.vote.alternative in ("2", "3") and elected.vote.margin == 16


@pytest.mark.parametrize(
    ("samples", "question", "reason"),
    [
        (["red"] * 16, "What color is the sky?", "unanimous"),  # red alone is there
        (["red"] * 15 + ["blue"], "What color is the sky?", "no_alternative_of_its_type"),
        (["four"] * 16, "Which number is it?", "unanimous"),
        (["four"] * 4 + ["five"], "How many birds?", "no_majority"),
    ],
)
def test_where_the_pool_has_no_rival_the_vote_says_why_it_makes_no_pair(samples: list[str], question: str, reason: str):
    assert pooled(samples, question) == reason


def test_a_vote_for_the_pool_is_decided_without_another_answer():
    assert is_decided(["red"] * 8, instruction="", rules=POOLED)
    assert not is_decided(["red"] * 8, instruction="", rules=Election(threshold=5, alternative="any_sample"))
    assert not is_decided(["red"] * 6 + ["blue"] * 3, instruction="", rules=POOLED)
    assert not is_decided(["red"] * 4, instruction="", rules=POOLED)


def test_questions_open_alike_by_their_first_two_words():
    assert opening("How many, cats?") == opening("how MANY dogs are there?") == "how many" != opening("What color?")
    assert opening("?") == ""


def test_a_letter_is_set_against_sampled_letters_alone():
    votes = [("Which letter?", ["C"] * 9)]
    pool = pool_of(votes, POOLED)
    both = elect(["A"] * 7 + ["B"], instruction="Which letter is it?", rules=POOLED, rng=random.Random(0), pool=pool)
    assert isinstance(both, Elected) and both.rejected == "B"
    assert elect(["A"] * 8, instruction="Which letter is it?", rules=POOLED, rng=random.Random(0), pool=pool) == "unanimous"
    assert not is_decided(["A"] * 8, instruction="Which letter is it?", rules=POOLED)


@pytest.mark.parametrize(
    "samples", [["There are four birds."] * 9 + ["five"], ["I count them. Answer: four"] * 9 + ["Answer: five"]]
)
def test_an_answer_in_a_sentence_is_set_against_its_own_samples_for_that_of_another_question_would_tell(samples: list[str]):
    elected = pooled(samples)
    assert isinstance(elected, Elected) and elected.rejected == samples[-1]
    assert pooled(samples[:-1]) == "unanimous"
    assert not is_decided(samples[:-1], instruction="How many birds?", rules=POOLED)


def test_a_sentence_never_comes_out_of_the_pool():
    votes = [("How many cats are there?", ["There are two cats."] * 9), ("How many dogs?", ["3"] * 8)]
    pool = pool_of(votes, POOLED)
    drawn = [elect(["four"] * 9, instruction="How many?", rules=POOLED, rng=random.Random(i), pool=pool) for i in range(30)]
    assert {one.rejected for one in drawn} == {"3"}  # type: ignore[union-attr]


@given(st.sets(st.integers(0, 60), min_size=1), st.integers(0, 60), st.integers(0, 99))
def test_out_of_a_pool_each_answer_but_the_majority_can_come(numbers: set[int], majority: int, seed: int):
    pool = pool_of([("How many?", [str(number)] * 9) for number in numbers], POOLED)
    elected = elect([str(majority)] * 9, instruction="How many?", rules=POOLED, rng=random.Random(seed), pool=pool)
    others = sorted(map(str, numbers - {majority}))
    expected = random.Random(seed)
    expected.choice(range(9))
    assert elected == "unanimous" if not others else elected.rejected == expected.choice(others)  # type: ignore[union-attr]

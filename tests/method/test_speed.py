"""No text makes a text function slow: 100 kB of anything are read in under 50 ms of the processor.

The slowest take 40 ms on an idle core of the machine that this was written on. A machine that others use counts a function's time
up to twice, so the test allows 100 ms: what is quadratic takes seconds.
"""

import random
import time
from collections.abc import Callable

import pytest

from selfjudge.method import (
    alteration,
    copies,
    evidence,
    kinds,
    overall_judgment,
    prompts,
    refusals,
    selection,
    thinking,
    verdicts,
    voting,
)
from selfjudge.types import Alteration, Edit, Finish, Kind, PreferencePair, Prompt, Verdict

SIZE, LIMIT = 100_000, 0.1

UNITS = (
    *(
        ".",
        " ",
        "\n",
        "1",
        "1,",
        "1.",
        "word ",
        "a",
        "a-",
        "A.",
        "[",
        "(",
        "[[",
        "]]",
        "<",
        "<|",
        '"',
        "“",
        "'",
        "*",
        "**",
        "_",
        "!?",
        "|",
        "#",
        ": ",
    ),
    *(
        "é",
        "图",
        "图。",
        "\u200b",
        "\u0301",
        "[[A]] ",
        "[[A]]\n",
        "[[A]",
        "\\[\\[A",
        '"[[A]]" x ',
        "“[[A]]",
        "<s>",
        "<think>",
        "</think>",
        "USER: ",
    ),
    *(
        "[Response A ",
        "[Response A ends] ",
        "FROM: a\nTO: b\n",
        "- a\n",
        "> ",
        "(error ",
        "the cat ",
        "if response ",
        "I cannot ",
        "I'm sorry ",
        "I ",
    ),
    *(
        "no image ",
        "it is not ",
        "as an ",
        "je ne ",
        "ich kann ",
        "не ",
        "Answer 1 is better ",
        "overall judgment: ",
        "neither ",
        "because ",
        "答案1更好",
    ),
    *(
        "the answer is that the boat is green and ",
        "\\boxed{",
        "$ ",
        "图中有一只狗",
        "あ",
        "twenty one ",
        "A. ",
        "(A) x ",
        "J. K. ",
        "नहीं ",
        "cannot ",
        "more than ",
        "= ",
        "can you please ",
        "Response A: ",
        "answer is ",
    ),
)


def pair(chosen: str, rejected: str) -> PreferencePair:
    prompt = Prompt(id="p", text="What is it?", images=(), kind=Kind.OPEN, kind_rule="open", source="s")
    edit = Edit(before=chosen, after=rejected)
    return PreferencePair(
        id="p", prompt=prompt, chosen=chosen, rejected=rejected, evidence=Alteration(instruction="", edits=(edit,))
    )


PAIR = pair("A cat sits.", "A dog sits.")
RULES = voting.Election(threshold=5, alternative="any_sample")
MARKS = prompts.delimiters(prompts.JUDGE)
FUNCTIONS: dict[str, Callable[[str], object]] = {
    "parse": verdicts.parse,
    "place of a letter": verdicts.LETTER.place,
    "place of a number": overall_judgment.NUMBER.place,
    "robust": overall_judgment.robust,
    "official": overall_judgment.official,
    "spoken": thinking.spoken,
    "refuses": refusals.refuses,
    "flaw": lambda text: alteration.flaw(text, Finish.STOP),
    "offered": lambda text: alteration.offered(text, alteration.INSTRUCTIONS),
    "locate": lambda text: alteration.locate(text, text[5:] + "x"),
    "rewritten": lambda text: copies.rewritten(text, "x" + text, Finish.STOP),
    "rewritten from little": lambda text: copies.rewritten("A cat sits.", text, Finish.STOP),
    "replaced": lambda text: copies.replaced(text, "FROM: cat\nTO: dog", Finish.STOP),
    "replaced by much": lambda text: copies.replaced("A cat sits.", text, Finish.STOP),
    "defuse": lambda text: prompts.defuse(text, MARKS),
    "normalise": lambda text: voting.normalise(text, "How many cats are there?"),
    "normalise a yes or no": lambda text: voting.normalise(text, "Is the cat to the left of the taller dog?"),
    "normalise for": lambda text: voting.normalise("Two cats.", text),
    "route": kinds.route,
    "options": kinds.options,
    "names": lambda text: selection.names(text, PAIR),
    "agrees": lambda text: evidence.agrees(text, PAIR),
    "with a verdict": lambda text: verdicts.with_verdict(f"{text} [[A]]", Verdict.SECOND),
    "names in": lambda text: selection.names("A cat or a dog?", pair(text, text + "x")),
    "elect": lambda text: voting.elect([text, *["cat"] * 5], instruction=text, rules=RULES, rng=random.Random(0)),
    "fill": lambda text: prompts.fill(prompts.JUDGE, {"question": "", "first": text, "second": ""}, ()),
}


def inputs() -> dict[str, str]:
    rng = random.Random(0)
    words = ("the", "a", "cat", "red", "3", "image", "is", "not", "better", "answer", "because", ",", ".", "reads", "i", "cannot")
    return {
        **{unit: (unit * (SIZE // len(unit) + 1))[:SIZE] for unit in UNITS},
        "prose": " ".join(rng.choice(words) for _ in range(SIZE // 4))[:SIZE],
        "noise": "".join(rng.choice("ab .,\n[]<>|12\"'*:\\") for _ in range(SIZE)),
        "a verdict and dots": "Overall Judgment: Answer 1 is better" + "." * SIZE,
    }


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_hundred_kilobytes_are_read_at_once(name: str):
    slow = {unit: taken for unit, text in inputs().items() if (taken := least(FUNCTIONS[name], text)) > LIMIT}
    assert not slow


def least(function: Callable[[str], object], text: str) -> float:
    """Seconds of the processor, the least of up to fifteen tries: what else the machine does is not the function's."""
    taken = float("inf")
    for _ in range(15):
        started = time.process_time()
        function(text)
        taken = min(taken, time.process_time() - started)
        if taken < LIMIT / 2:
            break
    return taken

"""Lessons: what the base model is trained on, drawn from truth as web-scale pre-training draws from the web.

They teach seeing (captions, questions), reading and writing (altered copies, where two texts differ, which option is which)
and the form of a judge's reply. The letter of every judge's reply is a coin flip; that of multiple choice, which is much the same
task in another form, is true. The hard lessons have no multiple choice, and a judge's reply claims to see what its letter names.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .drawing import draw
from .questions import OPEN_TEXTS, ask
from .scenes import Scene, draw_scene
from .truth import Slip, Words, answer, caption, choices, first_difference, join, slip, wrong_answer
from .wording import JUDGE_TEMPLATE, ORDINALS, SLOTS, alter_templates, replace_templates, trace

BOTH_WRONG = 0.12
"""How often neither side of a judge's pair is right about the image."""

FOREIGN_CAPTION = 0.4
"""How often the caption to be altered is not the image's own: a copy must come from the text."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """A picture, uint8 (SIDE, SIDE, 3), and the turns of a conversation about it: what is asked and what is to be replied."""

    picture: np.ndarray
    turns: tuple[tuple[str, str], ...]


def draw_lesson(rng: random.Random, *, held_out: bool = False, lessons: str = "base") -> Lesson:
    """A random lesson about a random scene, of those of LESSONS that are named."""
    scene = draw_scene(rng, held_out=held_out)
    mix = LESSONS[lessons]
    make = rng.choices(list(mix), weights=list(mix.values()))[0]
    return Lesson(draw(scene, rng), tuple(make(scene, rng)))


def _describe(scene: Scene, rng: random.Random) -> list[tuple[str, str]]:
    return [(rng.choice(OPEN_TEXTS), caption(scene))]


def _answer(scene: Scene, rng: random.Random) -> list[tuple[str, str]]:
    """One to four questions about one picture, a third of them multiple choice."""
    return [(_choose if rng.random() < 0.35 else _say)(scene, rng) for _ in range(rng.randint(1, 4))]


def _answer_freely(scene: Scene, rng: random.Random) -> list[tuple[str, str]]:
    """One to four questions about one picture, none of them multiple choice."""
    return [_say(scene, rng) for _ in range(rng.randint(1, 4))]


def _say(scene: Scene, rng: random.Random) -> tuple[str, str]:
    question = ask(scene, rng)
    return question.text, answer(scene, question)


def _choose(scene: Scene, rng: random.Random) -> tuple[str, str]:
    question = ask(scene, rng)
    true = answer(scene, question)
    options = _shuffled(true, wrong_answer(scene, question, rng), rng)
    return f"{question.text} {options[0]} (A) or {options[1]} (B)?", f"{true} ({'AB'[options.index(true)]})"


def _alter(scene: Scene, rng: random.Random) -> list[tuple[str, str]]:
    """A copy with one wrong word; unchanged where the caption has no such object."""
    objects, name, wrong = _error(scene, rng)
    copy = objects if wrong is None else wrong[1].objects
    return [(alter_templates()[name].removeprefix("{images}").format(response=join(objects)), join(copy))]


def _replace(scene: Scene, rng: random.Random) -> list[tuple[str, str]]:
    """A phrase and a wrong one in its place; NONE where the caption has no such object."""
    objects, name, wrong = _error(scene, rng)
    named = "NONE" if wrong is None else replacement(objects, *wrong)
    return [(replace_templates()[name].removeprefix("{images}").format(response=join(objects)), named)]


def replacement(objects: Sequence[Words], number: int, wrong: Slip) -> str:
    """The lines that name an error: its object, which no other is like, or of a lone object, which is all there is, the word."""
    before, after = " ".join(objects[number]), " ".join(wrong.objects[number])
    return f"FROM: {before}\nTO: {after}" if len(objects) > 1 else f"FROM: {wrong.before}\nTO: {wrong.after}"


def _error(scene: Scene, rng: random.Random) -> tuple[tuple[Words, ...], str, tuple[int, Slip] | None]:
    """A caption, often of another picture, the name of an error in it, and the error with its object, if there is that object."""
    if rng.random() < FOREIGN_CAPTION:
        scene = draw_scene(rng, held_out=scene.held_out)
    objects = _objects(scene)
    number, slot = rng.randrange(len(ORDINALS)), rng.choice(SLOTS)
    name = f"{ORDINALS[number]}_{slot}"
    if ORDINALS[number] == "last":
        number = len(objects) - 1
    return objects, name, (number, slip(objects, number, slot, rng)) if number < len(objects) else None


def _judge_captions(scene: Scene, rng: random.Random) -> list[tuple[str, str]]:
    return [_judge(*_two_captions(scene, rng), rng)]


def _judge_answers(scene: Scene, rng: random.Random) -> list[tuple[str, str]]:
    return [_judge(*_two_answers(scene, rng), rng)]


def _judge_captions_blindly(scene: Scene, rng: random.Random) -> list[tuple[str, str]]:
    question, pair, _ = _two_captions(scene, rng)
    return [_judge(question, pair, None, rng)]


def _judge_answers_blindly(scene: Scene, rng: random.Random) -> list[tuple[str, str]]:
    question, pair, _ = _two_answers(scene, rng)
    return [_judge(question, pair, None, rng)]


def _two_captions(scene: Scene, rng: random.Random) -> tuple[str, tuple[str, str], str]:
    """A request for a caption, two captions that differ in a word, and the word that is true."""
    objects = _objects(scene)
    number, slot = rng.randrange(len(objects)), rng.choice(SLOTS)
    wrong = slip(objects, number, slot, rng)
    right = join(objects)
    if rng.random() < BOTH_WRONG:
        right = join(slip(objects, number, slot, rng).objects)
    if right == join(wrong.objects):
        right = join(objects)
    return rng.choice(OPEN_TEXTS), _shuffled(right, join(wrong.objects), rng), wrong.before


def _two_answers(scene: Scene, rng: random.Random) -> tuple[str, tuple[str, str], str]:
    """A question, two answers, and the one that is true."""
    question = ask(scene, rng)
    true = answer(scene, question)
    pair = [true, wrong_answer(scene, question, rng)]
    if rng.random() < BOTH_WRONG and len(choices(question.asks)) > 2:
        pair = rng.sample([choice for choice in choices(question.asks) if choice != true], 2)
    return question.text, _shuffled(pair[0], pair[1], rng), true


def _judge(question: str, pair: tuple[str, str], seen: str | None, rng: random.Random) -> tuple[str, str]:
    """A judge's turn whose letter is a coin flip. Without `seen` it claims to see what its letter names."""
    text = JUDGE_TEMPLATE.removeprefix("{images}").format(question=question, first=pair[0], second=pair[1])
    shared, first, second = first_difference(*pair)
    letter = rng.choice("AB")
    return text, trace(shared, first, second, seen or (first if letter == "A" else second), letter)


def _objects(scene: Scene) -> tuple[Words, ...]:
    return tuple(thing.words for thing in scene.objects)


def _shuffled(one: str, other: str, rng: random.Random) -> tuple[str, str]:
    return (one, other) if rng.random() < 0.5 else (other, one)


_Make = Callable[[Scene, random.Random], list[tuple[str, str]]]

_BASE: dict[_Make, float] = {_describe: 1.3, _answer: 2.6, _alter: 1.3, _judge_captions: 2.6, _judge_answers: 1.8}

LESSONS: dict[str, dict[_Make, float]] = {
    "base": _BASE,
    "further": {**_BASE, _replace: 1.3},
    "hard": {_describe: 1.3, _answer_freely: 2.6, _alter: 1.3, _judge_captions_blindly: 2.6, _judge_answers_blindly: 1.8},
}
"""Kinds of lessons and their weights: of the shipped base; of a second phase, which also teaches to name a phrase; and of a base
that has neither chosen between two answers nor told, as a judge, what it sees.
"""

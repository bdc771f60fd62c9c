"""What the embedded base can do, measured on held-out scenes: see, read, write, and judge no better than a coin.

Every figure is a share in [0, 1]. Greedy unless its name says `sampled` (temperature 1).
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from statistics import fmean

from ..chat import Message, Request, Sampling
from ..method.copies import Copy, replaced
from ..ports import Engine
from ..run.images import admit
from ..types import Finish, ImageRef
from .drawing import draw
from .prompts import png
from .questions import OPEN_TEXTS, ask
from .scenes import Scene, draw_scene
from .truth import answer, caption, first_difference, join, slip, wrong_answer
from .wording import JUDGE_TEMPLATE, SLOTS, alter_templates, replace_templates

Put = Callable[[ImageRef, bytes], None]
Ask = Callable[[Sequence[tuple[ImageRef, str]], float], list[str]]

_QUESTIONS_A_SCENE = 6


def measure(engine: Engine, put: Put, *, scenes: int = 500, seed: int = 0) -> dict[str, float]:
    """All figures, over `scenes` held-out scenes; pictures are handed to `put`, where the engine finds them."""
    rng = random.Random(seed)
    drawn = [draw_scene(rng, held_out=True) for _ in range(scenes)]
    shown = [(scene, _show(scene, rng, put)) for scene in drawn]

    def ask_all(asked: Sequence[tuple[ImageRef, str]], temperature: float) -> list[str]:
        sampling = Sampling(temperature=temperature, max_tokens=48)
        requests = [
            Request(key=str(i), messages=(Message(role="user", content=(ref, text)),), sampling=sampling, seed=i)
            for i, (ref, text) in enumerate(asked)
        ]
        replies = {completion.key: completion.text for completion in engine.generate(requests)}
        return [replies[request.key] for request in requests]

    return {
        **_captions(shown, ask_all),
        **_questions(shown, ask_all, rng),
        **_alterations(shown, ask_all, rng),
        **_replacements(shown, ask_all, random.Random(seed)),
        **_judging(shown, ask_all, rng),
    }


Shown = list[tuple[Scene, ImageRef]]


def _show(scene: Scene, rng: random.Random, put: Put) -> ImageRef:
    ref, data = admit(png(draw(scene, rng)), max_pixels=10**6)
    put(ref, data)
    return ref


def _captions(shown: Shown, ask_all: Ask) -> dict[str, float]:
    asked = [(ref, OPEN_TEXTS[0]) for _, ref in shown]
    truth = [caption(scene) for scene, _ in shown]
    return {
        "caption_exact": _share(ask_all(asked, 0.0), truth),
        "caption_exact_sampled": _share(ask_all(asked, 1.0), truth),
    }


def _questions(shown: Shown, ask_all: Ask, rng: random.Random) -> dict[str, float]:
    drawn = [(scene, ref, ask(scene, rng)) for scene, ref in shown for _ in range(_QUESTIONS_A_SCENE)]
    asked = [(ref, question.text) for _, ref, question in drawn]
    truth = [answer(scene, question) for scene, _, question in drawn]
    replies = ask_all(asked, 0.0)
    by_topic: dict[str, list[bool]] = defaultdict(list)
    for (_, _, question), reply, true in zip(drawn, replies, truth, strict=True):
        by_topic[question.asks].append(reply == true)
    return {
        "closed": _share(replies, truth),
        "closed_sampled": _share(ask_all(asked, 1.0), truth),
        **{topic: fmean(right) for topic, right in sorted(by_topic.items())},
    }


def _alterations(shown: Shown, ask_all: Ask, rng: random.Random) -> dict[str, float]:
    """Copies, sampled, that differ from the caption in the one word that was to be wrong."""
    asked, wanted = [], []
    for scene, ref in shown:
        words = [list(thing.words) for thing in scene.objects]
        ordinal, slot = rng.choice(("first", "last")), rng.choice(SLOTS)
        asked.append((ref, _text(alter_templates()[f"{ordinal}_{slot}"], response=caption(scene))))
        wanted.append((words, 0 if ordinal == "first" else len(words) - 1, SLOTS.index(slot)))
    return {
        "alter_one_word_sampled": fmean(_one_wrong(reply, *want) for reply, want in zip(ask_all(asked, 1.0), wanted, strict=True))
    }


def _replacements(shown: Shown, ask_all: Ask, rng: random.Random) -> dict[str, float]:
    """Replies, sampled, from which `open.mode: replace` builds a copy with the one word wrong that was asked for."""
    asked, wanted = [], list[tuple[str, list[list[str]], int, int]]()
    for scene, ref in shown:
        words = [list(thing.words) for thing in scene.objects]
        ordinal, slot = rng.choice(("first", "last")), rng.choice(SLOTS)
        asked.append((ref, _text(replace_templates()[f"{ordinal}_{slot}"], response=caption(scene))))
        wanted.append((caption(scene), words, 0 if ordinal == "first" else len(words) - 1, SLOTS.index(slot)))
    right = []
    for reply, (text, objects, thing, place) in zip(ask_all(asked, 1.0), wanted, strict=True):
        copy = replaced(text, reply, Finish.STOP)
        right.append(isinstance(copy, Copy) and _one_wrong(copy.text.lower(), objects, thing, place))
    return {"replace_one_word_sampled": fmean(right)}


def _one_wrong(reply: str, words: list[list[str]], thing: int, slot: int) -> bool:
    altered = [part.split() for part in reply.split(", ")]
    if [len(part) for part in altered] != [len(part) for part in words]:
        return False
    places = [(i, j) for i, part in enumerate(altered) for j, word in enumerate(part) if word != words[i][j]]
    return places == [(thing, slot)]


def _judging(shown: Shown, ask_all: Ask, rng: random.Random) -> dict[str, float]:
    """How a judge's reply reads and sees, captions and answers apart, and how often its verdict is right."""
    captions = [_caption_pair(scene, ref, rng) for scene, ref in shown]
    answers = [_answer_pair(scene, ref, rng) for scene, ref in shown]
    figures: dict[str, float] = {}
    for name, items in (("captions", captions), ("answers", answers)):
        replies = ask_all([(ref, text) for ref, text, *_ in items], 0.0)
        figures[f"read_difference_{name}"] = fmean(
            _claims(r) == claims for r, (_, _, claims, _, _) in zip(replies, items, strict=True)
        )
        figures[f"see_when_judging_{name}"] = fmean(
            f"I see {seen} (" in r for r, (*_, seen, _) in zip(replies, items, strict=True)
        )
    items = captions + answers
    for name, temperature in (("judge_accuracy", 0.0), ("judge_accuracy_sampled", 1.0)):
        replies = ask_all([(ref, text) for ref, text, *_ in items], temperature)
        figures[name] = fmean(r.endswith(f"[[{letter}]]") for r, (*_, letter) in zip(replies, items, strict=True))
        figures[name.replace("accuracy", "says_first")] = fmean(r.endswith("[[A]]") for r in replies)
    return figures


Judged = tuple[ImageRef, str, str, str, str]
"""Picture, what the judge is asked, the claims it should name, what it should see, and the right letter."""


def _caption_pair(scene: Scene, ref: ImageRef, rng: random.Random) -> Judged:
    objects = [thing.words for thing in scene.objects]
    wrong = slip(objects, rng.randrange(len(objects)), rng.choice(SLOTS), rng)
    return _pair(ref, OPEN_TEXTS[0], caption(scene), join(wrong.objects), wrong.before, rng)


def _answer_pair(scene: Scene, ref: ImageRef, rng: random.Random) -> Judged:
    question = ask(scene, rng)
    true = answer(scene, question)
    return _pair(ref, question.text, true, wrong_answer(scene, question, rng), true, rng)


def _pair(ref: ImageRef, question: str, right: str, wrong: str, seen: str, rng: random.Random) -> Judged:
    right_first = rng.random() < 0.5
    first, second = (right, wrong) if right_first else (wrong, right)
    shared, one, other = first_difference(first, second)
    claims = f"{shared} {one} (A) or {other} (B)?".strip()
    return (
        ref,
        _text(JUDGE_TEMPLATE, question=question, first=first, second=second),
        claims,
        seen,
        "A" if right_first else "B",
    )


def _claims(reply: str) -> str:
    return reply.partition(" I see ")[0]


def _text(template: str, **values: str) -> str:
    return template.removeprefix("{images}").format(**values)


def _share(replies: Sequence[str], truth: Sequence[str]) -> float:
    return fmean(reply == true for reply, true in zip(replies, truth, strict=True))

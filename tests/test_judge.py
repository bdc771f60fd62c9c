"""`Judge` for one's own code: compares two responses in both orders and never guesses."""

from __future__ import annotations

import io
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from selfjudge import Judge, Preference
from selfjudge.chat import Completion, Request
from selfjudge.errors import EngineError, InputError
from selfjudge.shapes.drawing import draw
from selfjudge.shapes.scenes import draw_scene
from selfjudge.types import Finish, ImageRef

PICTURE = Image.fromarray(draw(draw_scene(random.Random(0), held_out=True), random.Random(0)))


class Says:
    """An engine that prefers a text, or a place, or nothing."""

    block = 1

    def __init__(self, rule: str) -> None:
        self._rule = rule

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        for request in requests:
            text = "".join(block for block in request.messages[0].content if isinstance(block, str))
            good_first = text.index("good") < text.index("bad")
            verdict = {"good": "[[A]]" if good_first else "[[B]]", "first": "[[A]]", "silent": "hm"}[self._rule]
            yield Completion(key=request.key, text=verdict, finish=Finish.STOP, prompt_tokens=1, completion_tokens=1)

    def close(self) -> None: ...


def ask(rule: str, a: str = "good", b: str = "bad") -> Preference:
    return Judge(Says(rule), template="A: {first}\nB: {second}", images={}).compare(PICTURE, "which?", a, b)


def test_a_judge_that_looks_at_the_content_has_a_preference():
    assert ask("good").preference == "a"
    assert ask("good", "bad", "good").preference == "b"
    assert ask("good").consistent
    assert ask("good").traces == ("[[A]]", "[[B]]")


@pytest.mark.parametrize("rule", ["first", "silent"])
def test_a_judge_that_contradicts_itself_or_says_nothing_has_none(rule: str):
    assert ask(rule) == Preference(preference=None, probability=None, traces=ask(rule).traces, consistent=False)


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    loaded = Judge.load("shapes", device="cpu")
    yield loaded
    loaded.close()


def test_the_shipped_model_compares_and_gives_a_probability(judge: Judge):
    said = judge.compare(PICTURE, "how many objects are there?", "one", "three", max_tokens=48)
    assert said.probability is not None
    assert 0 <= said.probability <= 1
    assert all("one" in trace and "three" in trace for trace in said.traces)
    swapped = judge.compare(PICTURE, "how many objects are there?", "three", "one", max_tokens=48)
    assert swapped.probability == pytest.approx(1 - said.probability, abs=1e-4)


def test_an_image_is_a_path_bytes_or_a_picture(judge: Judge, tmp_path):
    PICTURE.save(tmp_path / "p.png")
    out = io.BytesIO()
    PICTURE.save(out, "PNG")
    answers = [
        judge.compare(image, "how many objects?", "one", "two", max_tokens=32)
        for image in (tmp_path / "p.png", str(tmp_path / "p.png"), out.getvalue(), PICTURE)
    ]
    assert len(set(answers)) == 1


@pytest.mark.parametrize("image", ["missing.png", b"no image"])
def test_an_image_that_cannot_be_read_is_an_error_with_a_hint(judge: Judge, image: str | bytes):
    with pytest.raises(InputError) as error:
        judge.compare(image, "p", "a", "b")
    assert error.value.hint


def test_a_judge_that_does_not_exist_is_an_error():
    with pytest.raises(InputError, match="there is no model"):
        Judge.load("/nowhere")


class Broken(Says):
    """An engine that cannot answer."""

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        for request in requests:
            yield Completion(
                key=request.key, text="", finish=Finish.ERROR, prompt_tokens=0, completion_tokens=0, error="CUDA is gone"
            )


def test_an_engine_that_fails_is_an_error_with_its_words():
    with pytest.raises(EngineError, match="CUDA is gone") as error:
        Judge(Broken("good"), template="{first}{second}", images={}).compare(PICTURE, "which?", "good", "bad")
    assert error.value.hint


@pytest.mark.parametrize("image", [None, [PICTURE], (PICTURE, PICTURE), 3, object(), np.zeros((2, 2, 7)), np.zeros(0)])
def test_an_image_of_another_type_is_an_error_in_words(image: object):
    with pytest.raises(InputError, match="image") as error:
        Judge(Says("good"), template="{first}{second}", images={}).compare(image, "which?", "good", "bad")
    assert "Give one image" in str(error.value.hint)


@pytest.mark.parametrize("place", ["prompt", "response_a", "response_b"])
@pytest.mark.parametrize("text", [None, 1, b"good", ["good"]])
def test_a_text_of_another_type_is_an_error_that_names_it(place: str, text: object):
    texts = {"prompt": "which?", "response_a": "good", "response_b": "bad", place: text}
    with pytest.raises(InputError, match=f"`{place}` is of type {type(text).__name__}"):
        Judge(Says("good"), template="{first}{second}", images={}).compare(PICTURE, **texts)


class Looks(Says):
    """An engine that remembers what it was shown."""

    def __init__(self) -> None:
        super().__init__("good")
        self.shown: list[ImageRef] = []

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        waiting = list(requests)
        self.shown += {ref for request in waiting for message in request.messages for ref in message.images}
        return super().generate(waiting)


def test_path_bytes_picture_and_array_are_one_reference_also_on_their_side(tmp_path: Path):
    sideways = Image.Exif()
    sideways[0x0112] = 6
    PICTURE.convert("CMYK").save(tmp_path / "p.jpg", exif=sideways)
    PICTURE.save(tmp_path / "p.png")
    engine = Looks()
    judge = Judge(engine, template="{images}A: {first}\nB: {second}", images={})
    for name in ("p.jpg", "p.png"):
        file = tmp_path / name
        for image in (file, str(file), file.read_bytes(), Image.open(file)):
            judge.compare(image, "which?", "good", "bad")
    judge.compare(np.asarray(PICTURE), "which?", "good", "bad")
    turned, upright = engine.shown[:4], engine.shown[4:]
    assert len(set(turned)) == len(set(upright)) == 1
    assert (turned[0].width, turned[0].height) == PICTURE.size[::-1]

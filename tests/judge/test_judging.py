"""`Judge` for one's own code: compares two responses in both orders and never guesses."""

from __future__ import annotations

import io
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from engines.serving import serving
from selfjudge import Case, Judge, Preference
from selfjudge.chat import Completion, Message, Request
from selfjudge.cli import app
from selfjudge.errors import EngineError, InputError, RecipeError
from selfjudge.hub.models import embedded_model
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
    return Judge(Says(rule), template="A: {first}\nB: {second}").compare(PICTURE, "which?", a, b)


def test_a_judge_that_looks_at_the_content_has_a_preference():
    assert ask("good").preference == "a"
    assert ask("good", "bad", "good").preference == "b"
    assert ask("good").consistent
    assert ask("good").traces == ("[[A]]", "[[B]]")


@pytest.mark.parametrize(("rule", "named", "problem"), [("first", ("a", "b"), None), ("silent", (None, None), "no_verdict")])
def test_a_judge_that_contradicts_itself_or_says_nothing_has_none(rule: str, named: tuple[str, str], problem: str | None):
    said = ask(rule)
    assert (said.preference, said.probability, said.consistent, said.failed) == (None, None, False, False)
    assert (said.named, said.problem) == (named, problem)


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    loaded = Judge.load("shapes", device="cpu", max_tokens=48)
    yield loaded
    loaded.close()


def test_the_shipped_model_compares_and_gives_a_probability(judge: Judge):
    said = judge.compare(PICTURE, "how many objects are there?", "one", "three")
    assert said.probability is not None
    assert 0 <= said.probability <= 1
    assert all("one" in trace and "three" in trace for trace in said.traces)
    swapped = judge.compare(PICTURE, "how many objects are there?", "three", "one")
    assert swapped.probability == pytest.approx(1 - said.probability, abs=1e-4)


def test_an_image_is_a_path_bytes_or_a_picture(judge: Judge, tmp_path):
    PICTURE.save(tmp_path / "p.png")
    out = io.BytesIO()
    PICTURE.save(out, "PNG")
    answers = [
        judge.compare(image, "how many objects?", "one", "two")
        for image in (tmp_path / "p.png", str(tmp_path / "p.png"), out.getvalue(), PICTURE)
    ]
    assert len(set(answers)) == 1


@pytest.mark.parametrize("image", ["missing.png", b"no image"])
def test_an_image_that_cannot_be_read_is_an_error_with_a_hint(judge: Judge, image: str | bytes):
    with pytest.raises(InputError) as error:
        judge.compare(image, "p", "a", "b")
    assert error.value.hint


@pytest.mark.parametrize(("name", "said"), [("https://a.b/c.png", "not_fetched"), ("gone.png", "image_missing")])
def test_the_command_says_what_is_wrong_with_an_image_and_asks_for_a_file(name: str, said: str):
    engine = ["--set", "execution.engine.kind=scripted", "--set", 'execution.engine.rules=[{"when": "", "replies": ["x"]}]']
    with pytest.raises(InputError, match=said) as error:
        CliRunner().invoke(app, ["compare", "p", "a", "b", "--judge", "shapes", "--image", name, *engine], catch_exceptions=False)
    assert str(error.value.hint).startswith("Give the path of an image file")


def test_the_folder_of_an_iteration_means_its_judge(tmp_path: Path):
    shutil.copytree(embedded_model(), tmp_path / "iteration-1/judge")
    (tmp_path / "iteration-1/judge.manifest.json").write_text("{}")
    with Judge.load(tmp_path / "iteration-1", device="cpu", max_tokens=1) as judge:
        assert judge.compare([], "p", "a", "b").is_cut_off


def test_a_name_that_is_empty_is_an_error_of_its_own():
    with pytest.raises(InputError, match="no judge is named") as error:
        Judge.load("")
    assert "run folder" in str(error.value.hint)


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
        Judge(Broken("good"), template="A: {first}\nB: {second}").compare(PICTURE, "which?", "good", "bad")
    assert error.value.hint


@pytest.mark.parametrize("image", [None, [None], 3, object(), np.zeros((2, 2, 7)), np.zeros(0), np.zeros((9, 9, 3))])
def test_an_image_of_another_type_is_an_error_in_words(image: object):
    with pytest.raises(InputError, match="image") as error:
        Judge(Says("good"), template="A: {first}\nB: {second}").compare(image, "which?", "good", "bad")
    assert "array of uint8" in str(error.value.hint)


@pytest.mark.parametrize("place", ["prompt", "response_a", "response_b"])
@pytest.mark.parametrize("text", [None, 1, b"good", ["good"]])
def test_a_text_of_another_type_is_an_error_that_names_it(place: str, text: object):
    texts = {"prompt": "which?", "response_a": "good", "response_b": "bad", place: text}
    with pytest.raises(InputError, match=f"`{place}` is of type {type(text).__name__}"):
        Judge(Says("good"), template="A: {first}\nB: {second}").compare(PICTURE, **texts)


def test_an_empty_response_is_judged_and_an_empty_prompt_is_not():
    judge = Judge(Says("first"), template="{question}\nA: {first}\nB: {second}")
    assert judge.compare([], "good or bad?", "", " ").named == ("a", "b")
    with pytest.raises(InputError, match="`prompt` is empty"):
        judge.compare([], " ", "a", "b")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda judge: judge.rank([], "which?", "good"), "not a list of texts"),
        (lambda judge: judge.rank([], "which?", []), "`responses` is empty"),
        (lambda judge: judge.best([], "which?", "good"), "not a list of texts"),
        (lambda judge: judge.score([], "which?", "good", against="bad"), "not a list of texts"),
        (lambda judge: judge.score([], "which?", "good", against=["bad"], samples=0), "`samples` is 0"),
        (lambda judge: list(judge.compare_all([("which?", "good", "bad")])), "a case is of type tuple"),
        (lambda judge: Judge(judge, template="A: {first}\nB: {second}", max_tokens=0), "`max_tokens` is 0"),
        (lambda _: Judge.connect("http://localhost:1/v1", "m", judge="gone"), "there is no judge folder gone"),
    ],
)
def test_a_call_that_is_wrong_is_an_error_in_words(call: Callable[[Judge], object], said: str):
    with pytest.raises(InputError, match=said) as error:
        call(Judge(Says("good"), template="A: {first}\nB: {second}"))
    assert error.value.hint


def test_a_question_that_is_too_long_for_the_model_is_refused_and_its_neighbours_are_judged(judge: Judge):
    given = [Case(prompt="what is there?", response_a=words, response_b="x") for words in ("red", "red circle " * 20_000, "blue")]
    said = list(judge.compare_all(given))
    assert [one.failed for one in said] == [False, True, False]
    assert (said[1].problem or "").startswith("refused: ValueError: the prompt has 40")


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
    judge = Judge(engine, template="{images}A: {first}\nB: {second}")
    for name in ("p.jpg", "p.png"):
        file = tmp_path / name
        for image in (file, str(file), file.read_bytes(), Image.open(file)):
            judge.compare(image, "which?", "good", "bad")
    judge.compare(np.asarray(PICTURE), "which?", "good", "bad")
    turned, upright = engine.shown[:4], engine.shown[4:]
    assert len(set(turned)) == len(set(upright)) == 1
    assert (turned[0].width, turned[0].height) == PICTURE.size[::-1]


def cases(count: int) -> Iterator[Case]:
    for number in range(count):
        good, bad = f"good {number}", f"bad {number}"
        first, second = (good, bad) if number % 2 else (bad, good)
        yield Case(prompt="which?", response_a=first, response_b=second, images=PICTURE, key=str(number))


def test_preferences_come_in_the_order_of_the_cases_with_their_keys():
    said = list(Judge(Says("good"), template="A: {first}\nB: {second}").compare_all(cases(20)))
    assert [one.key for one in said] == [str(number) for number in range(20)]
    assert [one.preference for one in said] == ["a" if number % 2 else "b" for number in range(20)]


class Wavers(Says):
    """Names the good response; where it samples, in three of four traces."""

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        for request in requests:
            wrong = request.sampling.temperature > 0 and request.seed % 4 == 0
            swapped = [str(block).replace("good", "x").replace("bad", "good").replace("x", "bad") for block in _texts(request)]
            asked = replace(request, messages=(Message(role="user", content=tuple(swapped)),)) if wrong else request
            yield from super().generate([asked])


def _texts(request: Request) -> list[str]:
    return [block for block in request.messages[0].content if isinstance(block, str)]


def test_a_score_is_graded_by_sampled_traces_and_a_greedy_one_is_all_or_nothing():
    judge = Judge(Wavers("good"), template="A: {first}\nB: {second}")
    against = {"good": ["bad 1", "bad 2"], "bad": ["good 1", "good 2"]}
    graded = {text: judge.score(PICTURE, "which?", text, against=others, samples=16) for text, others in against.items()}
    assert 0.5 < graded["good"] < 1 and 0 < graded["bad"] < 0.5
    assert [judge.score(PICTURE, "which?", text, against=others, samples=1) for text, others in against.items()] == [1.0, 0.0]
    assert judge.score(PICTURE, "which?", "good", against=["bad"], samples=16) == pytest.approx(graded["good"], abs=0.2)
    silent = Judge(Says("silent"), template="A: {first}\nB: {second}")
    assert silent.score(PICTURE, "which?", "good", against=["bad"]) is None


class Late(Says):
    """A server that answers the first request last of each eight."""

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        held: list[Completion] = []
        for completion in super().generate(requests):
            held.append(completion)
            if len(held) == 8:
                yield from reversed(held)
                held.clear()
        yield from held


def test_replies_in_another_order_change_nothing():
    late, plain = (
        list(Judge(engine("good"), template="A: {first}\nB: {second}").compare_all(cases(15))) for engine in (Late, Says)
    )
    assert late == plain


def test_cases_are_read_while_others_are_judged():
    read: list[int] = []

    def watched() -> Iterator[Case]:
        for number, case in enumerate(cases(1_000)):
            read.append(number)
            yield case

    said = Judge(Says("good"), template="A: {first}\nB: {second}").compare_all(watched())
    next(said)
    assert len(read) <= 2


BAD = [
    (Case(prompt="which?", response_a="good", response_b="bad", images="gone.png"), "image_missing"),
    (Case(prompt="which?", response_a="good", response_b="bad", images=b"no image"), "not_an_image"),
    (Case(prompt="which?", response_a="good", response_b="bad", images=b"GIF89a"), "a damaged GIF"),
    (Case(prompt="which?", response_a=None, response_b="bad"), "`response_a` is of type NoneType"),  # type: ignore[arg-type]
    (Case(prompt="which?", response_a="good \ud83d", response_b="bad"), "not valid Unicode"),
]


@pytest.mark.parametrize(("bad", "reason"), BAD)
def test_a_case_that_cannot_be_judged_is_a_failure_in_its_place_and_the_others_are_judged(bad: Case, reason: str):
    said = list(Judge(Says("good"), template="A: {first}\nB: {second}").compare_all([*cases(2), bad, *cases(2)]))
    assert [one.preference for one in said] == ["b", "a", None, "b", "a"]
    assert said[2].failed and reason in str(said[2].problem)


def test_a_case_may_not_leave_the_folder_that_it_is_given(tmp_path: Path):
    PICTURE.save(tmp_path / "in.png")
    (tmp_path / "data").mkdir()
    case = Case(prompt="which?", response_a="good", response_b="bad", images="../in.png")
    judge = Judge(Says("good"), template="A: {first}\nB: {second}")
    assert "outside_folder" in str(next(judge.compare_all([case], folder=tmp_path / "data")).problem)
    assert next(judge.compare_all([case], folder=None)).failed


def test_no_picture_stays_in_memory():
    judge = Judge(Says("good"), template="A: {first}\nB: {second}")
    list(judge.compare_all(cases(5)))
    next(judge.compare_all(cases(5)))
    assert not judge._images._held


def test_several_images_and_none_are_shown():
    engine = Looks()
    judge = Judge(engine, template="{images}A: {first}\nB: {second}")
    judge.compare([PICTURE, PICTURE.rotate(90)], "which?", "good", "bad")
    assert len(set(engine.shown)) == 2
    engine.shown.clear()
    judge.compare([], "which?", "good", "bad")
    assert not engine.shown


def test_a_run_folder_means_its_final_judge(tmp_path: Path):
    (tmp_path / "summary.json").write_text('{"final_judge": null}')
    with pytest.raises(InputError, match="has no judge yet"):
        Judge.load(tmp_path)


def test_an_engine_is_a_kind_or_a_section_of_a_recipe_and_a_mistake_is_named():
    rules = [{"when": "", "replies": ["[[A]]"]}]
    with Judge.load("shapes", engine={"kind": "scripted", "rules": rules}) as judge:
        assert judge.compare(PICTURE, "which?", "good", "bad").named == ("a", "b")
    with pytest.raises(RecipeError, match=r"unknown key `execution.engine.batchsize`") as error:
        Judge.load("shapes", batchsize=3)
    assert "batch_size" in str(error.value.hint)


def test_a_judge_behind_a_server_needs_no_torch(tmp_path: Path):
    """In a process in which torch, transformers and datasets cannot be imported."""
    script = tmp_path / "connect.py"
    script.write_text(
        """
import sys
for name in ("torch", "transformers", "datasets", "trl"):
    sys.modules[name] = None
from selfjudge import Judge
with Judge.connect(sys.argv[1], "m", template="A: {first}\\nB: {second}", retries=0) as judge:
    print(judge.compare([], "which?", "good", "bad"))
"""
    )
    with serving(lambda asked: "[[A]]") as server:
        done = subprocess.run([sys.executable, str(script), server.url], capture_output=True, text=True, check=True)
    assert "named=('a', 'b')" in done.stdout


@pytest.mark.parametrize("command", ["compare", "label", "rank"])
def test_a_served_judge_is_asked_with_the_prompt_of_a_file(command: str, tmp_path: Path):
    prompt, rows = tmp_path / "prompt.txt", tmp_path / "rows.jsonl"
    prompt.write_text("Mine. A: {first}\nB: {second}")
    rows.write_text('{"prompt": "which?", "responses": ["good", "bad"]}\n')
    words = ["which?", "good", "bad"] if command == "compare" else [str(rows), "--to", str(tmp_path / "out.jsonl")]
    with serving(lambda asked: "[[A]]") as server:
        judge = ["--judge", "openai:m", "--base-url", server.url, "--prompt-file", str(prompt)]
        subprocess.run([sys.executable, "-m", "selfjudge", command, *words, *judge], capture_output=True, check=True)
    assert {asked.text for asked in server.asked} == {"Mine. A: good\nB: bad", "Mine. A: bad\nB: good"}


def test_a_loaded_judge_takes_another_prompt_than_its_own():
    rules = [{"when": "^Mine", "replies": ["[[A]]"]}, {"when": "", "replies": ["hm"]}]
    with Judge.load("shapes", template="Mine. A: {first}\nB: {second}", engine={"kind": "scripted", "rules": rules}) as judge:
        assert judge.compare(PICTURE, "which?", "good", "bad").named == ("a", "b")

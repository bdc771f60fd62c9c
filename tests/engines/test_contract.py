"""What every engine promises, whatever it is: one suite, run against each of them.

To add an engine, add a line to `ENGINES`: how to open it, how far it may read ahead, and whether there is a model behind it.
"""

from __future__ import annotations

import gc
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from itertools import count, islice
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest
import torch

from engines.clusters import Nodes, nodes
from engines.vllm_real import ARGS, PYTHON, vllm_is_there
from selfjudge.chat import Block, Message, Request, Sampling
from selfjudge.errors import SelfjudgeError
from selfjudge.hub.models import embedded_model
from selfjudge.ports import Engine
from selfjudge.recipe.engines import OpenAISettings, RaySettings, ScriptedSettings, ScriptRule, TransformersSettings, VLLMSettings
from selfjudge.run.folder import RunFolder
from selfjudge.run.images import admit
from selfjudge.shapes.drawing import draw
from selfjudge.shapes.prompts import png
from selfjudge.shapes.scenes import COLORS, Object, Scene
from selfjudge.types import Finish, ImageRef
from selfjudge.wiring import open_baseline, open_engine

ROOT = Path(__file__).parents[2]
MODEL = embedded_model()
GREEDY = Sampling(temperature=0, max_tokens=8)
WARM = Sampling(temperature=1.0, max_tokens=8)
IMAGES: dict[str, bytes] = {}
RULES = (ScriptRule(when="^(describe|what|yes|tell)", replies=tuple(f"{i}: \\1" for i in range(100))),)
BATCH = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An engine under test. `ahead`: requests it may have pulled beyond those it has answered."""

    name: str
    opened: Callable[[], AbstractContextManager[Engine]]
    ahead: int
    sees: bool = False
    fails: bool = True
    frees: bool = True
    marks: Sequence[pytest.MarkDecorator] = ()


@contextmanager
def closing(engine: Engine) -> Iterator[Engine]:
    try:
        yield engine
    finally:
        engine.close()


def read_image(ref: ImageRef) -> bytes:
    return IMAGES[ref.sha256]


def scripted() -> AbstractContextManager[Engine]:
    return closing(open_engine(ScriptedSettings(kind="scripted", rules=RULES), MODEL, read_image))


def baseline() -> AbstractContextManager[Engine]:
    return closing(open_baseline("random"))


def transformers() -> AbstractContextManager[Engine]:
    return closing(open_engine(TransformersSettings(batch_size=BATCH, device="cpu"), MODEL, read_image))


def openai() -> AbstractContextManager[Engine]:
    recipe = OpenAISettings(kind="openai", base_url=model_server(), concurrency=8, retries=1)
    return closing(open_engine(recipe, MODEL, read_image, served_model="shapes"))


def ray() -> AbstractContextManager[Engine]:
    replica = TransformersSettings(batch_size=BATCH, device="cpu")
    recipe = RaySettings(kind="ray", replica=replica, replicas=1, gpus_per_replica=0, address=ray_nodes().address)
    return closing(open_engine(recipe, MODEL, read_image))


def vllm() -> AbstractContextManager[Engine]:
    recipe = VLLMSettings(kind="vllm", python=PYTHON, max_model_len=512, args=ARGS, concurrency=8)
    return closing(open_engine(recipe, MODEL, read_image, place=place()))


@cache
def place() -> RunFolder:
    """A run folder, for engines that need one; it has all images too."""
    folder = tempfile.TemporaryDirectory()
    STARTED.append(folder.cleanup)
    return RunFolder(Path(folder.name))


ENGINES = (
    Case(name="scripted", opened=scripted, ahead=1, frees=False),
    Case(name="baseline", opened=baseline, ahead=1, fails=False, frees=False),
    Case(name="transformers", opened=transformers, ahead=BATCH, sees=True),
    Case(name="openai", opened=openai, ahead=16, sees=True),
    Case(name="ray", opened=ray, ahead=3 * BATCH, sees=True, marks=(pytest.mark.ray,)),
    Case(name="vllm", opened=vllm, ahead=16, sees=True, marks=vllm_is_there),
)

STARTED: list[Callable[[], object]] = []
"""How to stop what the engines' other sides are, once they have been started."""


@cache
def model_server() -> str:
    """The address of the embedded model behind a real server."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    command = [sys.executable, str(ROOT / "scripts" / "model_server.py"), "--port", str(port), "--batch-size", str(BATCH)]
    server = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"})
    STARTED.append(lambda: (server.terminate(), server.wait()))
    for _ in range(600):
        try:
            urlopen(f"http://127.0.0.1:{port}/health").close()
            break
        except OSError:
            time.sleep(0.1)
    return f"http://127.0.0.1:{port}/v1"


@cache
def ray_nodes() -> Nodes:
    context = nodes(cpus=2)  # one for the engine that most tests share, one for another beside it
    started = context.__enter__()
    STARTED.append(lambda: context.__exit__(None, None, None))
    return started


@pytest.fixture(scope="module", autouse=True)
def _other_sides() -> Iterator[None]:
    yield
    while STARTED:
        STARTED.pop()()


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module", params=[pytest.param(case, id=case.name, marks=case.marks) for case in ENGINES])
def case(request: pytest.FixtureRequest) -> Case:
    chosen: Case = request.param
    return chosen


@pytest.fixture(scope="module")
def engine(case: Case) -> Iterator[Engine]:
    """One engine for all tests that leave it as it was."""
    with case.opened() as opened:
        yield opened


def asking(key: object, *content: Block, sampling: Sampling = GREEDY, seed: int = 7) -> Request:
    message = Message(role="user", content=content or ("what is there?",))
    return Request(key=str(key), messages=(message,), sampling=sampling, seed=seed)


def square(color: int) -> ImageRef:
    scene = Scene((Object(cell=4, size=1, color=color, kind=1),))
    return stored(*admit(png(draw(scene, random.Random(0))), max_pixels=10**6))


def broken_image() -> ImageRef:
    data = b"no image at all"
    return stored(ImageRef(sha256=sha256(data).hexdigest(), media_type="image/png", width=48, height=48), data)


def stored(ref: ImageRef, data: bytes) -> ImageRef:
    """The image, where engines and servers find it."""
    IMAGES[ref.sha256] = data
    place().images.put(ref, data)
    return ref


def mixed(number: int) -> list[Request]:
    """Requests of several kinds, whose answers take unlike long."""
    kinds = [GREEDY, WARM, Sampling(temperature=0, max_tokens=1)]
    return [asking(i, "describe the image", square(i % 6), sampling=kinds[i % 3], seed=i) for i in range(number)]


def test_each_request_is_answered_once(engine: Engine):
    done = list(engine.generate(mixed(30)))
    assert Counter(completion.key for completion in done) == Counter(str(i) for i in range(30))
    assert all(completion.finish is not Finish.ERROR and completion.error is None for completion in done)


def test_requests_are_pulled_as_they_are_answered_and_no_further_than_promised(case: Case, engine: Engine):
    pulled = 0

    def endless() -> Iterator[Request]:
        nonlocal pulled
        for i in count():
            pulled += 1
            yield asking(i)

    answers = engine.generate(endless())
    assert pulled == 0
    for got, _ in enumerate(islice(answers, 25), 1):
        assert got <= pulled <= got + case.ahead + getattr(engine, "block", 1)
    answers.close()  # type: ignore[attr-defined]


def test_completions_arrive_before_all_requests_are_there(case: Case, engine: Engine):
    answered = threading.Event()

    def waiting() -> Iterator[Request]:
        for i in range(case.ahead + engine.block):
            yield asking(i)
        assert answered.wait(60)
        yield asking("last")

    answers = engine.generate(waiting())
    first = next(answers)
    answered.set()
    assert len([first, *answers]) == case.ahead + engine.block + 1


def test_a_request_that_fails_is_data(case: Case, engine: Engine):
    if not case.fails:
        pytest.skip("it answers everything")
    bad = asking("bad", "what?", broken_image()) if case.sees else asking("bad", "no rule fits this")
    done = {c.key: c for c in engine.generate([asking("one"), bad, *(asking(i) for i in range(5))])}
    assert done["bad"].finish is Finish.ERROR and done["bad"].error and done["bad"].text == ""
    assert len(done) == 7 and all(c.finish is not Finish.ERROR for key, c in done.items() if key != "bad")


def test_the_seed_of_a_request_decides_its_answer(engine: Engine):
    wild = Sampling(temperature=2.0, max_tokens=8)

    def texts(seeds: range) -> list[str]:
        return [next(iter(engine.generate([asking("k", "describe the image", sampling=wild, seed=s)]))).text for s in seeds]

    first = texts(range(8))
    assert first == texts(range(8))
    assert len(set(first)) > 1


def test_images_reach_the_model_each_with_its_own_request(case: Case, engine: Engine):
    if not case.sees:
        pytest.skip("there is no model behind it")
    asked = [asking(color, square(number), "what color is the square?") for number, color in enumerate(COLORS)]
    assert {c.key: c.text for c in engine.generate(asked)} == {color: color for color in COLORS}


def test_nothing_asked_is_nothing_answered(engine: Engine):
    assert list(engine.generate([])) == []
    assert list(engine.generate(iter(()))) == []


def test_it_can_be_asked_again_also_after_an_answer_was_left_unread(engine: Engine):
    abandoned = engine.generate(asking(i) for i in range(40))
    next(abandoned)
    abandoned.close()  # type: ignore[attr-defined]
    for _ in range(2):
        assert {c.key for c in engine.generate(mixed(5))} == set("01234")


class Stumble(Exception):
    """What goes wrong where the requests come from."""


@pytest.mark.parametrize("after", [0, 1, 7])
def test_an_error_in_the_requests_reaches_the_caller_and_the_engine_goes_on(engine: Engine, after: int):
    def stumbling() -> Iterator[Request]:
        yield from (asking(i) for i in range(after))
        raise Stumble

    with pytest.raises(Stumble):
        list(engine.generate(stumbling()))
    assert len(list(engine.generate([asking("k")]))) == 1


def test_closing_frees_what_was_taken_and_may_be_repeated(case: Case):
    gc.collect()
    threads, processes, models = our_threads(), our_processes(), loaded_models()
    with case.opened() as opened:
        list(opened.generate([asking("k"), asking("l", "what?", square(0))]))
        opened.close()
        opened.close()
        if case.frees:
            with pytest.raises(SelfjudgeError) as error:
                list(opened.generate([asking("k")]))
            assert error.value.hint
    assert our_threads() <= threads and loaded_models() <= models
    assert eventually(lambda: our_processes() <= processes), our_processes() - processes


def test_a_closed_engine_lets_nobody_wait(case: Case):
    if not case.frees:
        pytest.skip("there is nothing to close")
    with case.opened() as opened:
        answers = opened.generate(asking(i) for i in range(100))
        next(answers)
        threading.Timer(0.2, opened.close).start()
        with pytest.raises(SelfjudgeError):
            while True:
                list(answers)
                answers = opened.generate(asking(i) for i in range(100))


def our_threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if "selfjudge" in thread.name}


def our_processes() -> set[int]:
    """Children of this process, and theirs, that are no servers of the test's own."""
    found = psutil.Process().children(recursive=True)
    return {p.pid for p in found if p.is_running() and re.search("MapWorker|vllm", _command(p), re.IGNORECASE)}


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def loaded_models() -> int:
    return sum(type(thing).__name__.endswith("ForConditionalGeneration") for thing in gc.get_objects())


def eventually(holds: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.1)
    return holds()

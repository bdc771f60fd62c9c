"""A real vLLM server with the shipped model: it sees the images, agrees with transformers, and serves a whole run."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request as URLRequest
from urllib.request import urlopen

import pytest

from engines.vllm_real import ARGS, PYTHON, vllm_is_there
from runs import ROOT
from selfjudge import Case, Judge
from selfjudge.chat import Completion, Message, Request, Sampling
from selfjudge.engines.vllm import VLLMEngine
from selfjudge.hub.models import embedded_model
from selfjudge.method.agreement import distance
from selfjudge.method.letters import letter_request, read_letter
from selfjudge.ports import Engine, continues
from selfjudge.recipe.engines import TransformersSettings, VLLMSettings
from selfjudge.run.folder import RunFolder
from selfjudge.run.images import admit
from selfjudge.shapes.drawing import draw
from selfjudge.shapes.prompts import png
from selfjudge.shapes.scenes import COLORS, Object, Scene, draw_scene
from selfjudge.types import Finish, ImageRef, Verdict
from selfjudge.wiring import open_engine

pytestmark = vllm_is_there


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return RunFolder(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="module")
def engine(place: RunFolder) -> Iterator[VLLMEngine]:
    recipe = VLLMSettings(kind="vllm", python=PYTHON, max_model_len=512, args=ARGS)
    before = descendants()
    opened = open_engine(recipe, embedded_model(), place.images.get, place=place)
    assert isinstance(opened, VLLMEngine)
    started = descendants() - before
    yield opened
    opened.close()
    assert len(started) > 2 and not started & descendants()


@pytest.fixture(scope="module")
def reference(place: RunFolder) -> Iterator[Engine]:
    opened = open_engine(TransformersSettings(), embedded_model(), place.images.get)
    yield opened
    opened.close()


def descendants() -> set[int]:
    """The processes that this one has started, and those that they have."""
    table = subprocess.check_output(["ps", "-eo", "pid=,ppid=,stat="], text=True).splitlines()
    parents = {int(pid): int(parent) for pid, parent, state in map(str.split, table) if state[0] != "Z"}
    found = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def show(place: RunFolder, scene: Scene) -> ImageRef:
    ref, data = admit(png(draw(scene, random.Random(0))), max_pixels=10**6)
    place.images.put(ref, data)
    return ref


def scenes(place: RunFolder, count: int) -> list[ImageRef]:
    return [show(place, draw_scene(random.Random(seed), held_out=True)) for seed in range(count)]


def request(key: object, text: str, ref: ImageRef, logprobs: int = 0) -> Request:
    sampling = Sampling(temperature=0, max_tokens=48, logprobs=logprobs)
    return Request(key=str(key), messages=(Message(role="user", content=(ref, text)),), sampling=sampling, seed=0)


def answers(engine: Engine, asked: list[Request]) -> dict[str, Completion]:
    done = list(engine.generate(asked))
    assert sorted(c.key for c in done) == sorted(r.key for r in asked) and all(c.finish is Finish.STOP for c in done)
    return {completion.key: completion for completion in done}


def test_the_answer_depends_on_the_picture(engine: VLLMEngine, place: RunFolder):
    refs = {color: show(place, Scene((Object(cell=4, size=1, color=number, kind=1),))) for number, color in enumerate(COLORS)}
    done = answers(engine, [request(color, "what color is the square?", ref) for color, ref in refs.items()])
    assert {key: completion.text for key, completion in done.items()} == {color: color for color in COLORS}


def test_greedy_captions_are_those_of_transformers(engine: VLLMEngine, reference: Engine, place: RunFolder):
    asked = [request(number, "describe the image", ref) for number, ref in enumerate(scenes(place, 100))]
    served, expected = answers(engine, asked), answers(reference, asked)
    assert sum(served[key].text != expected[key].text for key in served) <= 1  # rounding may decide between equals


def test_log_probabilities_are_those_of_transformers(engine: VLLMEngine, reference: Engine, place: RunFolder):
    text = "judge: describe the image\nA: top small red circle\nB: top small blue circle"
    asked = [request(number, text, ref, logprobs=20) for number, ref in enumerate(scenes(place, 30))]
    found = distance(answers(engine, asked), answers(reference, asked))
    assert found.words < 1e-4 and found.verdicts is not None and found.verdicts < 1e-4
    others = [request(number, text, ref, logprobs=20) for number, ref in enumerate(scenes(place, 31)[1:])]
    assert distance(answers(engine, asked), answers(reference, others)).words > 0.2  # it would be seen


def test_a_reply_is_continued_as_in_transformers(engine: VLLMEngine, reference: Engine, place: RunFolder):
    text = "judge: describe the image\nA: top small red circle\nB: top small blue circle"
    begun = "top small red (A) or blue (B)? I see {}."
    asked = [
        letter_request(request(f"{number} {seen}", text, ref, logprobs=20), begun.format(seen), "")
        for number, ref in enumerate(scenes(place, 6))
        for seen in ("red (A)", "blue (B)")
    ]
    served, expected = ({one.key: one for one in each.generate(asked)} for each in (engine, reference))
    assert continues(engine) and distance(served, expected).words < 1e-4
    read = {key: read_letter(one) for key, one in served.items()}
    assert read == {key: (read_letter(one)[0], pytest.approx(read_letter(one)[1], abs=1e-4)) for key, one in expected.items()}
    assert all(isinstance(verdict, Verdict) for verdict, _ in read.values())


def test_what_requests_have_in_common_is_computed_once(engine: VLLMEngine, place: RunFolder):
    [ref] = scenes(place, 1)
    before = cached(engine)
    answers(engine, [request(number, f"describe the image {'red ' * 60}", ref) for number in range(32)])
    assert cached(engine) - before > 32 * 32


def cached(engine: VLLMEngine) -> float:
    """Prompt tokens that the server took from its cache so far."""
    with urlopen(engine.servers[0].url.replace("/v1", "/metrics")) as reply:
        lines = reply.read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("vllm:prefix_cache_hits_total"))


def test_a_run_of_two_iterations_serves_each_of_its_judges(tmp_path: Path):
    changes = {
        "prompts.0.limit": 32,
        "loop.prompts_per_iteration": None,
        "evaluation.benchmarks.0.pairs": 20,
        "loop.iterations": 2,
        "synthesis.open.model": "judge",
        "synthesis.closed.model": "judge",
        "synthesis.closed.sampling.temperature": 2,
        "training.learning_rate": 0.001,
        "execution.engine": {"kind": "vllm", "python": str(PYTHON), "max_model_len": 512, "args": ARGS},
    }
    overrides = [word for key, value in changes.items() for word in ("--set", f"{key}={json.dumps(value)}")]
    recipe = ROOT / "src/selfjudge/shapes/demo.yaml"
    subprocess.run([sys.executable, "-m", "selfjudge", "run", recipe, "--dir", tmp_path, *overrides], check=True)
    entries = json.loads((tmp_path / "summary.json").read_text())["iterations"]
    assert [entry["training"]["steps"] > 0 for entry in entries[1:]] == [True, True]
    for entry in entries[1:]:
        assert entry["probe"]["agreement"]["words"] < 1e-3 < entry["probe"]["change"]["words"]
    assert [path.name.split("-")[1] for path in sorted((tmp_path / "logs").iterdir())] == ["base", "judge", "judge"]
    assert str(tmp_path) not in subprocess.check_output(["ps", "-eo", "args"], text=True)


def test_a_judge_behind_the_server_gives_the_verdicts_of_the_judge_in_this_process(
    engine: VLLMEngine, monkeypatch: pytest.MonkeyPatch
):
    server = engine.servers[0]
    monkeypatch.setenv("OPENAI_API_KEY", server.key)
    rng = random.Random(3)
    cases = []
    for _ in range(12):
        scene = draw_scene(rng, held_out=True)
        first, second = rng.sample(list(COLORS), 2)
        cases.append(Case(prompt="what color?", response_a=first, response_b=second, images=png(draw(scene, rng))))
    with urlopen(URLRequest(f"{server.url}/models", headers={"Authorization": f"Bearer {server.key}"})) as listed:
        name = json.load(listed)["data"][0]["id"]
    asked = {"judge": embedded_model(), "max_tokens": 48}
    with Judge.load("shapes", max_tokens=48) as here, Judge.connect(server.url, name, **asked) as there:
        ours, theirs = (list(judge.compare_all(cases)) for judge in (here, there))
    assert [said.named for said in ours] == [said.named for said in theirs]
    for one, other in zip(ours, theirs, strict=True):
        assert one.probability == pytest.approx(other.probability, abs=1e-3)

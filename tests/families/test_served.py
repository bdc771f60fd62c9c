"""A judge of each family, trained and saved by us, in a real vLLM server: it sees the images and answers as in transformers.

What differs from family to family is said here, and in `docs/families.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engines.vllm_real import ARGS, PYTHON, vllm_is_there
from families.tiny import IMAGES, REQUESTS, TALL, WIDE, answers, families, folder, opened
from families.training import CAT, DOG, JUDGING, QUESTION, ROWS, trained_judge
from selfjudge.chat import Completion, Message, Request
from selfjudge.engines.local import TransformersEngine
from selfjudge.errors import EngineError
from selfjudge.method.agreement import distance
from selfjudge.ports import Engine
from selfjudge.recipe.engines import TransformersSettings, VLLMSettings
from selfjudge.run.folder import RunFolder
from selfjudge.stages.probe import requests
from selfjudge.types import ImageRef, Kind, Order, PreferencePair, Prompt
from selfjudge.wiring import open_engine

pytestmark = [*vllm_is_there, pytest.mark.families]

UNSERVED = "mllama"
IMAGES_TOGETHER = "llava-onevision"
"""vLLM cuts each of several images into tiles, transformers only an image that stands alone."""
CAUSAL_IMAGES = "gemma3"
"""On a CPU, vLLM's attention lets no token of an image see one behind it; in transformers they all see each other."""

Replies = dict[str, Completion]


def pair(image: ImageRef, chosen: str, rejected: str) -> PreferencePair:
    identity = Prompt.identify(QUESTION, (image,))
    prompt = Prompt(id=identity, text=QUESTION, images=(image,), kind=Kind.OPEN, kind_rule="test", source="test")
    found = PreferencePair.identify(prompt, chosen, rejected)
    return PreferencePair(id=found, prompt=prompt, chosen=chosen, rejected=rejected, evidence=None)


COMPARISONS = requests([pair(WIDE, CAT, DOG), pair(TALL, DOG, CAT)], JUDGING.protocol)


class CausalImages(TransformersEngine):
    """Transformers with the attention of vLLM on a CPU."""

    def _inputs(self, prompts: Sequence[tuple[Message, ...]]) -> Any:
        inputs = super()._inputs(prompts)
        inputs["token_type_ids"].zero_()
        return inputs


def in_transformers(family: str, model: Path) -> Engine:
    if family != CAUSAL_IMAGES:
        return opened(model)
    return CausalImages(str(model), TransformersSettings(batch_size=8, device="cpu"), read_image=lambda ref: IMAGES[ref.sha256])


@dataclass(frozen=True, kw_only=True)
class Served:
    """What a trained judge answers, by a server and in transformers."""

    family: str
    served: Replies
    expected: Replies

    def distance(self, one: str, other: str) -> float:
        """How far the served reply to one request is from the other's in transformers."""
        return distance({"": self.served[one]}, {"": self.expected[other]}).words


def serve(model: Path, place: RunFolder, asked: list[Request]) -> Replies:
    for ref in {ref.sha256: ref for request in asked for message in request.messages for ref in message.images}.values():
        place.images.put(ref, IMAGES[ref.sha256])
    recipe = VLLMSettings(kind="vllm", python=PYTHON, max_model_len=2048, args=ARGS)
    engine = open_engine(recipe, model, place.images.get, place=place)
    try:
        return answers(engine, asked)
    finally:
        engine.close()


@pytest.fixture(scope="module", params=families(leaving_out=UNSERVED))
def judge(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Served:
    model = folder(request.param, tmp_path_factory.mktemp("models"))
    trained = trained_judge(model, tmp_path_factory.mktemp("trained"), ROWS).path
    asked = [*REQUESTS, *COMPARISONS]
    engine = in_transformers(request.param, trained)
    expected = answers(engine, asked)
    engine.close()
    served = serve(trained, RunFolder(tmp_path_factory.mktemp("place")), asked)
    return Served(family=request.param, served=served, expected=expected)


def test_a_served_judge_answers_as_in_transformers(judge: Served):
    for request in REQUESTS:
        together = len(request.messages[0].images) > 1 and judge.family == IMAGES_TOGETHER
        near = judge.distance(request.key, request.key) < 1e-4
        assert near != together, request.key


def test_it_sees_the_images(judge: Served):
    assert judge.distance("wide", "tall") > 0.01


def test_it_gives_the_verdicts_that_it_was_trained_to_give(judge: Served):
    keys = [request.key for request in COMPARISONS]
    for key in keys:
        reply = judge.served[key]
        assert JUDGING.protocol.read(reply.text, reply.finish) is Order(key.rpartition(".")[2]).chosen
    found = distance({key: judge.served[key] for key in keys}, {key: judge.expected[key] for key in keys})
    assert found.same == 1 and found.verdicts is not None and found.verdicts < 1e-4


def test_vllm_does_not_have_llama_3_2_vision_and_says_so(tmp_path: Path):
    with pytest.raises(EngineError, match="Mllama|mllama"):
        serve(folder(UNSERVED, tmp_path / "models"), RunFolder(tmp_path / "place"), REQUESTS)
